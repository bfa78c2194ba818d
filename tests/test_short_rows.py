"""Rows from a few elements to a few vectors: where whole vectors end, overlap or do not fit."""

import numpy as np
import pytest
from rsconv.backends import cpu
from rsconv.backends.taps import average_taps, resize_taps
from rsconv.backends.windows import pool_window

WIDTHS = range(2, 71)


def dense(taps):
    """A table as a matrix (outputs, size)."""
    matrix = np.zeros((taps.outputs, taps.size))
    weights = np.ones(len(taps.indices)) if taps.weights is None else taps.weights
    rows = np.repeat(np.arange(taps.outputs), np.diff(taps.offsets))
    np.add.at(matrix, (rows, taps.indices), weights)
    return matrix


def pooled(x, kernel, low, outputs):
    """The largest elements of windows that start every two elements along both last axes."""
    for axis in (-1, -2):
        pad = [(0, 0)] * x.ndim
        pad[axis] = (low, low + kernel)
        padded = np.pad(x, pad, constant_values=-np.inf)
        count = outputs[axis]
        taps = [np.take(padded, 2 * np.arange(count) + tap, axis) for tap in range(kernel)]
        x = np.maximum.reduce(taps)
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize(("kernel", "low"), [(2, 0), (2, 1), (3, 0), (3, 1)])
def test_max_pool_by_two(kernel, low, dtype):
    rng = np.random.default_rng(kernel)
    for width in WIDTHS[kernel:]:
        x = rng.standard_normal((2, 7, width)).astype(dtype)
        x[0, rng.integers(7), rng.integers(width)] = np.nan
        windows = tuple(pool_window(n, kernel, 2, low) for n in (7, width))
        expected = pooled(x, kernel, low, [window.outputs for window in windows])
        np.testing.assert_array_equal(cpu.max_pool(x, windows, False)[0], expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["average", "nearest", "linear", "cubic"])
def test_resampling_by_two(kind, dtype):
    def table(n):
        return average_taps(pool_window(n, 2, 2)) if kind == "average" else resize_taps(kind, n, 2 * n)

    rng = np.random.default_rng(3)
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    for width in WIDTHS:
        x = rng.standard_normal((2, 6, width)).astype(dtype)
        taps = [table(6), table(width)]
        expected = dense(taps[0]) @ x.astype(np.float64) @ dense(taps[1]).T
        np.testing.assert_allclose(cpu.resample(x, taps), expected, rtol=tolerance, atol=tolerance)
