"""Resampling and padding on the GPU: every table of taps as a dense matrix in float64."""

import numpy as np
import pytest
from guards import binding_limit, guarded
from rsconv.backends.taps import average_taps, border_taps, resize_taps
from rsconv.backends.windows import adaptive_window, pool_window
from rsconv.errors import DtypeError

RNG = np.random.default_rng(6)
LAST = {3: (0, 2, 1), 4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}


def matrix(taps):
    dense = np.zeros((taps.outputs, taps.size))
    for row in range(taps.outputs):
        for tap in range(taps.offsets[row], taps.offsets[row + 1]):
            dense[row, taps.indices[tap]] += 1 if taps.weights is None else taps.weights[tap]
    return dense


def resampled(x, taps):
    y = x.astype(np.float64)
    for axis, table in zip(range(x.ndim - len(taps), x.ndim), taps, strict=True):
        if table is not None and table.selection:
            y = y.take(table.indices, axis)
        elif table is not None:
            y = np.moveaxis(np.tensordot(matrix(table), np.moveaxis(y, axis, 0), 1), 0, axis)
    return y


def placed(backend, x, order):
    return backend.permute(
        backend.upload(np.ascontiguousarray(x.transpose(order))), tuple(int(i) for i in np.argsort(order))
    )


def check(backend, x, taps, order=None):
    device = placed(backend, x, order or tuple(range(x.ndim)))
    with guarded(backend.runtime):
        y = backend.resample(device, taps)
    assert y.dtype == x.dtype
    exact = x.dtype.kind != "f" or all(t is None or t.selection for t in taps)
    bound = {"atol": 0, "rtol": 0} if exact else {"atol": 2e-6, "rtol": 2e-6}
    if x.dtype == np.float16 and not exact:
        bound = {"atol": 2e-3, "rtol": 1e-3}
    np.testing.assert_allclose(backend.download(y), resampled(x, taps).astype(x.dtype), **bound)
    return y


TABLES = [
    ((2, 3, 11), [resize_taps("linear", 11, 7)]),
    ((2, 8, 6, 9), [resize_taps("cubic", 6, 13), resize_taps("cubic", 9, 5)]),
    ((1, 4, 6, 9), [average_taps(pool_window(6, 3, 2, 1)), average_taps(pool_window(9, 2, 2, 0, 1, True))]),
    ((2, 4, 5, 6, 7), [average_taps(adaptive_window(n, m)) for n, m in ((5, 2), (6, 1), (7, 7))]),
    ((2, 4, 5, 6, 7), [None, resize_taps("linear", 6, 3, None, True), None]),
    ((2, 3, 300), [average_taps(adaptive_window(300, 1))]),
    ((2, 3, 9, 10), [average_taps(adaptive_window(n, 1)) for n in (9, 10)]),
    ((2, 3, 80, 7), [average_taps(pool_window(80, 82, 1, 1)), average_taps(pool_window(7, 3, 2, 1))]),
    ((2, 3, 20, 30), [average_taps(adaptive_window(20, 1)), average_taps(adaptive_window(30, 2))]),
]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(("shape", "taps"), TABLES)
def test_weighted_taps_and_their_gradients(backend, shape, taps, dtype, last):
    x = RNG.standard_normal(shape).astype(dtype)
    order = LAST[len(shape)] if last else None
    y = check(backend, x, taps, order)
    if last:
        assert y.strides[1] == 1, "the result's channels are neighbours too"
    grad = RNG.standard_normal(y.shape).astype(dtype)
    check(backend, grad, [None if axis is None else axis.transposed() for axis in taps], order)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "bool"])
def test_selections_keep_every_bit(backend, dtype):
    x = RNG.integers(-9, 9, (2, 8, 6, 5)).astype(dtype)
    if dtype[0] == "f":
        x[0, 1, 2], x[1, 0, 0, 0], x[1, 2] = np.nan, np.inf, -0.0
    taps = [resize_taps("nearest", 6, 13), resize_taps("nearest-exact", 5, 3)]
    for order in (None, LAST[4]):
        y = backend.download(check(backend, x, taps, order))
        if dtype[0] == "f":
            assert (np.signbit(y) == np.signbit(resampled(x, taps))).all()


