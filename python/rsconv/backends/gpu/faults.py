"""Indices out of range that kernels meet: kept on the device, and raised when the host next waits for it."""

from typing import TYPE_CHECKING

import numpy as np

from .array import GpuArray

if TYPE_CHECKING:
    from .runtime import Runtime

__all__ = ["Faults"]

_SLOTS = 64
_INT32 = np.dtype(np.int32)


class Faults:
    """A place for each operator and size of an axis, where its kernels leave an index that is out of range.

    Several threads may write to a place at once, each a number that is one of the faults; 0 is none, since an
    axis that has elements has one at 0. `pending` is set with each dispatch that may write.
    """

    __slots__ = ("_names", "_slots", "array", "pending")

    def __init__(self, runtime: "Runtime") -> None:
        """No faults."""
        self.pending = False
        self._slots: dict[tuple[str, int], int] = {}
        self._names: list[tuple[str, int]] = []
        self.array: GpuArray = runtime.empty((_SLOTS,), _INT32)
        runtime.write(self.array, np.zeros(_SLOTS, np.int32))

    def slot(self, operator: str, size: int) -> int:
        """The place of an operator along an axis of `size`; the last one is shared by what comes late."""
        key = operator, size
        known = self._slots.get(key)
        if known is None:
            known = self._slots[key] = min(len(self._names), _SLOTS - 1)
            if len(self._names) < _SLOTS:
                self._names.append(key)
        return known

    def check(self) -> None:
        """Raise IndexError, once, if a kernel found an index out of range."""
        self.pending = False
        runtime = self.array.runtime
        found = np.zeros(_SLOTS, np.int32)
        runtime.read(self.array.buffer, 0, found)
        if not found.any():
            return
        runtime.write(self.array, np.zeros(_SLOTS, np.int32))
        slot = int(np.flatnonzero(found)[0])
        operator, size = self._names[slot]
        raise IndexError(
            f"index {found[slot]} is out of bounds for dimension with size {size} in {operator} (an earlier "
            "call: indices on a GPU are checked there, and raise when the GPU is next waited for)"
        )
