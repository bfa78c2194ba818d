"""The strided copies behind every relayout, cast, assignment and fill."""

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from .array import GpuArray
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

if TYPE_CHECKING:
    from .runtime import Runtime

__all__ = ["copy_to", "fill"]

_header = struct.Struct("<4I")
_TILE = 32
_LEAST_TILED = 12
_MOST_PLANS = 4096

# Variant, words, workgroups.
_Plan = tuple[str, bytes, tuple[int, int, int]]
# Of copies and fills, by the layouts of their arrays.
_plans: dict[Any, _Plan] = {}


def copy_to(x: GpuArray, y: GpuArray, longer: int | None = None) -> None:
    """Write `x` to `y`, of the same shape, but for zeros behind the end of `x` on the axis `longer`."""
    if y.size == 0:
        return
    runtime = x.runtime
    limit = runtime.max_binding
    fits = x.buffer.block.size <= limit and y.buffer.block.size <= limit
    if not fits:
        _copy_parts(x, y, longer)
        return
    key = (x.shape, x.strides, x.offset, x.dtype, y.shape, y.strides, y.offset, y.dtype, longer)
    plan = _plans.get(key)
    if plan is None:
        axes = _axes(x, y, longer)
        if len(axes.sizes) > MOST_AXES:
            _copy_parts(x, y, longer)
            return
        inner = None if longer is None else x.shape[longer]
        plan = _plan(axes, x.offset, y.offset, type_name(x.dtype), type_name(y.dtype), runtime, inner)
        _keep(key, plan)
    variant, words, groups = plan
    runtime.dispatch(variant, words, (runtime.bind(x),), (runtime.bind(y),), groups)


def _keep(key: Any, plan: _Plan) -> None:
    if len(_plans) >= _MOST_PLANS:
        _plans.clear()
    _plans[key] = plan


def _axes(x: GpuArray, y: GpuArray, longer: int | None) -> Axes:
    order = strided_order(y.shape, y.strides)
    if longer is not None:
        # The lengthened axis is the innermost one.
        order = (*[axis for axis in order if axis != longer], longer)
    return collapse(y.shape, order, [x.strides, y.strides], keep_inner=longer is not None)


def _plan(
    axes: Axes, first_x: int, first_y: int, source: str, target: str, runtime: "Runtime", inner: int | None
) -> _Plan:
    kinds = None
    if inner is None:
        by_tiles = _transpose(axes, first_x, first_y, runtime) if source == target else None
        if by_tiles is not None:
            variant, words, groups = by_tiles
            return variant.format("f16" if source == "f16" else "u32"), words, groups
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
    return f"copy_{source}_{target}_{mode}", words, runtime.grid(-(-units // 256))


def _transpose(axes: Axes, first_x: int, first_y: int, runtime: "Runtime") -> _Plan | None:
    """The plan of a copy by tiles, its type left open, if neighbours lie along two different axes."""
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
    return "transpose_{}", words, runtime.grid(tiles * batches)


def _copy_parts(x: GpuArray, y: GpuArray, longer: int | None) -> None:
    runtime = x.runtime
    if longer is not None:
        # Zeros and elements apart, so that parts need not know where the elements end.
        end, step = x.shape[longer], y.strides[longer]
        rest = (*x.shape[:longer], y.shape[longer] - end, *x.shape[longer + 1 :])
        fill(y.view(rest, y.strides, y.offset + end * step), 0)
        y = y.view(x.shape, y.strides, y.offset)

    def run(axes: Axes, views: list[GpuArray]) -> None:
        source, target = runtime.bind(views[0]), runtime.bind(views[1])
        variant, words, groups = _plan(
            axes, source.first, target.first, type_name(x.dtype), type_name(y.dtype), runtime, None
        )
        runtime.dispatch(variant, words, (source,), (target,), groups)

    split(_axes(x, y, None), (x, y), run)


def fill(y: GpuArray, value: Any) -> None:
    """Write a number to all elements of `y`."""
    if y.size == 0:
        return
    runtime = y.runtime
    bits = number_bits(value, y.dtype)
    key = (bits, y.shape, y.strides, y.offset, y.dtype)
    fits = y.buffer.block.size <= runtime.max_binding
    plan = _plans.get(key) if fits else None
    if plan is not None:
        variant, words, groups = plan
        runtime.dispatch(variant, words, (), (runtime.bind(y),), groups)
        return
    variant = "fill_f16" if y.dtype == np.float16 else "fill_u32"

    def run(axes: Axes, views: list[GpuArray]) -> None:
        target = runtime.bind(views[0])
        units = views[0].size
        words = b"".join(
            (
                _header.pack(units, len(axes.sizes), 0, 0),
                pack_axes(axes.sizes, 1),
                pack_strided(target.first, NUMBER, bits, axes.strides[0], 1),
            )
        )
        groups = runtime.grid(-(-units // 256))
        runtime.dispatch(variant, words, (), (target,), groups)
        if fits and units == y.size:
            _keep(key, (variant, words, groups))

    split(collapse(y.shape, strided_order(y.shape, y.strides), [y.strides]), (y,), run)
