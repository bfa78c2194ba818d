"""GPU convolutions: what the store applies, values that must not leak, cuts, long maps, views, errors."""

import numpy as np
import oracle
import pytest
from rsconv import errors
from rsconv.backends import Geometry
from rsconv.backends.gpu import conv as gpu_conv
from rsconv.backends.gpu.conv import Activation
from rsconv.backends.gpu.sentinels import Sentinels

KERNELS = ("", "128x64_8x8_db8", "128x64_8x8_xt16", "32x64_4x8_db8/2", "direct")


def arrays(rng, channels, outputs, size, kernel, groups=1, batch=2, dtype=np.float32):
    x = rng.uniform(-1, 1, (batch, channels, *size)).astype(dtype)
    w = rng.uniform(-1, 1, (outputs, channels // groups, *kernel)).astype(dtype)
    return x, w, rng.uniform(-1, 1, outputs).astype(dtype)


def reference(x, w, b, stride=1, pads=0, groups=1):
    rank = x.ndim - 2
    out = [(s + 2 * pads - k) // stride + 1 for s, k in zip(x.shape[2:], w.shape[2:], strict=True)]
    settings = {
        "stride": (stride,) * rank,
        "pads": ((pads, pads),) * rank,
        "dilation": (1,) * rank,
        "groups": groups,
    }
    return oracle.gather(x, w, tuple(out), **settings) + b.reshape(-1, *(1,) * rank)


def run(backend, x, w, b, stride=1, pads=0, groups=1, force="", **options):
    bias = None if b is None else b.shape
    geometry = Geometry(x.ndim - 2, x.shape, w.shape, bias, stride, pads, 0, groups, 1, False)
    weight = gpu_conv.pack(geometry, backend.upload(w), force)
    b = None if b is None else backend.upload(b)
    return backend.download(gpu_conv.conv(geometry, backend.upload(x), weight, b, **options))


@pytest.mark.parametrize("force", KERNELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_epilogue(backend, force, dtype):
    rng = np.random.default_rng(3)
    activations = {
        None: lambda v: v,
        Activation("relu"): lambda v: np.maximum(v, 0),
        Activation("clamp", -0.5, 0.75): lambda v: np.clip(v, -0.5, 0.75),
        Activation("leaky_relu", 0.1): lambda v: np.where(v > 0, v, 0.1 * v),
        Activation("silu"): lambda v: v / (1 + np.exp(-v)),
    }
    for outputs, groups in ((20, 1), (18, 1), (16, 16)):
        if groups > 1 and force:
            continue
        x, w, b = arrays(rng, 16, outputs, (5, 6), (3, 3), groups, dtype=dtype)
        residual = rng.uniform(-1, 1, (2, outputs, 5, 6)).astype(dtype)
        sums = reference(x, w, b, pads=1, groups=groups) + residual.astype(np.float64)
        for activation, function in activations.items():
            options = {"activation": activation, "residual": backend.upload(residual)}
            got = run(backend, x, w, b, pads=1, groups=groups, force=force, **options)
            allowed = 2e-5 if dtype == np.float32 else 2e-3 * (1 + np.abs(sums))
            assert np.all(np.abs(got - function(sums)) <= allowed), (activation, outputs)


@pytest.mark.parametrize("force", KERNELS)
def test_nan_and_infinity_stay_where_they_belong(backend, force):
    rng = np.random.default_rng(4)
    for channels, outputs, groups in ((16, 20, 1), (12, 20, 1), (3, 20, 1), (8, 8, 8), (5, 5, 5)):
        if groups > 1 and force:
            continue
        x, w, b = arrays(rng, channels, outputs, (6, 7), (3, 3), groups)
        # In the corners, of the first and the last image.
        x[0, 0, 0, 0] = np.nan
        x[1, -1, -1, -1] = np.inf
        x[1, 0, 0, -1] = -np.inf
        try:
            got = run(backend, x, w, b, pads=1, groups=groups, force=force, activation=Activation("relu"))
        except errors.ArgumentError as error:
            assert "no such kernel" in str(error)
            continue
        with np.errstate(invalid="ignore"):
            expected = reference(x, w, b, pads=1, groups=groups)
            expected = np.where(np.isnan(expected), expected, np.maximum(expected, 0))
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=2e-5)


def test_relu_keeps_nan(backend):
    x = np.full((1, 32, 3, 3), np.nan, np.float32)
    w = np.ones((20, 32, 1, 1), np.float32)
    for activation in (Activation("relu"), Activation("clamp", 0.0, 6.0), Activation("silu")):
        assert np.isnan(run(backend, x, w, None, activation=activation)).all()


@pytest.mark.parametrize("force", ["", "32x64_4x8_db8/2", "direct"])
@pytest.mark.parametrize("transposed", [False, True])
def test_cut_along_batch_channels_and_rows(backend, monkeypatch, force, transposed):
    """Under a limit that one image does not fit, the same bits."""
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, (3, 64, 24, 24)).astype(np.float32)
    w = rng.uniform(-1, 1, (64, 128, 3, 3) if transposed else (128, 64, 3, 3)).astype(np.float32)
    geometry = Geometry(2, x.shape, w.shape, None, 2 if transposed else 1, 1, 0, 1, 1, transposed)
    x, w = backend.upload(x), backend.upload(w)
    runtime = backend.runtime
    whole = gpu_conv.pack(geometry, w, force)
    expected = backend.download(gpu_conv.conv(geometry, x, whole))
    for limit, products in ((1 << 19, 10**11), (3 << 16, 10**11), (1 << 27, 10**7)):
        monkeypatch.setattr(runtime, "max_binding", limit)
        monkeypatch.setattr(gpu_conv, "MAX_PRODUCTS", products)
        with Sentinels(runtime) as sentinels:
            try:
                cut = gpu_conv.pack(geometry, w, force)
            except errors.BindingTooLarge:
                # Weights of a transposed convolution have their output channels inside.
                assert transposed or force == "direct"
                continue
            assert len(cut.plan.steps) > len(whole.plan.steps)
            got = gpu_conv.conv(geometry, x, cut)
            assert sentinels.unwritten(got) == 0
        monkeypatch.setattr(runtime, "max_binding", 1 << 27)
        np.testing.assert_array_equal(backend.download(got), expected)


@pytest.mark.parametrize("force", ["", "32x64_4x8_db8/2", "direct"])
@pytest.mark.parametrize("transposed", [False, True])
def test_weights_of_groups_are_cut(backend, monkeypatch, force, transposed):
    """Some groups at a time, then some output channels of one; the same bits."""
    rng = np.random.default_rng(11)
    groups, inside, outside = 4, 16, 80
    x = rng.uniform(-1, 1, (2, groups * inside, 5, 6)).astype(np.float32)
    w = rng.uniform(-1, 1, (groups * (inside if transposed else outside), outside, 3, 3)).astype(np.float32)
    w = w if transposed else w[:, :inside]
    b = rng.uniform(-1, 1, groups * outside).astype(np.float32)
    geometry = Geometry(2, x.shape, w.shape, b.shape, 1, 1, 0, groups, 1, transposed)
    x, w, b = (backend.upload(np.ascontiguousarray(array)) for array in (x, w, b))
    whole = gpu_conv.pack(geometry, w, force)
    expected = backend.download(gpu_conv.conv(geometry, x, whole, b))
    # A direct kernel's weights are not padded to blocks of 64 channels.
    sizes = (110, 60, 40) if force == "direct" else (200, 110, 60)
    limits = {chunks: size << 10 for chunks, size in zip((2, 4, 8), sizes, strict=True)}
    if force == "direct" and transposed:
        # Its output channels lie inside in memory, so a group of them is bound whole.
        del limits[8]
    for chunks, limit in limits.items():
        with monkeypatch.context() as patch, Sentinels(backend.runtime) as sentinels:
            patch.setattr(backend.runtime, "max_binding", limit)
            cut = gpu_conv.pack(geometry, w, force)
            got = gpu_conv.conv(geometry, x, cut, b)
            assert sentinels.unwritten(got) == 0
        assert len(cut.arrays) == chunks
        np.testing.assert_array_equal(backend.download(got), expected)


def test_an_image_that_cannot_be_bound_is_laid_out_in_parts(backend, monkeypatch):
    rng = np.random.default_rng(7)
    for channels, groups, pads, limit in ((3, 1, 1, 24 << 10), (8, 2, 1, 14 << 10), (16, 1, 0, 48 << 10)):
        x, w, b = arrays(rng, channels, 24, (50, 60), (3, 3), groups)
        expected = run(backend, x, w, b, pads=pads, groups=groups)
        with monkeypatch.context() as patch:
            patch.setattr(backend.runtime, "max_binding", limit)
            got = run(backend, x, w, b, pads=pads, groups=groups)
        np.testing.assert_array_equal(got, expected)


def test_what_cannot_be_cut_is_refused(backend, monkeypatch):
    monkeypatch.setattr(backend.runtime, "max_binding", 1 << 16)
    geometry = Geometry(2, (1, 64, 4, 400), (64, 64, 1, 1), None, 1, 0, 0, 1, 1, False)
    with pytest.raises(errors.BindingTooLarge, match=r"at most 65536"):
        gpu_conv.explain(backend.runtime, geometry, np.dtype(np.float32), "forward")


@pytest.mark.parametrize("shape", [(1, 4, 70000), (3, 4, 300, 301), (70001, 4, 1, 1), (1, 3, 41, 41, 41)])
def test_more_than_65536_pixels(backend, shape):
    rng = np.random.default_rng(6)
    size = (1,) * (len(shape) - 2)
    for outputs in (2, 20):
        x, w, b = arrays(rng, shape[1], outputs, shape[2:], size, batch=shape[0])
        got = run(backend, x, w, b)
        expected = np.einsum("nc...,oc->no...", x, w.reshape(outputs, shape[1]), dtype=np.float64)
        expected += b.reshape(-1, *size)
        assert np.abs(got - expected).max() < 2e-6 * shape[1]


def test_more_than_65536_channels(backend):
    rng = np.random.default_rng(7)
    x, w, b = arrays(rng, 70004, 70004, (3,), (3,), groups=70004, batch=1)
    got = run(backend, x, w, b, pads=1, groups=70004)
    np.testing.assert_allclose(got, reference(x, w, b, pads=1, groups=70004), atol=1e-5)


def test_views_in_any_strides(backend):
    rng = np.random.default_rng(8)
    x, w, b = arrays(rng, 8, 20, (6, 7), (3, 3))
    host = np.ascontiguousarray(x[:, :, ::-1, ::2].transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    device = backend.upload(np.ascontiguousarray(x))
    view = backend.slice(device, (slice(0, 2), slice(0, 8), slice(None, None, -1), slice(0, 7, 2)))
    flipped = backend.upload(np.ascontiguousarray(w[:, :, :, ::-1]))
    weight = backend.slice(flipped, (slice(0, 20), slice(0, 8), slice(0, 3), slice(None, None, -1)))
    bias = backend.slice(backend.upload(np.repeat(b, 2)), (slice(0, 40, 2),))
    geometry = Geometry(2, host.shape, w.shape, b.shape, 1, 1, 0, 1, 1, False)
    expected = reference(host, w, b, pads=1)
    got = gpu_conv.conv(geometry, view, weight, bias)
    np.testing.assert_allclose(backend.download(got), expected, atol=2e-5)
    out = backend.full(expected.shape, 0.0, np.dtype(np.float32))
    assert gpu_conv.conv(geometry, view, weight, bias, out) is out
    np.testing.assert_array_equal(backend.download(out), backend.download(got))


def test_one_image_has_the_bits_it_has_in_a_batch(backend):
    rng = np.random.default_rng(9)
    for channels, size in ((64, (5, 5)), (16, (30, 31)), (3, (12, 12))):
        x, w, b = arrays(rng, channels, 40, size, (3, 3), batch=9)
        together = run(backend, x, w, b, pads=1)
        alone = run(backend, x[4:5], w, b, pads=1)
        np.testing.assert_array_equal(together[4:5], alone)


def test_explain_and_messages(backend):
    geometry = Geometry(2, (1, 64, 8, 8), (64, 64, 3, 3), None, 1, 1, 0, 1, 1, False)
    plan = backend.explain(geometry, np.dtype(np.float32), "forward")
    assert plan["algorithm"] == "implicit GEMM" and plan["kernel"].startswith("conv_")
    assert set(plan) == {
        "algorithm",
        "kernel",
        "tile",
        "threads",
        "tasks",
        "scratch_bytes",
        "packed_bytes",
        "reason",
    }
    with pytest.raises(errors.DtypeError, match="float64"):
        backend.explain(geometry, np.dtype(np.float64), "forward")
    whole = backend.upload(np.zeros((1, 64, 8, 8), np.int32))
    w = backend.upload(np.zeros((64, 64, 3, 3), np.int32))
    with pytest.raises(errors.DtypeError, match="int32"):
        gpu_conv.conv(geometry, whole, w)
    half = backend.upload(np.zeros((64, 64, 3, 3), np.float16))
    with pytest.raises(errors.DtypeError, match=r"input type \(int32\) and weight type \(float16\)"):
        gpu_conv.conv(geometry, whole, half)
