"""Max pooling over the last axes."""

import math
import struct
from functools import lru_cache

import numpy as np

from ...errors import BindingTooLarge, DtypeError, ShapeError
from ..windows import Window, Windows
from .array import GpuArray
from .dispatches import Dispatch, send
from .elementwise import elementwise
from .layout import assign, copy, reshape
from .planes import common_width, empty_like, numbered, order_name, planes, seen_words
from .reduction import reduce
from .regions import MOST_SERIAL, TAP_WORK, Box, Operand, Part, by_regions, window_reach
from .strided import type_name
from .tables import Cut, bind_spans, element_span, element_spans, must_cut, output_spans, span_reach

__all__ = ["max_pool", "max_pool_grad"]

_words = struct.Struct("<28I")
_grad_words = struct.Struct("<32I")
# Elements of a whole axis above which a reduction's workgroups beat a thread for each output.
_LONG = 64
# Elements of a window above which axes are pooled one after the other.
_MANY = 4096
_FLOAT32, _INT32 = np.dtype(np.float32), np.dtype(np.int32)
_WHOLE = Window(1, 1, 1, 1, 0, 1, False)


def max_pool(x: GpuArray, windows: Windows, indices: bool) -> tuple[GpuArray, GpuArray | None]:
    """The largest element of each window over the last `len(windows)` axes; see the protocol."""
    kind = type_name(x.dtype)
    if kind == "bool":
        raise DtypeError(f"max_pool on the GPU takes float32, float16 or int32, but got {x.dtype.name}")
    if not indices and x.size and all(_sees_all(window) for window in windows):
        rank = len(windows)
        if math.prod(x.shape[-rank:]) >= _LONG:
            return reduce("max", x, tuple(range(x.ndim - rank, x.ndim))), None
    taps = math.prod([window.kernel for window in windows])
    if taps <= _MANY:
        try:
            return _max_pool(x, windows, indices)
        except BindingTooLarge:
            if taps == 1:
                raise
    return _by_axes(x, windows, indices)


