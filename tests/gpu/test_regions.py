"""Loops in regions: cuts by strides, and operators of any shape and order under limits that nothing fits."""

import gc
import math

import numpy as np
import pytest
from guards import binding_limit, guarded
from hypothesis import given, settings
from hypothesis import strategies as st
from rsconv.backends import Geometry
from rsconv.backends.gpu.regions import Operand, at_most, by_regions
from rsconv.backends.taps import average_taps, resize_taps
from rsconv.backends.windows import adaptive_window, pool_window
from rsconv.errors import BindingTooLarge

SLOW = settings(max_examples=25, deadline=None)


def cuts(array, sizes, limit, **options):
    """The regions of a loop over one array."""
    found = []

    def run(box, parts):
        array.runtime.bind(parts[0].view)
        found.append(box)

    with binding_limit(array.runtime, limit):
        by_regions(sizes, [Operand(array)], run, **options)
    return found


def test_the_axis_is_chosen_by_strides(backend):
    shape = (2, 8, 16, 16)
    first = backend.full(shape, 0.0, np.dtype(np.float32))
    last = backend.permute(backend.full((2, 16, 16, 8), 0.0, np.dtype(np.float32)), (0, 3, 1, 2))
    for array, sizes in ((first, (1, 4, 16, 16)), (last, (1, 8, 8, 16))):
        boxes = cuts(array, shape, 4 << 10)
        assert {box.sizes for box in boxes} == {sizes}
        counts = np.zeros(shape, int)
        for box in boxes:
            counts[tuple(slice(a, a + n) for a, n in zip(*box, strict=True))] += 1
        assert (counts == 1).all()


def test_work_and_limits_of_sizes(backend):
    array = backend.full((6, 10), 0.0, np.dtype(np.float32))
    boxes = cuts(array, (6, 10), 1 << 20, work=lambda sizes: 1e9 * math.prod(sizes))
    assert all(math.prod(box.sizes) <= 20 for box in boxes) and sum(math.prod(b.sizes) for b in boxes) == 60
    assert all(box.sizes[1] <= 3 for box in cuts(array, (6, 10), 1 << 20, must=at_most((9, 3))))
    assert len(cuts(array, (6, 10), 1 << 20)) == 1


def test_the_arrays_of_regions_wait_for_no_garbage_collector(fresh):
    x = fresh.upload(np.ones((40, 50), np.float32))
    turned = fresh.permute(x, (1, 0))
    gc.collect()
    gc.disable()
    try:
        before = fresh.runtime.stats()["bytes_in_use"]
        with binding_limit(fresh.runtime, 1024):
            for _ in range(2):
                fresh.elementwise("add", (x, 1.0))
                fresh.softmax(fresh.copy(turned), 1, False)
                fresh.reduce("sum", turned, (0,))
                fresh.dropout(turned, 0.5, 1, 2)
        assert fresh.runtime.stats()["bytes_in_use"] == before
    finally:
        gc.enable()


def test_what_cannot_be_cut_raises_before_it_runs(backend):
    array = backend.full((4, 600), 0.0, np.dtype(np.float32))
    ran = []

    def run(box, parts):
        array.runtime.bind(parts[0].view)
        ran.append(box)

    text = r"shape \(1, 600\) \(float32\) spans 2,400 bytes .* binds at most 1,024 bytes"
    with binding_limit(array.runtime, 1024), pytest.raises(BindingTooLarge, match=text):
        by_regions((4,), [Operand(array)], run)
    assert not ran


