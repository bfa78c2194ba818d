"""The convolution layers, against `rsconv.functional`: arguments, output sizes, lazy ones."""

import copy
import pickle

import numpy as np
import pytest
import rsconv
from rsconv import functional as F
from rsconv import nn
from rsconv.errors import ArgumentError, DeviceError, DtypeError, ShapeError, WeightsError

RANKS = (1, 2, 3)


def layer(name, rank):
    return getattr(nn, f"{name}{rank}d")


def sample(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


# Convolution.

OPTIONS = [
    {},
    {"stride": 2, "padding": 1},
    {"dilation": 2, "groups": 2},
    {"bias": False, "padding": "same"},
    {"padding": "valid"},
    {"padding": "same_upper", "stride": 2},
    {"padding": "same_lower", "stride": 2},
    {"padding": 1, "padding_mode": "reflect"},
    {"padding": 2, "padding_mode": "replicate"},
    {"padding": "same", "padding_mode": "circular"},
    {"dtype": "float64"},
]


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_conv_layers_call_their_function(rank, options):
    m = layer("Conv", rank)(4, 6, 3, **options)
    x = sample(2, 4, *(7, 6, 5)[:rank]).astype(m.weight.dtype)
    rest = {name: value for name, value in options.items() if name not in ("bias", "dtype")}
    expected = getattr(F, f"conv{rank}d")(
        x, np.array(m.weight), None if m.bias is None else np.array(m.bias), **rest
    )
    np.testing.assert_array_equal(m(x), expected)
    np.testing.assert_array_equal(m(x[0]), expected[0])
    assert m(x).dtype == m.weight.dtype


@pytest.mark.parametrize("rank", RANKS)
def test_asymmetric_padding(rank):
    pads = ((0, 1), (2, 0), (1, 3))[:rank]
    m = layer("Conv", rank)(2, 3, 2, padding=pads)
    x = sample(1, 2, *(4, 3, 5)[:rank])
    padded = np.pad(x, ((0, 0), (0, 0), *pads))
    np.testing.assert_array_equal(
        m(x), getattr(F, f"conv{rank}d")(padded, np.array(m.weight), np.array(m.bias))
    )
    assert m.padding == pads
    assert f"padding={pads}" in repr(m)


def test_causal_padding():
    m = nn.Conv1d(1, 1, 3, padding="causal", dilation=2)
    x = sample(1, 1, 8)
    np.testing.assert_allclose(m(x)[..., :5], m(x[..., :5]), rtol=1e-6)
    assert m(x).shape == x.shape
    with pytest.raises(ArgumentError, match="Invalid padding string 'causal'"):
        nn.Conv2d(1, 1, 3, padding="causal")


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"dilation": 2, "groups": 2, "bias": False},
        {"padding": 1, "padding_mode": "circular"},
    ],
    ids=str,
)
def test_transposed_layers_call_their_function(rank, options):
    m = layer("ConvTranspose", rank)(4, 6, 3, **options)
    x = sample(2, 4, *(4, 3, 5)[:rank])
    rest = {name: value for name, value in options.items() if name != "bias"}
    bias = None if m.bias is None else np.array(m.bias)
    expected = getattr(F, f"conv_transpose{rank}d")(x, np.array(m.weight), bias, **rest)
    np.testing.assert_array_equal(m(x), expected)
    np.testing.assert_array_equal(m(x[0]), expected[0])


def test_arguments_are_stored_canonical():
    m = nn.Conv2d(2, 4, 3, stride=[2], padding=(1, 2), dilation=np.int64(2))
    assert (m.kernel_size, m.stride, m.padding, m.dilation) == ((3, 3), (2, 2), (1, 2), (2, 2))
    assert (m.in_channels, m.out_channels, m.groups, m.transposed, m.output_padding) == (
        2,
        4,
        1,
        False,
        (0, 0),
    )
    assert m._reversed_padding_repeated_twice == (2, 2, 1, 1)
    assert nn.Conv2d(1, 1, (4, 3), padding="same")._reversed_padding_repeated_twice == (1, 1, 1, 2)
    assert nn.Conv2d(1, 1, 3, padding="valid")._reversed_padding_repeated_twice == (0, 0, 0, 0)
    assert nn.Conv1d(1, 1, 4, padding="same_lower")._reversed_padding_repeated_twice == (2, 1)
    assert nn.Conv2d(1, 1, 3, padding=((1, 2), (3, 4)))._reversed_padding_repeated_twice == (3, 4, 1, 2)
    with pytest.raises(ArgumentError, match=r"padding='same_upper' with stride=\(2,\) depends on the size"):
        _ = nn.Conv1d(1, 1, 3, stride=2, padding="same_upper")._reversed_padding_repeated_twice


