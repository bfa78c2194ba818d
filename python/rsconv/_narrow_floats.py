"""Floating-point formats of one or two bytes that NumPy does not have, widened exactly to float32.

Sources: bfloat16 is the upper half of IEEE binary32. The 8-bit formats are those of the OCP 8-bit floating
point specification (e4m3fn, e5m2), of its microscaling companion (e8m0fnu), and the `fnuz` variants of
Graphcore, AMD and Qualcomm (arXiv:2206.02915), which have one NaN at the code of minus zero and no
infinities.
"""

import functools
import math
from typing import Any

import numpy as np

__all__ = ["NARROW_ITEMSIZE", "widen"]

Array = np.ndarray[Any, Any]

# name: (exponent bits, mantissa bits, bias)
_EIGHT_BITS = {
    "float8_e4m3fn": (4, 3, 7),
    "float8_e5m2": (5, 2, 15),
    "float8_e4m3fnuz": (4, 3, 8),
    "float8_e5m2fnuz": (5, 2, 16),
}

NARROW_ITEMSIZE = {"bfloat16": 2, **dict.fromkeys(_EIGHT_BITS, 1), "float8_e8m0fnu": 1}


def _decode(name: str, code: int) -> float:
    if name == "float8_e8m0fnu":
        return math.nan if code == 255 else math.ldexp(1.0, code - 127)
    exponent_bits, mantissa_bits, bias = _EIGHT_BITS[name]
    magnitude = code & 0x7F
    exponent, mantissa = magnitude >> mantissa_bits, magnitude & ((1 << mantissa_bits) - 1)
    sign = -1.0 if code & 0x80 else 1.0
    if name.endswith("fnuz"):
        if code == 0x80:
            return math.nan
    elif name.endswith("fn"):
        if magnitude == 0x7F:
            return math.nan
    elif exponent == (1 << exponent_bits) - 1:
        return math.nan if mantissa else sign * math.inf
    if exponent:
        mantissa |= 1 << mantissa_bits
    return sign * math.ldexp(mantissa, max(exponent, 1) - bias - mantissa_bits)


@functools.cache
def _table(name: str) -> Array:
    return np.array([_decode(name, code) for code in range(256)], np.float32)


def widen(raw: Array, name: str, byteorder: str = "<") -> Array:
    """The values of `raw`, bytes of the format `name`, as a new float32 array.

    Args:
        raw: contiguous uint8 array of shape (n * itemsize,).
        name: a key of NARROW_ITEMSIZE.
        byteorder: "<" or ">", of two-byte formats.

    Returns:
        float32 array of shape (n,).
    """
    if name == "bfloat16":
        return (raw.view(byteorder + "u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
    widened: Array = _table(name)[raw]
    return widened
