"""Dropout."""

import math
import struct

from ...errors import DtypeError
from .array import GpuArray, dense_strides
from .dispatches import Dispatch, again, keep, send
from .layout import assign, copy, memory_order
from .strided import Axes, collapse, split, type_name

__all__ = ["dropout"]

_words = struct.Struct("<11If32I")
_random_words = struct.Struct("<2Q")
# Where the bytes of `offset` and `seed` stand.
_RANDOM_AT = 24
_MASK, _MOST = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF


def dropout(x: GpuArray, p: float, seed: int, offset: int) -> GpuArray:
    """Zero each element with probability `p`, scale the others by 1 / (1 - p); see the protocol."""
    if x.dtype.kind != "f":
        raise DtypeError(f"dropout on the GPU takes float32 or float16, but got {x.dtype.name}")
    threshold = math.ceil(p * 2.0**32)
    if threshold <= 0:
        return copy(x)
    y = x.runtime.empty(x.shape, x.dtype, memory_order(x))
    if threshold > _MASK:
        assign(y, 0)
    if threshold > _MASK or y.size == 0:
        return y
    random = _random_words.pack(offset & _MOST, seed & _MOST)
    key = ("dropout", p, x.layout)
    if again(key, (x,), (y,), (_RANDOM_AT, random)):
        return y
    random_words = struct.unpack("<4I", random)
    runtime = x.runtime
    scale = 1 / (1 - p)
    kind = type_name(x.dtype)
    flat = x.is_contiguous()
    # Places in C order, as if there were an array of them: its offset is where a part begins.
    place_steps = dense_strides(x.shape)
    places = x.view(x.shape, place_steps, 0)

    def run(axes: Axes, views: list[GpuArray]) -> Dispatch:
        out, values, place = views
        source, target = runtime.bind(values), runtime.bind(out)
        axis_words: list[int] = []
        if not flat:
            for size, y_step, x_step, step in zip(
                axes.sizes[::-1], *(steps[::-1] for steps in axes.strides), strict=True
            ):
                axis_words += (size, x_step & _MASK, step & _MASK, y_step & _MASK)
        base = place.offset
        words = _words.pack(
            *(out.size, len(axes.sizes), source.first, target.first),
            *(base & _MASK, base >> 32, *random_words),
            threshold,
            scale,
            *axis_words,
            *(0,) * (32 - len(axis_words)),
        )
        variant = f"dropout_{kind}_{'flat' if flat else 'strided'}"
        return send(variant, words, (source,), (target,), -(-out.size // 4) if flat else out.size)

    order = sorted(range(y.ndim), key=lambda axis: -y.strides[axis])
    keep(key, split(collapse(y.shape, order, (y.strides, x.strides, place_steps)), (y, x, places), run))
    return y
