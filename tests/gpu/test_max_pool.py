"""Max pooling on the GPU against loops."""

import itertools

import numpy as np
import pytest
from guards import binding_limit, guarded
from rsconv.backends.gpu import windows as pool
from rsconv.backends.gpu.layout import relayout
from rsconv.backends.windows import adaptive_window, pool_window
from rsconv.errors import DtypeError

RNG = np.random.default_rng(5)


def members(window):
    """The elements of each output along one axis."""
    for i in range(window.outputs):
        if window.adaptive:
            yield range(i * window.size // window.outputs, -(-(i + 1) * window.size // window.outputs))
        else:
            start = i * window.stride - window.low
            taps = (start + k * window.dilation for k in range(window.kernel))
            yield [at for at in taps if 0 <= at < window.size]


def pooled(x, windows):
    """Values and indices by loops; NaN wins, the first of equals."""
    rank = len(windows)
    lead, sizes = x.shape[:-rank], x.shape[-rank:]
    outputs = tuple(window.outputs for window in windows)
    low = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    y, index = np.full(lead + outputs, low, x.dtype), np.full(lead + outputs, -1)
    lists = [list(members(window)) for window in windows]
    for place in itertools.product(*map(range, outputs)):
        elements = itertools.product(*(lists[axis][i] for axis, i in enumerate(place)))
        for element in elements:
            at, flat = (..., *place), np.ravel_multi_index(element, sizes)
            value = x[(..., *element)]
            better = (index[at] < 0) | (value > y[at]) | (np.isnan(value) & ~np.isnan(y[at]))
            y[at] = np.where(better, value, y[at])
            index[at] = np.where(better, flat, index[at])
    return y, index


def check(backend, x, windows, order=None):
    """Forward and gradient of `x`, whose axes lie in memory as in `order`."""
    order = order or tuple(range(x.ndim))
    inverse = tuple(np.argsort(order))
    device = backend.permute(backend.upload(np.ascontiguousarray(x.transpose(order))), inverse)
    expected, where = pooled(x, windows)
    with guarded(backend.runtime):
        y, index = backend.max_pool(device, windows, True)
        alone, none = backend.max_pool(device, windows, False)
    assert none is None and index.dtype == np.int32
    np.testing.assert_array_equal(backend.download(y), expected, strict=True)
    np.testing.assert_array_equal(backend.download(alone), expected, strict=True)
    np.testing.assert_array_equal(backend.download(index), where)
    if x.dtype.kind != "f":
        return y
    grad = RNG.standard_normal(expected.shape).astype(x.dtype)
    uploaded = backend.permute(backend.upload(np.ascontiguousarray(grad.transpose(order))), inverse)
    with guarded(backend.runtime):
        result = backend.max_pool_grad(uploaded, index, windows)
    rank = len(windows)
    planes = int(np.prod(x.shape[:-rank]))
    total = np.zeros((planes, int(np.prod(x.shape[-rank:]))))
    for plane, places, values in zip(total, where.reshape(planes, -1), grad.reshape(planes, -1), strict=True):
        used = places >= 0
        np.add.at(plane, places[used], values[used].astype(np.float64))
    bound = {"atol": 2e-3, "rtol": 2e-3} if x.dtype == np.float16 else {"atol": 1e-6, "rtol": 1e-6}
    assert result.dtype == x.dtype
    np.testing.assert_allclose(backend.download(result), total.reshape(x.shape), **bound)
    return y


LAST = {3: (0, 2, 1), 4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
@pytest.mark.parametrize(
    ("shape", "windows"),
    [
        ((2, 3, 17), [pool_window(17, 3, 2, 1)]),
        ((2, 8, 9, 11), [pool_window(9, 3, 2, 1, 1, True), pool_window(11, 2, 3, (0, 1), 2)]),
        ((2, 3, 9, 8), [adaptive_window(9, 1), pool_window(8, 8, 1)]),
        ((2, 3, 65), [adaptive_window(65, 1)]),
        ((1, 5, 7, 6), [adaptive_window(7, 3), adaptive_window(6, 4)]),
        ((2, 4, 5, 6, 7), [pool_window(5, 2, 1), pool_window(6, 3, 2, 1), pool_window(7, 2, 2)]),
    ],
)
def test_values_indices_and_gradient(backend, shape, windows, dtype, last):
    # Few different values, so that there are equals.
    x = RNG.integers(-3, 4, shape).astype(dtype)
    y = check(backend, x, tuple(windows), LAST[len(shape)] if last else None)
    if last and min(shape[1:]) > 1:
        assert y.strides[1] == 1, "the result's channels are neighbours too"


def test_other_axes_in_front(backend):
    x = RNG.standard_normal((2, 3, 2, 6, 5)).astype(np.float32)
    windows = (pool_window(6, 2, 2), pool_window(5, 3, 1, 1))
    check(backend, x, windows)
    check(backend, x, windows, (1, 0, 2, 3, 4))
    check(backend, x[0, 0], windows)
    check(backend, x[0, 0, 0], windows)


def test_not_numbers(backend):
    x = np.zeros((1, 4, 6, 6), np.float32)
    x[0, 0, 2, 3], x[0, 1], x[0, 2, 1:3, 1], x[0, 3, ::2] = np.nan, -np.inf, [np.inf, np.nan], -0.0
    x[0, 1, 4, 4] = np.uint32(0xFFC00001).view(np.float32)
    x[0, 3, 1] = 1e-40
    windows = (pool_window(6, 3, 1, 1), pool_window(6, 3, 1, 1))
    for dtype in (np.float32, np.float16):
        for order in (None, LAST[4]):
            check(backend, x.astype(dtype), windows, order)
    # Bits stay: of two zeros the first, whatever its sign.
    y, _ = backend.max_pool(
        backend.upload(np.array([[-0.0, 0.0, 0.0, -0.0]], np.float32)), (pool_window(4, 2, 2),), False
    )
    assert np.signbit(backend.download(y)).tolist() == [[True, False]]


def test_windows_without_elements(backend):
    window = pool_window(1, 2, 1, 1, 3)._replace(outputs=2)
    x = np.full((1, 2, 1), 7.0, np.float32)
    check(backend, x, (window,))
    check(backend, x.astype(np.int32), (window,))


def test_gradient_with_indices_in_another_order(backend):
    x = RNG.standard_normal((1, 4, 6, 6)).astype(np.float32)
    windows = (pool_window(6, 2, 2), pool_window(6, 2, 2))
    y, index = backend.max_pool(backend.upload(x), windows, True)
    found = backend.download(backend.max_pool_grad(y, index, windows))
    other = backend.max_pool_grad(relayout(y, LAST[4]), index, windows)
    np.testing.assert_array_equal(backend.download(other), found)
    other = backend.max_pool_grad(y, relayout(index, LAST[4]), windows)
    np.testing.assert_array_equal(backend.download(other), found)


def test_parts_of_large_batches(backend):
    x = RNG.standard_normal((5, 8, 16, 16)).astype(np.float32)
    windows = (pool_window(16, 2, 2), pool_window(16, 2, 2))
    with binding_limit(backend.runtime, 20 << 10):
        check(backend, x, windows)
        check(backend, x, windows, LAST[4])
        check(backend, x[:1], windows)
    for limit in (4 << 10, 1 << 10):
        with binding_limit(backend.runtime, limit):
            check(backend, x, windows, (0, 3, 1, 2))
            check(backend, x, (pool_window(16, 9, 2, 3, 2), pool_window(16, 15, 1)), LAST[4])


@pytest.mark.parametrize("last", [False, True])
def test_large_windows_are_pooled_by_axes_and_in_parts(backend, monkeypatch, last):
    """Of a window's elements some after the others, so that no thread sees many."""
    monkeypatch.setattr(pool, "_MANY", 4)
    monkeypatch.setattr(pool, "MOST_SERIAL", 3)
    x = RNG.integers(-3, 3, (2, 3, 9, 11)).astype(np.float32)
    x[0, 1, 2, 3] = x[0, 1, 5, 1] = np.nan
    x[1, 2, :4] = -np.inf
    order = LAST[4] if last else None
    check(backend, x, (pool_window(9, 5, 2, 2), pool_window(11, 8, 1, 3)), order)
    check(backend, x, (pool_window(9, 2, 1, 1, 9), pool_window(11, 4, 3, 1, 2)), order)
    check(backend, x, (adaptive_window(9, 2), adaptive_window(11, 3)), order)
    check(backend, x.astype(np.float16), (pool_window(9, 5, 1, 2), pool_window(11, 5, 1, 2)), order)


def test_refusals(backend):
    with pytest.raises(DtypeError, match="float32, float16 or int32, but got bool"):
        backend.max_pool(backend.upload(np.ones((1, 4), bool)), (pool_window(4, 2, 2),), False)
