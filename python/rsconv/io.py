"""Weights in files: reading .safetensors, .npz and PyTorch's .pt and .pth, writing the first two.

Nothing that a file contains is ever executed, and PyTorch is not needed.
"""

import io
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Literal, cast

import numpy as np

from ._weights_format import detect_format
from .backends import backend_of
from .errors import ArgumentError, DtypeError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["load", "save"]

Array = np.ndarray[Any, Any]
File = str | os.PathLike[str] | IO[bytes]

_SAFETENSORS_DTYPES = frozenset(np.dtype(code).name for code in ("?", *"BHILbhil", "u8", "i8", *"efdF"))


def _path(f: object) -> str | None:
    return os.fsdecode(cast(Any, f)) if isinstance(f, (str, os.PathLike)) else None


def _name(f: object) -> str:
    path = _path(f)
    if path is None:
        named = getattr(f, "name", None)
        path = named if isinstance(named, str) else f"<{type(f).__name__}>"
    return path


@contextmanager
def _opened(f: File) -> "Iterator[tuple[BinaryIO, int]]":
    """A seekable binary file at its beginning, and its size."""
    path = _path(f)
    if path is not None:
        with open(path, "rb") as file:
            yield file, os.fstat(file.fileno()).st_size
        return
    if not hasattr(f, "read"):
        raise ArgumentError(f"load takes a path or a binary file, not {type(f).__name__}")
    data = cast(IO[bytes], f).read()
    if not isinstance(data, bytes):
        raise ArgumentError(f"load got a file opened in text mode, {_name(f)}; open it with mode 'rb'")
    yield io.BytesIO(data), len(data)


def _read_torch(file: BinaryIO, size: int) -> Any:
    from ._torch_file import read

    return read(file, size)


def _read_npz(file: BinaryIO, size: int) -> Any:
    from ._npz import read_npz

    return read_npz(file, size)


def _read_safetensors(file: BinaryIO, size: int) -> Any:
    from ._safetensors import read_safetensors

    return read_safetensors(file.read())


_READERS: dict[str, Callable[[BinaryIO, int], Any]] = {
    "torch": _read_torch,
    "npz": _read_npz,
    "safetensors": _read_safetensors,
}


def load(
    f: File,
    map_location: object = None,
    weights_only: bool | None = None,
    *,
    pickle_module: object = None,
    mmap: bool | None = None,
) -> Any:
    """Read weights from a file.

    Files that torch.save wrote, in its present format and in the one before PyTorch 1.6, yield what it was
    given: dicts, OrderedDicts (with `_metadata`), lists, tuples, sets, numbers, strings, NumPy values, and
    for each tensor an ndarray of the same shape and strides. Tensors that shared memory share it again.
    `torch.Size` comes as a tuple, a `torch.device` as its string, a `torch.dtype` as a `numpy.dtype`, or as a
    string where NumPy has none. A .safetensors or .npz file yields a dict of arrays.

    dtypes are kept, except that NumPy has no bfloat16, 8-bit floats or complex32: the first two come as
    float32 and the last as complex64, all of them exactly.

    Args:
        f: path, or binary file whose `read()` returns the whole. The contents say which format it has,
            whatever the suffix.
        map_location: accepted for compatibility with torch.load, without effect: arrays are on the host.
        weights_only: likewise; nothing but weights is ever read.
        pickle_module: likewise.
        mmap: likewise; arrays own their memory.

    Returns:
        The object described above. Its arrays are writable.

    Raises:
        WeightsError: the file is empty, truncated, malformed, too large for what it holds, or would have to
            be executed to be read (a pickled Module, for instance); the message names file and reason.
        OSError: the file cannot be opened or read.
        ArgumentError: `f` is neither a path nor a binary file.

    Source: torch.load(weights_only=True) and torch.save of PyTorch 2.
    """
    with _opened(f) as (file, size):
        try:
            suffix = os.path.splitext(_name(f))[1].lower()
            return _READERS[detect_format(file, size, suffix)](file, size)
        except WeightsError as error:
            raise WeightsError(f"cannot load {_name(f)}: {error}") from error.__cause__


def _arrays_of(obj: object, format_: str) -> dict[str, Array]:
    """The arrays of a state dict, contiguous and in native byte order."""
    if not isinstance(obj, Mapping):
        hint = "; pass its state_dict()" if hasattr(obj, "state_dict") else ""
        raise ArgumentError(f"save takes a dict of arrays or Tensors, not {type(obj).__name__}{hint}")
    arrays: dict[str, Array] = {}
    for key, value in obj.items():
        if not isinstance(key, str) or "\0" in key or key == "__metadata__":
            raise ArgumentError(
                f"save takes names without NUL characters other than '__metadata__', got {key!r}"
            )
        array = backend_of(value._array).download(value._array) if hasattr(value, "_array") else value
        if not isinstance(array, (np.ndarray, np.generic)):
            raise ArgumentError(
                f"save takes arrays and Tensors, but {key!r} is of type {type(value).__name__}"
            )
        array = np.asarray(array)
        array = np.require(array, array.dtype.newbyteorder("="), "C")
        if array.dtype.kind not in "biufc" or (
            format_ == "safetensors" and array.dtype.name not in _SAFETENSORS_DTYPES
        ):
            raise DtypeError(f"{key!r} has dtype {array.dtype}, which a .{format_} file cannot hold")
        arrays[key] = array
    return arrays


def _write(file: BinaryIO, arrays: dict[str, Array], format_: str) -> None:
    if format_ == "npz":
        from ._npz import write_npz

        write_npz(file, arrays)
    else:
        from ._safetensors import write_safetensors

        file.write(write_safetensors(arrays))


def save(obj: Mapping[str, Any], f: File, *, format: Literal["safetensors", "npz"] | None = None) -> None:
    """Write a state dict to a file; a file that is there is replaced only once the new one is complete.

    Args:
        obj: names to ndarrays or Tensors of any shape, strides and device; dtypes are kept. Arrays that share
            memory are written once each.
        f: path, or binary file.
        format: "safetensors" or "npz". Without it the suffix of the path decides, .safetensors or .npz.

    Raises:
        ArgumentError: the format is unknown, `obj` is not a dict, or one of its values is not an array.
        DtypeError: a dtype that the format cannot hold, such as complex128 in .safetensors.
        OSError: the file cannot be written.
    """
    path = _path(f)
    suffix = os.path.splitext(path or "")[1].lower()
    chosen = format or {".safetensors": "safetensors", ".npz": "npz"}.get(suffix)
    if chosen not in ("safetensors", "npz"):
        got = f"format={format!r}" if format is not None else f"the suffix {suffix!r}"
        raise ArgumentError(f"save writes format='safetensors' (.safetensors) and 'npz' (.npz), got {got}")
    arrays = _arrays_of(obj, chosen)
    if path is None:
        if not hasattr(f, "write"):
            raise ArgumentError(f"save takes a path or a binary file, not {type(f).__name__}")
        _write(cast(BinaryIO, f), arrays, chosen)
        return
    target = os.path.realpath(path)
    part = f"{target}.{os.getpid()}-{threading.get_ident()}.part"
    try:
        with open(part, "wb") as file:
            _write(file, arrays, chosen)
        os.replace(part, target)
    except BaseException:
        if os.path.exists(part):
            os.remove(part)
        raise
