"""Max pooling and resampling over the last axes."""

import math
import struct
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ...errors import DtypeError
from ..taps import Taps
from ..windows import Window, Windows
from .array import GpuArray
from .elementwise import elementwise
from .layout import assign, copy
from .planes import Planes, by_batch, empty_like, planes
from .plans import Step, keep, layout_key, replay, send
from .reduction import reduce
from .strided import type_name
from .tables import element_span, element_spans, output_spans, taps_begins, taps_table

__all__ = ["max_pool", "max_pool_grad", "resample", "select"]

_words = struct.Struct("<24I")
# Taps of one output above which axes are resampled one after the other.
_MOST_TAPS = 32
# Elements of a whole axis above which a reduction's workgroups beat a thread for each output.
_LONG = 64
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
    runtime = x.runtime
    table = runtime.table(("max_pool", windows), element_spans(windows).values)
    key = ("max_pool", layout_key(x), windows, indices)
    known = replay(key, runtime, (x, table))
    if known is not None:
        return known[0], known[1] if indices else None
    source = planes(x, len(windows))
    sizes = tuple(window.outputs for window in windows)
    y, whole = empty_like(source, x, sizes)
    arrays = [whole, source.array]
    index = None
    if indices:
        index, places = empty_like(source, x, sizes, np.dtype(np.int32))
        arrays.append(places)
    if y.size == 0:
        return y, index
    begins, places_in = element_spans(windows).begins, runtime.bind(table)
    width = source.width()
    axes = (_WHOLE,) * (3 - len(windows)) + windows
    variant = f"max_pool_{kind}_{_order(source, width)}{'_indices' if indices else ''}"

    def run(parts: list[GpuArray]) -> Step:
        target, values = runtime.bind(parts[0]), runtime.bind(parts[1])
        outputs = [target, *(runtime.bind(part) for part in parts[2:])]
        threads, head = _outputs(parts[0], width)
        words = _words.pack(
            *head,
            *Planes(parts[1], source.last).words(width, values.first),
            axes[1].size,
            axes[2].size,
            *(axis.dilation for axis in axes),
            *begins,
            target.first // width,
            outputs[-1].first // width,
            *(0, 0, 0),
        )
        return send(variant, words, (values, places_in), outputs, threads)

    step = by_batch(arrays, run)
    if source.array.buffer is x.buffer:
        keep(key, step, (y,) if index is None else (y, index))
    return y, index


def max_pool_grad(grad_output: GpuArray, indices: GpuArray, windows: Windows) -> GpuArray:
    """Gradient of `max_pool`: every output's gradient goes to the element its index names."""
    kind = _floating("max_pool_grad", grad_output)
    runtime = grad_output.runtime
    table = runtime.table(("max_pool_grad", windows), output_spans(windows).values)
    key = ("max_pool_grad", layout_key(grad_output), layout_key(indices), windows)
    known = replay(key, runtime, (grad_output, indices, table))
    if known is not None:
        return known[0]
    rank = len(windows)
    source, places = planes(grad_output, rank), planes(indices, rank)
    result, whole = empty_like(source, grad_output, tuple(window.size for window in windows))
    if grad_output.size == 0:
        assign(result, 0)
    if grad_output.size == 0 or result.size == 0:
        return result
    # Both in the same axes: one may count its channels as the batch.
    named = places.array
    if named.shape != source.array.shape:
        named = named.view(
            source.array.shape, (named.strides[1], named.strides[0], *named.strides[2:]), named.offset
        )
    begins, places_in = output_spans(windows).begins, runtime.bind(table)
    width = min(source.width(), Planes(named, source.last).width())
    variant = f"max_pool_grad_{kind}_{_order(source, width)}"

    def run(parts: list[GpuArray]) -> Step:
        target, grads, index = (runtime.bind(part) for part in parts)
        threads, head = _outputs(parts[0], width)
        words = _words.pack(
            *head,
            *Planes(parts[1], source.last).words(width, grads.first),
            *Planes(parts[2], source.last).words(width, index.first),
            *begins,
            target.first // width,
            *(0, 0, 0),
        )
        return send(variant, words, (grads, index, places_in), (target,), threads)

    step = by_batch([whole, source.array, named], run)
    if source.array.buffer is grad_output.buffer and named.buffer is indices.buffer:
        keep(key, step, (result,))
    return result