BAD = [
    (nn.Conv2d, (3, 8, 3), {"groups": 0}, "groups must be a positive integer, but got groups=0"),
    (
        nn.Conv2d,
        (3, 8, 3),
        {"groups": 2},
        "in_channels must be divisible by groups, but got in_channels=3, groups=2",
    ),
    (
        nn.Conv2d,
        (4, 7, 3),
        {"groups": 2},
        "out_channels must be divisible by groups, but got out_channels=7, groups=2",
    ),
    (nn.Conv2d, (-1, 8, 3), {}, "in_channels must not be negative, but got in_channels=-1"),
    (nn.Conv2d, (3, -8, 3), {}, "out_channels must not be negative, but got out_channels=-8"),
    (nn.Conv2d, (3, 8, 0), {}, r"non-positive kernel_size is not supported, but got kernel_size=\(0, 0\)"),
    (
        nn.Conv2d,
        (3, 8, 3),
        {"stride": (1, 0)},
        r"non-positive stride is not supported, but got stride=\(1, 0\)",
    ),
    (
        nn.Conv2d,
        (3, 8, 3),
        {"dilation": 0},
        r"non-positive dilation is not supported, but got dilation=\(0, 0\)",
    ),
    (nn.Conv2d, (3, 8, 3), {"padding": -1}, r"negative padding is not supported, but got padding=\(-1, -1\)"),
    (
        nn.Conv2d,
        (3, 8, 3),
        {"padding": ((1, -1), (0, 0))},
        r"negative padding is not supported, but got padding=\(1, -1\)",
    ),
    (
        nn.Conv2d,
        (3, 8, 3),
        {"padding": ((1, 1),)},
        r"one \(low, high\) pair for each of the 2 dimensions.*\(\(1, 1\),\)",
    ),
    (
        nn.Conv2d,
        (3, 8, 3),
        {"stride": [1, 2, 3]},
        r"a list of 2 values to match .* but got stride=\[1, 2, 3\]",
    ),
    (nn.Conv3d, (3, 8, (3, 3)), {}, r"a list of 3 values to match .* but got kernel_size=\[3, 3\]"),
    (
        nn.Conv2d,
        (3, 8, 3),
        {"padding": "same", "stride": 2},
        r"padding='same' is not supported for strided .*\(2, 2\)",
    ),
    (
        nn.Conv2d,
        (3, 8, 3),
        {"padding": "SAME"},
        r"Invalid padding string 'SAME', should be one of \{'valid', 'same', ",
    ),
    (
        nn.Conv2d,
        (3, 8, 3),
        {"padding_mode": "symmetric"},
        "padding_mode must be one of .* got padding_mode='symmetric'",
    ),
    (
        nn.ConvTranspose2d,
        (3, 8, 3),
        {"padding_mode": "reflect"},
        'Only "zeros" and "circular" .* ConvTranspose2d, .*reflect',
    ),
    (
        nn.ConvTranspose2d,
        (3, 8, 3),
        {"padding": "same"},
        "padding='same' is not supported for ConvTranspose2d",
    ),
    (
        nn.ConvTranspose1d,
        (3, 8, 3),
        {"output_padding": 1},
        r"output padding must be smaller .* output_padding=\(1,\), stride",
    ),
    (
        nn.ConvTranspose1d,
        (3, 8, 3),
        {"output_padding": -1},
        r"negative output_padding is not supported.*\(-1,\)",
    ),
    (nn.LazyConv2d, (8, 3), {"stride": 0}, r"non-positive stride"),
    (
        nn.LazyConvTranspose3d,
        (8, 3),
        {"padding": "valid"},
        "padding='valid' is not supported for ConvTranspose3d",
    ),
]


@pytest.mark.parametrize(("kind", "args", "kwargs", "message"), BAD)
def test_bad_arguments_are_refused_at_construction(kind, args, kwargs, message):
    with pytest.raises(ArgumentError, match=message) as error:
        kind(*args, **kwargs)
    assert isinstance(error.value, ValueError)
    assert isinstance(error.value, RuntimeError)


def test_bad_kinds_of_arguments():
    with pytest.raises(
        TypeError, match=r"kernel_size must be an int or a tuple of ints, but got kernel_size=3.5"
    ):
        nn.Conv2d(3, 8, 3.5)
    with pytest.raises(DeviceError, match="'tpu' is not available"):
        nn.Conv2d(3, 8, 3, device="tpu")
    with pytest.raises(DtypeError, match="require gradients, but this is int32"):
        nn.Conv2d(3, 8, 3, dtype="int32")


def test_a_wrong_input_is_named():
    with pytest.raises(
        ShapeError, match=r"expected input\[2, 3, 8, 8\] to have 4 channels, but got 3 channels"
    ):
        nn.Conv2d(4, 8, 3)(sample(2, 3, 8, 8))
    with pytest.raises(DtypeError, match=r"float64.*float32"):
        nn.Conv2d(3, 8, 3)(sample(2, 3, 8, 8).astype(np.float64))


def test_layers_without_inputs_have_a_zero_bias():
    m = nn.Conv2d(0, 2, 3)
    assert m.weight.shape == (2, 0, 3, 3)
    assert m.bias.tolist() == [0, 0]
    assert not m(np.zeros((1, 0, 4, 4), np.float32)).any()


