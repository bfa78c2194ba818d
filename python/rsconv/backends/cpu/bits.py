"""Arrays of any dtype as unsigned integers, for what only copies elements."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DtypeError

__all__ = ["as_bits", "from_bits"]

Array = NDArray[Any]
_WORDS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def as_bits(x: Array) -> tuple[Array, int]:
    """The bits of `x` in native byte order, and how many words an element has: if more than 1, they are a
    further last axis."""
    if x.dtype.kind not in "biufc":
        raise DtypeError(f"input has type {x.dtype.name}, but arrays of numbers are needed")
    if not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    if (word := _WORDS.get(x.dtype.itemsize)) is not None:
        return x.view(word), 1
    width = x.dtype.itemsize // 8
    return np.ascontiguousarray(x).view(np.uint64).reshape(*x.shape, width), width


def from_bits(bits: Array, dtype: np.dtype[Any]) -> Array:
    """What `as_bits` gave as an array of `dtype`."""
    native = dtype.newbyteorder("=")
    return bits.view(native) if native.itemsize <= 8 else bits.view(native)[..., 0]
