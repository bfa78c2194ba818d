"""Views and copies: relayouts, casts, assignments, concatenations, fills."""

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .array import GpuArray, dense_strides
from .copies import copy_to, fill
from .strided import collapse, strided_order

if TYPE_CHECKING:
    from .runtime import Runtime

__all__ = [
    "assign",
    "concatenate",
    "contiguous",
    "copy",
    "expand",
    "full",
    "permute",
    "relayout",
    "reshape",
    "slice",
]

# Views.


def reshape(x: GpuArray, shape: tuple[int, ...]) -> GpuArray:
    """The elements in C order in another shape; a view where possible, else a copy."""
    if shape == x.shape:
        return x
    strides = dense_strides(shape) if x.is_contiguous() else _viewed(x.shape, x.strides, shape)
    if strides is None:
        x = contiguous(x)
        strides = dense_strides(shape)
    return x.view(shape, strides, x.offset)


def _viewed(shape: Sequence[int], strides: Sequence[int], new: Sequence[int]) -> tuple[int, ...] | None:
    """Strides under which an array has the shape `new`, or None if no strides give it."""
    axes = collapse(shape, range(len(shape)), [strides])
    # Runs of even steps, outermost first; each must be a product of neighbouring new axes.
    runs = list(zip(axes.sizes[::-1], axes.strides[0][::-1], strict=True))
    found: list[int] = []
    for size in new:
        while runs and runs[0][0] == 1:
            runs.pop(0)
        if size == 1:
            found.append(1)
            continue
        if not runs or runs[0][0] % size:
            return None
        rest, step = runs[0][0] // size, runs[0][1]
        found.append(rest * step)
        runs[0] = (rest, step)
    return tuple(found)


def permute(x: GpuArray, axes: tuple[int, ...]) -> GpuArray:
    """A view with axis `axes[i]` at place i."""
    return x.view(tuple([x.shape[i] for i in axes]), tuple([x.strides[i] for i in axes]), x.offset)


def slice(x: GpuArray, index: tuple[builtins.slice, ...]) -> GpuArray:
    """A view: one slice for each axis."""
    shape, strides, offset = [], [], x.offset
    for part, size, stride in zip(index, x.shape, x.strides, strict=True):
        start, stop, step = part.indices(size)
        count = len(range(start, stop, step))
        shape.append(count)
        strides.append(stride * step)
        if count:
            offset += start * stride
    return x.view(tuple(shape), tuple(strides), offset)


def expand(x: GpuArray, shape: tuple[int, ...]) -> GpuArray:
    """A read-only view with axes of size 1 repeated and new ones in front."""
    return x if shape == x.shape else x.view(shape, broadcast_strides(x, shape), x.offset)


def broadcast_strides(x: GpuArray, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of `x` as an array of `shape`: 0 where it repeats."""
    if x.shape == shape:
        return x.strides
    new = len(shape) - x.ndim
    repeated = [
        0 if own == 1 and size != 1 else stride
        for own, stride, size in zip(x.shape, x.strides, shape[new:], strict=True)
    ]
    return (0,) * new + tuple(repeated)


# Copies.


def full(runtime: "Runtime", shape: tuple[int, ...], value: Any, dtype: np.dtype[Any]) -> GpuArray:
    """A new array of one value."""
    result = runtime.empty(shape, runtime.check_dtype(dtype))
    fill(result, value)
    return result


def copy(x: GpuArray, dtype: np.dtype[Any] | None = None) -> GpuArray:
    """A new array without gaps, cast to `dtype` if given, its axes in memory in the order of those of `x`."""
    runtime = x.runtime
    result = runtime.empty(x.shape, x.dtype if dtype is None else runtime.check_dtype(dtype), memory_order(x))
    copy_to(x, result)
    return result


def contiguous(x: GpuArray) -> GpuArray:
    """`x` if its elements lie in C order without gaps, else such a copy."""
    return x if x.is_contiguous() else relayout(x, None)


def relayout(x: GpuArray, order: tuple[int, ...] | None, inner: int | None = None) -> GpuArray:
    """A copy whose axes lie in memory as in `order`, outermost first (None: C).

    With `inner`, the innermost axis is lengthened to that size by zeros (the channels of channels-last
    arrays, say).
    """
    axes = tuple(range(x.ndim)) if order is None else order
    shape = x.shape
    if inner is not None:
        shape = (*shape[: axes[-1]], inner, *shape[axes[-1] + 1 :])
    result = x.runtime.empty(shape, x.dtype, order)
    copy_to(x, result, axes[-1] if shape != x.shape else None)
    return result


def assign(target: GpuArray, value: Any) -> None:
    """Write `value`, broadcast and cast, to the elements of `target`."""
    if not isinstance(value, GpuArray):
        fill(target, value)
        return
    if value.buffer is target.buffer:
        # No buffer can be input and output of a dispatch.
        value = copy(value)
    copy_to(expand(value, target.shape), target)


def concatenate(arrays: Sequence[GpuArray], axis: int) -> GpuArray:
    """Arrays of one dtype, that agree in all other axes, one after the other."""
    first = arrays[0]
    size = sum(array.shape[axis] for array in arrays)
    shape = (*first.shape[:axis], size, *first.shape[axis + 1 :])
    result = first.runtime.empty(shape, first.dtype, memory_order(first))
    offset = 0
    for array in arrays:
        part = result.view(array.shape, result.strides, offset)
        offset += array.shape[axis] * result.strides[axis]
        copy_to(array, part)
    return result


def memory_order(x: GpuArray) -> tuple[int, ...] | None:
    """The order of axes for a result that shall lie in memory as `x` does; None is C."""
    order = x.order()
    if order is None:
        repeated = any(step == 0 and size > 1 for step, size in zip(x.strides, x.shape, strict=True))
        if repeated:
            return None
        order = strided_order(x.shape, x.strides)
    return order
