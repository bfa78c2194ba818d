"""Every layer without weights against the oracles of its function, on every device."""

import composed_cases as c
import numpy as np
import op_oracles as o
import pytest
import rsconv
import window_oracles as w
from rsconv import functional as F
from rsconv import nn
from rsconv.errors import ArgumentError, DtypeError, ShapeError


def sample(*shape, seed=0):
    """Away from the whole numbers and halves, where activations have kinks."""
    rng = np.random.default_rng([seed, *shape])
    values = np.floor(2 * rng.normal(0, 1.5, shape)) / 2 + rng.uniform(0.1, 0.4, shape)
    return values.astype(np.float32)


def spatial(rank):
    return sample(2, 3, *(7, 6, 5)[:rank])


def shift(y):
    return y.reshape(y.shape[0], -1)


A = o.ACTIVATIONS
LAYERS = [
    *((nn.ReLU(), A["relu"]), (nn.ReLU6(), A["relu6"]), (nn.SELU(), A["selu"]), (nn.SiLU(), A["silu"])),
    *((nn.Mish(), A["mish"]), (nn.Hardswish(), A["hardswish"]), (nn.Hardsigmoid(), A["hardsigmoid"])),
    *((nn.Sigmoid(), A["sigmoid"]), (nn.Tanh(), A["tanh"]), (nn.LogSigmoid(), A["logsigmoid"])),
    *((nn.Softsign(), A["softsign"]), (nn.Tanhshrink(), A["tanhshrink"])),
    (nn.ELU(0.7), lambda x: o.elu(x, 0.7)),
    (nn.CELU(1.7), lambda x: A["celu"](x, 1.7)),
    (nn.LeakyReLU(0.2), lambda x: A["leaky_relu"](x, 0.2)),
    (nn.Hardtanh(-0.25, 2.25), lambda x: A["hardtanh"](x, -0.25, 2.25)),
    (nn.Threshold(0.5, -2.0), lambda x: A["threshold"](x, 0.5, -2.0)),
    (nn.Hardshrink(1.0), lambda x: A["hardshrink"](x, 1.0)),
    (nn.Softshrink(1.0), lambda x: A["softshrink"](x, 1.0)),
    (nn.Softplus(2.0, 3.25), lambda x: o.softplus(x, 2.0, 3.25)),
    (nn.GELU(), o.gelu),
    (nn.GELU("tanh"), lambda x: o.gelu(x, "tanh")),
    (nn.RReLU(0.1, 0.3).eval(), lambda x: A["leaky_relu"](x, 0.2)),
    (nn.GLU(-1), lambda x: o.glu(x, -1)),
    (nn.Softmax(1), lambda x: o.softmax(x, 1)),
    (nn.Softmax2d(), lambda x: o.softmax(x, 1)),
    (nn.Softmin(-1), lambda x: o.softmin(x, -1)),
    (nn.LogSoftmax(2), lambda x: o.log_softmax(x, 2)),
    (nn.LocalResponseNorm(3, 0.5, 0.6, 1.5), lambda x: c.local_response_norm(x, 3, 0.5, 0.6, 1.5)),
    (nn.LocalResponseNorm(2), lambda x: c.local_response_norm(x, 2, 1e-4, 0.75, 1.0)),
    (nn.InstanceNorm2d(4), o.instance_norm),
    (nn.GroupNorm(2, 4, affine=False), lambda x: o.group_norm(x, 2)),
    (nn.LayerNorm((6, 4), eps=0.1, elementwise_affine=False), lambda x: o.layer_norm(x, (6, 4), eps=0.1)),
    (
        nn.RMSNorm(4, 0.01, elementwise_affine=False),
        lambda x: x / np.sqrt((x**2).mean(-1, keepdims=True) + 0.01),
    ),
    (nn.PixelShuffle(2), lambda x: o.pixel_shuffle(x, 2)),
    (nn.PixelUnshuffle(2), lambda x: o.pixel_unshuffle(x, 2)),
    (nn.ChannelShuffle(2), lambda x: o.channel_shuffle(x, 2)),
    (nn.Upsample(scale_factor=2), lambda x: x.repeat(2, 2).repeat(2, 3)),
    (nn.UpsamplingNearest2d((12, 8)), lambda x: x.repeat(2, 2).repeat(2, 3)),
    (nn.Upsample((5, 7), mode="bicubic"), lambda x: o.interpolate(x, (5, 7), mode="bicubic")),
    (
        nn.UpsamplingBilinear2d(scale_factor=1.5),
        lambda x: o.interpolate(x, scale_factor=1.5, mode="bilinear", align_corners=True),
    ),
    (nn.Flatten(), shift),
    (nn.Unflatten(1, (2, -1)), lambda x: x.reshape(2, 2, 2, 6, 4)),
    (nn.Dropout().eval(), lambda x: x),
    (nn.AlphaDropout().eval(), lambda x: x),
]