def test_a_zero_is_no_tap(backend):
    x = np.array([[1, np.inf, 2, np.nan, 3]], np.float32)
    y = backend.download(backend.resample(backend.upload(x), [resize_taps("linear", 5, 3, None, True)]))
    np.testing.assert_array_equal(y, [[1, 2, 3]])


def test_nothing_and_parts(backend):
    taps = [resize_taps("linear", 8, 16), resize_taps("linear", 8, 16)]
    assert backend.resample(backend.upload(np.zeros((0, 3, 8, 8), np.float32)), taps).shape == (0, 3, 16, 16)
    kept = backend.upload(np.ones((2, 3), np.float32))
    assert backend.download(backend.resample(kept, [None])).sum() == 6
    x = RNG.standard_normal((5, 4, 8, 8)).astype(np.float32)
    with binding_limit(backend.runtime, 16 << 10):
        check(backend, x, taps)
        check(backend, x, taps, LAST[4])
    with pytest.raises(DtypeError, match="resample on the GPU takes float32 or float16, but got int32"):
        backend.resample(backend.upload(np.zeros((1, 8, 8), np.int32)), taps)


NUMPY_MODE = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "constant": "constant"}


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    ("shape", "pads"),
    [
        ((2, 3, 7), ((0, 0), (0, 0), (2, 3))),
        ((2, 4, 5, 6), ((0, 0), (0, 0), (1, 2), (3, 0))),
        ((2, 4, 5, 6), ((0, 0), (0, 0), (-1, 2), (3, -2))),
        ((3, 4, 5, 6), ((1, 1), (2, 0), (1, 1), (0, 3))),
        ((3, 4, 5), ((0, 0), (0, 0), (0, 0))),
    ],
)
def test_pad_and_its_gradient(backend, shape, pads, mode):
    x = RNG.standard_normal(shape).astype(np.float32)
    cropped = x[tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(shape, pads, strict=True))]
    grown = [(max(a, 0), max(b, 0)) for a, b in pads]
    options = {"constant_values": 2.5} if mode == "constant" else {}
    expected = np.pad(cropped, grown, mode=NUMPY_MODE[mode], **options)
    for order in (tuple(range(x.ndim)), LAST[x.ndim]):
        device = placed(backend, x, order)
        with guarded(backend.runtime):
            y = backend.pad(device, pads, mode, 2.5)
        np.testing.assert_array_equal(backend.download(y), expected, strict=True)
    grad = RNG.standard_normal(expected.shape).astype(np.float32)
    with guarded(backend.runtime):
        found = backend.pad_grad(backend.upload(grad), pads, mode)
    # The adjoint, element by element: where each element of x goes.
    places = np.pad(
        np.arange(x.size).reshape(shape)[
            tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(shape, pads, strict=True))
        ],
        grown,
        mode=NUMPY_MODE[mode],
        **({"constant_values": -1} if mode == "constant" else {}),
    )
    total = np.zeros(x.size)
    np.add.at(total, places[places >= 0], grad[places >= 0].astype(np.float64))
    np.testing.assert_allclose(backend.download(found), total.reshape(shape), rtol=1e-5, atol=1e-6)


def test_pad_of_other_dtypes(backend):
    for dtype in ("float16", "int32", "bool"):
        x = RNG.integers(0, 2, (2, 3, 4)).astype(dtype)
        pads = ((0, 0), (0, 1), (2, 1))
        for mode in ("constant", "replicate"):
            y = backend.download(backend.pad(backend.upload(x), pads, mode, 1))
            options = {"constant_values": 1} if mode == "constant" else {}
            np.testing.assert_array_equal(y, np.pad(x, pads, mode=NUMPY_MODE[mode], **options), strict=True)


def test_border_tables_are_selections():
    assert all(border_taps(5, 2, 1, mode).selection for mode in ("reflect", "replicate", "circular"))
