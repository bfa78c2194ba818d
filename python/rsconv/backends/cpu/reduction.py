"""Reductions on the CPU: floats in `_core`, the rest by NumPy."""

from typing import Any

from numpy.typing import NDArray

from ... import _core
from . import by_numpy

__all__ = ["arg_reduce", "moments", "reduce", "softmax"]

Array = NDArray[Any]
_FLOATS = "efd"


def reduce(op: str, x: Array, axes: tuple[int, ...]) -> Array:
    """Reduce over `axes`; see `rsconv.backends.Backend`."""
    if x.dtype.char in _FLOATS and op not in ("any", "all"):
        return _core.reduce(op, x, axes)
    return by_numpy.reduce(op, x, axes)


def arg_reduce(op: str, x: Array, axis: int) -> Array:
    """Where the first 'max' or 'min' stands along `axis`; see `rsconv.backends.Backend`."""
    if x.dtype.char in _FLOATS and x.ndim and x.shape[axis]:
        return _core.arg_reduce(op, x, axis)
    return by_numpy.arg_reduce(op, x, axis)


def moments(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Mean and variance over `axes`; see `rsconv.backends.Backend`."""
    if x.dtype.char in _FLOATS:
        return _core.moments(x, axes)
    return by_numpy.moments(x, axes)


def softmax(x: Array, axis: int, log: bool) -> Array:
    """Softmax along `axis`, or its logarithm; see `rsconv.backends.Backend`.

    Raises DtypeError for all but floats.
    """
    return _core.softmax(x, axis, log)