@st.composite
def calls(draw):
    """An operator as a function of arrays on the device, the arrays, and whether parts give the same bits.

    None: not, and one window may be too large.
    """
    size = st.integers(1, 11)
    rank = draw(st.integers(1, 3))
    n, c = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 3, 4, 8]))
    space = tuple(draw(size) for _ in range(rank))
    kernel = tuple(draw(st.integers(1, min(s, 5))) for s in space)
    stride, low = draw(st.integers(1, 3)), tuple(draw(st.integers(0, k // 2)) for k in kernel)
    shape = (n, c, *space)
    windows = tuple(pool_window(s, k, stride, p) for s, k, p in zip(space, kernel, low, strict=True))
    adaptive = tuple(adaptive_window(s, draw(size)) for s in space)
    geometry = Geometry(rank, shape, (c, c, *kernel), None, stride, tuple((p, p) for p in low))
    groups = Geometry(rank, shape, (2 * c, 1, *kernel), None, stride, tuple((p, p) for p in low), groups=c)
    pooled = (n, c, *(window.outputs for window in windows))
    axis = draw(st.integers(0, rank + 1))
    rows, other = draw(size), draw(st.integers(1, 40))
    index = draw(st.integers(0, 9))

    def grad(backend, x, g):
        return backend.max_pool_grad(g, backend.max_pool(x, windows, True)[1], windows)

    def picked(backend, x, at):
        return backend.gather(x, axis, backend.elementwise("remainder", (at, shape[axis])))

    def added(backend, x, at):
        return backend.scatter_add(x, axis, backend.elementwise("remainder", (at, rows)), rows)

    average = [average_taps(window) for window in windows]
    resized = [resize_taps("linear", s, draw(size)) for s in space]
    pads = ((0, 0), (0, 0), *((p, draw(size)) for p in low))
    edge = ((0, 0), (0, 0), *((draw(st.integers(0, s)), draw(st.integers(0, s))) for s in space))
    whole, columns = (n, c, *space), (n, c * math.prod(kernel), math.prod(geometry.output_shape[2:]))
    out, reach = geometry.output_shape, groups.output_shape
    wide = tuple(s + sum(p) for s, p in zip(shape, edge, strict=True))
    named = [
        (lambda b, x: b.max_pool(x, windows, False)[0], [shape], True),
        (lambda b, x: b.max_pool(x, windows, True)[1], [shape], True),
        (lambda b, x: b.max_pool(x, adaptive, True)[0], [shape], True),
        (grad, [shape, pooled], False),
        (lambda b, x: b.resample(x, average), [shape], False),
        (lambda b, x: b.resample(x, [t.transposed() for t in average]), [pooled], False),
        (lambda b, x: b.resample(x, resized), [shape], False),
        (lambda b, x: b.pad(x, pads, "constant", 2.5), [shape], True),
        (lambda b, x: b.pad(x, edge, "circular"), [shape], True),
        (lambda b, x: b.pad_grad(x, edge, "circular"), [wide], False),
        (lambda b, x: b.unfold(geometry, x), [shape], True),
        (lambda b, x: b.fold(geometry, x), [columns], False),
        (picked, [shape, whole], True),
        (added, [shape, whole], False),
        (lambda b, x, y: b.matmul(x, y), [(n, rows, other), (n, other, c)], False),
        (lambda b, x, y: b.conv_weight_grad(geometry, x, y), [shape, out], None),
        (lambda b, x, y: b.conv_weight_grad(groups, x, y), [shape, reach], None),
        (lambda b, x: b.softmax(x, axis, False), [shape], False),
        (lambda b, x: b.reduce("sum", x, (axis,)), [shape], False),
        (lambda b, x: b.moments(x, (0, axis))[1], [shape], False),
        (lambda b, x, y: b.elementwise("sub", (x, y)), [shape, (c, *(1,) * rank)], True),
        (lambda b, x, y: b.concatenate([x, y], axis), [shape, shape], True),
        (lambda b, x: b.dropout(x, 0.5, index, 3), [shape], True),
    ]  # fmt: skip
    function, shapes, same = draw(st.sampled_from(named))
    whole_numbers = function in (picked, added)
    rng = np.random.default_rng(index)
    arrays = [rng.standard_normal(s).astype(np.float32) for s in shapes]
    if whole_numbers:
        arrays[1] = rng.integers(0, 1000, shapes[1]).astype(np.int32)
    orders = [draw(st.permutations(range(len(s)))) for s in shapes]
    return function, arrays, orders, same


@SLOW
@given(calls(), st.sampled_from([800, 1100, 1536]))
def test_every_operator_in_regions(backend, call, limit):
    function, arrays, orders, same = call
    placed = [
        backend.permute(backend.upload(np.ascontiguousarray(x.transpose(o))), tuple(np.argsort(o)))
        for x, o in zip(arrays, orders, strict=True)
    ]
    expected = backend.download(function(backend, *placed))
    with binding_limit(backend.runtime, limit):
        try:
            found, again = (backend.download(function(backend, *placed)) for _ in range(2))
            # Under guard buffers are longer, so that cuts are others.
            with guarded(backend.runtime):
                guarded_result = function(backend, *placed)
        except BindingTooLarge as error:
            assert same is None and f"at most {limit:,} bytes" in str(error)
            return
    assert found.tobytes() == again.tobytes(), "the same bits in every run"
    for y in (found, backend.download(guarded_result)):
        if same:
            np.testing.assert_array_equal(y, expected)
        else:
            np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (3, 0, 1, 2), (1, 3, 2, 0)])
def test_dropout_of_any_layout_in_regions(backend, order):
    """Cut along any axis, a region of the result has gaps, too."""
    stored = backend.upload(np.random.default_rng(0).standard_normal((3, 9, 7, 8), np.float32))
    x = backend.permute(stored, tuple(int(axis) for axis in np.argsort(order)))
    expected = backend.download(backend.dropout(x, 0.5, 1, 2))
    for limit in (800, 1100, 1536):
        with binding_limit(backend.runtime, limit), guarded(backend.runtime):
            np.testing.assert_array_equal(backend.download(backend.dropout(x, 0.5, 1, 2)), expected)
