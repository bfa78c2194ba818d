"""Softmax along any axis, and its logarithm."""

import math
import struct

import numpy as np

from ...errors import BindingTooLarge, DtypeError
from .array import GpuArray
from .elementwise import elementwise
from .layout import copy, memory_order
from .reduction import lanes_of, reduce
from .strided import Axes, collapse, pack_axes, pack_steps, split, strided_order, type_name

__all__ = ["softmax"]

_parameters = struct.Struct("<12I")
# Elements of a row that one workgroup walks through, at most.
_LONGEST = 1 << 20
_FLOAT32 = np.dtype(np.float32)


def softmax(x: GpuArray, axis: int, log: bool) -> GpuArray:
    """exp(x - max) / sum along `axis`, or its logarithm; NaN throughout a row whose maximum is not finite.

    Raises DtypeError for what is not floating-point.
    """
    name = "log_softmax" if log else "softmax"
    if x.dtype.kind != "f":
        raise DtypeError(f"{name} is not defined for {x.dtype.name} on the GPU")
    result = x.runtime.empty(x.shape, x.dtype, memory_order(x))
    if result.size == 0:
        return result
    if x.shape[axis] > _LONGEST:
        return _in_steps(x, axis, log)
    try:
        _run(f"{name}_{type_name(x.dtype)}", x, axis, result)
    except BindingTooLarge:
        return _in_steps(x, axis, log)
    return result


def _run(variant: str, x: GpuArray, axis: int, result: GpuArray) -> None:
    runtime = x.runtime
    length, step, target_step = x.shape[axis], x.strides[axis], result.strides[axis]
    order = [i for i in strided_order(x.shape, result.strides) if i != axis]

    def run(part: Axes, views: list[GpuArray]) -> None:
        source, target = (
            runtime.bind(view.view((*view.shape, length), (*view.strides, own), view.offset))
            for view, own in zip(views, (step, target_step), strict=True)
        )
        rows, sizes = math.prod(part.sizes), pack_axes(part.sizes, 1)
        by_rows = abs(step) < abs(part.strides[0][0]) or rows == 1
        lanes = lanes_of(rows, length, by_rows)
        words = _parameters.pack(
            *(rows, length, lanes, by_rows, source.first, step & 0xFFFFFFFF),
            *(target.first, target_step, len(part.sizes), len(part.sizes), 0, 0),
        )
        words += sizes + pack_steps(part.strides[0]) + sizes + pack_steps(part.strides[1])
        runtime.dispatch(variant, words, (source,), (target,), runtime.grid(-(-rows // lanes)))

    split(collapse(x.shape, order, [x.strides, result.strides]), (x, result), run)


def _in_steps(x: GpuArray, axis: int, log: bool) -> GpuArray:
    """Softmax of rows that the device cannot bind at once, or that take a workgroup long."""
    wide = copy(x, _FLOAT32)
    shifted = elementwise("sub", (wide, reduce("max", wide, (axis,))))
    powers = elementwise("exp", (shifted,))
    total = reduce("sum", powers, (axis,))
    if log:
        result = elementwise("sub", (shifted, elementwise("log", (total,))))
    else:
        result = elementwise("div", (powers, total))
    return result if x.dtype == _FLOAT32 else copy(result, x.dtype)