def test_subclasses_may_change_the_weight():
    class Standardized(nn.Conv2d):
        def forward(self, x):
            w = self.weight
            w = (w - w.mean(dim=(1, 2, 3), keepdim=True)) / 2
            return self._conv_forward(x, w, self.bias)

    m, x = Standardized(2, 3, 3), sample(1, 2, 5, 5)
    w = np.array(m.weight)
    w = (w - w.mean((1, 2, 3), keepdims=True)) / 2
    np.testing.assert_allclose(m(x), F.conv2d(x, w, np.array(m.bias)), rtol=1e-5, atol=1e-6)


# Output sizes of transposed convolution.


@pytest.mark.parametrize("rank", RANKS)
def test_output_size_chooses_the_output_padding(rank):
    m = layer("ConvTranspose", rank)(2, 3, 3, stride=3, padding=1, output_padding=1)
    x = sample(2, 2, *(4, 5, 6)[:rank])
    smallest = [3 * (n - 1) + 1 for n in (4, 5, 6)[:rank]]
    for extra in range(3):
        size = tuple(n + extra for n in smallest)
        for wanted in (size, [2, 3, *size]):
            result = m(x, output_size=wanted)
            assert result.shape == (2, 3, *size)
        np.testing.assert_array_equal(m(x[0], (3, *size)), result[0])
    largest = [n + 2 for n in smallest]
    for off in (-1, 3):
        size = tuple(n + off for n in smallest)
        with pytest.raises(ShapeError) as error:
            m(x, size)
        assert str(error.value) == (
            f"requested an output size of {size}, but valid sizes range from {smallest} to {largest} "
            f"(for an input of {x.shape})"
        )
    with pytest.raises(
        ShapeError, match=rf"ConvTranspose{rank}D: .* output_size must have {rank} or {rank + 2} elements"
    ):
        m(x, (1,) * (rank + 1))


def test_output_size_where_the_smallest_would_be_nothing():
    m = nn.ConvTranspose1d(1, 1, 2, stride=2, padding=1)
    assert m(sample(1, 1, 1), [1]).shape == (1, 1, 1)
    with pytest.raises(ShapeError):
        m(sample(1, 1, 1))


# Lazy layers.


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
def test_lazy_layers_become_plain_ones(kind, rank):
    lazy, plain = layer("Lazy" + kind, rank), layer(kind, rank)
    m = lazy(8, 3, bias=False, groups=2, stride=2)
    assert repr(m) == repr(plain(2, 8, 3, bias=False, groups=2, stride=2)).replace(
        kind, "Lazy" + kind, 1
    ).replace("(2, 8", "(0, 8")
    x = sample(2, 6, *(5, 5, 5)[:rank])
    rsconv.manual_seed(1)
    y = m(x[0] if rank == 2 else x)
    rsconv.manual_seed(1)
    expected = plain(6, 8, 3, bias=False, groups=2, stride=2)
    assert type(m) is plain
    assert repr(m) == repr(expected)
    np.testing.assert_array_equal(y, expected(x[0] if rank == 2 else x))
    assert type(m.weight) is nn.Parameter
    assert m.bias is None


def test_lazy_parameters_say_what_they_are():
    m = nn.LazyConv2d(8, 3)
    assert repr(m.weight) == "<UninitializedParameter>"
    assert m.has_uninitialized_params()
    for use in (
        lambda: m.weight.shape,
        lambda: m.weight.numpy(),
        lambda: np.asarray(m.bias),
        lambda: m.weight.zero_(),
    ):
        with pytest.raises(ShapeError, match="not known before the layer's first forward"):
            use()
    m.reset_parameters()
    with pytest.raises(
        ShapeError,
        match=r"Expected 3D \(unbatched\) or 4D \(batched\) input to LazyConv2d, but got .*\[3, 3\]",
    ):
        m(sample(3, 3))
    with pytest.raises(ArgumentError, match="in_channels=3, groups=2"):
        nn.LazyConv2d(8, 3, groups=2)(sample(1, 3, 5, 5))
    assert type(m) is nn.LazyConv2d


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_lazy_layers_are_copied_and_converted(duplicate):
    m = duplicate(nn.Sequential(nn.LazyConv2d(8, 3, dtype="float64"))).half()
    assert type(m[0].weight) is nn.UninitializedParameter
    m(sample(1, 3, 5, 5).astype(np.float16))
    assert m[0].weight.dtype == rsconv.float16
    assert m[0].weight.shape == (8, 3, 3, 3)


def test_lazy_layers_load_the_state_of_plain_ones():
    plain, lazy = nn.Conv2d(3, 8, 3), nn.LazyConv2d(8, 3)
    assert list(lazy.state_dict()) == ["weight", "bias"]
    lazy.load_state_dict(nn.LazyConv2d(8, 3).state_dict())
    assert lazy.has_uninitialized_params()
    lazy.load_state_dict(plain.state_dict())
    x = sample(1, 3, 5, 5)
    np.testing.assert_array_equal(lazy(x), plain(x))
    assert type(lazy) is nn.Conv2d
    with pytest.raises(
        WeightsError, match="cannot load weight: the checkpoint holds an uninitialized Parameter"
    ):
        plain.load_state_dict(nn.LazyConv2d(8, 3).state_dict())
