"""Taps: the elements of an axis that each output sums, and their weights."""

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Taps"]


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
