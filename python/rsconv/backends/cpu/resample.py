"""Resampling by tables of taps on the CPU."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ..._core import TapTable
from ...errors import DtypeError
from ..taps import Taps
from .bits import as_bits, from_bits

__all__ = ["resample"]

Array = NDArray[Any]


def resample(x: Array, taps: Sequence[Taps | None]) -> Array:
    """Sum the taps along the last axes: floating-point and complex dtypes, or any if all tables select.

    float16 is summed in float32. Selections copy elements bit by bit.
    """
    used = [table for table in taps if table is not None]
    if not used:
        return np.array(x, x.dtype.newbyteorder("="), order="C")
    tables = [None if table is None else _table(table) for table in taps]
    if all(table.selection for table in used):
        bits, width = as_bits(x)
        return from_bits(_core.select(bits, tables + [None] * (width > 1)), x.dtype)
    if x.dtype.kind == "c":
        real = _core.resample(x.real, tables)
        y = np.empty(real.shape, x.dtype.newbyteorder("="))
        y.real, y.imag = real, _core.resample(x.imag, tables)
        return y
    if x.dtype.kind != "f":
        raise DtypeError(f"weighted taps take floating-point arrays, but input has type {x.dtype.name}")
    return _core.resample(x, tables)


@lru_cache(1024)
def _table(taps: Taps) -> TapTable:
    """The core's copy of a table, which is itself built once."""
    return TapTable(taps.size, taps.offsets, taps.indices, taps.weights)
