"""Checks of arrays that several operators share; `_core` does its own for what it runs in one pass."""

from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError

Array = Any
"""An ndarray or an array of a GPU."""


def same_dtype(**arrays: Any) -> None:
    """Raise DtypeError, with both names and dtypes, unless all arrays that are not None share one dtype."""
    if len({array.dtype for array in arrays.values() if array is not None}) == 1:
        return
    named = [(argument, array.dtype) for argument, array in arrays.items() if array is not None]
    first, dtype = named[0]
    for other, found in named[1:]:
        if found.newbyteorder("=") != dtype.newbyteorder("="):
            raise DtypeError(
                f"{first} type ({dtype.name}) and {other} type ({found.name}) should be the same"
            )


def check_out(out: Array, shape: tuple[int, ...], dtype: np.dtype[Any], **inputs: Array | None) -> None:
    """Refuse an `out` that cannot take the result.

    Raises ShapeError, DtypeError, or ArgumentError if it is read-only or may share memory with an input.
    """
    if out.shape != tuple(shape):
        raise ShapeError(f"out has shape {out.shape}, but the result has shape {tuple(shape)}")
    if out.dtype != dtype.newbyteorder("="):
        raise DtypeError(f"out has dtype {out.dtype.name}, but the result has dtype {dtype.name}")
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise ArgumentError(f"out of shape {out.shape} is read-only")
    for argument, array in inputs.items():
        if array is not None and share_memory(out, array):
            raise ArgumentError(
                f"out of shape {out.shape} overlaps {argument} of shape {array.shape} in memory"
            )


def share_memory(a: Array, b: Array) -> bool:
    """Whether two arrays may overlap in memory; those on one GPU do if they look at one buffer."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.may_share_memory(a, b)
    return a.buffer is b.buffer
