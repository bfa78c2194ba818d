"""Elements by indices along an axis, and the sum that undoes it."""

import math
import struct

import numpy as np

from ...errors import DtypeError
from .array import GpuArray
from .dispatches import Dispatch, send
from .layout import assign, contiguous, copy, memory_order
from .regions import MOST_SERIAL, Box, Operand, Part, by_regions
from .strided import MOST_AXES, collapse, type_name

__all__ = ["gather", "scatter_add"]

_words = struct.Struct("<80I")
_MASK = 0xFFFFFFFF
_FLOAT32 = np.dtype(np.float32)


def gather(x: GpuArray, axis: int, index: GpuArray) -> GpuArray:
    """`y[.., i, ..] = x[.., index[.., i, ..], ..]`; see the protocol."""
    _check_index("gather", index)
    y = x.runtime.empty(index.shape, x.dtype, memory_order(x))
    if y.size:
        if not x.shape[axis]:
            raise IndexError("gather cannot take elements along a dimension with size 0")
        variant = "gather_f16" if x.dtype == np.float16 else "gather_bits"
        _run(variant, y, x, index, axis, False)
    return y


def scatter_add(src: GpuArray, axis: int, index: GpuArray, size: int) -> GpuArray:
    """Sums of `src` where indices agree, in their order: the gradient of `gather` for an axis of `size`."""
    _check_index("scatter_add", index)
    if src.dtype == np.bool_:
        raise DtypeError("scatter_add on the GPU takes float32, float16 or int32, but got bool")
    runtime = src.runtime
    limit = runtime.max_binding
    large = src.buffer.block.size > limit or index.buffer.block.size > limit
    if src.dtype == np.float16 and (large or index.shape[axis] > MOST_SERIAL):
        # Sums of some elements after the others are float32.
        return copy(scatter_add(copy(src, _FLOAT32), axis, index, size), src.dtype)
    shape = (*src.shape[:axis], size, *src.shape[axis + 1 :])
    y = runtime.empty(shape, src.dtype, memory_order(src))
    if src.size == 0:
        assign(y, 0)
    elif y.size:
        _run(f"scatter_add_{type_name(src.dtype)}", y, src, index, axis, True)
    return y


def _check_index(operator: str, index: GpuArray) -> None:
    if index.dtype != np.int32:
        raise DtypeError(f"{operator} on the GPU takes indices of int32, but got {index.dtype.name}")


def _run(variant: str, y: GpuArray, x: GpuArray, index: GpuArray, axis: int, scatter: bool) -> None:
    """Dispatch over the elements of `y`, and of the axis that they are looked up in, the loop's last one."""
    runtime, faults = y.runtime, y.runtime.faults
    size = y.shape[axis] if scatter else x.shape[axis]
    slot = faults.slot("scatter_add" if scatter else "gather", size)
    x_steps, index_steps, along = list(x.strides), list(index.strides), [0] * y.ndim
    inner, x_step, index_step = x.shape[axis], x.strides[axis], index.strides[axis] if scatter else 0
    x_steps[axis] = 0
    if scatter:
        index_steps[axis] = 0
    along[axis] = 1
    order = sorted(range(y.ndim), key=lambda i: -y.strides[i])
    axes = collapse(y.shape, order, (y.strides, x_steps, index_steps, along))
    if len(axes.sizes) > MOST_AXES:
        plain = runtime.empty(y.shape, y.dtype)
        _run(variant, plain, contiguous(x), contiguous(index), axis, scatter)
        assign(y, plain)
        return
    y_axes, x_axes, index_axes, along_axes = (steps[::-1] for steps in axes.strides)
    shape = (*axes.sizes[::-1], inner)
    operands = [
        Operand(y.view(shape, (*y_axes, 0), y.offset)),
        Operand(x.view(shape, (*x_axes, x_step), x.offset)),
        Operand(index.view(shape, (*index_axes, index_step), index.offset)),
    ]

    def run(box: Box, parts: list[Part]) -> Dispatch:
        target, source, named = [runtime.bind(part.view) for part in parts]
        *sizes, length = box.sizes
        count = math.prod(sizes)
        place = sum(start * step for start, step in zip(box.starts, along_axes, strict=False))
        words = [
            *(count, len(sizes), source.first, named.first, target.first, x_step, index_step, length),
            *(place, box.starts[-1], size, slot, 0, 0, 0, 0),
        ]
        # Outermost first.
        for steps in zip(sizes, x_axes, index_axes, along_axes, y_axes, strict=True):
            words += (*steps, 0, 0, 0)
        block = _words.pack(*[word & _MASK for word in words], *(0,) * (80 - len(words)))
        faults.pending = True
        return send(variant, block, (source, named), (target, runtime.bind(faults.array)), count)

    def must(sizes: tuple[int, ...]) -> int | None:
        return len(sizes) - 1 if scatter and sizes[-1] > MOST_SERIAL else None

    work = math.prod if scatter else None
    by_regions(shape, operands, run, work=work, must=must)
