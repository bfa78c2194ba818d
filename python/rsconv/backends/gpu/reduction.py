"""Reductions over strided axes: plans of `reduce.wgsl`.

The axes of a loop fall into those that stay, along which the outputs are numbered in their memory order, and
those that are reduced. The reduced elements are cut into slices where outputs are few, and where the device
cannot bind them all at once; a second pass joins the slices. The cuts depend on shapes only, so that sums
have the same bits in every run.
"""

import math
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import BindingTooLarge, DtypeError
from .array import GpuArray
from .elementwise import dense_steps
from .layout import contiguous, memory_order
from .strided import MOST_AXES, Axes, collapse, pack_axes, pack_steps, split, type_name

__all__ = ["arg_reduce", "lanes_of", "moments", "reduce"]

_parameters = struct.Struct("<12If3I")
_FLOAT32, _INT32, _BOOL = np.dtype(np.float32), np.dtype(np.int32), np.dtype(np.bool_)
_THREADS = 256
# Workgroups that keep a large GPU busy; more slices than that gain nothing.
_ENOUGH_GROUPS = 128
# What a thread reduces at the least before there are slices.
_LEAST_SERIAL = 32
_NO_LIMIT = 1 << 62


class _Kernels(NamedTuple):
    """The variants of a reduction: at once, into slices, and of slices into the results."""

    whole: str
    first: str
    second: str
    # The types of slices.
    between: tuple[np.dtype[Any], ...]
    divisor: float


class _Cut(NamedTuple):
    """How the reduced elements are shared out: to threads, and to slices in one or more chunks."""

    lanes: int
    by_rows: bool
    slice_length: int
    slices: int
    # Indices of the outermost reduced axis that one dispatch binds.
    chunk: int


def reduce(op: str, x: GpuArray, axes: tuple[int, ...]) -> GpuArray:
    """Reduce over `axes`, which stay with size 1: 'sum', 'mean', 'prod', 'max', 'min', 'any', 'all'.

    float16 accumulates in float32. Raises DtypeError for sums and products of bools, and means of integers.
    """
    if op in ("sum", "mean", "prod") and (x.dtype == _BOOL or (op == "mean" and x.dtype == _INT32)):
        raise DtypeError(f"{op} is not defined for {x.dtype.name} on the GPU")
    result = _BOOL if op in ("any", "all") else x.dtype
    # Slices of sums are not rounded; those of the others are exact in their own type.
    between = _FLOAT32 if op in ("sum", "mean", "prod") and x.dtype.kind == "f" else result
    own, other, last = type_name(x.dtype), type_name(between), type_name(result)
    kernel = "reduce_sum" if op == "mean" else f"reduce_{op}"
    kernels = _Kernels(
        f"{kernel}_{own}_{last}",
        f"{kernel}_{own}_{other}",
        f"{kernel}_{other}_{last}",
        (between,),
        math.prod([x.shape[axis] for axis in axes]) if op == "mean" else 1,
    )
    return _run(kernels, x, axes, (result,))[0]


def arg_reduce(op: str, x: GpuArray, axis: int) -> GpuArray:
    """Where the first 'max' or 'min' (or the first NaN) stands along `axis`, as int32.

    Raises DtypeError for bool.
    """
    if x.dtype == _BOOL:
        raise DtypeError(f"arg{op} is not defined for bool on the GPU")
    variant = f"reduce_arg{op}_{type_name(x.dtype)}"
    # Keys are words, as int32 is.
    kernels = _Kernels(variant, f"{variant}_keys", "reduce_arg_join", (_INT32, _INT32), 1)
    return _run(kernels, x, (axis,), (_INT32,))[0]


def moments(x: GpuArray, axes: tuple[int, ...]) -> tuple[GpuArray, GpuArray]:
    """Mean and variance (mean squared deviation) over `axes`, which stay with size 1, as float32.

    Raises DtypeError for what is not floating-point.
    """
    if x.dtype.kind != "f":
        raise DtypeError(f"moments is not defined for {x.dtype.name} on the GPU")
    variant = f"reduce_moments_{type_name(x.dtype)}"
    count = math.prod([x.shape[axis] for axis in axes])
    kernels = _Kernels(variant, variant, "reduce_moments_join", (_FLOAT32, _FLOAT32), count)
    mean, variance = _run(kernels, x, axes, (_FLOAT32, _FLOAT32))
    return mean, variance


