"""Hooks on a module's forward: a registry in order, and the handle that takes one out again."""

import itertools
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

__all__ = ["HookTable", "RemovableHandle"]

_ids = itertools.count()


class HookTable(OrderedDict[int, tuple[Callable[..., Any], bool, bool]]):
    """Hooks by id: each with whether it takes keyword arguments and whether it runs after an error too."""

    def add(
        self, hook: Callable[..., Any], prepend: bool, with_kwargs: bool, always_call: bool = False
    ) -> "RemovableHandle":
        """Register a hook after the others, or before them."""
        handle = RemovableHandle(self)
        self[handle.id] = (hook, with_kwargs, always_call)
        if prepend:
            self.move_to_end(handle.id, last=False)
        return handle


class RemovableHandle:
    """What registering a hook returns: `remove()` takes it out, and so does leaving it as a context."""

    def __init__(self, table: HookTable) -> None:
        """A handle with a new id for an entry of `table`."""
        self.id = next(_ids)
        self._table: weakref.ref[HookTable] | None = weakref.ref(table)

    def remove(self) -> None:
        """Take the hook out; again does nothing."""
        table = self._table() if self._table is not None else None
        if table is not None:
            table.pop(self.id, None)

    def __enter__(self) -> "RemovableHandle":
        """The handle."""
        return self

    def __exit__(self, *error: object) -> None:
        """Take the hook out."""
        self.remove()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy is a handle of nothing: the copied module has hooks of its own."""
        return _detached_handle, (self.id,)


def _detached_handle(id: int) -> RemovableHandle:
    handle = object.__new__(RemovableHandle)
    handle.id, handle._table = id, None
    return handle
