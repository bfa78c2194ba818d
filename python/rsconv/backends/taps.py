"""Taps: the elements of an axis that each output sums, and their weights."""

from collections.abc import Hashable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError
from .windows import Window

__all__ = ["Taps", "average_taps", "border_taps", "resize_taps"]

# Tables of each kind that are kept: enough for the layers of a few networks.
_TABLES_KEPT = 256


class Taps:
    """A sparse matrix of `outputs` rows over an axis of `size` elements, in compressed rows.

    Row i holds the taps `offsets[i]` to `offsets[i + 1]` of `indices` (int32) and `weights` (float64, or None
    where all are 1). `longest` is the largest number of taps of a row. Tables are built once for a `key` and
    kept: devices keep copies by it.
    """

    __slots__ = ("_transposed", "indices", "key", "longest", "offsets", "outputs", "size", "weights")

    def __init__(
        self,
        key: Hashable,
        size: int,
        offsets: NDArray[np.int32],
        indices: NDArray[np.int32],
        weights: NDArray[np.float64] | None,
    ) -> None:
        """Take the arrays as they are."""
        self.key, self.size, self.outputs = key, size, len(offsets) - 1
        self.offsets, self.indices, self.weights = offsets, indices, weights
        self.longest = int(np.diff(offsets).max(initial=0))
        self._transposed: Taps | None = None

    @property
    def selection(self) -> bool:
        """Whether every output is one element, as it is."""
        return self.weights is None and self.longest == 1 and len(self.indices) == self.outputs

    def transposed(self) -> "Taps":
        """The table of the gradient: for every element, the outputs that it is summed into."""
        if self._transposed is None:
            rows = np.repeat(np.arange(self.outputs, dtype=np.int32), np.diff(self.offsets))
            order = np.argsort(self.indices, kind="stable")
            offsets = np.zeros(self.size + 1, np.int32)
            np.cumsum(np.bincount(self.indices, minlength=self.size), out=offsets[1:])
            weights = None if self.weights is None else self.weights[order]
            self._transposed = Taps(("transposed", self.key), self.outputs, offsets, rows[order], weights)
            self._transposed._transposed = self
        return self._transposed


def resize_taps(
    mode: str, size: int, outputs: int, scale: float | None = None, align_corners: bool = False
) -> Taps:
    """The table of one axis of `interpolate`.

    `mode` is 'nearest', 'nearest-exact', 'linear' or 'cubic' (Keys' kernel with a = -0.75); `scale` is the
    factor that positions are computed with, or None for `outputs / size`. Positions are PyTorch's: nearest
    ones are rounded to float32 where PyTorch rounds, and a linear axis of unchanged size is copied whatever
    its scale. Taps of weight 0 are left out, and those that an edge makes equal are one.
    """
    return _resize_taps(mode, size, outputs, None if scale is None else float(scale), align_corners)


@lru_cache(_TABLES_KEPT)
def _resize_taps(mode: str, size: int, outputs: int, scale: float | None, align_corners: bool) -> Taps:
    key = ("resize", mode, size, outputs, scale, align_corners)
    i = np.arange(outputs)
    if mode in ("nearest", "nearest-exact"):
        step = np.float32(1 / scale) if scale else np.float32(size) / np.float32(outputs)
        if mode == "nearest":
            at = i.astype(np.float32) * step
        else:
            at = ((i + 0.5) * np.float64(step)).astype(np.float32)
        return _selection(key, size, np.minimum(np.floor(at).astype(np.int64), size - 1))
    if mode not in ("linear", "cubic"):
        raise ArgumentError(f"mode must be 'nearest', 'nearest-exact', 'linear' or 'cubic', but got {mode!r}")
    if mode == "linear" and size == outputs:
        return _selection(key, size, i)
    if align_corners:
        at = i * ((size - 1) / (outputs - 1) if outputs > 1 else 0.0)
    else:
        at = (i + 0.5) * (1 / scale if scale else size / outputs) - 0.5
    at = np.maximum(at, 0) if mode == "linear" else at
    first = np.minimum(np.floor(at).astype(np.int64), size - 1)
    t = np.clip(at - first, 0, 1)
    if mode == "linear":
        weights = np.stack((1 - t, t), 1)
    else:
        first = first - 1
        weights = np.stack((_cubic_far(1 + t), _cubic_near(t), _cubic_near(1 - t), _cubic_far(2 - t)), 1)
    indices = np.clip(first[:, None] + np.arange(weights.shape[1]), 0, size - 1)
    return _merged(key, size, indices, weights)


