"""NumPy in, NumPy out: ndarrays among a call's arguments as Tensors, Tensors in its result as ndarrays.

Lists, tuples (named ones too) and dicts are searched; anything else passes as it is.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arithmetic import narrowed
from ..backends import Backend, backend_of
from ..tensor import Tensor

__all__ = ["Arguments", "backend_of_arguments", "calls", "unwrap"]


class _Calls(threading.local):
    """How deep this thread is in module calls: only the outermost one unwraps its result."""

    depth = 0


calls = _Calls()


def _rebuilt(container: Any, change: Callable[[Any], Any]) -> Any:
    """A copy of `container` with changed items; itself if none did change."""
    if isinstance(container, dict):
        changed = {key: change(value) for key, value in container.items()}
        if all(changed[key] is value for key, value in container.items()):
            return container
        return changed if type(container) is dict else type(container)(changed)
    items = [change(value) for value in container]
    if all(new is old for new, old in zip(items, container, strict=True)):
        return container
    return type(container)(*items) if hasattr(container, "_fields") else type(container)(items)


class Arguments:
    """Wraps the ndarrays of one call, without copying on the CPU, and moves them to `backend`.

    `tensors` and `arrays` say what it has met.
    """

    __slots__ = ("_backend", "_wrapped", "arrays", "tensors")

    def __init__(self, backend: Backend) -> None:
        """Nothing met yet."""
        self._backend = backend
        self.arrays = self.tensors = False
        self._wrapped: dict[int, Tensor] = {}

    def wrap(self, value: Any) -> Any:
        """`value` with Tensors for ndarrays; an array that comes twice is the same Tensor twice.

        Raises DtypeError for an array that no Tensor can hold.
        """
        if isinstance(value, Tensor):
            self.tensors = True
        elif isinstance(value, np.ndarray):
            self.arrays = True
            found = self._wrapped.get(id(value))
            if found is None:
                given = narrowed(value, self._backend.index_dtype)
                found = Tensor._from_array(given, borrowed=True)._on(self._backend)
                self._wrapped[id(value)] = found
            return found
        elif isinstance(value, (list, tuple, dict)):
            return _rebuilt(value, self.wrap)
        return value


def backend_of_arguments(value: Any) -> Backend | None:
    """Where the first Tensor in `value` and its containers lives."""
    if isinstance(value, Tensor):
        return backend_of(value._array)
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return None
    return next(filter(None, map(backend_of_arguments, value)), None)


def unwrap(value: Any) -> Any:
    """`value` with ndarrays for Tensors, over the same memory; those of Parameters are read-only."""
    if isinstance(value, Tensor):
        return value.numpy()
    return _rebuilt(value, unwrap) if isinstance(value, (list, tuple, dict)) else value
