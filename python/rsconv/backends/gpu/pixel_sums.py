"""Sums over pixels, of weight gradients and products: the dispatches of plans of `src/gpu/weight_grad.rs`."""

import struct
from typing import NamedTuple

import numpy as np

from .array import GpuArray
from .dispatches import send
from .elementwise import elementwise
from .layout import assign
from .strided import type_name

__all__ = ["Plan", "fits", "longest_part", "room", "run_sum"]

_words = struct.Struct("<52I")
_sum_words = struct.Struct("<8I")
# Words of the uniform block that a call fills in.
_SPLITS, _FIRST_SPLIT, _G_FIRST, _X_FIRST, _Y_FIRST = 3, 7, 8, 11, 35
# Bytes for the parts of a split sum.
_ROOM = 64 << 20
# Pixels that a plan may take for one part of the sum.
_LONGEST = 8192
_FLOAT32 = np.dtype(np.float32)


class Plan(NamedTuple):
    """How one sum over pixels runs; see `Plan` in the core."""

    variant: str
    words: list[int]
    loads: list[int]
    splits: int
    splits_at_once: int
    grid: list[int]
    outputs: int


def run_sum(plan: Plan, g: GpuArray, x: GpuArray, result: GpuArray, more: bool = False) -> None:
    """Run `plan` into `result`, or with `more` add to what that holds, which is float32 then.

    Raises BindingTooLarge before anything is dispatched.
    """
    runtime = g.runtime
    left, right, _ = runtime.bind(g), runtime.bind(x), runtime.bind(result)
    direct = not more and result.is_contiguous()
    piece = result if direct else runtime.empty(result.shape, result.dtype)
    split = plan.splits > 1 or result.dtype != _FLOAT32
    sums = runtime.empty((plan.splits, result.size), _FLOAT32) if split else piece
    target = runtime.bind(sums)
    words = list(plan.words)
    words[_G_FIRST], words[_X_FIRST] = left.first // plan.loads[0], right.first // plan.loads[1]
    words[_Y_FIRST] = target.first
    columns, rows, groups = plan.grid
    for first in range(0, plan.splits, plan.splits_at_once):
        count = min(plan.splits_at_once, plan.splits - first)
        words[_SPLITS], words[_FIRST_SPLIT] = count, first
        grid = (columns, rows, groups * count) if columns else runtime.grid(-(-rows * count // 64))
        runtime.dispatch(plan.variant, _words.pack(*words), (left, right), (target,), grid)
    if split:
        source, target, size = target, runtime.bind(piece), piece.size
        block = _sum_words.pack(size, plan.splits, source.first, target.first, size, 0, 0, 0)
        send(f"split_sum_{type_name(piece.dtype)}", block, (source,), (target,), size)
    if more:
        piece = elementwise("add", (result, piece))
    if piece is not result:
        assign(result, piece)


def fits(limit: int, *arrays: GpuArray) -> bool:
    """Whether the device binds the whole buffer of each."""
    return all(array.buffer.block.size <= limit for array in arrays)


def room(max_binding: int) -> int:
    """Bytes that the parts of a sum may take."""
    return min(_ROOM, max_binding)


def longest_part(outputs: int, pixels: int, max_binding: int) -> int:
    """Pixels of one part of a sum, at most: of large results few parts have room."""
    parts = max(room(max_binding) // (4 * outputs), 1)
    return max(-(-pixels // parts), min(pixels, _LONGEST))
