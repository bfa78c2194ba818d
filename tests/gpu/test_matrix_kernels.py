"""Weight gradients and matrix products on the GPU against float64."""

import numpy as np
import pytest
from guards import binding_limit, guarded
from rsconv._core import Geometry
from rsconv.backends.gpu import matmul as matrices
from rsconv.backends.gpu import weight_grad
from rsconv.errors import DtypeError

RNG = np.random.default_rng(7)
LAST = {3: (0, 2, 1), 4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}


def placed(backend, x, order):
    return backend.permute(
        backend.upload(np.ascontiguousarray(x.transpose(order))), tuple(int(i) for i in np.argsort(order))
    )


def weight_gradient(geometry, x, g):
    """The sum over samples and pixels, tap by tap."""
    x, g = x.astype(np.float64), g.astype(np.float64)
    if geometry.transposed:
        x, g = g, x
    rank, groups = geometry.rank, geometry.groups
    sizes, outputs = x.shape[2:], g.shape[2:]
    result = np.zeros(geometry.weight_shape)
    ends = zip(
        outputs,
        geometry.stride,
        geometry.padding,
        geometry.dilation,
        geometry.weight_shape[2:],
        sizes,
        strict=True,
    )
    pads = [(low, max(0, (o - 1) * s + (k - 1) * d + 1 - low - n)) for o, s, (low, _), d, k, n in ends]
    padded = np.pad(x, [(0, 0), (0, 0), *pads])
    rows, columns = result.shape[0] // groups, result.shape[1]
    for tap in np.ndindex(*result.shape[2:]):
        index = tuple(
            slice(t * d, t * d + (o - 1) * s + 1, s)
            for t, d, s, o in zip(tap, geometry.dilation, geometry.stride, outputs, strict=True)
        )
        seen = padded[(slice(None), slice(None), *index)]
        for q in range(groups):
            a = g[:, q * rows : (q + 1) * rows].reshape(len(g), rows, -1)
            b = seen[:, q * columns : (q + 1) * columns].reshape(len(g), columns, -1)
            result[(slice(q * rows, (q + 1) * rows), slice(None), *tap)] = np.einsum("nop,ncp->oc", a, b)
    assert rank == len(sizes)
    return result


def check(backend, shape, weight, last=True, dtype=np.float32, **options):
    geometry = Geometry(len(weight) - 2, shape, weight, **options)
    x = RNG.standard_normal(shape).astype(dtype)
    g = RNG.standard_normal(geometry.output_shape).astype(dtype)
    orders = [LAST[x.ndim] if last else tuple(range(x.ndim))] * 2
    devices = [placed(backend, array, order) for array, order in zip((x, g), orders, strict=True)]
    with guarded(backend.runtime):
        w = backend.conv_weight_grad(geometry, *devices)
    assert w.shape == tuple(weight) and w.dtype == dtype and w.is_contiguous()
    expected = weight_gradient(geometry, x, g)
    scale = np.abs(expected).max()
    bound = 1e-3 if dtype == np.float16 else 3e-6
    np.testing.assert_allclose(backend.download(w) / scale, expected / scale, atol=bound)
    return geometry


