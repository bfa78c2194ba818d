"""The GPU's windows, taps, indices and random numbers beside the CPU's: equal bits where nothing is added."""

import numpy as np
import pytest
from rsconv._core import Geometry
from rsconv.backends import cpu
from rsconv.backends.taps import average_taps, resize_taps
from rsconv.backends.windows import adaptive_window, pool_window

RNG = np.random.default_rng(9)
X = RNG.standard_normal((2, 8, 11, 9)).astype(np.float32)
X[0, 1, 2:4, 3], X[1, 2, 5], X[1, 3, ::2, ::2] = np.nan, np.inf, -0.0
FINITE = RNG.standard_normal((2, 8, 11, 9)).astype(np.float32)
POOLS = {
    "regular": (pool_window(11, 3, 2, 1), pool_window(9, 2, 2, 0, 2, True)),
    "adaptive": (adaptive_window(11, 4), adaptive_window(9, 5)),
    "beside the axis": (pool_window(11, 3, 2, 1), pool_window(9, 2, 9, 1, 12)._replace(outputs=2)),
}
TAPS = {
    "cubic": (resize_taps("cubic", 11, 17), resize_taps("cubic", 9, 4)),
    "average": tuple(average_taps(window) for window in POOLS["regular"]),
    "nearest": (resize_taps("nearest", 11, 25), resize_taps("nearest-exact", 9, 4)),
}


def both(backend, operator, *arguments):
    """The results of an operator on the CPU and on the GPU, arrays and tuples of them alike."""
    uploaded = [backend.upload(a) if isinstance(a, np.ndarray) else a for a in arguments]
    found = getattr(backend, operator)(*uploaded)
    expected = getattr(cpu, operator)(*arguments)
    if isinstance(found, tuple):
        return expected, tuple(None if part is None else backend.download(part) for part in found)
    return expected, backend.download(found)


@pytest.mark.parametrize("name", POOLS)
def test_pooling(backend, name):
    for dtype in (np.float32, np.float16):
        (y, index), (other, places) = both(backend, "max_pool", X.astype(dtype), POOLS[name], True)
        np.testing.assert_array_equal(other, y)
        np.testing.assert_array_equal(np.signbit(other), np.signbit(y))
        np.testing.assert_array_equal(places, index)
        grad = RNG.standard_normal(y.shape).astype(dtype)
        expected, found = both(backend, "max_pool_grad", grad, index.astype(np.int32), POOLS[name])
        np.testing.assert_allclose(found, expected, atol=1e-2 if dtype == np.float16 else 1e-6)


@pytest.mark.parametrize("name", TAPS)
def test_resampling(backend, name):
    expected, found = both(backend, "resample", FINITE, TAPS[name])
    np.testing.assert_allclose(found, expected, rtol=0, atol=0 if name == "nearest" else 2e-6)


def test_indices(backend):
    index = RNG.integers(0, 11, (2, 8, 5, 9)).astype(np.int32)
    np.testing.assert_array_equal(*both(backend, "gather", X, 2, index))
    src = FINITE[:, :, :5]
    # Both add in the order of the indices.
    np.testing.assert_array_equal(*both(backend, "scatter_add", np.ascontiguousarray(src), 2, index, 11))


def test_dropout_is_one_stream(backend):
    for dtype in (np.float32, np.float16):
        for seed, offset in ((0, 0), (2**64 - 3, 2**63 + 1)):
            expected, found = both(backend, "dropout", FINITE.astype(dtype), 0.37, seed, offset)
            np.testing.assert_array_equal(found == 0, expected == 0)
            np.testing.assert_allclose(found, expected, rtol=1e-3 if dtype == np.float16 else 1e-6)


def test_columns_borders_and_gradients(backend):
    geometry = Geometry(2, FINITE.shape, (4, 8, 3, 2), padding=(1, 0), stride=(2, 1), dilation=(1, 2))
    expected, found = both(backend, "unfold", geometry, X)
    np.testing.assert_array_equal(found, expected)
    columns = RNG.standard_normal(expected.shape).astype(np.float32)
    expected, found = both(backend, "fold", geometry, columns)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    pads = ((0, 0), (0, 0), (3, -1), (2, 4))
    for mode in ("constant", "reflect", "replicate", "circular"):
        np.testing.assert_array_equal(*both(backend, "pad", X, pads, mode, 0.5))
        padded = cpu.pad(FINITE, pads, mode)
        np.testing.assert_allclose(*both(backend, "pad_grad", padded, pads, mode), atol=1e-5)
    grad = RNG.standard_normal(geometry.output_shape).astype(np.float32)
    expected, found = both(backend, "conv_weight_grad", geometry, FINITE, grad)
    np.testing.assert_allclose(found, expected, atol=3e-5)
    a, b = FINITE[0], np.ascontiguousarray(FINITE[1].transpose(0, 2, 1))
    np.testing.assert_allclose(*both(backend, "matmul", a, b), atol=1e-5)
