"""Dispatches over strided arrays: collapsed axes, units of four elements, and the words of strided.wgsl."""

import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .array import GpuArray
from .dispatches import Dispatch
from .regions import Box, Operand, Part, by_regions

__all__ = [
    "MOST_AXES",
    "NUMBER",
    "SPLAT",
    "UNITS",
    "Axes",
    "collapse",
    "number_bits",
    "pack_axes",
    "pack_steps",
    "pack_strided",
    "split",
    "strided_order",
    "type_name",
    "vector_units",
]

MOST_AXES = 8
"""Axes that the uniform block of a strided kernel holds."""
UNITS, SPLAT, NUMBER = range(3)

_TYPE_NAMES = {
    np.dtype(np.float32): "f32",
    np.dtype(np.float16): "f16",
    np.dtype(np.int32): "i32",
    np.dtype(np.bool_): "bool",
}
type_name = _TYPE_NAMES.__getitem__
"""How names of variants call a dtype."""

_eight = struct.Struct("<8I")
_four = struct.Struct("<4I")
_MASK = 0xFFFFFFFF


class Axes(NamedTuple):
    """Collapsed axes, innermost first: their sizes, and for each array its strides along them."""

    sizes: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]


def collapse(
    shape: Sequence[int],
    order: Sequence[int],
    strides: Sequence[Sequence[int]],
    keep_inner: bool = False,
) -> Axes:
    """Axes of a loop over `shape` in `order` (outermost first), merged where every array allows it.

    With `keep_inner`, the innermost axis stays as it is.
    """
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for axis in reversed(order):
        size = shape[axis]
        if size == 1 and (sizes or not keep_inner):
            continue
        mergeable = len(sizes) > (1 if keep_inner else 0)
        if mergeable and all(
            own[axis] == step[-1] * sizes[-1] for own, step in zip(strides, steps, strict=True)
        ):
            sizes[-1] *= size
            continue
        sizes.append(size)
        for own, step in zip(strides, steps, strict=True):
            step.append(own[axis])
    if not sizes:
        sizes = [1]
        steps = [[0] for _ in strides]
    return Axes(tuple(sizes), tuple(map(tuple, steps)))


def strided_order(shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
    """Axes from the longest step to the shortest; axes of C order among equals."""
    return tuple(sorted(range(len(shape)), key=lambda axis: -abs(strides[axis])))


def vector_units(axes: Axes, firsts: Sequence[int], splat: bool, loose_end: bool) -> tuple[int, ...] | None:
    """For each array, UNITS or SPLAT, if all can be read in groups of four along the innermost axis.

    `loose_end`: the last group may be incomplete, if there is but one axis.
    """
    inner = axes.sizes[0]
    if inner % 4 and not (loose_end and len(axes.sizes) == 1):
        return None
    kinds = []
    for strides, first in zip(axes.strides, firsts, strict=True):
        if strides[0] == 1 and not first % 4 and not any(step % 4 for step in strides[1:]):
            kinds.append(UNITS)
        elif splat and strides[0] == 0:
            kinds.append(SPLAT)
        else:
            return None
    return tuple(kinds)


def pack_axes(sizes: Sequence[int], width: int) -> bytes:
    """The words `size`; with a `width` of 4, the innermost axis counts groups."""
    return _eight.pack(-(-sizes[0] // width), *sizes[1:], *(0,) * (8 - len(sizes)))


def pack_strided(
    first: int, kind: int, number: int, strides: Sequence[int], width: int, limit: int = _MASK
) -> bytes:
    """The words of a `Strided`. Arrays of kind UNITS count in groups of `width`."""
    if width == 4 and kind == UNITS:
        first //= 4
        # Groups along the innermost axis are neighbours; along the others the steps are multiples of 4.
        strides = (1, *(step // 4 for step in strides[1:]))
    return _four.pack(first, kind, number, limit) + pack_steps(strides)


def pack_steps(strides: Sequence[int]) -> bytes:
    """The words of strides, modulo 2^32."""
    return _eight.pack(*[step & _MASK for step in strides], *(0,) * (8 - len(strides)))


def number_bits(value: Any, dtype: np.dtype[Any]) -> int:
    """A number as the 32 bits that a kernel computes with: of a float32 for floats, an int32, or 0 or 1."""
    if dtype.kind == "f":
        # To the storage type first: a float16 array holds no number that is not one.
        with np.errstate(over="ignore"):
            rounded = np.float32(value) if dtype.itemsize == 4 else np.float32(np.float16(value))
        return int(rounded.view(np.uint32))
    if dtype.kind == "b":
        return int(bool(value))
    return int(value) & _MASK


def split(
    axes: Axes, arrays: Sequence[GpuArray], run: Callable[[Axes, list[GpuArray]], Dispatch | None]
) -> Dispatch | None:
    """Call `run` for parts of a loop that the device can bind and number; see `by_regions`.

    `arrays` start at the loop's first element. `run` gets views of the part, raises BindingTooLarge before it
    dispatches anything, and returns what it dispatched: that is returned if there was one part.
    """
    sizes = axes.sizes[::-1]
    if len(sizes) > MOST_AXES:
        inner = Axes(axes.sizes[:-1], tuple(strides[:-1] for strides in axes.strides))
        for i in range(sizes[0]):
            moved = [
                array.view(array.shape, array.strides, array.offset + i * strides[-1])
                for array, strides in zip(arrays, axes.strides, strict=True)
            ]
            split(inner, moved, run)
        return None

    def part(box: Box, parts: list[Part]) -> Dispatch | None:
        return run(Axes(box.sizes[::-1], axes.strides), [part.view for part in parts])

    views = [
        Operand(array.view(sizes, strides[::-1], array.offset))
        for array, strides in zip(arrays, axes.strides, strict=True)
    ]
    return by_regions(sizes, views, part)
