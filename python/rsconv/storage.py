"""The memory that a tensor shares with its views, and the version of what it holds.

Two promises are kept here. A packed weight is never stale: what was packed from a storage is dropped when the
storage is written to, and is only kept where no host code can write without our notice. An array that a user
passed to a module is never written: the first write moves its tensors to a copy.
"""

import weakref
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import DtypeError, ShapeError

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["Array", "Storage"]

# Of one storage, with what was packed of them.
_VIEWS_KEPT = 8

Array = Any
"""An ndarray, or an array of a GPU."""


class Storage:
    """Memory shared by a tensor and its views.

    `version` grows with every write through the API. `exposed` is set once host code may hold a writable
    array over the memory; `protected` once a Parameter owns it, from when on host code gets read-only views.
    The two exclude each other. `borrowed` memory belongs to a user's array that must not be written.
    """

    __slots__ = ("__weakref__", "_lent", "_packed", "_views", "exposed", "protected", "version")

    def __init__(self, exposed: bool = False) -> None:
        """Memory that nothing was packed from yet."""
        self.version = 0
        self.exposed = exposed
        self.protected = False
        self._packed: dict[Hashable, dict[Any, Any]] = {}
        self._lent: tuple[Array, list[weakref.ref[Tensor]]] | None = None
        self._views: list[weakref.ref[Tensor]] | None = None

    def note_view(self, view: "Tensor") -> None:
        """Remember a differentiable view, which a recorded write to this memory changes."""
        known = self._views
        if known is None:
            self._views = [weakref.ref(view)]
            return
        if len(known) >= 8 and len(known) & (len(known) - 1) == 0:
            # At each power of two, so that the dead stay fewer than the living, or eight.
            known[:] = [reference for reference in known if reference() is not None]
        known.append(weakref.ref(view))

    def views(self) -> "list[Tensor]":
        """The differentiable views that live, in the order they were made."""
        return [view for reference in self._views or () if (view := reference()) is not None]

    def packed_of(self, view: Hashable) -> dict[Any, Any]:
        """What was packed from the present contents of one view; it is kept for a few views.

        Fetch it before reading the memory: a write meanwhile replaces the dict, so what was packed from old
        contents lands in one that nobody reads. Memory that is not protected gets a new dict every time.
        """
        if not self.protected:
            return {}
        views = self._packed
        found = views.get(view)
        if found is None:
            for old in list(views)[: 1 - _VIEWS_KEPT]:
                views.pop(old, None)
            found = views.setdefault(view, {})
        return found

    def write(self, change: Callable[[Array], object], array: Array) -> None:
        """Let `change` write to `array`, which lies in this memory, and note it, also if it was cut short."""
        try:
            change(array)
        except (ShapeError, DtypeError, IndexError):
            # Arguments were refused, before the first element was written.
            raise
        except BaseException:
            self.written()
            raise
        self.written()

    def written(self) -> None:
        """Note a write, when it is over: what was packed meanwhile is stale too."""
        self.version += 1
        self._packed = {}

    @property
    def borrowed(self) -> bool:
        """Whether the memory belongs to a user's array that must not be written."""
        return self._lent is not None

    def borrow(self, array: Array) -> None:
        """Declare the memory to be that of the user's `array`."""
        self._lent = (array, [])
        self.exposed = True

    def track(self, tensor: "Tensor") -> None:
        """Have `tensor`, which looks at borrowed memory, follow when it is copied."""
        if self._lent is not None:
            self._lent[1].append(weakref.ref(tensor))

    def make_own(self) -> None:
        """Before a write: move the tensors over borrowed memory to a copy; views of each other stay so."""
        if self._lent is None:
            return
        array, tensors = self._lent
        low, high = _byte_bounds(array)
        memory = np.empty(high - low, np.uint8)

        def moved(view: Array) -> Array:
            offset = _address(view) - low if view.size else 0
            return np.ndarray(view.shape, view.dtype, memory, offset, view.strides)

        moved(array)[...] = array
        for reference in tensors:
            tensor = reference()
            if tensor is not None and tensor._storage is self:
                tensor._array = moved(tensor._array)
        self._lent = None
        self.exposed = False


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _byte_bounds(array: Array) -> tuple[int, int]:
    """The addresses of the first byte of `array` and of the one after its last."""
    low = high = _address(array)
    if array.size == 0:
        return low, low
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            low += (length - 1) * stride
        else:
            high += (length - 1) * stride
    return low, high + array.itemsize
