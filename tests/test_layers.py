"""The padding, folding and plain layers and `nn.init`, against NumPy and `rsconv.functional`."""

import math

import numpy as np
import pytest
import rsconv
from rsconv import functional as F
from rsconv import nn, tensor
from rsconv.errors import ArgumentError, ShapeError

RANKS = (1, 2, 3)


def layer(name, rank):
    return getattr(nn, f"{name}{rank}d")


def sample(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


# Padding, folding, activation.

NUMPY_MODES = {
    "Constant": "constant",
    "Zero": "constant",
    "Reflection": "reflect",
    "Replication": "edge",
    "Circular": "wrap",
}


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("kind", NUMPY_MODES)
def test_padding_layers_match_numpy(kind, rank):
    sides = (1, 2, 0, 1, 2, 1)[: 2 * rank]
    x = sample(2, 3, *(4, 5, 6)[:rank])
    pads = [(0, 0), (0, 0), *(sides[i : i + 2] for i in range(2 * rank - 2, -1, -2))]
    extra = (1.5,) if kind == "Constant" else ()
    keywords = {"constant_values": extra[0]} if extra else {}
    m = layer(kind + "Pad", rank)(sides, *extra)
    expected = np.pad(x, pads, NUMPY_MODES[kind], **keywords)
    np.testing.assert_array_equal(m(x), expected)
    np.testing.assert_array_equal(m(x[0]), expected[0])
    assert layer(kind + "Pad", rank)(2, *extra).padding == (2,) * (2 * rank)


def test_padding_layers_check_their_arguments_and_inputs():
    with pytest.raises(
        ArgumentError, match=r"ReflectionPad2d takes padding as an int or 4 ints, but got padding=\(1, 2\)"
    ):
        nn.ReflectionPad2d((1, 2))
    with pytest.raises(
        ArgumentError, match=r"ZeroPad1d takes padding as an int or 2 ints, but got padding=1.5"
    ):
        nn.ZeroPad1d(1.5)
    with pytest.raises(
        ShapeError, match=r"CircularPad2d expects 3D \(unbatched\) or 4D .* got input of size: \[3, 3\]"
    ):
        nn.CircularPad2d(1)(sample(3, 3))
    assert nn.ZeroPad2d(1)(sample(3, 3)).shape == (5, 5)


def test_unfold_and_fold_call_their_functions():
    x = sample(2, 3, 6, 5)
    options = {"kernel_size": (2, 3), "dilation": 1, "padding": 1, "stride": 2}
    columns = nn.Unfold(**options)(x)
    np.testing.assert_array_equal(columns, F.unfold(x, **options))
    folded = nn.Fold(output_size=(6, 5), **options)(columns)
    np.testing.assert_array_equal(folded, F.fold(columns, (6, 5), **options))
    assert folded.shape == x.shape


def test_relu_identity_and_flatten():
    x = sample(2, 3, 4)
    x[0, 0, 0] = np.nan
    np.testing.assert_array_equal(nn.ReLU()(x), np.maximum(x, 0))
    assert repr(nn.ReLU(inplace=True)) == "ReLU(inplace=True)"
    assert nn.Identity(3, unused="yes")(x) is x
    assert nn.Flatten()(x).shape == (2, 12)
    assert nn.Flatten(0, 1)(x).shape == (6, 4)
    assert np.shares_memory(nn.Flatten()(x), x)
    np.testing.assert_array_equal(nn.ReLU()(np.array([-1, 2])), [0, 2])


# Initial values.


def test_constant_initializers():
    t = rsconv.empty(2, 3)
    assert nn.init.constant_(t, 3) is t
    assert t.tolist() == [[3, 3, 3]] * 2
    assert nn.init.ones_(t).tolist() == [[1] * 3] * 2
    assert nn.init.zeros_(t).tolist() == [[0] * 3] * 2
    np.testing.assert_array_equal(nn.init.eye_(t).numpy(), np.eye(2, 3))
    with pytest.raises(ShapeError, match=r"eye_\(\) needs a Tensor of 2 dimensions, but got shape \(3,\)"):
        nn.init.eye_(rsconv.empty(3))


def test_dirac_passes_channels_on():
    m = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)
    nn.init.dirac_(m.weight, groups=2)
    x = sample(1, 4, 5, 5)
    np.testing.assert_array_equal(m(x), x)
    with pytest.raises(ShapeError, match=r"divisible by groups=3, but got shape \(4, 2, 3, 3\)"):
        nn.init.dirac_(m.weight, groups=3)