CASES = {
    # Input, weight, options: which tile and loads they reach is checked beside the plans in Rust.
    "1x1": ((2, 12, 5, 6), (20, 12, 1, 1), {}),
    "1x1 of one pixel": ((9, 8, 1, 1), (4, 8, 1, 1), {}),
    "3x3": ((2, 8, 7, 9), (40, 8, 3, 3), {"padding": 1}),
    "3x3 strided, dilated, asymmetric": (
        (2, 8, 9, 11),
        (12, 8, 3, 2),
        {"stride": (2, 1), "dilation": (1, 2), "padding": ((2, 0), (0, 1))},
    ),
    "stem": ((1, 3, 17, 16), (72, 3, 7, 7), {"stride": 2, "padding": 3}),
    "odd channels": ((2, 5, 6, 7), (21, 5, 3, 3), {"padding": 1}),
    "odd outputs": ((2, 8, 6, 7), (21, 8, 3, 3), {"padding": 1}),
    "many outputs": ((2, 8, 6, 7), (100, 8, 3, 3), {"padding": 1}),
    "groups": ((2, 24, 6, 5), (48, 8, 3, 3), {"groups": 3, "padding": 1}),
    "groups of few channels": ((2, 6, 6, 5), (9, 2, 3, 2), {"groups": 3, "padding": 1}),
    "depthwise": ((2, 12, 9, 8), (12, 1, 3, 3), {"groups": 12, "padding": 1, "stride": (1, 2)}),
    "depthwise of odd channels": ((2, 7, 9, 8), (14, 1, 3, 3), {"groups": 7, "padding": 1}),
    "1-D": ((2, 16, 40), (16, 16, 5), {"padding": 4, "dilation": 2}),
    "3-D": ((1, 8, 5, 6, 7), (16, 8, 3, 3, 3), {"padding": 1, "stride": (2, 1, 1)}),
    "3-D, many outputs": ((1, 4, 3, 4, 5), (100, 4, 2, 2, 2), {}),
    "depthwise 3-D": ((1, 8, 5, 6, 7), (8, 1, 3, 3, 3), {"padding": 1, "groups": 8}),
    "transposed": (
        (2, 8, 5, 6),
        (8, 6, 3, 3),
        {"transposed": True, "stride": 2, "padding": 1, "output_padding": 1},
    ),
    "transposed, groups": ((2, 8, 5), (8, 2, 4), {"transposed": True, "stride": 3, "groups": 4}),
}


@pytest.mark.parametrize("case", CASES)
def test_weight_gradients(backend, case):
    shape, weight, options = CASES[case]
    check(backend, shape, weight, **options)


def test_memory_orders_and_views(backend):
    shape, weight, options = CASES["3x3"]
    check(backend, shape, weight, last=False, **options)
    geometry = Geometry(2, shape, weight, **options)
    x = RNG.standard_normal((2, 9, 10, 13)).astype(np.float32)
    g = RNG.standard_normal(geometry.output_shape).astype(np.float32)
    cut = (slice(0, 2), slice(1, 9), slice(2, 9), slice(4, 13))
    device = backend.slice(placed(backend, x, LAST[4]), cut)
    w = backend.download(backend.conv_weight_grad(geometry, device, backend.upload(g)))
    np.testing.assert_allclose(w, weight_gradient(geometry, x[cut], g), atol=1e-4)


def test_unbatched_and_empty(backend):
    geometry = Geometry(2, (8, 5, 6), (12, 8, 3, 3), padding=1)
    x, g = (RNG.standard_normal(s).astype(np.float32) for s in ((8, 5, 6), (12, 5, 6)))
    w = backend.download(backend.conv_weight_grad(geometry, backend.upload(x), backend.upload(g)))
    np.testing.assert_allclose(w, weight_gradient(geometry, x[None], g[None]), atol=1e-4)
    geometry = Geometry(1, (0, 4, 6), (2, 4, 3))
    none = [backend.upload(np.zeros(s, np.float32)) for s in ((0, 4, 6), (0, 2, 4))]
    with guarded(backend.runtime):
        w = backend.conv_weight_grad(geometry, *none)
    assert (backend.download(w) == 0).all()


@pytest.mark.parametrize("case", ["3x3", "odd channels", "depthwise", "groups of few channels"])
def test_weight_gradients_in_float16(backend, case):
    shape, weight, options = CASES[case]
    check(backend, shape, weight, dtype=np.float16, **options)


