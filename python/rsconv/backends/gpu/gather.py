"""Elements by indices along an axis, and the sum that undoes it."""

import struct
from collections.abc import Sequence

import numpy as np

from ...errors import BindingTooLarge, DtypeError
from .array import GpuArray
from .layout import assign, memory_order
from .plans import Step, keep, layout_key, replay, send
from .strided import Axes, collapse, split, type_name

__all__ = ["gather", "scatter_add"]

_words = struct.Struct("<44I")
_MASK = 0xFFFFFFFF
# Elements that the threads of one dispatch of scatter_add look at, at most.
_MOST_LOOKS = 1 << 34


def gather(x: GpuArray, axis: int, index: GpuArray) -> GpuArray:
    """`y[.., i, ..] = x[.., index[.., i, ..], ..]`; see the protocol."""
    _check_index("gather", index)
    key = ("gather", axis, layout_key(x), layout_key(index))
    known = replay(key, x.runtime, (x, index))
    if known is not None:
        return known[0]
    y = x.runtime.empty(index.shape, x.dtype, memory_order(x))
    if y.size:
        variant = "gather_f16" if x.dtype == np.float16 else "gather_bits"
        step = _run(variant, y, x, index, axis, 0)
        keep(key, step, (y,))
    return y


def scatter_add(src: GpuArray, axis: int, index: GpuArray, size: int) -> GpuArray:
    """Sums of `src` where indices agree, in their order: the gradient of `gather` for an axis of `size`."""
    _check_index("scatter_add", index)
    if src.dtype == np.bool_:
        raise DtypeError("scatter_add on the GPU takes float32, float16 or int32, but got bool")
    key = ("scatter_add", axis, size, layout_key(src), layout_key(index))
    known = replay(key, src.runtime, (src, index))
    if known is not None:
        return known[0]
    shape = (*src.shape[:axis], size, *src.shape[axis + 1 :])
    y = src.runtime.empty(shape, src.dtype, memory_order(src))
    if src.size == 0:
        assign(y, 0)
    elif y.size:
        step = _run(f"scatter_add_{type_name(src.dtype)}", y, src, index, axis, index.shape[axis])
        keep(key, step, (y,))
    return y


def _check_index(operator: str, index: GpuArray) -> None:
    if index.dtype != np.int32:
        raise DtypeError(f"{operator} on the GPU takes indices of int32, but got {index.dtype.name}")


def _run(variant: str, y: GpuArray, x: GpuArray, index: GpuArray, axis: int, length: int) -> Step | None:
    """Dispatch over the elements of `y`; `length` is that of the axis to look through, 0 for `gather`.

    Returns the dispatch, if one was enough.
    """
    steps: list[Step] = []
    runtime = y.runtime
    x_steps, index_steps = list(x.strides), list(index.strides)
    x_steps[axis] = 0
    if length:
        index_steps[axis] = 0
    # Places along the axis, as if there were an array of them: its offset is where a part begins.
    along = [0] * y.ndim
    along[axis] = 1
    strides: Sequence[Sequence[int]] = (y.strides, x_steps, index_steps, along)
    order = sorted(range(y.ndim), key=lambda i: -y.strides[i])
    places = x.view(y.shape, tuple(along), 0)
    axis_size, axis_step = x.shape[axis], x.strides[axis]
    index_size, index_step = (index.shape[axis], index.strides[axis]) if length else (1, 0)

    def run(axes: Axes, views: list[GpuArray]) -> None:
        out, values, named, place = views
        if length and out.size > 64 and out.size * length > _MOST_LOOKS:
            # Cut as what is too large is: a dispatch must be short on a slow GPU.
            raise BindingTooLarge(f"scatter_add looks at {length} indices for each of {out.size} elements")
        target = runtime.bind(out)
        # The axis is no part of the loop but of what is read.
        source = runtime.bind(
            values.view((*values.shape, axis_size), (*values.strides, axis_step), values.offset)
        )
        indices = runtime.bind(
            named.view((*named.shape, index_size), (*named.strides, index_step), named.offset)
        )
        words = [
            *(out.size, len(axes.sizes), source.first, indices.first),
            *(target.first, axis_step & _MASK, index_step & _MASK, length),
            *(place.offset, 0, 0, 0),
        ]
        # Outermost first in the shader; the output is dense in this order.
        for size, _, x_step, i_step, step in zip(
            axes.sizes[::-1], *(steps[::-1] for steps in axes.strides), strict=True
        ):
            words += (size, x_step & _MASK, i_step & _MASK, step)
        words += [0] * (44 - len(words))
        steps.append(send(variant, _words.pack(*words), (source, indices), (target,), out.size))

    split(collapse(y.shape, order, strides), (y, x, index, places), run)
    return steps[0] if len(steps) == 1 else None
