"""Resampling over the last axes by taps: average pooling, interpolation, borders, and their gradients."""

import math
import struct
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ...errors import BindingTooLarge, DtypeError
from ..taps import Taps
from .array import GpuArray
from .dispatches import Dispatch, send
from .elementwise import elementwise
from .layout import assign, copy
from .planes import common_width, empty_like, numbered, order_name, planes, seen_words
from .reduction import reduce
from .regions import MOST_SERIAL, TAP_WORK, Box, Operand, Part, by_regions, window_reach
from .strided import type_name
from .tables import bind_taps, must_cut, taps_reach, taps_table

__all__ = ["resample", "select"]

_words = struct.Struct("<28I")
# Taps of one output above which axes are resampled one after the other.
_MOST_TAPS = 32
# Elements of a whole axis above which a reduction's workgroups beat a thread for each output.
_LONG = 64
_FLOAT32 = np.dtype(np.float32)


def resample(x: GpuArray, taps: Sequence[Taps | None]) -> GpuArray:
    """Sum `weight * element` over each output's taps along the last `len(taps)` axes, at most three.

    Raises DtypeError for weights on other dtypes than float32 and float16.
    """
    used = [axis for axis in taps if axis is not None]
    if not used:
        return copy(x)
    if all(axis.selection for axis in used):
        return select(x, taps, 0)
    if x.dtype.kind != "f":
        raise DtypeError(f"resample on the GPU takes float32 or float16, but got {x.dtype.name}")
    kind = type_name(x.dtype)
    whole = [axis for axis, table in enumerate(taps, x.ndim - len(taps)) if table and _even_weight(table)]
    if whole and x.size and math.prod(x.shape[axis] for axis in whole) >= _LONG:
        return _reduced(x, taps, whole)
    longest = math.prod([axis.longest for axis in used])
    if longest <= _MOST_TAPS or (len(used) == 1 and longest <= MOST_SERIAL):
        try:
            return _resample(x, taps, kind)
        except BindingTooLarge:
            if longest == 1:
                raise
    # Axis after axis, in float32; the one first that leaves the least.
    y = copy(x, _FLOAT32) if kind == "f16" else x
    order = sorted([(axis.outputs / max(axis.size, 1), i, axis) for i, axis in enumerate(taps) if axis])
    for _, i, axis in order:
        y = _along(y, len(taps), i, axis)
    return copy(y, x.dtype) if kind == "f16" else y


def _along(x: GpuArray, rank: int, i: int, axis: Taps) -> GpuArray:
    """Float32 sums along one axis, of some taps after the others if need be."""
    if axis.longest <= MOST_SERIAL:
        try:
            return _resample(x, [axis if j == i else None for j in range(rank)], "f32")
        except BindingTooLarge:
            if axis.longest == 1:
                raise
    total = None
    for piece in _pieces(axis, min(-(-axis.longest // 2), MOST_SERIAL)):
        part = _along(x, rank, i, piece)
        total = part if total is None else elementwise("add", (total, part))
    assert total is not None
    return total


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
    return _resample(x, taps, "f16" if x.dtype == np.float16 else "bits", fill)


def _resample(x: GpuArray, taps: Sequence[Taps | None], kind: str, fill: int | None = None) -> GpuArray:
    """One pass, of sums, or with `fill` of selections."""
    runtime, rank, is_selection = x.runtime, len(taps), fill is not None
    axes: tuple[Taps | int, ...] = (1,) * (3 - rank) + tuple(
        [size if axis is None else axis for axis, size in zip(taps, x.shape[-rank:], strict=True)]
    )
    table_key = ("taps", *[axis.key if isinstance(axis, Taps) else axis for axis in axes])
    table = runtime.table(table_key, lambda: taps_table(axes))
    source = planes(x, rank)
    sizes = tuple([axis.outputs if isinstance(axis, Taps) else axis for axis in axes])
    y, whole = empty_like(source, x, sizes[3 - rank :])
    if y.size == 0:
        return y
    if x.size == 0:
        assign(y, 0)
        return y

    def run(box: Box, parts: list[Part]) -> Dispatch:
        taps_in, begins = bind_taps(table, table_key, axes, box, is_selection)
        target, values = [runtime.bind(part.view) for part in parts]
        width = common_width(parts, source.last)
        to, *steps = seen_words(Part(parts[0].view, (0,) * 5), target.first, width)
        words = _words.pack(
            *numbered(box, width),
            *seen_words(parts[1], values.first, width),
            to,
            *begins[0],
            fill or 0,
            *begins[1],
            *begins[2],
            *steps,
            values.first // width,
        )
        variant = f"{'select' if is_selection else 'resample'}_{kind}_{order_name(source.last, width)}"
        return send(variant, words, (values, taps_in), (target,), math.prod(box.sizes) // width)

    longest = [axis.longest if isinstance(axis, Taps) else 1 for axis in axes]
    each = TAP_WORK * math.prod(longest)
    operands = [
        Operand(whole),
        Operand(source.array, window_reach((None, None, *map(taps_reach, axes)))),
    ]
    by_regions(
        whole.shape,
        operands,
        run,
        work=lambda sizes: math.prod(sizes) * each,
        must=must_cut(table, [1 + 2 * taps for taps in longest]),
    )
    return y


def _pieces(axis: Taps, count: int) -> list[Taps]:
    """Tables of up to `count` taps of each row, in their order."""
    pieces = []
    for skip in range(0, axis.longest, count):
        first = np.minimum(axis.offsets[:-1] + skip, axis.offsets[1:])
        taken = np.minimum(axis.offsets[1:] - first, count)
        offsets = np.zeros_like(axis.offsets)
        np.cumsum(taken, out=offsets[1:])
        at = np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], taken)
        weights = None if axis.weights is None else axis.weights[at]
        pieces.append(Taps(("piece", skip, count, axis.key), axis.size, offsets, axis.indices[at], weights))
    return pieces


@lru_cache(256)
def _even_weight(table: Taps) -> float:
    """The weight that all elements of the axis have in its one output, or 0."""
    if table.outputs != 1 or len(table.indices) != table.size or table.size < 2:
        return 0
    weights = table.weights
    if weights is None:
        return 1
    return float(weights[0]) if (weights == weights[0]).all() else 0
