"""Elementwise expressions on the CPU: floats in `_core`, the rest by NumPy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _core
from . import by_numpy

__all__ = ["elementwise"]

Array = NDArray[Any]


def elementwise(op: str, operands: Sequence[Any], params: Sequence[float] = ()) -> Array:
    """Apply an expression of the table to operands that broadcast; see `rsconv.backends.Backend`.

    Raises DtypeError for what the expression is not defined for.
    """
    # The condition of `where` comes first and may be the only array.
    for operand in reversed(operands):
        if isinstance(operand, np.ndarray):
            if operand.dtype.char in "efd":
                return _core.elementwise(op, operands, params)
            break
    return by_numpy.elementwise(op, operands, params)
