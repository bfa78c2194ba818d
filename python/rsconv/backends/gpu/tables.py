"""Tables of windows and taps as kernels read them: every axis has its part, those that are missing too."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..taps import Taps
from ..windows import Window, Windows

__all__ = ["Spans", "element_span", "element_spans", "output_spans", "taps_begins", "taps_table"]


class Spans(NamedTuple):
    """First elements and counts of all axes, one after the other, and where each axis begins."""

    values: NDArray[np.int32]
    begins: tuple[int, int, int]


def _joined(axes: Sequence[NDArray[np.int64]]) -> Spans:
    begins, total = [], 0
    for axis in axes:
        begins.append(total)
        total += axis.size
    values = np.concatenate([axis.reshape(-1) for axis in axes]).astype(np.int32)
    return Spans(values, (begins[0], begins[1], begins[2]))


@lru_cache(256)
def element_spans(windows: Windows) -> Spans:
    """For each output of an axis, its first element and how many it sees."""
    whole = np.array([[0, 1]])
    return _joined([*[whole] * (3 - len(windows)), *map(element_span, windows)])


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
def output_spans(windows: Windows) -> Spans:
    """For each element of an axis, the first output that may see it and how many may."""
    whole = np.array([[0, 1]])
    return _joined([*[whole] * (3 - len(windows)), *map(_output_span, windows)])


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
