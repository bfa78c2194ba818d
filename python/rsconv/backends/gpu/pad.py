"""Padding on the GPU: each place of an extended axis selects an element, or a number."""

from functools import lru_cache
from typing import Any

import numpy as np

from ..taps import Taps, border_taps
from .array import GpuArray
from .layout import assign, copy, memory_order, permute
from .resampling import resample, select
from .strided import number_bits

__all__ = ["pad", "pad_grad"]

Pads = tuple[tuple[int, int], ...]
# Axes that `resample` takes at once.
_MOST_AXES = 3


def pad(x: GpuArray, pads: Pads, mode: str, value: Any = 0) -> GpuArray:
    """Extend every axis; negative pads crop first."""
    make = _constant_taps if mode == "constant" else border_taps
    tables = [
        make(size, low, high, mode) if low or high else None
        for size, (low, high) in zip(x.shape, pads, strict=True)
    ]
    if x.size == 0:
        shape = (size + low + high for size, (low, high) in zip(x.shape, pads, strict=True))
        result = x.runtime.empty(tuple(shape), x.dtype, memory_order(x))
        assign(result, value)
        return result
    return _along(x, tables, number_bits(value, x.dtype))


def pad_grad(grad_output: GpuArray, pads: Pads, mode: str) -> GpuArray:
    """Gradient of `pad`: what a border was copied from receives that border's gradient."""
    if mode == "constant":
        return pad(grad_output, tuple((-low, -high) for low, high in pads), mode)
    tables = [
        border_taps(size - low - high, low, high, mode).transposed() if low or high else None
        for size, (low, high) in zip(grad_output.shape, pads, strict=True)
    ]
    return _along(grad_output, tables, None)


def _along(x: GpuArray, tables: list[Taps | None], fill: int | None) -> GpuArray:
    """`resample`, or with `fill` `select`, along any axes, by views in which they come last."""
    axes = [axis for axis, table in enumerate(tables) if table is not None]
    if not axes:
        return copy(x)
    while axes:
        part, axes = axes[-_MOST_AXES:], axes[:-_MOST_AXES]
        taps = [tables[axis] for axis in part]
        order = (*[axis for axis in range(x.ndim) if axis not in part], *part)
        moved = permute(x, order)
        moved = resample(moved, taps) if fill is None else select(moved, taps, fill)
        x = permute(moved, tuple([order.index(axis) for axis in range(x.ndim)]))
    return x


@lru_cache(256)
def _constant_taps(size: int, low: int, high: int, mode: str) -> Taps:
    """Element -1 for each place outside of the axis."""
    at = np.arange(-low, size + high, dtype=np.int32)
    at[(at < 0) | (at >= size)] = -1
    return Taps(("border", size, low, high, mode), size, np.arange(len(at) + 1, dtype=np.int32), at, None)