# Bound of a uniform, or spread of a normal distribution, for a weight of (64, 32, 3, 3).
FAN_IN, FAN_OUT = 32 * 9, 64 * 9
RANDOM = [
    (lambda t: nn.init.uniform_(t, -2, 2), "uniform", 2),
    (lambda t: nn.init.normal_(t, 0, 3), "normal", 3),
    (nn.init.xavier_uniform_, "uniform", math.sqrt(6 / (FAN_IN + FAN_OUT))),
    (lambda t: nn.init.xavier_normal_(t, gain=2), "normal", 2 * math.sqrt(2 / (FAN_IN + FAN_OUT))),
    (lambda t: nn.init.kaiming_uniform_(t, a=math.sqrt(5)), "uniform", 1 / math.sqrt(FAN_IN)),
    (
        lambda t: nn.init.kaiming_uniform_(t, mode="fan_out", nonlinearity="relu"),
        "uniform",
        math.sqrt(6 / FAN_OUT),
    ),
    (lambda t: nn.init.kaiming_normal_(t, mode="fan_out"), "normal", math.sqrt(2 / FAN_OUT)),
    (lambda t: nn.init.kaiming_normal_(t, nonlinearity="tanh"), "normal", 5 / 3 / math.sqrt(FAN_IN)),
]


@pytest.mark.parametrize(("fill", "distribution", "parameter"), RANDOM)
def test_random_initializers(fill, distribution, parameter):
    rsconv.manual_seed(0)
    t = rsconv.empty(64, 32, 3, 3)
    assert fill(t) is t
    values = t.numpy()
    spread = parameter / math.sqrt(3) if distribution == "uniform" else parameter
    assert values.std() == pytest.approx(spread, rel=0.03)
    assert abs(values.mean()) < 0.03 * spread
    if distribution == "uniform":
        assert 0.99 * parameter < np.abs(values).max() <= parameter * (1 + 1e-6)
    else:
        assert np.abs(values).max() > 3 * parameter


def test_truncated_normal_and_orthogonal():
    rsconv.manual_seed(0)
    values = nn.init.trunc_normal_(rsconv.empty(10000), std=1, a=-1, b=0.5).numpy()
    assert -1 <= values.min() < -0.95
    assert 0.45 < values.max() <= 0.5
    for shape in ((3, 5), (5, 3), (4, 2, 3)):
        q = nn.init.orthogonal_(rsconv.empty(*shape, dtype="float64"), gain=2).numpy().reshape(shape[0], -1)
        small = q @ q.T if q.shape[0] < q.shape[1] else q.T @ q
        np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)
    assert nn.init.orthogonal_(rsconv.empty(0, 3)).shape == (0, 3)


def test_initializers_name_what_they_refuse():
    for call, message in [
        (
            lambda: nn.init.kaiming_normal_(rsconv.empty(2, 2), nonlinearity="rely"),
            "nonlinearity must be one of .* got 'rely'",
        ),
        (
            lambda: nn.init.kaiming_normal_(rsconv.empty(2, 2), mode="fan"),
            "mode must be 'fan_in' or 'fan_out', but got 'fan'",
        ),
        (lambda: nn.init.xavier_normal_(rsconv.empty(2)), r"at least 2 dimensions, but got shape \(2,\)"),
        (lambda: nn.init.orthogonal_(rsconv.empty(2)), r"at least 2 dimensions, but got shape \(2,\)"),
        (lambda: nn.init.trunc_normal_(rsconv.empty(2), mean=9), r"\[a, b\] = \[-2.0, 2.0\] .* mean=9"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            call()
    assert nn.init.calculate_gain("leaky_relu", 1) == 1
    assert nn.init.calculate_gain("conv_transpose2d") == 1
    assert tensor(nn.init.calculate_gain("relu")).item() == pytest.approx(math.sqrt(2))
