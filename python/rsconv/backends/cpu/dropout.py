"""Dropout on the CPU."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ...errors import DtypeError

__all__ = ["dropout"]

Array = NDArray[Any]
_WORD = 2**64 - 1


def dropout(x: Array, p: float, seed: int, offset: int) -> Array:
    """Zero elements with probability `p` and scale the others; see the protocol for the stream."""
    if x.dtype.kind not in "fc":
        raise DtypeError(f"dropout takes floating-point arrays, but input has type {x.dtype.name}")
    settings = p, seed & _WORD, offset & _WORD
    if x.dtype.kind == "f":
        return _core.dropout(x, *settings)
    real = _core.dropout(x.real, *settings)
    y = np.empty(real.shape, x.dtype.newbyteorder("="))
    y.real, y.imag = real, _core.dropout(x.imag, *settings)
    return y