@pytest.mark.parametrize(("layer", "oracle"), LAYERS, ids=lambda value: repr(value)[:60])
def test_layers_of_any_input(layer, oracle, device):
    x = sample(2, 4, 6, 4)
    before = x.copy()
    expected = oracle(x.astype(np.float64))
    with rsconv.device(device):
        y = layer(x)
    assert isinstance(y, np.ndarray)
    np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-5)
    np.testing.assert_array_equal(x, before)
    t = layer(rsconv.tensor(x, device=device))
    assert t.device == device
    np.testing.assert_array_equal(t.numpy(), y)


@pytest.mark.parametrize("rank", (1, 2, 3))
def test_pooling_layers(rank, device):
    def check(layer, oracle, *args, **kwargs):
        x = spatial(rank)
        with rsconv.device(device):
            found, unbatched = layer(x), layer(x[1])
        expected = oracle(x.astype(np.float64), *args, **kwargs)
        for y, single, e in zip(*map(listed, (found, unbatched, expected)), strict=True):
            np.testing.assert_allclose(y, e, rtol=1e-5, atol=1e-5)
            np.testing.assert_array_equal(single, y[1])

    def listed(values):
        return values if isinstance(values, tuple) else (values,)

    def kind(name):
        return getattr(nn, f"{name}{rank}d")

    check(kind("MaxPool")(3, 2, 1, return_indices=True), w.max_pool(rank), 3, 2, 1, return_indices=True)
    check(kind("MaxPool")(2, dilation=2, ceil_mode=True), w.max_pool(rank), 2, None, 0, 2, True)
    check(kind("AvgPool")(3, 2, 1, True, False), w.avg_pool(rank), 3, 2, 1, True, False)
    if rank > 1:
        check(kind("AvgPool")(2, divisor_override=3), w.avg_pool(rank), 2, divisor_override=3)
    size = (4, None, 2)[:rank]
    check(kind("AdaptiveAvgPool")(size), w.adaptive(rank, "avg"), (4, 6, 2)[:rank])
    check(kind("AdaptiveMaxPool")(3, True), w.adaptive(rank, "max"), 3, True)
    check(kind("LPPool")(2, 3, 2), c.lp_pool, 2, 3, 2)
    check(kind("LPPool")(4.0, 2, ceil_mode=True), c.lp_pool, 4.0, 2, ceil_mode=True)


def unpooled_shape(unpool, x, rank):
    return unpool(*getattr(nn, f"MaxPool{rank}d")(2, return_indices=True)(x)).shape


@pytest.mark.parametrize("rank", (1, 2, 3))
def test_max_unpool_puts_maxima_back(rank, device):
    x = spatial(rank)
    with rsconv.device(device):
        y, indices = getattr(nn, f"MaxPool{rank}d")(2, return_indices=True)(x)
        unpool = getattr(nn, f"MaxUnpool{rank}d")(2)
        back = unpool(y, indices, output_size=x.shape)
        even = x[(..., *(slice(n - n % 2) for n in x.shape[2:]))]
        np.testing.assert_array_equal(unpooled_shape(unpool, even, rank), even.shape)
    expected = np.zeros(x.shape, np.float32).reshape(2, 3, -1)
    for place in np.ndindex(2, 3):
        expected[place][indices[place].ravel()] = y[place].ravel()
    np.testing.assert_array_equal(back, expected.reshape(x.shape))


def test_max_unpool_of_overlapping_windows_keeps_the_value():
    y, indices = nn.MaxPool1d(3, 1, return_indices=True)(np.float32([[0, 5, 1, 2]]))
    assert indices.tolist() == [[1, 1]]
    assert nn.MaxUnpool1d(3, 1)(y, indices).tolist() == [[0, 5, 0, 0]]


def test_max_unpool_names_what_does_not_fit():
    y, indices = np.ones((1, 2, 3), np.float32), np.zeros((1, 2, 3), int)
    with pytest.raises(ShapeError, match=r"indices of size \[1, 2, 2\] and input of size \[1, 2, 3\]"):
        nn.MaxUnpool1d(2)(y, indices[..., :2])
    with pytest.raises(ShapeError, match=r"less than stride=\(2,\) from \[6\], but got output_size=\[8\]"):
        nn.MaxUnpool1d(2)(y, indices, output_size=[8])
    with pytest.raises(IndexError, match="index 6 is out of bounds for dimension with size 6"):
        nn.MaxUnpool1d(2)(y, indices + 6)
    with pytest.raises(DtypeError, match="whole numbers, but got dtype float32"):
        nn.MaxUnpool1d(2)(y, y)


# Chance.


@pytest.mark.parametrize("rank", (0, 1, 2, 3))
def test_dropout_layers_drop_elements_or_channels(rank, device):
    rsconv.manual_seed(0)
    layer = getattr(nn, f"Dropout{rank}d" if rank else "Dropout")(0.25)
    x = np.ones((40, 50, *(2, 3, 2)[: rank or 1]), np.float32)
    with rsconv.device(device):
        y, again = layer(x), layer(x)
        assert np.array_equal(layer.eval()(x), x)
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert not np.array_equal(y, again)
    if rank:
        flat = y.reshape(40, 50, -1)
        assert np.array_equal(flat, np.broadcast_to(flat[..., :1], flat.shape))


