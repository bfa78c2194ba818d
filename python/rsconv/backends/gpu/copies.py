"""The strided copies behind every relayout, cast, assignment and fill."""

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import BindingTooLarge
from .array import GpuArray
from .dispatches import Dispatch, again, keep, send
from .strided import (
    MOST_AXES,
    NUMBER,
    UNITS,
    Axes,
    collapse,
    number_bits,
    pack_axes,
    pack_steps,
    pack_strided,
    split,
    strided_order,
    type_name,
    vector_units,
)

__all__ = ["copy_to", "fill"]

_header = struct.Struct("<4I")
_TILE = 32
_LEAST_TILED = 12
_THREADS = 256


def copy_to(x: GpuArray, y: GpuArray, longer: int | None = None) -> None:
    """Write `x` to `y`, of the same shape, but for zeros behind the end of `x` on the axis `longer`."""
    if y.size == 0:
        return
    key = ("copy", longer, x.layout, y.layout)
    if again(key, (x,), (y,)):
        return
    runtime, inner = x.runtime, None if longer is None else x.shape[longer]

    def run(part: Axes, views: Sequence[GpuArray]) -> Dispatch:
        source, target = (runtime.bind(view) for view in views)
        variant, words, threads = _plan(
            part, source.first, target.first, type_name(x.dtype), type_name(y.dtype), inner
        )
        return send(variant, words, (source,), (target,), threads, _THREADS)

    axes = _axes(x, y, longer)
    if longer is None:
        keep(key, split(axes, (x, y), run))
        return
    try:
        if len(axes.sizes) <= MOST_AXES:
            keep(key, run(axes, (x, y)))
            return
    except BindingTooLarge:
        pass
    # Zeros and elements apart, so that parts need not know where the elements end.
    end, step = x.shape[longer], y.strides[longer]
    rest = (*x.shape[:longer], y.shape[longer] - end, *x.shape[longer + 1 :])
    fill(y.view(rest, y.strides, y.offset + end * step), 0)
    copy_to(x, y.view(x.shape, y.strides, y.offset))


def _axes(x: GpuArray, y: GpuArray, longer: int | None) -> Axes:
    order = strided_order(y.shape, y.strides)
    if longer is not None:
        # The lengthened axis is the innermost one.
        order = (*[axis for axis in order if axis != longer], longer)
    return collapse(y.shape, order, [x.strides, y.strides], keep_inner=longer is not None)


def _plan(
    axes: Axes, first_x: int, first_y: int, source: str, target: str, inner: int | None
) -> tuple[str, bytes, int]:
    """Variant, words and number of threads."""
    kinds = None
    if inner is None:
        by_tiles = _transpose(axes, first_x, first_y) if source == target else None
        if by_tiles is not None:
            words, threads = by_tiles
            return f"transpose_{'f16' if source == 'f16' else 'u32'}", words, threads
        kinds = vector_units(axes, (first_x, first_y), splat=False, loose_end=False)
    width = 1 if kinds is None else 4
    units = -(-axes.sizes[0] // width)
    for size in axes.sizes[1:]:
        units *= size
    limit = 0xFFFFFFFF if inner is None else inner
    words = b"".join(
        (
            _header.pack(units, len(axes.sizes), 0, 0),
            pack_axes(axes.sizes, width),
            pack_strided(first_x, UNITS, 0, axes.strides[0], width, limit),
            pack_strided(first_y, UNITS, 0, axes.strides[1], width),
        )
    )
    mode = "vec4" if width == 4 else "strided"
    return f"copy_{source}_{target}_{mode}", words, units


def _transpose(axes: Axes, first_x: int, first_y: int) -> tuple[bytes, int] | None:
    """Words and threads of a copy by tiles, if neighbours lie along two different axes."""
    own, other = axes.strides
    if other[0] != 1 or own[0] in (0, 1) or 1 not in own:
        return None
    across = own.index(1)
    rows, columns = axes.sizes[0], axes.sizes[across]
    # Smaller ones leave most threads without work.
    if rows < _LEAST_TILED or columns < _LEAST_TILED:
        return None
    rest = [i for i in range(1, len(axes.sizes)) if i != across]
    sizes = [axes.sizes[i] for i in rest]
    batches, ndim = math.prod(sizes), len(rest)
    sizes_words = pack_axes(sizes or [1], 1)
    words = b"".join(
        (
            _header.pack(rows, columns, own[0] & 0xFFFFFFFF, other[across] & 0xFFFFFFFF),
            _header.pack(first_x, first_y, batches, ndim),
            _header.pack(ndim, 0, 0, 0),
            sizes_words,
            pack_steps([own[i] for i in rest]),
            sizes_words,
            pack_steps([other[i] for i in rest]),
        )
    )
    tiles = -(-rows // _TILE) * -(-columns // _TILE)
    return words, tiles * batches * _THREADS


def fill(y: GpuArray, value: Any) -> None:
    """Write a number to all elements of `y`."""
    if y.size == 0:
        return
    bits = number_bits(value, y.dtype)
    key = ("fill", bits, y.layout)
    if again(key, (), (y,)):
        return
    variant = "fill_f16" if y.dtype == np.float16 else "fill_u32"

    def run(axes: Axes, views: list[GpuArray]) -> Dispatch:
        target = y.runtime.bind(views[0])
        units = views[0].size
        words = b"".join(
            (
                _header.pack(units, len(axes.sizes), 0, 0),
                pack_axes(axes.sizes, 1),
                pack_strided(target.first, NUMBER, bits, axes.strides[0], 1),
            )
        )
        return send(variant, words, (), (target,), units, _THREADS)

    keep(key, split(collapse(y.shape, strided_order(y.shape, y.strides), [y.strides]), (y,), run))