def test_many_pixels_are_cut(backend):
    geometry = Geometry(2, (2, 4, 70, 70), (4, 4, 3, 3), padding=1)
    x, g = (RNG.standard_normal((2, 4, 70, 70)).astype(np.float32) for _ in range(2))
    devices = [placed(backend, a, LAST[4]) for a in (x, g)]
    expected = weight_gradient(geometry, x, g)
    whole = backend.download(backend.conv_weight_grad(geometry, *devices))
    np.testing.assert_allclose(whole, expected, atol=1e-5 * np.abs(expected).max())
    assert (backend.download(backend.conv_weight_grad(geometry, *devices)) == whole).all(), "bits repeat"
    with binding_limit(backend.runtime, 90 << 10):
        parts = backend.download(backend.conv_weight_grad(geometry, *devices))
    np.testing.assert_allclose(parts, expected, atol=1e-5 * np.abs(expected).max())
    # One image is more than is bound: rows of it.
    for limit in (60 << 10, 7 << 10):
        with binding_limit(backend.runtime, limit):
            parts = backend.download(backend.conv_weight_grad(geometry, *devices))
        np.testing.assert_allclose(parts, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("case", ["3x3", "many outputs", "3-D", "transposed", "1x1"])
@pytest.mark.parametrize("last", [True, False])
def test_long_sums_are_cut(backend, monkeypatch, case, last):
    """Rows of the weight by themselves, so that no dispatch is long."""
    backend.runtime.plans.clear()
    monkeypatch.setattr(weight_grad, "_MOST_PRODUCTS", 3000)
    shape, weight, options = CASES[case]
    before = backend.runtime.stats()["dispatches"]
    check(backend, shape, weight, last, **options)
    assert backend.runtime.stats()["dispatches"] - before >= 4


def test_long_sums_of_one_image(backend, monkeypatch):
    monkeypatch.setattr(weight_grad, "_MOST_PRODUCTS", 3000)
    geometry = Geometry(1, (8, 40), (6, 8, 5), padding=2)
    x, g = (RNG.standard_normal(shape).astype(np.float32) for shape in ((8, 40), (6, 40)))
    got = backend.download(backend.conv_weight_grad(geometry, backend.upload(x), backend.upload(g)))
    expected = weight_gradient(Geometry(1, (1, 8, 40), (6, 8, 5), padding=2), x[None], g[None])
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_large_weights_are_added_part_by_part(backend):
    geometry = Geometry(1, (9, 32, 8), (32, 32, 3), padding=1)
    x, g = (RNG.standard_normal((9, 32, 8)).astype(np.float32) for _ in range(2))
    devices = [backend.upload(a) for a in (x, g)]
    with binding_limit(backend.runtime, 16 << 10):
        parts = backend.download(backend.conv_weight_grad(geometry, *devices))
    np.testing.assert_allclose(parts, weight_gradient(geometry, x, g), atol=1e-4)


def test_numbers_that_are_none_stay_where_they_are(backend):
    geometry = Geometry(2, (1, 8, 6, 6), (16, 8, 3, 3), padding=1)
    x, g = np.ones((1, 8, 6, 6), np.float32), np.ones((1, 16, 6, 6), np.float32)
    # The corner of channel 3 is seen by the four taps around the middle and below.
    x[0, 3, 0, 0] = np.nan
    w = backend.download(
        backend.conv_weight_grad(geometry, placed(backend, x, LAST[4]), placed(backend, g, LAST[4]))
    )
    reached = np.zeros((16, 8, 3, 3), bool)
    reached[:, 3, :2, :2] = True
    np.testing.assert_array_equal(np.isnan(w), reached)


MATRICES = [(1, 1, 1, 1), (1, 5, 7, 3), (2, 33, 20, 70), (3, 4, 300, 8), (1, 130, 9, 66), (1, 1, 64, 10)]
MATRICES += [(2, 31, 129, 6), (2, 4, 64, 9)]


@pytest.mark.parametrize("sizes", MATRICES)
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
def test_products(backend, sizes, turned):
    batch, m, k, n = sizes
    a, b = RNG.standard_normal((batch, m, k)), RNG.standard_normal((batch, k, n))
    a, b = a.astype(np.float32), b.astype(np.float32)
    left, right = (
        placed(backend, x, (0, 2, 1) if t else (0, 1, 2)) for x, t in zip((a, b), turned, strict=True)
    )
    with guarded(backend.runtime):
        y = backend.matmul(left, right)
    expected = a.astype(np.float64) @ b
    np.testing.assert_allclose(backend.download(y), expected, atol=2e-6 * np.sqrt(k) * 3)


def test_products_of_other_kinds(backend):
    a, b = (RNG.standard_normal(s).astype(np.float16) for s in ((2, 9, 40), (2, 40, 12)))
    with guarded(backend.runtime):
        y = backend.matmul(backend.upload(a), backend.upload(b))
    assert y.dtype == np.float16
    expected = a.astype(np.float64) @ b.astype(np.float64)
    np.testing.assert_allclose(backend.download(y), expected, rtol=1e-3, atol=1e-2)
    one = backend.expand(backend.upload(b[:1]), (2, 40, 12))
    np.testing.assert_allclose(
        backend.download(backend.matmul(backend.upload(a), one)),
        a.astype(np.float64) @ b[0].astype(np.float64),
        rtol=1e-3,
        atol=1e-2,
    )
    turned = placed(backend, b, (0, 2, 1))
    with guarded(backend.runtime):
        y = backend.matmul(backend.upload(a), turned)
    assert y.dtype == np.float16
    np.testing.assert_allclose(backend.download(y), expected, rtol=1e-3, atol=1e-2)
    for shapes in (((2, 3, 0), (2, 0, 4)), ((0, 3, 2), (0, 2, 4)), ((2, 0, 2), (2, 2, 4))):
        y = backend.matmul(*(backend.upload(np.zeros(s, np.float32)) for s in shapes))
        assert (backend.download(y) == 0).all() and y.shape == (shapes[0][0], shapes[0][1], shapes[1][2])
    with pytest.raises(DtypeError, match="matmul on the GPU takes float32 or float16, but got int32"):
        backend.matmul(*(backend.upload(np.zeros((1, 2, 2), np.int32)),) * 2)


def test_large_products_are_cut(backend):
    for sizes in ((6, 40, 30, 24), (1, 600, 12, 8)):
        batch, m, k, n = sizes
        a, b = (RNG.standard_normal(s).astype(np.float32) for s in ((batch, m, k), (batch, k, n)))
        with binding_limit(backend.runtime, 12 << 10), guarded(backend.runtime):
            y = backend.matmul(backend.upload(a), backend.upload(b))
        np.testing.assert_allclose(backend.download(y), a.astype(np.float64) @ b, atol=1e-4)
    a, b = (RNG.standard_normal(s).astype(np.float32) for s in ((3, 300), (40, 300)))
    with binding_limit(backend.runtime, 12 << 10), guarded(backend.runtime):
        turned = backend.permute(backend.upload(b[None]), (0, 2, 1))
        y = backend.matmul(backend.upload(a[None]), turned)
    np.testing.assert_allclose(backend.download(y)[0], a.astype(np.float64) @ b.T, atol=1e-4)
    a, b = (backend.upload(np.ones(s, np.float32)) for s in ((1, 4, 4000), (1, 4000, 4)))
    with binding_limit(backend.runtime, 12 << 10):
        assert (backend.download(backend.matmul(a, b)) == 4000).all(), "a row is more than is bound"


def test_long_products_are_cut(backend, monkeypatch):
    """No dispatch has more than so many products: matrices, then rows."""
    monkeypatch.setattr(matrices, "_MOST_PRODUCTS", 200_000)
    for sizes, least in (((7, 40, 50, 70), 7), ((1, 300, 50, 70), 6), ((2, 64, 90, 33), 1)):
        batch, m, k, n = sizes
        a, b = (RNG.standard_normal(s).astype(np.float32) for s in ((batch, m, k), (batch, k, n)))
        before = backend.runtime.stats()["dispatches"]
        with guarded(backend.runtime):
            y = backend.matmul(backend.upload(a), backend.upload(b))
        assert backend.runtime.stats()["dispatches"] - before >= least
        np.testing.assert_allclose(backend.download(y), a.astype(np.float64) @ b, atol=1e-4)


def test_more_columns_than_a_grid_has(backend, monkeypatch):
    monkeypatch.setattr(matrices, "_MOST_COLUMNS", 100)
    a, b = (RNG.standard_normal(s).astype(np.float32) for s in ((2, 50, 3), (2, 3, 333)))
    with guarded(backend.runtime):
        y = backend.matmul(backend.upload(a), backend.upload(b))
    np.testing.assert_allclose(backend.download(y), a.astype(np.float64) @ b, atol=1e-5)


def test_second_shape_compiles_nothing(backend):
    compiled = backend.runtime.pipelines.compiled
    counts = []
    for size in (5, 6, 7, 8):
        shape = (1, 20, size, size)
        geometry = Geometry(2, shape, (20, 20, 3, 3), padding=1)
        x = placed(backend, np.zeros(shape, np.float32), LAST[4])
        backend.conv_weight_grad(geometry, x, x)
        counts.append(len(compiled))
    assert len(set(counts)) == 1