def resample(x: GpuArray, taps: Sequence[Taps | None]) -> GpuArray:
    """Sum `weight * element` over each output's taps along the last `len(taps)` axes, at most three.

    Raises DtypeError for weights on other dtypes than float32 and float16.
    """
    used = [axis for axis in taps if axis is not None]
    if not used:
        return copy(x)
    if all(axis.selection for axis in used):
        return select(x, taps, 0)
    kind = _floating("resample", x)
    whole = [axis for axis, table in enumerate(taps, x.ndim - len(taps)) if table and _even_weight(table)]
    if whole and x.size and math.prod(x.shape[axis] for axis in whole) >= _LONG:
        return _reduced(x, taps, whole)
    longest = 1
    for axis in used:
        longest *= axis.longest
    if longest <= _MOST_TAPS or len(used) == 1:
        return _resample(x, taps, kind, select=False)
    # Axis after axis, in float32; the one first that leaves the least.
    y = copy(x, np.dtype(np.float32)) if kind == "f16" else x
    order = [i for i, axis in enumerate(taps) if axis is not None]
    order.sort(key=lambda i: taps[i].outputs / max(taps[i].size, 1))  # type: ignore[union-attr]
    for i in order:
        y = _resample(y, [axis if j == i else None for j, axis in enumerate(taps)], "f32", select=False)
    return copy(y, x.dtype) if kind == "f16" else y


def _reduced(x: GpuArray, taps: Sequence[Taps | None], whole: list[int]) -> GpuArray:
    """`resample` whose axes `whole` give one even sum each, as in global average pooling."""
    first = x.ndim - len(taps)
    factor = math.prod(_even_weight(taps[axis - first]) * x.shape[axis] for axis in whole)
    y = reduce("mean", x, tuple(whole))
    if not math.isclose(factor, 1):
        y = elementwise("mul", (y, factor))
    rest = [None if first + i in whole else table for i, table in enumerate(taps)]
    return resample(y, rest) if any(rest) else y


def select(x: GpuArray, taps: Sequence[Taps | None], fill: int) -> GpuArray:
    """`resample` by selections, where element -1 stands for the number of bits `fill` (those of a float32 for
    floats)."""
    return _resample(x, taps, "f16" if x.dtype == np.float16 else "bits", select=True, fill=fill)


def _resample(x: GpuArray, taps: Sequence[Taps | None], kind: str, select: bool, fill: int = 0) -> GpuArray:
    runtime = x.runtime
    rank = len(taps)
    axes: tuple[Taps | int, ...] = (1,) * (3 - rank) + tuple(
        [size if axis is None else axis for axis, size in zip(taps, x.shape[-rank:], strict=True)]
    )
    table_key = ("taps", *[axis.key if isinstance(axis, Taps) else axis for axis in axes])
    key = (table_key, kind, select, fill, layout_key(x))
    table = runtime.table(table_key, lambda: taps_table(axes))
    known = replay(key, runtime, (x, table))
    if known is not None:
        return known[0]
    source = planes(x, rank)
    sizes = tuple(
        size if axis is None else axis.outputs for axis, size in zip(taps, x.shape[-rank:], strict=True)
    )
    y, whole = empty_like(source, x, sizes)
    if y.size == 0:
        return y
    if x.size == 0:
        assign(y, 0)
        return y
    begins, taps_in = taps_begins(axes), runtime.bind(table)
    width = source.width()
    variant = f"{'select' if select else 'resample'}_{kind}_{_order(source, width)}"

    def run(parts: list[GpuArray]) -> Step:
        target, values = runtime.bind(parts[0]), runtime.bind(parts[1])
        threads, head = _outputs(parts[0], width)
        words = _words.pack(
            *head,
            *Planes(parts[1], source.last).words(width, values.first),
            target.first // width,
            *begins[0],
            fill,
            *begins[1],
            *begins[2],
            *(0, 0),
        )
        return send(variant, words, (values, taps_in), (target,), threads)

    step = by_batch([whole, source.array], run)
    if source.array.buffer is x.buffer:
        keep(key, step, (y,))
    return y


@lru_cache(256)
def _sees_all(window: Window) -> bool:
    first, count = element_span(window)[0] if window.outputs == 1 else (0, 0)
    return window.size > 1 and (first, count, window.dilation) == (0, window.size, 1)


@lru_cache(256)
def _even_weight(table: Taps) -> float:
    """The weight that all elements of the axis have in its one output, or 0."""
    if table.outputs != 1 or len(table.indices) != table.size or table.size < 2:
        return 0
    weights = table.weights
    if weights is None:
        return 1
    return float(weights[0]) if (weights == weights[0]).all() else 0


def _floating(operator: str, x: GpuArray) -> str:
    if x.dtype.kind != "f":
        raise DtypeError(f"{operator} on the GPU takes float32 or float16, but got {x.dtype.name}")
    return type_name(x.dtype)


def _order(source: Planes, width: int) -> str:
    return "last4" if width == 4 else "last" if source.last else "first"


def _outputs(y: GpuArray, width: int) -> tuple[int, tuple[int, ...]]:
    """The number of threads, and the first five words: it, channels, d, h, w."""
    threads = y.size // width
    return threads, (threads, y.shape[1] // width, *y.shape[2:])