def test_alpha_dropout_keeps_mean_and_variance(device):
    rsconv.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(100, 100, 4)).astype(np.float32)
    with rsconv.device(device):
        y, channels = nn.AlphaDropout(0.3)(x), nn.FeatureAlphaDropout(0.3)(x)
        assert nn.AlphaDropout(1.0)(x).tolist() == np.zeros_like(x).tolist()
    assert abs(y.mean()) < 0.02
    assert y.std() == pytest.approx(1, abs=0.02)
    values, counts = np.unique(y, return_counts=True)
    low = values[counts.argmax()]
    assert (y == low).mean() == pytest.approx(0.3, abs=0.01)
    dropped = channels == low
    assert dropped.mean() == pytest.approx(0.3, abs=0.02)
    assert np.array_equal(dropped, np.broadcast_to(dropped[..., :1], x.shape))


def test_rrelu_draws_slopes_in_training():
    rsconv.manual_seed(0)
    x = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    y = nn.RReLU(0.1, 0.3)(x)
    np.testing.assert_array_equal(y[x >= 0], x[x >= 0])
    slopes = (y / x)[x < 0]
    assert 0.1 <= slopes.min() < 0.11
    assert 0.29 < slopes.max() <= 0.3
    with pytest.raises(ArgumentError, match=r"lower <= upper, but got lower=0.5, upper=0.1"):
        nn.RReLU(0.5, 0.1)(x)


# Writing in place, and errors.


@pytest.mark.parametrize(
    "kind", ("ReLU", "ReLU6", "ELU", "SELU", "CELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid", "Hardtanh")
)
def test_in_place_activations_write_to_tensors_and_never_to_ndarrays(kind):
    x = sample(3, 4)
    before = x.copy()
    expected = getattr(nn, kind)()(x)
    layer = getattr(nn, kind)(inplace=True)
    np.testing.assert_array_equal(layer(x), expected)
    np.testing.assert_array_equal(x, before)
    t = rsconv.tensor(x)
    assert layer(t) is t
    np.testing.assert_array_equal(t.numpy(), expected)


@pytest.mark.parametrize(
    "name", ("relu", "leaky_relu", "elu", "selu", "celu", "hardtanh", "threshold", "rrelu", "alpha_dropout")
)
def test_in_place_functions_write_to_tensors_only(name):
    x = sample(3, 4)
    before = x.copy()
    args = (0.5, 2.0) if name == "threshold" else ()
    function = getattr(F, name)
    in_place = getattr(F, f"{name}_", None) or (lambda t: F.alpha_dropout(t, 0.5, False, True))
    t = rsconv.tensor(x)
    assert in_place(t, *args) is t
    np.testing.assert_array_equal(t.numpy(), function(x, *args))
    with pytest.raises(ArgumentError, match="inplace=True is for Tensors, but got input of type ndarray"):
        in_place(x, *args)
    np.testing.assert_array_equal(x, before)


def test_layers_name_what_they_refuse():
    x = np.ones((2, 4, 6, 6), np.float32)
    for call, message in [
        (lambda: nn.Dropout(1.5), r"between 0 and 1, but got p=1.5"),
        (lambda: nn.ChannelShuffle(0), r"positive integer, but got groups=0"),
        (lambda: nn.GroupNorm(3, 4), r"num_channels=4, num_groups=3"),
        (
            lambda: nn.Softmax2d()(x[0, 0]),
            r"Softmax2d expects 3D or 4D input, but got input of size \[6, 6\]",
        ),
        (lambda: nn.LocalResponseNorm(2)(x[0, 0]), r"expects input \(N, C, \*S\), but got .* \[6, 6\]"),
        (lambda: nn.RMSNorm(5)(x), r"normalized_shape=\[5\], .* got input of size \[2, 4, 6, 6\]"),
        (lambda: nn.RMSNorm(6)(x.astype(int)), "rms_norm needs a floating-point input, but got int64"),
        (
            lambda: rsconv.functional.rms_norm(x, (6,), np.ones(5, np.float32)),
            r"weight of shape \[5\] and normalized_shape=\[6\]",
        ),
        (lambda: nn.Unflatten(1, (3, 2))(x), r"dimension 1 of size 4 into unflattened_size=\(3, 2\)"),
        (lambda: nn.FeatureAlphaDropout()(x[0, 0, 0]), r"expects input \(N, C, \*\), but got .* \[6\]"),
        (lambda: rsconv.functional.alpha_dropout(x, 2.0, True), "got p=2.0"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            call()
    with pytest.raises(TypeError):
        nn.Unflatten(1, (1.5, 2))