def _max_pool(
    x: GpuArray, windows: Windows, indices: bool, cut: Cut | None = None
) -> tuple[GpuArray, GpuArray | None]:
    """`max_pool` in one pass, of all elements or those of `cut`."""
    runtime, kind = x.runtime, type_name(x.dtype)
    spans, table_key = element_spans(windows, cut), ("max_pool", windows, cut)
    table = runtime.table(table_key, spans.values)
    rank = len(windows)
    source = planes(x, rank)
    sizes = tuple(window.outputs for window in windows)
    y, whole = empty_like(source, x, sizes)
    operands = [Operand(whole)]
    index = None
    if indices:
        if math.prod(x.shape[-rank:]) >= 1 << 31:
            raise ShapeError(f"indices into planes of shape {x.shape[-rank:]} are more than int32 can count")
        index, places = empty_like(source, x, sizes, _INT32)
        operands.append(Operand(places))
    if y.size == 0:
        return y, index
    axes = (_WHOLE,) * (3 - rank) + windows
    reach = window_reach(
        (
            None,
            None,
            *[span_reach(span, w.dilation) for span, w in zip(spans.axes, axes, strict=True)],
        )
    )
    operands.append(Operand(source.array, reach))

    def run(box: Box, parts: list[Part]) -> Dispatch:
        places_in, begins = bind_spans(table, table_key, spans, box)
        *outputs, values = [runtime.bind(part.view) for part in parts]
        width = common_width(parts, source.last)
        words = _words.pack(
            *numbered(box, width),
            *seen_words(parts[-1], values.first, width),
            axes[1].size,
            axes[2].size,
            *(axis.dilation for axis in axes),
            *begins,
            *seen_words(Part(parts[0].view, (0,) * 5), outputs[0].first, width),
            outputs[-1].first // width,
            *(0, 0),
        )
        variant = f"max_pool_{kind}_{order_name(source.last, width)}{'_indices' if indices else ''}"
        return send(variant, words, (values, places_in), outputs, math.prod(box.sizes) // width)

    each = TAP_WORK * math.prod([int(span[:, 1].max()) for span in spans.axes])
    by_regions(
        whole.shape,
        operands,
        run,
        work=lambda sizes: math.prod(sizes) * each,
        must=must_cut(table, (2, 2, 2)),
    )
    return y, index


def _by_axes(x: GpuArray, windows: Windows, indices: bool) -> tuple[GpuArray, GpuArray | None]:
    """Large windows along one axis after the other, and long ones in parts: a thread sees few elements."""
    rank = len(windows)
    y, index = x, None
    for axis in reversed(range(rank)):
        window = windows[axis]
        if (window.kernel, window.stride, window.low, window.outputs) == (1, 1, 0, window.size):
            continue
        sizes = y.shape[-rank:]
        one = tuple(
            [window if i == axis else _WHOLE._replace(size=n, outputs=n) for i, n in enumerate(sizes)]
        )
        y, found = _in_parts(y, one, indices, Cut(axis, 0, window.kernel))
        if found is not None:
            index = found if index is None else _named(index, found, rank)
    return y, index


def _in_parts(x: GpuArray, windows: Windows, indices: bool, cut: Cut) -> tuple[GpuArray, GpuArray | None]:
    """`_max_pool` of elements of windows along one axis, some after the others if need be."""
    whole = cut.length == windows[cut.axis].kernel
    if cut.length <= MOST_SERIAL:
        try:
            return _max_pool(x, windows, indices, None if whole else cut)
        except BindingTooLarge:
            if cut.length == 1:
                raise
    y, index = None, None
    for part in _pieces(cut):
        new, found = _in_parts(x, windows, indices, part)
        if y is None:
            y, index = new, found
        elif found is None:
            y = elementwise("maximum", (y, new))
        else:
            # The first of equals, and the first NaN.
            better = elementwise("gt", (new, y))
            if x.dtype.kind == "f":
                numbers = elementwise("logical_not", (elementwise("isnan", (y,)),))
                first_nan = elementwise("logical_and", (elementwise("isnan", (new,)), numbers))
                better = elementwise("logical_or", (better, first_nan))
            better = elementwise("logical_or", (better, elementwise("lt", (index, 0))))
            y, index = elementwise("where", (better, new, y)), elementwise("where", (better, found, index))
    assert y is not None
    return y, index


def _named(index: GpuArray, found: GpuArray, rank: int) -> GpuArray:
    """The elements of `index` at the places `found` of its planes, or -1 where there is none."""
    from .gather import gather

    lead = found.shape[:-rank]
    flat = reshape(index, (*lead, math.prod(index.shape[-rank:])))
    places = reshape(found, (*lead, math.prod(found.shape[-rank:])))
    taken = gather(flat, flat.ndim - 1, elementwise("maximum", (places, 0)))
    return reshape(elementwise("where", (elementwise("lt", (places, 0)), -1, taken)), found.shape)


def max_pool_grad(grad_output: GpuArray, indices: GpuArray, windows: Windows) -> GpuArray:
    """Gradient of `max_pool`: every output's gradient goes to the element its index names."""
    if grad_output.dtype.kind != "f":
        raise DtypeError(
            f"max_pool_grad on the GPU takes float32 or float16, but got {grad_output.dtype.name}"
        )
    looks = [int(span[:, 1].max(initial=0)) for span in output_spans(windows).axes[3 - len(windows) :]]
    many = math.prod(looks)
    if many <= MOST_SERIAL:
        try:
            return _max_pool_grad(grad_output, indices, windows)
        except BindingTooLarge:
            if many == 1:
                raise
    # Of the axis where an element is in the most windows some outputs after the others.
    axis = looks.index(max(looks))
    wide = copy(grad_output, _FLOAT32)
    total = _grad_in_parts(wide, indices, windows, Cut(axis, 0, looks[axis]), many // looks[axis])
    return copy(total, grad_output.dtype)


def _grad_in_parts(
    grad_output: GpuArray, indices: GpuArray, windows: Windows, cut: Cut, others: int
) -> GpuArray:
    if cut.length * others <= MOST_SERIAL or cut.length == 1:
        try:
            return _max_pool_grad(grad_output, indices, windows, cut)
        except BindingTooLarge:
            if cut.length == 1:
                raise
    total = None
    for piece in _pieces(cut):
        part = _grad_in_parts(grad_output, indices, windows, piece, others)
        total = part if total is None else elementwise("add", (total, part))
    assert total is not None
    return total


def _pieces(cut: Cut) -> list[Cut]:
    """Halves, or what a thread walks through."""
    count, end = min(-(-cut.length // 2), MOST_SERIAL), cut.skip + cut.length
    return [Cut(cut.axis, skip, min(count, end - skip)) for skip in range(cut.skip, end, count)]


def _max_pool_grad(
    grad_output: GpuArray, indices: GpuArray, windows: Windows, cut: Cut | None = None
) -> GpuArray:
    runtime, kind = grad_output.runtime, type_name(grad_output.dtype)
    spans, table_key = output_spans(windows, cut), ("max_pool_grad", windows, cut)
    table = runtime.table(table_key, spans.values)
    rank = len(windows)
    source, places = planes(grad_output, rank), planes(indices, rank)
    result, whole = empty_like(source, grad_output, tuple(window.size for window in windows))
    if grad_output.size == 0:
        assign(result, 0)
    if grad_output.size == 0 or result.size == 0:
        return result
    reach = window_reach((None, None, *[span_reach(span, 1) for span in spans.axes]))
    size_h, size_w = whole.shape[3:]

    def run(box: Box, parts: list[Part]) -> Dispatch:
        places_in, begins = bind_spans(table, table_key, spans, box)
        target, grads, named = [runtime.bind(part.view) for part in parts]
        width = common_width(parts, source.last)
        d, h, w = box.starts[2:]
        words = _grad_words.pack(
            *numbered(box, width),
            *seen_words(parts[1], grads.first, width),
            *seen_words(parts[2], named.first, width),
            *begins,
            *seen_words(Part(parts[0].view, (0,) * 5), target.first, width),
            *((d * size_h + h) * size_w + w, size_h * size_w, size_w),
            *(0, 0, 0),
        )
        variant = f"max_pool_grad_{kind}_{order_name(source.last, width)}"
        return send(variant, words, (grads, named, places_in), (target,), math.prod(box.sizes) // width)

    each = TAP_WORK * math.prod([int(span[:, 1].max()) for span in spans.axes])
    operands = [Operand(whole), Operand(source.array, reach), Operand(places.array, reach)]
    by_regions(
        whole.shape,
        operands,
        run,
        work=lambda sizes: math.prod(sizes) * each,
        must=must_cut(table, (2, 2, 2)),
    )
    return result


@lru_cache(256)
def _sees_all(window: Window) -> bool:
    first, count = element_span(window)[0] if window.outputs == 1 else (0, 0)
    return window.size > 1 and (first, count, window.dilation) == (0, window.size, 1)
