"""Arrays as batches of planes, (n, c, d, h, w), for kernels over the last one to three axes."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from .array import GpuArray, dense_strides
from .layout import contiguous
from .regions import Box, Part

__all__ = ["Planes", "common_width", "empty_like", "numbered", "order_name", "planes", "seen_words"]

_MASK = 0xFFFFFFFF


class Planes(NamedTuple):
    """A view `array` of shape (n, c, d, h, w), and whether its channels are its innermost axis in memory."""

    array: GpuArray
    last: bool

    def words(self, width: int, first: int) -> tuple[int, ...]:
        """`first` and the strides in units of `width` channels, as the words of a uniform block."""
        n, c, *spatial = self.array.strides
        channel = 1 if width > 1 else c
        return tuple([(step // width) & _MASK for step in (first, n, channel * width, *spatial)])

    def width(self) -> int:
        """4 if four channels can be read at once, else 1."""
        x = self.array
        if not self.last or x.shape[1] % 4 or x.strides[1] != 1:
            return 1
        steps = (x.offset, x.strides[0], *x.strides[2:])
        return 1 if any(step % 4 for step in steps) else 4


def planes(x: GpuArray, rank: int) -> Planes:
    """`x` with its last `rank` axes (at most 3) as d, h, w, the one before as c, and all before as n.

    A copy only if the axes before the channels do not merge into one.
    """
    split = x.ndim - rank
    lead, steps = x.shape[:split], x.strides[:split]
    if len(lead) > 2:
        for outer, inner in zip(range(len(lead) - 2), range(1, len(lead) - 1), strict=True):
            if lead[outer] > 1 and steps[outer] != steps[inner] * lead[inner]:
                x = contiguous(x)
                steps = x.strides[:split]
                break
        n, c = math.prod(lead[:-1]), lead[-1]
        n_step, c_step = steps[-2], steps[-1]
    else:
        n, n_step = (lead[0], steps[0]) if len(lead) == 2 else (1, 0)
        c, c_step = (lead[-1], steps[-1]) if lead else (1, 0)
    spatial, inner_steps = x.shape[split:], x.strides[split:]
    last = (
        c > 1
        and c_step > 0
        and all(step >= c * c_step for size, step in zip(spatial, inner_steps, strict=True) if size > 1)
        and any(size > 1 for size in spatial)
    )
    fill = 3 - rank
    view = x.view((n, c, *(1,) * fill, *spatial), (n_step, c_step, *(0,) * fill, *inner_steps), x.offset)
    return Planes(view, last)


def empty_like(
    source: Planes, x: GpuArray, sizes: Sequence[int], dtype: object = None
) -> tuple[GpuArray, GpuArray]:
    """A new array with other sizes of the last axes in the memory order of `source`, made from `x`.

    Returned in its own shape and as (n, c, d, h, w).
    """
    rank = len(sizes)
    split = x.ndim - rank
    shape = (*x.shape[:split], *sizes)
    order = None
    if source.last:
        order = (*range(split - 1), *range(split, x.ndim), split - 1)
    made = x.runtime.empty(shape, x.dtype if dtype is None else dtype, order)  # type: ignore[arg-type]
    n, c = source.array.shape[:2]
    whole = (n, c, *(1,) * (3 - rank), *sizes)
    return made, made.view(whole, dense_strides(whole, (0, 2, 3, 4, 1) if source.last else None), 0)


def seen_words(part: Part, first: int, width: int) -> tuple[int, ...]:
    """The words of an array that a region of planes reads, places counted from where its planes start."""
    return Planes(part.view, False).words(width, part.origin(first, (2, 3, 4)))


def common_width(parts: Sequence[Part], last: bool) -> int:
    """4 if four channels of all can be read at once, else 1."""
    return min([Planes(part.view, last).width() for part in parts]) if last else 1


def order_name(last: bool, width: int) -> str:
    """How names of variants call the order of a loop over planes."""
    return "last4" if width == 4 else "last" if last else "first"


def numbered(box: Box, width: int) -> tuple[int, ...]:
    """The number of a region's outputs in groups of `width` channels, and its channels, d, h, w."""
    _, c, d, h, w = box.sizes
    return math.prod(box.sizes) // width, c // width, d, h, w
