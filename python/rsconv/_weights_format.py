"""Which format a weights file has, by its first bytes, and what a file that has none of them seems to be."""

import struct
import zipfile
from typing import BinaryIO

from .errors import WeightsError

__all__ = ["detect_format"]

_SUFFIXES = {".safetensors": "safetensors", ".npz": "npz", ".pt": "torch", ".pth": "torch"}

_LOOKALIKES = (
    (b"<", "an HTML or XML page, such as a login or error page saved in place of the file"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with `git lfs pull`"),
    (b"\x1f\x8b", "gzip data; decompress it first"),
    (b"\x89HDF", "HDF5 data"),
    (b"\x93NUMPY", "a single NumPy array; read it with numpy.load"),
    (b"GGUF", "GGUF data"),
)


def _is_safetensors(head: bytes, size: int) -> bool:
    return len(head) > 8 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] <= size - 8


def _format_of_zip(file: BinaryIO, suffix: str) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, RuntimeError, ValueError, OverflowError, EOFError):
        return _SUFFIXES.get(suffix, "torch")  # The reader gives the reason.
    if any(name.endswith("data.pkl") for name in names):
        return "torch"
    return "npz" if suffix == ".npz" or all(name.endswith(".npy") for name in names) else "torch"


def detect_format(file: BinaryIO, size: int, suffix: str) -> str:
    """The format of `file` by its contents, "safetensors", "npz" or "torch"; rewinds the file.

    Contents that tell nothing, as broken ones may, are taken for what `suffix` says. Raises WeightsError if
    that is no known suffix either, or for an empty file or a well-known other format, and says what it looks
    like.
    """
    head = file.read(512)
    file.seek(0)
    found = None
    # First, because such a file begins with a number whose bytes can be any of the others' signatures.
    if _is_safetensors(head, size):
        found = "safetensors"
    elif head.startswith(b"PK"):
        found = _format_of_zip(file, suffix)
        file.seek(0)
    elif head.startswith(b"\x80"):
        found = "torch"
    if found is not None:
        return found
    if not head:
        raise WeightsError("the file is empty (0 bytes)")
    if head[257:262] == b"ustar":
        raise WeightsError(
            "it is a tar archive, as PyTorch before 0.2 wrote them; save it again with a later one"
        )
    for magic, meaning in _LOOKALIKES:
        if head.lstrip().startswith(magic):
            raise WeightsError(f"it is not a weights file but {meaning} (it begins with {head[:24]!r})")
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    raise WeightsError(f"it is not a weights file: it begins with {head[:24]!r}")
