"""Reads and writes the safetensors format through its package, and widens what NumPy has no dtype for."""

from typing import Any

import numpy as np

from ._narrow_floats import widen
from .errors import WeightsError

__all__ = ["read_safetensors", "write_safetensors"]

Array = np.ndarray[Any, Any]

_DTYPES = {
    "U8": "u1",
    "U16": "<u2",
    "U32": "<u4",
    "U64": "<u8",
    "I8": "i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "C64": "<c8",
}
_NARROW = {
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
}


def read_safetensors(data: bytes) -> dict[str, Array]:
    """The tensors of the safetensors file that consists of `data`, by name in the order of their bytes.

    Raises WeightsError, without the file's name, for broken data and for dtypes that NumPy has no equal for.
    """
    from safetensors import SafetensorError, deserialize

    try:
        entries = deserialize(data)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise WeightsError(f"the safetensors data is truncated or broken: {error}") from error
    arrays: dict[str, Array] = {}
    for name, entry in entries:
        code, shape, raw = entry["dtype"], entry["shape"], np.frombuffer(entry["data"], np.uint8)
        if code in _NARROW:
            flat = widen(raw, _NARROW[code])
        elif code == "BOOL":
            flat = raw != 0  # A byte other than 0 and 1 would be a bool that equals neither False nor True.
        elif code in _DTYPES:
            stored = raw.view(_DTYPES[code])
            flat = stored.astype(stored.dtype.newbyteorder("="), copy=False)
        else:
            raise WeightsError(f"the tensor {name!r} has the dtype {code}, which is not read")
        try:
            arrays[name] = flat.reshape(shape)
        except ValueError as error:
            raise WeightsError(f"the tensor {name!r} has shape {shape}, which NumPy cannot hold") from error
    return arrays


def write_safetensors(arrays: dict[str, Array]) -> bytes:
    """The bytes of a safetensors file with `arrays`, which are contiguous and in native byte order."""
    from safetensors.numpy import save

    # Some readers refuse a file that does not say whose layout of weights it holds; it is PyTorch's.
    return save(arrays, metadata={"format": "pt"})
