"""Dropout."""

import math
import struct

from ...errors import DtypeError
from .array import GpuArray, dense_strides
from .layout import assign, copy, memory_order
from .strided import Axes, collapse, split, type_name

__all__ = ["dropout"]

_words = struct.Struct("<11If32I")
_MASK = 0xFFFFFFFF


def dropout(x: GpuArray, p: float, seed: int, offset: int) -> GpuArray:
    """Zero each element with probability `p`, scale the others by 1 / (1 - p); see the protocol."""
    if x.dtype.kind != "f":
        raise DtypeError(f"dropout on the GPU takes float32 or float16, but got {x.dtype.name}")
    threshold = math.ceil(p * 2.0**32)
    if threshold <= 0:
        return copy(x)
    runtime = x.runtime
    y = runtime.empty(x.shape, x.dtype, memory_order(x))
    if threshold > _MASK:
        assign(y, 0)
    if threshold > _MASK or y.size == 0:
        return y
    random = (offset & _MASK, offset >> 32 & _MASK, seed & _MASK, seed >> 32 & _MASK, threshold)
    scale = 1 / (1 - p)
    kind = type_name(x.dtype)
    flat = x.is_contiguous()
    # Places in C order, as if there were an array of them: its offset is where a part begins.
    place_steps = dense_strides(x.shape)
    places = x.view(x.shape, place_steps, 0)

    def run(axes: Axes, views: list[GpuArray]) -> None:
        out, values, place = views
        source, target = runtime.bind(values), runtime.bind(out)
        axis_words: list[int] = []
        if not flat:
            for size, _, x_step, step in zip(
                axes.sizes[::-1], *(steps[::-1] for steps in axes.strides), strict=True
            ):
                axis_words += (size, x_step & _MASK, step & _MASK, 0)
        base = place.offset
        words = _words.pack(
            *(out.size, len(axes.sizes), source.first, target.first),
            *(base & _MASK, base >> 32, *random),
            scale,
            *axis_words,
            *(0,) * (32 - len(axis_words)),
        )
        groups = -(-out.size // (256 if flat else 64))
        variant = f"dropout_{kind}_{'flat' if flat else 'strided'}"
        runtime.dispatch(variant, words, (source,), (target,), runtime.grid(groups))

    order = sorted(range(y.ndim), key=lambda axis: -y.strides[axis])
    split(collapse(y.shape, order, (y.strides, x.strides, place_steps)), (y, x, places), run)
    return y