_A = -0.75


def _cubic_near(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel at distances of at most 1."""
    return ((_A + 2) * x - (_A + 3)) * x * x + 1


def _cubic_far(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel at distances from 1 to 2."""
    return ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A


@lru_cache(_TABLES_KEPT)
def average_taps(
    window: Window, high: int | None = None, include_pad: bool = True, divisor: float | None = None
) -> Taps:
    """The table of one axis of average pooling over `window`.

    `high` is the padding after the axis (None: as before it). With `include_pad` padding counts as zeros, but
    what the last window of `ceil_mode` has beyond the padding never does; else only elements inside count.
    The divisors of several axes multiply. A `divisor` replaces the count: for PyTorch's `divisor_override`
    give it to one axis and 1 to the others.
    """
    key = ("average", window, high, include_pad, divisor)
    starts, lengths = _spans(window)
    tap = np.arange(window.kernel)
    at = starts[:, None] + tap * window.dilation
    inside = (tap < lengths[:, None]) & (at >= 0) & (at < window.size)
    counts = inside.sum(1)
    if divisor is not None:
        per = np.full(window.outputs, float(divisor))
    elif include_pad:
        end = window.size + (window.low if high is None else high)
        per = ((tap < lengths[:, None]) & (at < end)).sum(1).astype(np.float64)
    else:
        per = counts.astype(np.float64)
    weights = np.repeat(1 / np.maximum(per, 1) if divisor is None else 1 / per, counts)
    return _table(key, window.size, counts, at[inside], None if (weights == 1).all() else weights)


@lru_cache(_TABLES_KEPT)
def border_taps(size: int, low: int, high: int, mode: str) -> Taps:
    """The table of one axis of `pad`: which element each place of the extended axis copies.

    `mode` is 'reflect', 'replicate' or 'circular'; negative pads crop before the rest is extended. Pads are
    as large as PyTorch allows: below the cropped size for 'reflect', at most that for 'circular'.
    """
    first, end = max(-low, 0), size - max(-high, 0)
    kept = end - first
    at = np.arange(-max(low, 0), kept + max(high, 0))
    if mode == "circular":
        at = at % kept
    elif mode == "replicate":
        at = np.clip(at, 0, kept - 1)
    elif mode == "reflect":
        at = kept - 1 - np.abs(kept - 1 - np.abs(at))
    else:
        raise ArgumentError(f"mode must be 'reflect', 'replicate' or 'circular', but got {mode!r}")
    return _selection(("border", size, low, high, mode), size, first + at)


def _spans(window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First element, which may lie before the axis, and number of taps of each output."""
    i = np.arange(window.outputs)
    if not window.adaptive:
        return i * window.stride - window.low, np.full(window.outputs, window.kernel)
    starts = i * window.size // window.outputs
    return starts, -(-(i + 1) * window.size // window.outputs) - starts


def _table(
    key: Hashable,
    size: int,
    counts: NDArray[np.int64],
    indices: NDArray[np.int64],
    weights: NDArray[np.float64] | None,
) -> Taps:
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    return Taps(key, size, offsets, indices.astype(np.int32), weights)


def _selection(key: Hashable, size: int, indices: NDArray[np.int64]) -> Taps:
    return _table(key, size, np.ones(len(indices), np.int64), indices, None)


def _merged(key: Hashable, size: int, indices: NDArray[np.int64], weights: NDArray[np.float64]) -> Taps:
    """A table of rows of ascending indices, where equal ones are added and zeros dropped."""
    weights = weights.copy()
    for j in range(1, indices.shape[1]):
        same = indices[:, j] == indices[:, j - 1]
        weights[same, j] += weights[same, j - 1]
        weights[same, j - 1] = 0
    used = weights != 0
    kept = weights[used]
    return _table(key, size, used.sum(1), indices[used], None if (kept == 1).all() else kept)
