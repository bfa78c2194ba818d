"""Views and copies on the CPU: pure layout, so NumPy moves the data."""

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["assign", "concatenate", "contiguous", "copy", "expand", "full", "permute", "reshape", "slice"]

Array = NDArray[Any]


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new array of arbitrary contents."""
    return np.empty(shape, dtype)


def full(shape: tuple[int, ...], value: Any, dtype: np.dtype[Any]) -> Array:
    """A new array of one value, cast as `copy` casts."""
    return np.full(shape, _cast(np.asarray(value), dtype))


def reshape(x: Array, shape: tuple[int, ...]) -> Array:
    """The elements in C order in another shape; a view where possible, else a copy."""
    return x.reshape(shape)


def permute(x: Array, axes: tuple[int, ...]) -> Array:
    """A view with axis `axes[i]` at place i."""
    return x.transpose(axes)


def slice(x: Array, index: tuple[builtins.slice, ...]) -> Array:
    """A view: one slice for each axis."""
    place: tuple[Any, ...] = (*index, ...)
    view: Array = x[place]
    return view


def expand(x: Array, shape: tuple[int, ...]) -> Array:
    """A read-only view with axes of size 1 repeated and new ones in front."""
    return np.broadcast_to(x, shape)


def copy(x: Array, dtype: np.dtype[Any] | None = None) -> Array:
    """A new array in native byte order without gaps, cast if need be, in the memory order of `x`."""
    dtype = x.dtype.newbyteorder("=") if dtype is None else dtype
    return np.array(_cast(x, dtype), order="K", copy=x.dtype == dtype)


def contiguous(x: Array) -> Array:
    """`x` if its elements lie in C order without gaps in native byte order, else such a copy."""
    # np.ascontiguousarray makes one dimension of none.
    return np.asarray(x, x.dtype.newbyteorder("="), order="C")


def assign(target: Array, value: Any) -> None:
    """Write `value`, broadcast and cast as `copy` casts, to the elements of `target`."""
    target[...] = _cast(np.asarray(value), target.dtype)


def concatenate(arrays: Sequence[Array], axis: int) -> Array:
    """Arrays that agree in all other axes, one after the other."""
    return np.concatenate(arrays, axis)


def _cast(x: Array, dtype: np.dtype[Any]) -> Array:
    """`x` as `dtype`: floats truncate, complex numbers lose their imaginary part, without a warning."""
    if x.dtype == dtype:
        return x
    if x.dtype.kind == "c" and dtype.kind not in "cb":
        x = x.real
    with np.errstate(all="ignore"):
        return x.astype(dtype)
