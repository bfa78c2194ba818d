"""Loops cut into regions that the device can bind and finish in time: the one way operators are split.

A loop's axes are numbered by the operator. Each array takes part in it by a view whose first axes are those
of the loop (with stride 0 along one that it lacks), or by a `Reach`, that tells which part of the array a
region needs. A region whose arrays span too much is halved along the axis that shrinks what is too large the
most, which depends on strides: of channels-last arrays the outermost spatial axis.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...errors import BindingTooLarge
from .array import GpuArray
from .dispatches import Dispatch

__all__ = [
    "MOST_SERIAL",
    "MOST_WORK",
    "TAP_WORK",
    "Box",
    "Operand",
    "Part",
    "Reach",
    "at_most",
    "by_regions",
    "window_reach",
]

MOST_WORK = 20_000_000_000
"""Multiplications of one dispatch, at most: a slow GPU does them in less than a second."""
TAP_WORK = 4
"""What an element that a window reads takes, in multiplications."""
MOST_SERIAL = 1 << 18
"""Elements that one thread, or one workgroup, walks through, at most, for the same reason."""


class Box(NamedTuple):
    """Where a region begins along each axis, and its sizes."""

    starts: tuple[int, ...]
    sizes: tuple[int, ...]


Reach = Callable[[Box], Box]
"""The elements of an array that a region needs: a box of the array's own axes."""


class Operand(NamedTuple):
    """An array of a loop; without `reach` it has the loop's axes, and maybe more that are needed whole."""

    array: GpuArray
    reach: Reach | None = None


class Part(NamedTuple):
    """What a region needs of an array: the view, and where it begins in the array."""

    view: GpuArray
    starts: tuple[int, ...]

    def origin(self, first: int, axes: Sequence[int]) -> int:
        """Where an element would stand that is 0 on `axes`, if the view's first one stands at `first`."""
        return first - sum(self.starts[axis] * self.view.strides[axis] for axis in axes)


def by_regions(
    sizes: tuple[int, ...],
    operands: Sequence[Operand],
    run: Callable[[Box, list[Part]], Dispatch | None],
    *,
    work: Callable[[tuple[int, ...]], float] | None = None,
    must: Callable[[tuple[int, ...]], int | None] | None = None,
) -> Dispatch | None:
    """Call `run` for a loop of `sizes`, or for regions that the device can bind, in order along each axis.

    `run` raises BindingTooLarge before it dispatches what is too large, and returns what it dispatched: that
    is returned if there was one region. `work` is what a region of some sizes costs, in multiplications: what
    takes too long is cut along the outermost axis of the first operand, the result. `must` names an axis that
    has to be cut, if a region of some sizes cannot be run as it is. Raises BindingTooLarge if a region of one
    element is too large.
    """
    made: list[Dispatch | None] = []
    # Not by a function that calls itself, which would be a cycle that keeps the arrays alive.
    waiting = [Box((0,) * len(sizes), sizes)]
    while waiting:
        box = waiting.pop()
        parts = [_part(operand, box, sizes) for operand in operands]
        axis = None if must is None else must(box.sizes)
        if axis is None and work is not None and work(box.sizes) > MOST_WORK:
            axis = _outermost(box.sizes, operands[0].array.strides)
        if axis is None:
            try:
                made.append(run(box, parts))
                continue
            except BindingTooLarge:
                axis = _best(box, operands, sizes)
                if axis is None:
                    raise
        waiting += reversed(_halves(box, axis, operands))
    return made[0] if len(made) == 1 else None


def at_most(limits: Sequence[int]) -> Callable[[tuple[int, ...]], int | None]:
    """Names an axis that is longer than its limit."""

    def must(sizes: tuple[int, ...]) -> int | None:
        return next((axis for axis, limit in enumerate(limits) if sizes[axis] > limit), None)

    return must


def _outermost(sizes: tuple[int, ...], strides: tuple[int, ...]) -> int | None:
    """The axis of the longest steps, along which there is something to cut."""
    axes = [axis for axis, size in enumerate(sizes) if size > 1]
    return max(axes, key=lambda axis: abs(strides[axis]), default=None)


def _part(operand: Operand, box: Box, sizes: tuple[int, ...]) -> Part:
    array, reach = operand
    if reach is not None:
        box = reach(box)
        if 0 in box.sizes:
            # Of nothing the place does not matter, but has to be within the buffer.
            box = Box((0,) * len(box.sizes), box.sizes)
    elif box.sizes == sizes:
        return Part(array, (0,) * len(sizes))
    offset = array.offset
    for start, step in zip(box.starts, array.strides, strict=False):
        offset += start * step
    return Part(array.view((*box.sizes, *array.shape[len(box.sizes) :]), array.strides, offset), box.starts)


def _halves(box: Box, axis: int, operands: Sequence[Operand]) -> tuple[Box, Box]:
    starts, sizes = box
    size = sizes[axis]
    # Parts of neighbours start at multiples of 4, for kernels that read groups of them.
    neighbours = size > 4 and any(1 in operand.array.strides[axis : axis + 1] for operand in operands)
    half = max(size // 8, 1) * 4 if neighbours else size // 2
    rest = size - half
    start = starts[axis]
    return (
        Box(starts, (*sizes[:axis], half, *sizes[axis + 1 :])),
        Box((*starts[:axis], start + half, *starts[axis + 1 :]), (*sizes[:axis], rest, *sizes[axis + 1 :])),
    )


def _best(box: Box, operands: Sequence[Operand], sizes: tuple[int, ...]) -> int | None:
    """The axis whose halves have the smallest spans, of arrays that are too large before others."""
    best, least = None, (math.inf, math.inf)
    for axis, size in enumerate(box.sizes):
        if size < 2:
            continue
        excess = total = 0
        for half in _halves(box, axis, operands):
            for operand in operands:
                view = _part(operand, half, sizes).view
                low, high = view.extent()
                span = (high - low) * view.itemsize
                total += span
                if span > view.runtime.max_binding:
                    excess += span
        if (excess, total) < least:
            best, least = axis, (excess, total)
    return best


def window_reach(
    axes: Sequence[Callable[[int, int], tuple[int, int]] | None],
) -> Reach:
    """A reach that maps the range (its end exclusive) of each axis by a function; None is the same range."""

    def reach(box: Box) -> Box:
        starts, sizes = [], []
        for start, size, axis in zip(*box, axes, strict=True):
            low, high = (start, start + size) if axis is None else axis(start, start + size)
            starts.append(low)
            sizes.append(max(high - low, 0))
        return Box(tuple(starts), tuple(sizes))

    return reach
