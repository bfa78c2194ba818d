"""What the functions add to PyTorch's, and padding and folding, against NumPy and the definitions."""

import itertools

import numpy as np
import oracle
import pytest
import rsconv
from cases import random_array
from rsconv import functional as F
from rsconv.backends import cpu
from rsconv.nn import grad

RNG = np.random.default_rng(7)
NUMPY_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
SIZES = {1: (11,), 2: (7, 9), 3: (5, 6, 7)}


def conv(rank, transposed=False):
    return getattr(F, f"conv{'_transpose' * transposed}{rank}d")


def direct(x, w, stride, pads, dilation=1, groups=1):
    """The oracle's direct convolution of a batch."""
    rank = w.ndim - 2
    stride, dilation = (stride,) * rank, (dilation,) * rank
    size = oracle.output_size(x.shape[2:], w.shape[2:], stride, pads, dilation, (0,) * rank, False)
    return oracle.gather(x, w, size, stride, pads, dilation, groups)


def normal(*shape):
    return RNG.normal(size=shape)


@pytest.mark.parametrize("size", range(1, 14))
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("upper", [True, False])
def test_same_upper_and_lower_follow_the_onnx_rule(size, stride, upper):
    x, w = normal(1, 2, size), normal(3, 2, 4)
    total = max(0, (-(-size // stride) - 1) * stride + 2 * 3 + 1 - size)
    small, large = total // 2, total - total // 2
    got = F.conv1d(x, w, stride=stride, dilation=2, padding="same_upper" if upper else "same_lower")
    assert got.shape[2] == -(-size // stride)
    expected = direct(x, w, stride, [(small, large) if upper else (large, small)], 2)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_same_and_valid_and_causal():
    x, w = normal(1, 2, 10), normal(3, 2, 4)
    np.testing.assert_allclose(F.conv1d(x, w, padding="same"), direct(x, w, 1, [(1, 2)]), atol=1e-12)
    np.testing.assert_allclose(F.conv1d(x, w, padding="valid"), direct(x, w, 1, [(0, 0)]), atol=1e-12)
    causal = F.conv1d(x, w, padding="causal", dilation=2)
    np.testing.assert_allclose(causal, direct(x, w, 1, [(6, 0)], 2), atol=1e-12)
    later = x.copy()
    later[..., 5:] = 0
    np.testing.assert_array_equal(F.conv1d(later, w, padding="causal", dilation=2)[..., :5], causal[..., :5])


def test_asymmetric_pairs():
    x, w = normal(2, 3, 6, 7), normal(4, 3, 3, 3)
    got = F.conv2d(x, w, padding=((1, 2), (0, 3)), stride=2)
    np.testing.assert_allclose(got, direct(x, w, 2, [(1, 2), (0, 3)]), atol=1e-12)
    got = F.conv_transpose2d(x, np.swapaxes(w, 0, 1).copy(), padding=((1, 2), (0, 1)))
    full = F.conv_transpose2d(x, np.swapaxes(w, 0, 1).copy())
    np.testing.assert_allclose(got, full[:, :, 1:-2, :-1], atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("mode", NUMPY_MODES)
@pytest.mark.parametrize("padding", [1, "pairs", "same"])
@pytest.mark.parametrize("batched", [True, False])
def test_padding_modes(rank, mode, padding, batched):
    x, w, b = normal(2, 4, *SIZES[rank]), normal(6, 2, *(3,) * rank), normal(6)
    pairs = {1: [(1, 1)] * rank, "pairs": [(2, 0), (1, 2), (0, 3)][:rank], "same": [(1, 1)] * rank}[padding]
    padded = np.pad(x, [(0, 0), (0, 0), *pairs], NUMPY_MODES[mode])
    expected = direct(padded, w, 1, [(0, 0)] * rank, 1, 2) + b.reshape(-1, *(1,) * rank)
    given = pairs if padding == "pairs" else padding
    x, expected = (x, expected) if batched else (x[1], expected[1])
    out = np.empty(expected.shape)
    got = conv(rank)(
        x, w, b, padding=tuple(given) if padding == "pairs" else given, groups=2, padding_mode=mode
    )
    np.testing.assert_allclose(got, expected, atol=1e-12)
    assert conv(rank)(x, w, b, 1, given, 1, 2, padding_mode=mode, out=out) is out
    np.testing.assert_array_equal(out, got)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [1, ((2, 1), (0, 3), (1, 0))])
def test_circular_transposed_is_the_adjoint_of_circular(rank, stride, padding):
    padding = padding if padding == 1 else padding[:rank]
    y, w = normal(2, 4, *SIZES[rank]), normal(4, 3, *(3,) * rank)
    arguments = {"stride": stride, "padding": padding, "padding_mode": "circular"}
    got = conv(rank, True)(y, w, output_padding=stride - 1, **arguments)
    x = normal(*got.shape)
    forward = conv(rank)(x, w, **arguments)
    assert forward.shape == y.shape
    np.testing.assert_allclose((forward * y).sum(), (x * got).sum(), rtol=1e-10)
    b = normal(3)
    out = np.empty_like(got)
    biased = conv(rank, True)(y, w, b, output_padding=stride - 1, out=out, **arguments)
    assert biased is out
    np.testing.assert_allclose(biased, got + b.reshape(-1, *(1,) * rank), atol=1e-12)


def test_circular_transposed_wraps_borders():
    full = F.conv_transpose1d(np.ones((1, 1, 4)), np.float64([[[1, 10, 100]]]))
    np.testing.assert_array_equal(full[0, 0], [1, 11, 111, 111, 110, 100])
    got = F.conv_transpose1d(
        np.ones((1, 1, 4)), np.float64([[[1, 10, 100]]]), padding=1, padding_mode="circular"
    )
    np.testing.assert_array_equal(got[0, 0], [111, 111, 111, 111])


def test_conv_tbc():
    x, w, b = normal(9, 2, 3), normal(4, 3, 5), normal(5)
    expected = direct(x.transpose(1, 2, 0), w.transpose(2, 1, 0), 1, [(2, 2)]) + b[:, None]
    got = F.conv_tbc(x, w, b, 2)
    np.testing.assert_allclose(got, expected.transpose(2, 0, 1), atol=1e-12)
    assert got.flags.c_contiguous
    out = np.empty_like(got)
    assert F.conv_tbc(x, w, b, 2, out=out) is out
    np.testing.assert_array_equal(out, got)
    np.testing.assert_allclose(F.conv_tbc(x, w, None), (expected.transpose(2, 0, 1) - b)[2:-2], atol=1e-12)


@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "int8", "uint64", "bool", "complex64", ">f8", "M8[s]"]
)
@pytest.mark.parametrize("mode", NUMPY_MODES)
def test_pad_is_layout_of_any_dtype_and_rank(mode, dtype):
    x = np.arange(60).reshape(3, 4, 5)
    x = x > 20 if dtype == "bool" else x.astype(dtype)
    x = x[::-1, :, ::-1]
    for count in range(4):
        pads = [(2, 1), (0, 3), (1, 2)][:count]
        name = "constant" if mode == "zeros" else mode
        got = F.pad(x, [p for pair in pads for p in pair], name)
        expected = np.pad(x, [(0, 0)] * (3 - count) + pads[::-1], NUMPY_MODES[mode])
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == x.dtype.newbyteorder("=")
        assert not np.may_share_memory(got, x)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_negative_pads_crop(mode):
    x = np.arange(12.0).reshape(1, 2, 6)
    numpy_mode = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    np.testing.assert_array_equal(F.pad(x, (-1, -2), mode), x[..., 1:-2])
    got = F.pad(x, (-2, 3), mode)
    np.testing.assert_array_equal(got, np.pad(x[..., 2:], [(0, 0), (0, 0), (0, 3)], numpy_mode))
    np.testing.assert_array_equal(F.pad(x, (-6, 0)), x[..., :0])


def test_pad_values():
    np.testing.assert_array_equal(F.pad(np.zeros(2, np.float32), (1, 0), value=-np.inf), [-np.inf, 0, 0])
    np.testing.assert_array_equal(F.pad(np.zeros(2, np.int8), (0, 1), value=-128), [0, 0, -128])
    np.testing.assert_array_equal(F.pad(np.zeros(2, bool), (1, 1), value=True), [True, False, False, True])
    np.testing.assert_array_equal(F.pad([1, 2], (1, 1), "replicate", 0), [1, 1, 2, 2])


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("pads", [((3, 4), (1, 0)), ((-1, 2), (0, -2)), ((4, 4), (3, 3)), ((0, 0), (0, 3))])
def test_pad_gradient_is_the_adjoint(mode, pads):
    x = normal(2, 5, 4)
    padded = cpu.pad(x, ((0, 0), *pads), mode)
    g = normal(*padded.shape)
    gradient = cpu.pad_grad(g, ((0, 0), *pads), mode)
    assert gradient.shape == x.shape
    np.testing.assert_allclose((padded * g).sum(), (x * gradient).sum(), rtol=1e-10)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("batched", [True, False])
def test_unfold_by_definition(rank, batched):
    size, kernel = SIZES[rank], (2, 3, 2)[:rank]
    x = normal(2, 3, *size)
    got = F.unfold(x if batched else x[0], kernel, dilation=2, padding=1, stride=2)
    padded = np.pad(x, [(0, 0), (0, 0), *[(1, 1)] * rank])
    blocks = [(n + 2 - 2 * (k - 1) - 1) // 2 + 1 for n, k in zip(size, kernel, strict=True)]
    columns = [
        [
            padded[(..., *(2 * b + 2 * t for b, t in zip(block, tap, strict=True)))]
            for block in np.ndindex(*blocks)
        ]
        for tap in np.ndindex(*kernel)
    ]
    expected = np.array(columns).transpose(2, 3, 0, 1).reshape(2, -1, np.prod(blocks))
    np.testing.assert_array_equal(got, expected if batched else expected[0])


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float64", "float16", "int16"])
def test_fold_is_the_adjoint_of_unfold(rank, dtype):
    size, kernel = SIZES[rank], (2, 3, 2)[:rank]
    arguments = {"dilation": 1, "padding": 1, "stride": 2}
    x = RNG.integers(-4, 5, (2, 3, *size)).astype(dtype)
    columns = F.unfold(x, kernel, **arguments)
    g = RNG.integers(-4, 5, columns.shape).astype(dtype)
    folded = F.fold(g, size, kernel, **arguments)
    assert folded.shape == x.shape and folded.dtype == x.dtype and columns.dtype == x.dtype
    assert (columns.astype(float) * g).sum() == (x.astype(float) * folded).sum()
    np.testing.assert_array_equal(F.fold(g[0], size, kernel, **arguments), folded[0])


def test_relu():
    x = np.array([[-2, 0, 3], [np.nan, np.inf, -np.inf]])
    for dtype in ("float16", "float32", ">f8"):
        kept = x.astype(dtype)
        got = F.relu(kept[:, ::-1])
        assert type(got) is np.ndarray and got.dtype == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(got[:, ::-1], [[0, 0, 3], [np.nan, np.inf, 0]])
        np.testing.assert_array_equal(kept, x)
    for dtype in ("int8", "uint64"):
        np.testing.assert_array_equal(F.relu(np.array([0, 3], dtype)), np.array([0, 3], dtype), strict=True)
    np.testing.assert_array_equal(F.relu([-3, 4]), [0, 4])
    assert F.relu(np.float32(-1)).shape == ()
    t = rsconv.tensor(x)
    assert rsconv.relu is F.relu
    assert F.relu(t) is not t and t.numpy()[0, 0] == -2
    version = t._version
    assert F.relu(t, inplace=True) is t and t._version > version
    np.testing.assert_array_equal(t.numpy(), F.relu(x))


def test_unfold_rank_follows_kernel_or_input():
    assert F.unfold(np.ones((2, 9)), 3).shape == (6, 7)
    assert F.unfold(np.ones((2, 4, 9)), (3,)).shape == (2, 12, 7)
    assert F.unfold(np.ones((2, 4, 9)), 3).shape == (18, 14)
    assert F.unfold(np.ones((1, 2, 4, 4, 4)), 3).shape == (1, 54, 8)
    assert F.fold(np.ones((1, 6, 7)), (9,), 3).shape == (1, 2, 9)
    assert F.fold(np.ones((18, 14)), (4, 9), 3).shape == (2, 4, 9)
    assert F.fold(np.ones((9, 4)), 4, 3).shape == (1, 4, 4)
    assert F.unfold(np.ones((0, 2, 4, 9)), 3).shape == (0, 18, 14)


def test_fold_of_float16_accumulates_in_float32():
    columns = np.full((1, 64, 1), 1 / 3, np.float16)
    columns = np.repeat(columns, 64, 2)
    got = F.fold(columns, (127,), (64,))
    assert got[0, 0, 63] == np.float16(64 * float(np.float16(1 / 3)))


def test_lists_take_the_dtype_of_arrays_beside_them():
    x = random_array(RNG, (1, 1, 5), "float32")
    got = F.conv1d(x, [[[1, 0, -1]]], [0.5])
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[0, 0], x[0, 0, :-2] - x[0, 0, 2:] + 0.5, rtol=1e-6)
    assert F.conv1d([[[1, 2, 3]]], [[[1, 1]]]).tolist() == [[[3, 5]]]
    assert F.conv1d([[[1.0, 2.0, 3.0]]], [[[1.0, 1.0]]]).dtype == np.float64


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_zero_weight_on_infinity_gives_nan(rank):
    x = np.full((1, 1, *(1,) * (rank - 1), 3), 1, np.float32)
    x[..., 0] = np.inf
    w = np.zeros((1, 1, *(1,) * (rank - 1), 2), np.float32)
    w[..., 1] = 1
    got = conv(rank)(x, w).ravel()
    assert np.isnan(got[0]) and got[1] == 1


def test_no_input_channels_give_the_bias():
    # PyTorch returns no channels here; the full shape is what its documentation promises.
    x, w = np.zeros((2, 0, 5), np.float32), np.zeros((3, 0, 2), np.float32)
    b = np.float32([1, 2, 3])
    np.testing.assert_array_equal(F.conv1d(x, w, b), np.broadcast_to(b[:, None], (2, 3, 4)))
    np.testing.assert_array_equal(F.conv1d(x, w), np.zeros((2, 3, 4)))


def test_signatures_are_pytorchs():
    import inspect

    def names(function):
        parameters = inspect.signature(function).parameters.values()
        return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]

    head = ["input", "weight", "bias", "stride", "padding"]
    for rank in (1, 2, 3):
        assert names(conv(rank)) == [*head, "dilation", "groups"]
        assert names(conv(rank, True)) == [*head, "output_padding", "groups", "dilation"]
    assert names(F.conv_tbc) == ["input", "weight", "bias", "pad"]
    assert names(F.pad) == ["input", "pad", "mode", "value"]
    assert names(F.relu) == ["input", "inplace"]
    assert names(F.unfold) == ["input", "kernel_size", "dilation", "padding", "stride"]
    assert names(F.fold) == ["input", "output_size", "kernel_size", "dilation", "padding", "stride"]


def test_float16_accumulates_in_float32():
    # The sum of 4096 ones and then 4096 halves is exact in float32; in float16 it would stop at 2048.
    x = np.concatenate([np.ones((1, 4096, 1)), np.full((1, 4096, 1), 0.5)], 1).astype(np.float16)
    w = np.ones((1, 8192, 1), np.float16)
    assert F.conv1d(x, w)[0, 0, 0] == 6144


def test_integers_wrap_around():
    for dtype, kernel in itertools.product(("int8", "uint8"), (1, 2)):
        x, w = np.full((1, 3, 4), 100, dtype), np.full((1, 3, kernel), 7, dtype)
        assert F.conv1d(x, w)[0, 0, 0] == np.array(3 * kernel * 700).astype(dtype)


@pytest.mark.parametrize(
    "name", ["conv", "transposed", "reflect", "conv_tbc", "pad", "relu", "unfold", "fold", "gradient"]
)
def test_tensors_in_tensors_out(name):
    x, w = random_array(RNG, (4, 4, 9), "float32"), random_array(RNG, (4, 4, 3), "float32")
    call = {
        "conv": lambda x, w: F.conv1d(x, w),
        "transposed": lambda x, w: F.conv_transpose1d(x, w, padding=1, padding_mode="circular"),
        "reflect": lambda x, w: F.conv1d(x, w, padding=1, padding_mode="reflect"),
        "conv_tbc": lambda x, w: F.conv_tbc(x[..., :4], w, None),
        "pad": lambda x, w: F.pad(x, (1, 2)),
        "relu": lambda x, w: F.relu(x),
        "unfold": lambda x, w: F.unfold(x, (3,)),
        "fold": lambda x, w: F.fold(x, (11,), (2,), padding=0, stride=1, dilation=2),
        "gradient": lambda x, w: grad.conv1d_input((4, 4, 11), w, x),
    }[name]
    expected = call(x, w)
    assert type(expected) is np.ndarray
    got = call(rsconv.tensor(x), rsconv.tensor(w))
    assert isinstance(got, rsconv.Tensor)
    np.testing.assert_array_equal(got.numpy(), expected)
    for mixed in (call(x, rsconv.tensor(w)), call(rsconv.tensor(x), w)):
        # Without a weight only the first holds a Tensor.
        assert isinstance(mixed, rsconv.Tensor | np.ndarray)
        np.testing.assert_array_equal(np.asarray(mixed), expected)


def test_out_may_be_a_tensor():
    x, w, b = normal(1, 2, 5), normal(3, 2, 3), normal(3)
    for function, arguments in ((F.conv1d, {}), (F.conv1d, {"padding_mode": "circular"})):
        out = rsconv.zeros(1, 3, 3, dtype=rsconv.float64)
        version = out._version
        assert function(x, w, b, out=out, **arguments) is out
        assert out._version > version
        np.testing.assert_array_equal(out.numpy(), function(x, w, b))
    target = np.empty((1, 3, 3))
    got = F.conv1d(rsconv.tensor(x), w, b, out=target)
    assert isinstance(got, rsconv.Tensor) and got.numpy() is target
    out = rsconv.zeros(3, 1, 3, dtype=rsconv.float64)
    assert F.conv_tbc(x.transpose(2, 0, 1), w.transpose(2, 1, 0), b, out=out) is out
    np.testing.assert_allclose(out.numpy(), F.conv1d(x, w, b).transpose(2, 0, 1))


@pytest.mark.parametrize("dtype", ["float32", "complex64", "int32"])
def test_a_parameter_is_packed_once_and_never_stale(dtype, monkeypatch):
    packs = []
    pack = cpu.pack
    monkeypatch.setattr(cpu, "pack", lambda *arguments: packs.append(1) or pack(*arguments))
    x, w = (normal(1, 2, 9) * 9).astype(dtype), (normal(3, 2, 3) * 9).astype(dtype)
    # Only floating-point Parameters can require gradients.
    weight = rsconv.Parameter(rsconv.tensor(w), requires_grad=False)

    def check(value, count):
        np.testing.assert_allclose(F.conv1d(x, weight).numpy(), F.conv1d(x, value), rtol=1e-5)
        assert len(packs) == count

    check(w, 1)
    check(w, 1)
    weight.data.zero_()
    check(0 * w, 2)
    weight.data[0, 0, 0] = 5
    w = 0 * w
    w[0, 0, 0] = 5
    check(w, 3)
    check(w, 3)
    # Other geometries have packed weights of their own, a few of which are kept.
    for length in (10, 11, 12, 10, 11, 12, 9):
        F.conv1d(np.zeros((1, 2, length), dtype), weight)
    assert len(packs) == 6
    for length in range(20, 30):
        F.conv1d(np.zeros((1, 2, length), dtype), weight)
    assert len(weight._packed) == 4
    # An array, and a Tensor that is no Parameter, may change without notice.
    packs.clear()
    F.conv1d(x, w)
    F.conv1d(x, rsconv.tensor(w))
    assert not packs


def test_a_view_of_a_parameter_is_not_its_whole():
    w = normal(4, 2, 3)
    weight = rsconv.Parameter(rsconv.tensor(w))
    x = normal(1, 2, 9)
    for rows in (slice(0, 2), slice(2, 4), slice(None, None, 2)):
        np.testing.assert_allclose(F.conv1d(x, weight.data[rows]).numpy(), F.conv1d(x, w[rows]))
    flipped = weight.data.permute(0, 2, 1).permute(0, 2, 1)
    np.testing.assert_allclose(F.conv1d(x, flipped).numpy(), F.conv1d(x, w))
