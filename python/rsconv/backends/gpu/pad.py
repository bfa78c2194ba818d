"""Padding on the GPU: constant borders are fills, the others select elements along an axis."""

from typing import Any

from ..taps import Taps, border_taps
from .array import GpuArray
from .layout import assign, copy, memory_order, permute
from .layout import slice as view
from .windows import resample

__all__ = ["pad", "pad_grad"]

Pads = tuple[tuple[int, int], ...]
# Axes that `resample` takes at once.
_MOST_AXES = 3


def pad(x: GpuArray, pads: Pads, mode: str, value: Any = 0) -> GpuArray:
    """Extend every axis; negative pads crop first."""
    if mode != "constant":
        tables = [
            border_taps(size, low, high, mode) if low or high else None
            for size, (low, high) in zip(x.shape, pads, strict=True)
        ]
        return _along(x, tables)
    core = view(
        x,
        tuple(
            slice(max(-low, 0), size - max(-high, 0)) for size, (low, high) in zip(x.shape, pads, strict=True)
        ),
    )
    if not any(low > 0 or high > 0 for low, high in pads):
        return copy(core)
    shape = tuple(
        size + max(low, 0) + max(high, 0) for size, (low, high) in zip(core.shape, pads, strict=True)
    )
    result = x.runtime.empty(shape, x.dtype, memory_order(x))
    assign(result, value)
    inner = (slice(max(low, 0), max(low, 0) + size) for size, (low, _) in zip(core.shape, pads, strict=True))
    assign(view(result, tuple(inner)), core)
    return result


def pad_grad(grad_output: GpuArray, pads: Pads, mode: str) -> GpuArray:
    """Gradient of `pad`: what a border was copied from receives that border's gradient."""
    if mode == "constant":
        return pad(grad_output, tuple((-low, -high) for low, high in pads), mode)
    tables = [
        border_taps(size - low - high, low, high, mode).transposed() if low or high else None
        for size, (low, high) in zip(grad_output.shape, pads, strict=True)
    ]
    return _along(grad_output, tables)


def _along(x: GpuArray, tables: list[Taps | None]) -> GpuArray:
    """`resample` along any axes, by views in which they come last."""
    axes = [axis for axis, table in enumerate(tables) if table is not None]
    if not axes:
        return copy(x)
    while axes:
        part, axes = axes[-_MOST_AXES:], axes[:-_MOST_AXES]
        order = (*(axis for axis in range(x.ndim) if axis not in part), *part)
        moved = resample(permute(x, order), [tables[axis] for axis in part])
        x = permute(moved, tuple(order.index(axis) for axis in range(x.ndim)))
    return x
