"""Tables of windows and taps as kernels read them: every axis has its part, those that are missing too."""

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..taps import Taps
from ..windows import Window, Windows
from .array import Binding, GpuArray
from .regions import Box, at_most

__all__ = [
    "Cut",
    "Spans",
    "bind_spans",
    "bind_taps",
    "element_span",
    "element_spans",
    "must_cut",
    "output_spans",
    "span_reach",
    "taps_begins",
    "taps_reach",
    "taps_table",
]


class Spans(NamedTuple):
    """First elements and counts of all axes, one after the other, and where each axis begins."""

    values: NDArray[np.int32]
    begins: tuple[int, int, int]
    axes: tuple[NDArray[np.int64], ...]


class Cut(NamedTuple):
    """Of what each place of an axis sees, `length` elements behind the first `skip`."""

    axis: int
    skip: int
    length: int


def _joined(axes: Sequence[NDArray[np.int64]]) -> Spans:
    begins, total = [], 0
    for axis in axes:
        begins.append(total)
        total += axis.size
    values = np.concatenate([axis.reshape(-1) for axis in axes]).astype(np.int32)
    return Spans(values, (begins[0], begins[1], begins[2]), tuple(axes))


def _spans(axes: Sequence[NDArray[np.int64]], steps: Sequence[int], cut: Cut | None) -> Spans:
    """The spans of up to three axes, whose elements are `steps` apart."""
    axes = list(axes)
    if cut is not None:
        first, count = axes[cut.axis].T
        now = np.clip(count - cut.skip, 0, cut.length)
        axes[cut.axis] = np.stack((np.where(now > 0, first + cut.skip * steps[cut.axis], 0), now), 1)
    return _joined([*[np.array([[0, 1]])] * (3 - len(axes)), *axes])


def span_reach(rows: NDArray[np.int64], step: int) -> Callable[[int, int], tuple[int, int]]:
    """What the places from one to another of an axis see of another one."""

    def reach(start: int, stop: int) -> tuple[int, int]:
        part = rows[start:stop]
        part = part[part[:, 1] > 0]
        if not len(part):
            return 0, 0
        return int(part[:, 0].min()), int((part[:, 0] + (part[:, 1] - 1) * step).max()) + 1

    return reach


def bind_spans(table: GpuArray, key: Hashable, spans: Spans, box: Box) -> tuple[Binding, tuple[int, ...]]:
    """The table, and where each axis begins for a region of planes; its own table if all is too large."""
    runtime = table.runtime
    starts, sizes = box.starts[2:], box.sizes[2:]
    if table.buffer.block.size <= runtime.max_binding:
        return runtime.bind(table), tuple(
            begin + 2 * start for begin, start in zip(spans.begins, starts, strict=True)
        )
    part = _joined(
        [axis[start : start + size] for axis, start, size in zip(spans.axes, starts, sizes, strict=True)]
    )
    return runtime.bind(runtime.table((key, starts, sizes), part.values)), part.begins


