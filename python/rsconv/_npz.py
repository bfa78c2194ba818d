"""Reads and writes .npz archives of plain arrays, bounded by what the file holds and without pickle.

Source: NumPy's NEP 1, the .npy format.
"""

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from .errors import WeightsError

__all__ = ["read_npz", "write_npz"]

Array = np.ndarray[Any, Any]

_CHUNK = 1 << 20
# A plain array's header, as every NumPy has written it; `3L` is Python 2's long integer.
_HEADER = re.compile(
    r"\{'descr': '([<>|=][biufcSU]\d{1,9})', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,19}L?,? ?)*)\),? ?\}\s*"
)
_MAX_HEADER = 1 << 16
# Deflate reaches 1000:1 on zeros. Weights do not, and a small file must not take all memory.
_MAX_RATIO = 100
_ALWAYS_ALLOWED = 1 << 30


def _read_header(stream: Any) -> tuple["np.dtype[Any]", bool, tuple[int, ...], int]:
    """dtype, whether in Fortran order, shape, and bytes of the header of a .npy member."""
    lead = stream.read(8)
    if lead[:6] != b"\x93NUMPY" or len(lead) != 8:
        raise WeightsError("has no .npy header")
    width = 2 if lead[6] == 1 else 4
    length = int.from_bytes(stream.read(width), "little")
    if lead[6] not in (1, 2, 3) or length > _MAX_HEADER:
        raise WeightsError(f"has a .npy header of version {lead[6]} and {length} bytes")
    text = stream.read(length).decode("latin-1")
    match = _HEADER.fullmatch(text)
    if match is None:
        raise WeightsError(f"is not a plain array of numbers, bools or text: {text.strip()[:100]!r}")
    try:
        dtype = np.dtype(match[1])
    except TypeError:
        raise WeightsError(f"has the dtype {match[1]!r}, which does not exist") from None
    shape = tuple(int(number) for number in re.findall(r"\d+", match[3]))
    return dtype, match[2] == "True", shape, 8 + width + length


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    with archive.open(info) as stream:
        dtype, fortran, shape, header = _read_header(stream)
        stated = math.prod(shape) * dtype.itemsize
        if stated != info.file_size - header:
            raise WeightsError(
                f"states shape {shape} of {dtype}, {stated} bytes, and has {info.file_size - header}"
            )
        flat: Array = np.empty(stated, np.uint8)
        at = 0
        while chunk := stream.read(_CHUNK):
            if at + len(chunk) > stated:
                raise WeightsError(f"has more than the {stated} bytes that it states")
            flat[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
            at += len(chunk)
    if at != stated:
        raise WeightsError(f"ends after {at} of {stated} bytes")
    if dtype.itemsize == 0:
        return np.zeros(shape, dtype)
    return flat.view(dtype).reshape(shape, order="F" if fortran else "C")


def read_npz(file: BinaryIO, size: int) -> dict[str, Array]:
    """The arrays of an .npz file by name, in its order.

    Raises WeightsError, without the file's name, for a broken archive and for members that are not plain
    arrays.
    """
    arrays: dict[str, Array] = {}
    errors = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, ValueError, OverflowError, EOFError)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            total = sum(info.file_size for info in members)
            if total > max(_ALWAYS_ALLOWED, _MAX_RATIO * size):
                raise WeightsError(f"the archive of {size} bytes unfolds to {total}")
            for info in members:
                name = info.filename.removesuffix(".npy")
                if name == info.filename or name in arrays:
                    raise WeightsError(
                        f"the archive's member {info.filename!r} is no .npy file, or there are two"
                    )
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise WeightsError(
                        f"the archive's member {info.filename!r} is neither stored nor deflated"
                    )
                if not 0 <= info.header_offset < size:
                    raise WeightsError(f"the archive's member {info.filename!r} lies outside the file")
                try:
                    arrays[name] = _read_member(archive, info)
                except WeightsError as error:
                    raise WeightsError(f"the archive's member {info.filename!r} {error}") from error.__cause__
    except WeightsError:
        raise
    except errors as error:
        raise WeightsError(f"the zip archive is truncated or broken: {error}") from error
    return arrays


def write_npz(file: BinaryIO, arrays: Mapping[str, Array]) -> None:
    """Write `arrays` uncompressed. To numpy.savez, names such as "file" are arguments of its own."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)
