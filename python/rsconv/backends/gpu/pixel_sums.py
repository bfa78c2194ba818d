"""Sums over pixels, of weight gradients and products: the dispatches of plans of `src/gpu/weight_grad.rs`."""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .array import GpuArray
from .elementwise import elementwise
from .layout import assign
from .runtime import Runtime
from .strided import type_name

__all__ = [
    "Plan",
    "Sum",
    "fits",
    "keep_sum",
    "kept_sum",
    "longest_part",
    "room",
    "run_part",
    "run_sum",
    "sum_of",
]

_words = struct.Struct("<52I")
_sum_words = struct.Struct("<8I")
# Words of the uniform block that a call fills in.
_SPLITS, _FIRST_SPLIT, _G_FIRST, _X_FIRST, _Y_FIRST = 3, 7, 8, 11, 35
# Bytes for the parts of a split sum.
_ROOM = 64 << 20
# Pixels that a plan may take for one part of the sum.
_LONGEST = 8192
_Dispatch = tuple[str, bytes, tuple[int, int, int]]


class Plan(NamedTuple):
    """How one sum over pixels runs; see `Plan` in the core."""

    variant: str
    words: list[int]
    loads: list[int]
    splits: int
    splits_at_once: int
    grid: list[int]
    outputs: int


class Sum(NamedTuple):
    """The dispatches of a plan on buffers that are bound whole: products, and what adds their splits."""

    products: list[_Dispatch]
    splits: int
    add: _Dispatch | None


_MOST_SUMS = 4096
_sums: dict[Any, Sum] = {}


kept_sum = _sums.get
"""The sum that was kept for a key, or None."""


def keep_sum(key: Any, steps: Sum) -> None:
    """Remember a sum for what `key` says of its operands."""
    if len(_sums) >= _MOST_SUMS:
        _sums.clear()
    _sums[key] = steps


def sum_of(plan: Plan, g: GpuArray, x: GpuArray, result: GpuArray) -> Sum:
    """The dispatches of `plan`, whose `result` is dense."""
    direct = plan.splits == 1 and result.dtype == np.float32
    first = result.offset if direct else 0
    products = list(_products(plan, g.offset, x.offset, first, g.runtime))
    return Sum(products, plan.splits, None if direct else _addition(plan.splits, 0, result, result.offset))


def run_sum(steps: Sum, g: GpuArray, x: GpuArray, result: GpuArray) -> GpuArray:
    """Dispatch a sum."""
    runtime = g.runtime
    target = result
    if steps.add is not None:
        target = runtime.empty((steps.splits, result.size), np.dtype(np.float32))
    inputs, outputs = (runtime.bind(g), runtime.bind(x)), (runtime.bind(target),)
    for variant, words, grid in steps.products:
        runtime.dispatch(variant, words, inputs, outputs, grid)
    if steps.add is not None:
        variant, words, grid = steps.add
        runtime.dispatch(variant, words, outputs, (runtime.bind(result),), grid)
    return result


def run_part(plan: Plan, g: GpuArray, x: GpuArray, result: GpuArray, more: bool) -> None:
    """Run `plan` on parts of arrays, into the float32 `result`, or with `more` add to what it holds.

    Raises BindingTooLarge before anything is dispatched.
    """
    runtime = g.runtime
    left, right, _ = runtime.bind(g), runtime.bind(x), runtime.bind(result)
    direct = not more and result.is_contiguous()
    piece = result if direct else runtime.empty(result.shape, result.dtype)
    sums = piece if plan.splits == 1 else runtime.empty((plan.splits, result.size), result.dtype)
    target = runtime.bind(sums)
    for variant, words, grid in _products(plan, left.first, right.first, target.first, runtime):
        runtime.dispatch(variant, words, (left, right), (target,), grid)
    if plan.splits > 1:
        source, target = target, runtime.bind(piece)
        variant, words, grid = _addition(plan.splits, source.first, piece, target.first)
        runtime.dispatch(variant, words, (source,), (target,), grid)
    if more:
        piece = elementwise("add", (result, piece))
    if piece is not result:
        assign(result, piece)


def _products(plan: Plan, g_first: int, x_first: int, y_first: int, runtime: Runtime) -> Iterator[_Dispatch]:
    words = list(plan.words)
    words[_G_FIRST], words[_X_FIRST], words[_Y_FIRST] = (
        g_first // plan.loads[0],
        x_first // plan.loads[1],
        y_first,
    )
    columns, rows, groups = plan.grid
    for first in range(0, plan.splits, plan.splits_at_once):
        count = min(plan.splits_at_once, plan.splits - first)
        words[_SPLITS], words[_FIRST_SPLIT] = count, first
        grid = (columns, rows, groups * count) if columns else runtime.grid(-(-rows * count // 64))
        yield plan.variant, _words.pack(*words), grid


def _addition(splits: int, first: int, result: GpuArray, result_first: int) -> _Dispatch:
    size = result.size
    words = _sum_words.pack(size, splits, first, result_first, size, 0, 0, 0)
    return f"split_sum_{type_name(result.dtype)}", words, result.runtime.grid(-(-size // 64))


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
