"""The gradient of convolutions with respect to their weights: GEMMs that sum over pixels.

Plans come from the core (`src/gpu/weight_grad.rs`), which knows tiles and splits.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ... import _core
from ..._core import Geometry
from ...errors import BindingTooLarge, DtypeError
from .array import Binding, GpuArray
from .layout import assign, relayout
from .strided import type_name

__all__ = ["Plan", "conv_weight_grad", "dispatch", "room", "split_sum"]

_words = struct.Struct("<52I")
_sum_words = struct.Struct("<8I")
# Words of the uniform block that a call fills in.
_SPLITS, _FIRST_SPLIT, _G_FIRST, _X_FIRST, _Y_FIRST = 3, 7, 8, 11, 35
_ROOM = 64 << 20
"""Bytes for the parts of a split sum."""


class Plan(NamedTuple):
    """How one sum over pixels runs; see `Plan` in the core."""

    variant: str
    words: list[int]
    loads: list[int]
    splits: int
    splits_at_once: int
    grid: list[int]
    outputs: int


def conv_weight_grad(geometry: Geometry, x: GpuArray, grad_output: GpuArray) -> GpuArray:
    """Gradient of `conv` with respect to `w`, in float32 or float16 (sums are float32).

    Raises DtypeError for other dtypes, BindingTooLarge if one sample is more than the device binds.
    """
    if x.dtype.kind != "f":
        raise DtypeError(f"convolutions on the GPU take float32 or float16, but got {x.dtype.name}")
    runtime = x.runtime
    result = runtime.empty(geometry.weight_shape, x.dtype)
    if result.size == 0:
        return result
    if x.size == 0 or grad_output.size == 0:
        assign(result, 0)
        return result
    # The sides of the direct convolution: a transposed one is its input gradient.
    source, grad = (grad_output, x) if geometry.transposed else (x, grad_output)
    pixels = _channels_last(grad, geometry.rank)
    images = _channels_last(source, geometry.rank)
    half = x.dtype == np.float16
    parts = _parts([images, pixels])
    space = room(runtime.max_binding) // len(parts)
    plans = [
        _plan(geometry, stop - start, half, _operand(image), _operand(pixel), space)
        for start, stop, (image, pixel) in parts
    ]
    splits = sum(plan.splits for plan in plans)
    whole = splits == 1 and not half
    sums = result if whole else runtime.empty((splits, result.size), np.dtype(np.float32))
    target, at = runtime.bind(sums), 0
    for plan, (_, _, (image, pixel)) in zip(plans, parts, strict=True):
        first = target.first + at * plan.outputs
        dispatch(plan, runtime.bind(pixel), runtime.bind(image), target, first)
        at += plan.splits
    if not whole:
        split_sum(sums, result)
    return result


def dispatch(plan: Plan, g: Binding, x: Binding, y: Binding, y_first: int) -> None:
    """Run `plan` on bound operands; the parts of its sum go to `y` from element `y_first` on."""
    runtime = y.array.runtime
    words = list(plan.words)
    words[_G_FIRST], words[_X_FIRST] = g.first // plan.loads[0], x.first // plan.loads[1]
    words[_Y_FIRST] = y_first
    columns, rows, groups = plan.grid
    for first in range(0, plan.splits, plan.splits_at_once):
        count = min(plan.splits_at_once, plan.splits - first)
        words[_SPLITS], words[_FIRST_SPLIT] = count, first
        grid = (columns, rows, groups * count) if columns else runtime.grid(-(-rows * count // 64))
        runtime.dispatch(plan.variant, _words.pack(*words), (g, x), (y,), grid)


def split_sum(sums: GpuArray, result: GpuArray) -> None:
    """Add the parts of a sum, the rows of `sums`, into the dense `result`, in their order."""
    runtime = sums.runtime
    source, target = runtime.bind(sums), runtime.bind(result)
    size = result.size
    words = _sum_words.pack(size, sums.shape[0], source.first, target.first, size, 0, 0, 0)
    variant = f"split_sum_{type_name(result.dtype)}"
    runtime.dispatch(variant, words, (source,), (target,), runtime.grid(-(-size // 64)))


def room(max_binding: int) -> int:
    """Bytes that the parts of a sum may take."""
    return min(_ROOM, max_binding)


def _channels_last(x: GpuArray, rank: int) -> GpuArray:
    """`x` as (n, c, d, h, w) with neighbouring channels and pixels in C order, copied if need be.

    Pixels may be further apart than their channels take, all by the same distance.
    """
    if x.ndim == rank + 1:
        x = x.view((1, *x.shape), (0, *x.strides), x.offset)
    fill = 3 - rank
    n, c, *sizes = x.shape
    if not _pixels_in_order(x.shape, x.strides):
        x = relayout(x, (0, *range(2, x.ndim), 1))
    n_step, _, *steps = x.strides
    # Axes of one element get the step that fits their neighbours.
    step = next((s for size, s in zip(sizes[::-1], steps[::-1], strict=True) if size > 1), c)
    step = n_step if n > 1 and all(size == 1 for size in sizes) else step
    found = []
    for size in (*sizes[::-1], *(1,) * fill, n):
        found.append(step)
        step *= size
    *inner, outer = found
    return x.view((n, c, *(1,) * fill, *sizes), (outer, 1, *inner[::-1]), x.offset)


def _pixels_in_order(shape: Sequence[int], strides: Sequence[int]) -> bool:
    n, c, *sizes = shape
    n_step, c_step, *steps = strides
    if c > 1 and c_step != 1:
        return False
    expected = 0
    for size, step in zip((*sizes[::-1], n), (*steps[::-1], n_step), strict=True):
        if size == 1:
            continue
        if step != expected if expected else step < c:
            return False
        expected = step * size
    return True


def _parts(arrays: list[GpuArray]) -> list[tuple[int, int, list[GpuArray]]]:
    """Ranges of samples that the device can bind, with the arrays of each."""
    samples = arrays[0].shape[0]
    parts: list[tuple[int, int, list[GpuArray]]] = []

    def add(start: int, stop: int) -> None:
        views = [
            a.view((stop - start, *a.shape[1:]), a.strides, a.offset + start * a.strides[0]) for a in arrays
        ]
        try:
            for view in views:
                view.runtime.bind(view)
        except BindingTooLarge:
            if stop - start == 1:
                raise
            middle = (start + stop) // 2
            add(start, middle)
            add(middle, stop)
        else:
            parts.append((start, stop, views))

    add(0, samples)
    return parts


def _operand(x: GpuArray) -> tuple[tuple[int, ...], bool]:
    n, _, d, h, w = x.strides
    return (n, d, h, w), x.offset % 4 == 0


@lru_cache(4096)
def _plan(
    geometry: Geometry,
    samples: int,
    half: bool,
    x: tuple[tuple[int, ...], bool],
    g: tuple[tuple[int, ...], bool],
    space: int,
) -> Plan:
    return Plan(*_core.gpu_weight_grad_plan(geometry, samples, half, x, g, space))
