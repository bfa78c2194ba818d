"""The format before PyTorch 1.6: pickles one after the other, then the storages' bytes.

The pickles are a magic number, the format's version, facts on the machine, the object, and the list of
storage keys. For each key follow the count of elements as an int64, and the elements. Both are little-endian
on every machine, whatever the facts say.
"""

import struct
from typing import Any, BinaryIO

import numpy as np

from ..errors import WeightsError
from .limits import shown
from .tensors import Storage

__all__ = ["MAGIC", "VERSION", "BoundedReader", "LegacyStorages"]

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
_MAX_LINE = 1 << 16
_CHUNK = 1 << 24


class BoundedReader:
    """A file of known size, for `pickletools`: a length in a pickle cannot ask for more than is there."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        """`size`: the bytes of `file` from its position on."""
        self._file = file
        self.left = size

    def read(self, count: int) -> bytes:
        """At most `count` bytes, fewer at the end of the file only."""
        data = self._file.read(min(count, self.left))
        self.left -= len(data)
        return data

    def readline(self) -> bytes:
        """A line with its end; names and numbers on lines of their own are short."""
        data = self._file.readline(min(_MAX_LINE, self.left))
        self.left -= len(data)
        return data


class LegacyStorages:
    """Storages whose bytes come behind the pickle that uses them."""

    def __init__(self, size: int) -> None:
        """`size`: of the file in bytes, which bounds the memory that is allocated before they are read."""
        self._left = size
        self._waiting: dict[str, tuple[Storage, int]] = {}

    def allocate(self, key: str, count: int, itemsize: int) -> Storage:
        """An unfilled storage; raises WeightsError if the file is too short for it."""
        self._left -= count * itemsize
        if self._left < 0:
            raise WeightsError(
                f"storage {shown(key)} states {count} elements of {itemsize} bytes; the file is too short"
            )
        storage = Storage(count * itemsize, "<")
        self._waiting[key] = storage, itemsize
        return storage

    def fill(self, keys: Any, reader: BoundedReader) -> None:
        """Read the storages `keys` in this order. Raises WeightsError unless these are all, and complete."""
        if type(keys) is not list:
            raise WeightsError(f"the list of storages is {shown(keys)}")
        for key in keys:
            if type(key) is not str or key not in self._waiting:
                raise WeightsError(
                    f"the list of storages has {shown(key)}, which no tensor uses or which came before"
                )
            storage, itemsize = self._waiting.pop(key)
            header = reader.read(8)
            stated = struct.unpack("<q", header)[0] if len(header) == 8 else None
            if stated is None or stated * itemsize != storage.raw.size:
                found = "nothing" if stated is None else f"{stated} elements"
                raise WeightsError(
                    f"storage {shown(key)} has {found}, its tensors need {storage.raw.size // itemsize}"
                )
            for at in range(0, storage.raw.size, _CHUNK):
                wanted = min(_CHUNK, storage.raw.size - at)
                data = reader.read(wanted)
                if len(data) < wanted:
                    raise WeightsError(
                        f"the file is truncated: storage {shown(key)} ends after {at + len(data)} of "
                        f"{storage.raw.size} bytes"
                    )
                storage.raw[at : at + wanted] = np.frombuffer(data, np.uint8)
            storage.filled()
        if self._waiting:
            raise WeightsError(
                f"the file lacks the storages {', '.join(map(shown, list(self._waiting)[:5]))}"
            )