def _run(
    kernels: _Kernels, x: GpuArray, axes: tuple[int, ...], dtypes: Sequence[np.dtype[Any]]
) -> list[GpuArray]:
    runtime = x.runtime
    kept, reduced, order = _loop(x, axes)
    if len(kept.sizes) > MOST_AXES or len(reduced.sizes) > MOST_AXES:
        return _run(kernels, contiguous(x), axes, dtypes)
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    results = [runtime.empty(shape, dtype, order) for dtype in dtypes]
    if results[0].size == 0:
        return results
    length = math.prod(reduced.sizes)
    sizes, steps = reduced.sizes[::-1], reduced.strides[0][::-1]
    outer, inner = sizes[0], math.prod(sizes[1:])
    limit = runtime.max_binding if x.buffer.block.size > runtime.max_binding else _NO_LIMIT

    def run(part: Axes, views: list[GpuArray]) -> None:
        source, targets = views[0], [runtime.bind(view) for view in views[1:]]
        own, outputs = Axes(part.sizes, part.strides[:1]), math.prod(part.sizes)
        cut = _cut(own, reduced, source.itemsize, limit)
        sliced = cut.slices > 1
        if sliced and cut.slices * outputs * 4 > runtime.max_binding // 2:
            raise BindingTooLarge(
                f"{cut.slices} slices of {outputs} outputs are more than the {runtime.max_binding:,} bytes "
                "that the device binds at once"
            )
        partial = [runtime.empty((cut.slices, outputs), dtype) for dtype in kernels.between] if sliced else []
        ends = [runtime.bind(array) for array in partial] or targets
        for start in range(0, max(outer, 1), max(cut.chunk, 1)):
            count = min(cut.chunk, outer - start)
            offset = source.offset + start * steps[0]
            piece = source.view((*source.shape, count, *sizes[1:]), (*source.strides, *steps), offset)
            bound = runtime.bind(piece)
            above = start * inner // cut.slice_length * outputs
            span = (start * inner, count * inner)
            divisor = 1 if sliced else kernels.divisor
            now = Axes((*reduced.sizes[:-1], count), reduced.strides)
            words, groups = _words(cut, own, now, bound.first, ends[0].first + above, span, divisor)
            variant = kernels.first if sliced else kernels.whole
            runtime.dispatch(variant, words, (bound,), ends, runtime.grid(groups))
        if sliced:
            words, groups = _join_words(
                cut, outputs, length, ends[0].first, targets[0].first, kernels.divisor
            )
            runtime.dispatch(kernels.second, words, ends, targets, runtime.grid(groups))

    strides = (kept.strides[0], *(dense_steps(kept.sizes),) * len(results))
    split(Axes(kept.sizes, strides), [x, *results], run)
    return results


def _loop(x: GpuArray, axes: tuple[int, ...]) -> tuple[Axes, Axes, tuple[int, ...] | None]:
    """The axes that stay and those that are reduced, and the memory order of the result."""
    order = memory_order(x)
    walk = range(x.ndim) if order is None else order
    kept = collapse(x.shape, [axis for axis in walk if axis not in axes], [x.strides])
    reduced = collapse(x.shape, [axis for axis in walk if axis in axes], [x.strides])
    return kept, reduced, order


def _cut(kept: Axes, reduced: Axes, itemsize: int, limit: int) -> _Cut:
    outputs, length = math.prod(kept.sizes), math.prod(reduced.sizes)
    own, steps = kept.strides[0], reduced.strides[0]
    by_rows = outputs == 1 or abs(steps[0]) < abs(own[0])
    lanes = lanes_of(outputs, length, by_rows)
    groups = -(-outputs // lanes)
    parts = _THREADS // lanes
    wanted = max(1, min(_ENOUGH_GROUPS // max(groups, 1), length // (parts * _LEAST_SERIAL)))
    # What one dispatch can bind, by halves of the outermost axis; the other half of the limit is for outputs.
    outer = chunk = reduced.sizes[-1]
    inner = sum((size - 1) * abs(step) for size, step in zip(reduced.sizes[:-1], steps, strict=False))
    while chunk > 1 and (inner + (chunk - 1) * abs(steps[-1]) + 1) * itemsize > limit // 2:
        chunk = -(-chunk // 2)
    if chunk == outer:
        slice_length = max(1, -(-length // wanted))
        return _Cut(lanes, by_rows, slice_length, -(-length // slice_length), chunk)
    # Slices of equal length, so that no chunk but the last ends within one.
    per_slice = max(1, chunk // wanted)
    chunk = chunk // per_slice * per_slice
    return _Cut(lanes, by_rows, per_slice * (length // outer), -(-outer // per_slice), chunk)


def lanes_of(outputs: int, length: int, by_rows: bool) -> int:
    """Outputs of a workgroup, a power of two; its threads share them evenly."""
    # A thread reduces four elements or more; neighbours read whole lines, of a row or of 32 outputs.
    parts = min(_THREADS if by_rows else 8, _power_of_two(-(-length // 4)))
    return min(_THREADS // parts, _power_of_two(outputs))


def _power_of_two(n: int) -> int:
    """The smallest power of two that is at least `n`."""
    return 1 << max(n - 1, 0).bit_length()


def _words(
    cut: _Cut,
    kept: Axes,
    reduced: Axes,
    first: int,
    target_first: int,
    span: tuple[int, int],
    divisor: float,
    joins: tuple[int, int] = (0, 0),
) -> tuple[bytes, int]:
    """Parameters and number of workgroups for `span[1]` reduced elements from `span[0]` on."""
    outputs, (base, length) = math.prod(kept.sizes), span
    slices = max(1, -(-length // cut.slice_length))
    words = _parameters.pack(
        *(outputs, length, cut.slice_length, slices, cut.lanes, cut.by_rows, first, target_first),
        *(outputs, base, len(kept.sizes), len(reduced.sizes), divisor, *joins, 0),
    )
    words += pack_axes(kept.sizes, 1) + pack_steps(kept.strides[0])
    words += pack_axes(reduced.sizes, 1) + pack_steps(reduced.strides[0])
    return words, -(-outputs // cut.lanes) * slices


def _join_words(
    cut: _Cut, outputs: int, length: int, first: int, target_first: int, divisor: float
) -> tuple[bytes, int]:
    """The same for the second pass, over slices that lie as (slices, outputs)."""
    joined = _Cut(
        lanes_of(outputs, cut.slices, outputs == 1), outputs == 1, max(cut.slices, 1), 1, cut.slices
    )
    kept, slices = Axes((outputs,), ((1,),)), Axes((cut.slices,), ((outputs,),))
    span, joins = (0, cut.slices), (cut.slice_length, length)
    return _words(joined, kept, slices, first, target_first, span, divisor, joins)
