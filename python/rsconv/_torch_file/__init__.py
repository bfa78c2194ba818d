"""Reads files that torch.save wrote, without PyTorch, and executes nothing of them.

`read` is the entry. `archive` and `legacy` know the two containers, `pickle_machine` the pickle language,
`allow_list` the names it may use, `tensors` the storages and views, `limits` what a file may cost.
"""

import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from ..errors import WeightsError
from .allow_list import StorageType, allow_list
from .archive import Archive
from .element_types import REFUSED_ELEMENTS
from .legacy import MAGIC, VERSION, BoundedReader, LegacyStorages
from .limits import Budget, check_result, shown
from .numpy_values import NumpyValues
from .pickle_machine import PickleMachine
from .tensors import Storage, StorageRef

__all__ = ["read"]

_OpenStorage = Callable[[str, int, int], Storage]


class _PersistentIds:
    """Turns the persistent ids of a pickle into storages, each opened once."""

    def __init__(self, open_storage: _OpenStorage) -> None:
        self._open = open_storage
        self._storages: dict[str, Storage] = {}

    def load(self, identifier: object) -> StorageRef:
        """The storage of ("storage", type, key, location, count) or, in the old format, a view of one."""
        fields: list[Any] = list(identifier) if type(identifier) is tuple else []
        # The type is looked at first, since an array can stand here, and compares element by element.
        if len(fields) not in (5, 6) or type(fields[0]) is not str or fields[0] != "storage":
            raise WeightsError(f"the pickle refers to {shown(identifier)} outside of it, which is no storage")
        kind, key, count, view = fields[1], fields[2], fields[4], fields[5] if len(fields) == 6 else None
        if not isinstance(kind, StorageType):
            raise WeightsError(f"storage {shown(key)} has the type {shown(kind)}")
        if type(key) is not str or type(count) is not int or not 0 <= count < 2**48:
            raise WeightsError(f"storage {shown(key)} states {shown(count)} elements")
        element = kind.element
        storage = self._storages.get(key)
        if storage is None:
            storage = self._storages[key] = self._open(key, count, element.itemsize)
        if count * element.itemsize > storage.raw.size:
            raise WeightsError(
                f"storage {shown(key)} has {storage.raw.size} bytes, not {count} {element.name}"
            )
        start = 0
        if view is not None:
            start, count = self._view(view, count)
        return StorageRef(storage, element, start, count, f"storage {shown(key)}")

    @staticmethod
    def _view(view: object, whole: int) -> tuple[int, int]:
        numbers: tuple[Any, ...] = view[1:] if type(view) is tuple and len(view) == 3 else ()
        if [type(n) for n in numbers] != [int, int] or not 0 <= numbers[0] <= numbers[0] + numbers[
            1
        ] <= whole:
            raise WeightsError(f"a view of a storage of {whole} elements is {[shown(n) for n in numbers]}")
        return numbers[0], numbers[1]


def _machine(open_storage: _OpenStorage) -> PickleMachine:
    budget = Budget()
    numpy_values = NumpyValues(budget)
    return PickleMachine(
        allow_list(budget, numpy_values),
        REFUSED_ELEMENTS,
        _PersistentIds(open_storage).load,
        numpy_values.build,
        budget,
    )


def _read_archive(file: BinaryIO, size: int) -> object:
    archive = Archive(file, size)

    def open_storage(key: str, count: int, itemsize: int) -> Storage:
        return archive.read_storage(f"data/{key}", count * itemsize)

    return _machine(open_storage).run(io.BytesIO(archive.read("data.pkl")))


def _read_legacy(file: BinaryIO, size: int) -> object:
    reader, storages = BoundedReader(file, size), LegacyStorages(size)
    # pickletools asks for nothing but read and readline.
    stream = cast(BinaryIO, reader)
    machine = _machine(storages.allocate)
    first = machine.run(stream)
    if type(first) is not int or first != MAGIC:
        raise WeightsError(f"it is a pickle, but torch.save did not write it: it begins with {shown(first)}")
    version = machine.run(stream)
    if type(version) is not int or version != VERSION:
        raise WeightsError(
            f"it is of version {shown(version)} of PyTorch's old format; only {VERSION} is known"
        )
    machine.run(stream)  # Sizes of C types on the machine that wrote it: no reader needs them.
    result = machine.run(stream)
    storages.fill(machine.run(stream), reader)
    return result


def read(file: BinaryIO, size: int) -> Any:
    """The object that torch.save was given, with ndarrays for its tensors.

    Args:
        file: seekable, at its beginning.
        size: of the file in bytes.

    Raises:
        WeightsError: the file is not one of torch.save's, is broken, or names what is not a tensor or a plain
            container. The message gives the reason and leaves out the file's name.
    """
    head = file.read(24)
    file.seek(0)
    if head.startswith(b"PK"):
        result = _read_archive(file, size)
    elif head.startswith(b"\x80"):
        result = _read_legacy(file, size)
    else:
        raise WeightsError(f"torch.save did not write it: it begins with {shown(head)}")
    check_result(result)
    return result