def must_cut(table: GpuArray, words: Sequence[int]) -> Callable[[tuple[int, ...]], int | None] | None:
    """Names an axis of planes whose part of a region's own table, of so many words a place, is too large.

    None if the whole table can be bound.
    """
    limit = table.runtime.max_binding
    if table.buffer.block.size <= limit:
        return None
    room = (limit - 512) // (4 * len(words))
    return at_most([1 << 62] * 2 + [max((room - 2) // each, 1) for each in words])


@lru_cache(256)
def element_spans(windows: Windows, cut: Cut | None = None) -> Spans:
    """For each output of an axis, its first element and how many it sees."""
    return _spans([element_span(w) for w in windows], [w.dilation for w in windows], cut)


def element_span(window: Window) -> NDArray[np.int64]:
    """The first element of each output of one axis, and how many it sees."""
    i = np.arange(window.outputs)
    if window.adaptive:
        starts = i * window.size // window.outputs
        return np.stack((starts, -(-(i + 1) * window.size // window.outputs) - starts), 1)
    starts, step = i * window.stride - window.low, window.dilation
    first = np.maximum(0, -(starts // step))
    end = np.minimum(window.kernel, -((starts - window.size) // step))
    counts = np.maximum(end - first, 0)
    return np.stack((np.where(counts > 0, starts + first * step, 0), counts), 1)


@lru_cache(256)
def output_spans(windows: Windows, cut: Cut | None = None) -> Spans:
    """For each element of an axis, the first output that may see it and how many may."""
    return _spans([_output_span(w) for w in windows], [1] * len(windows), cut)


def _output_span(window: Window) -> NDArray[np.int64]:
    at = np.arange(window.size)
    if window.adaptive:
        first = at * window.outputs // window.size
        end = -(-(at + 1) * window.outputs // window.size)
    else:
        reach = window.dilation * (window.kernel - 1)
        first = np.maximum(-((reach - at - window.low) // window.stride), 0)
        end = np.minimum((at + window.low) // window.stride + 1, window.outputs)
    counts = np.maximum(end - first, 0)
    return np.stack((np.where(counts > 0, first, 0), counts), 1)


def taps_begins(axes: Sequence[Taps | int]) -> tuple[list[int], list[int], list[int]]:
    """Where the rows, the elements and the weights of each axis stand in the table."""
    rows, elements, weights, total = [], [], [], 0
    for axis in axes:
        outputs, count = (axis.outputs, len(axis.indices)) if isinstance(axis, Taps) else (axis, axis)
        rows.append(total)
        elements.append(total + outputs + 1)
        weights.append(total + outputs + 1 + count)
        total += outputs + 1 + 2 * count
    return rows, elements, weights


def taps_table(axes: Sequence[Taps | int]) -> NDArray[Any]:
    """Rows, elements and the bits of float32 weights of each axis, one after the other."""
    parts: list[NDArray[Any]] = []
    for axis in axes:
        if isinstance(axis, Taps):
            ones = np.ones(len(axis.indices))
            weights = ones if axis.weights is None else axis.weights
            parts += [axis.offsets, axis.indices, weights.astype(np.float32).view(np.int32)]
        else:
            parts += [np.arange(axis + 1), np.arange(axis), np.ones(axis, np.float32).view(np.int32)]
    return np.concatenate(parts).astype(np.int32)


def taps_reach(axis: Taps | int) -> Callable[[int, int], tuple[int, int]] | None:
    """What some outputs see of the axis; None where each sees itself."""
    if not isinstance(axis, Taps):
        return None
    taps = axis

    def reach(start: int, stop: int) -> tuple[int, int]:
        seen = taps.indices[taps.offsets[start] : taps.offsets[stop]]
        seen = seen[seen >= 0]
        return (int(seen.min()), int(seen.max()) + 1) if len(seen) else (0, 0)

    return reach


def bind_taps(
    table: GpuArray, key: Hashable, axes: Sequence[Taps | int], box: Box, select: bool
) -> tuple[Binding, tuple[list[int], list[int], list[int]]]:
    """The table, and where rows, elements and weights of each axis begin for a region of planes.

    With `select` there is one element for each row, found without the row.
    """
    runtime = table.runtime
    starts, sizes = box.starts[2:], box.sizes[2:]
    if table.buffer.block.size <= runtime.max_binding:
        rows, elements, weights = taps_begins(axes)
        rows = [begin + start for begin, start in zip(rows, starts, strict=True)]
        if select:
            elements = [begin + start for begin, start in zip(elements, starts, strict=True)]
        return runtime.bind(table), (rows, elements, weights)
    part = [_some(axis, start, size) for axis, start, size in zip(axes, starts, sizes, strict=True)]
    own = runtime.table((key, starts, sizes), lambda: taps_table(part))
    return runtime.bind(own), taps_begins(part)


def _some(axis: Taps | int, start: int, size: int) -> Taps:
    """The rows of some outputs."""
    if not isinstance(axis, Taps):
        return Taps(
            None,
            axis,
            np.arange(size + 1, dtype=np.int32),
            np.arange(start, start + size, dtype=np.int32),
            None,
        )
    offsets = axis.offsets[start : start + size + 1]
    used = slice(offsets[0], offsets[-1])
    weights = None if axis.weights is None else axis.weights[used]
    return Taps(None, axis.size, offsets - offsets[0], axis.indices[used], weights)
