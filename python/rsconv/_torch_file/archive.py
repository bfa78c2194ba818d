"""The format since PyTorch 1.6: a zip archive of a pickle and one record per storage, not compressed."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ..errors import WeightsError
from .limits import shown
from .tensors import Storage

__all__ = ["Archive"]

_CHUNK = 1 << 20
_ENCRYPTED = 0x1 | 0x40
_BYTEORDERS = {b"little": "<", b"big": ">"}


@contextmanager
def _malformed(what: str) -> Iterator[None]:
    try:
        yield
    except WeightsError:
        raise
    except (zipfile.BadZipFile, RuntimeError, ValueError, OverflowError, EOFError) as error:
        raise WeightsError(f"{what}: {error}") from error


class Archive:
    """The records of an archive, each read once at most, into memory of the size that the directory states.

    Args:
        file: seekable, and open as long as the archive is used.
        size: of the file in bytes. Records that state more, alone or together, are refused, so that memory is
            bounded by the size of the file.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        """Read the directory. Raises WeightsError if it is broken or lists no pickle."""
        self._size = self._left = size
        with _malformed("the zip archive is truncated or broken"):
            self._zip = zipfile.ZipFile(file)
        self._records: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if info.filename in self._records:
                raise WeightsError(f"the zip archive has two records {shown(info.filename)}")
            self._records[info.filename] = info
        self._prefix = self._find_prefix()
        self.byteorder = self._read_byteorder()

    def _find_prefix(self) -> str:
        found = [name.removesuffix("data.pkl") for name in self._records if name.endswith("data.pkl")]
        prefixes = [
            prefix for prefix in found if prefix.count("/") == (prefix != "") and prefix[-1:] in ("", "/")
        ]
        if len(prefixes) != 1:
            listed = ", ".join(shown(name) for name in list(self._records)[:5]) or "nothing"
            count = "no" if not prefixes else "more than one"
            raise WeightsError(
                f"the zip archive has {count} record data.pkl; torch.save did not write it ({listed} ...)"
            )
        if f"{prefixes[0]}constants.pkl" in self._records:
            raise WeightsError(
                "it is a TorchScript program, not weights; save its state_dict() with torch.save"
            )
        return prefixes[0]

    def _read_byteorder(self) -> str:
        if f"{self._prefix}byteorder" not in self._records:
            return "<"  # PyTorch before 2.1 wrote no such record, and ran on little-endian machines.
        stated = self.read("byteorder")
        if stated not in _BYTEORDERS:
            raise WeightsError(f"the record byteorder says {shown(stated)}, neither little nor big")
        return _BYTEORDERS[stated]

    def read(self, record: str) -> bytes:
        """A record's bytes."""
        buffer = bytearray(self._claim(record).file_size)
        self._read_into(record, memoryview(buffer))
        return bytes(buffer)

    def read_storage(self, record: str, nbytes: int) -> Storage:
        """A record of at least `nbytes` as a storage."""
        info = self._claim(record)
        if info.file_size < nbytes:
            raise WeightsError(
                f"the record {shown(record)} has {info.file_size} bytes, its tensors need {nbytes}"
            )
        storage = Storage(info.file_size, self.byteorder)
        self._read_into(record, storage.raw.data)
        storage.filled()
        return storage

    def _claim(self, record: str) -> zipfile.ZipInfo:
        info = self._records.get(self._prefix + record)
        if info is None:
            raise WeightsError(f"the zip archive has no record {shown(self._prefix + record)}")
        if info.flag_bits & _ENCRYPTED:
            raise WeightsError(f"the record {shown(record)} is encrypted")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise WeightsError(f"the record {shown(record)} is compressed, which torch.save does not do")
        self._left -= info.file_size
        if self._left < 0 or not 0 <= info.header_offset <= self._size - info.file_size:
            raise WeightsError(
                f"the record {shown(record)} states {info.file_size} bytes; with the records before it "
                f"that is more than the file has ({self._size})"
            )
        return info

    def _read_into(self, record: str, buffer: memoryview) -> None:
        info = self._records[self._prefix + record]
        if info.CRC == 0:
            # PyTorch writes 0 when told not to compute checksums; zipfile checks none if there is no
            # attribute.
            del info.CRC
        with _malformed(f"the record {shown(record)} is broken"), self._zip.open(info) as stream:
            at = 0
            while at < len(buffer):
                chunk = stream.read(min(_CHUNK, len(buffer) - at))
                if not chunk:
                    raise WeightsError(f"the record {shown(record)} ends after {at} of {len(buffer)} bytes")
                buffer[at : at + len(chunk)] = chunk
                at += len(chunk)
