"""Elements in the order of their values. The CPU only: a GPU's Tensors raise DeviceError."""

import operator
from typing import Any, NamedTuple

import numpy as np

from .. import arithmetic
from ..errors import ArgumentError, DeviceError, DtypeError
from .arrays import ArrayLike, Result, operands
from .indexing import gather

__all__ = ["argsort", "sort", "topk"]


class Ordered(NamedTuple):
    """Values along a dimension, and where they stood."""

    values: Result
    indices: Result


def _order(name: str, input: ArrayLike, dim: int, descending: bool) -> tuple[Any, int, Any]:
    """The call, the axis, and the indices that sort along it; equal elements keep order, NaN is largest."""
    call = operands(input=input)
    x = call.arrays[0]
    if not isinstance(x, np.ndarray):
        raise DeviceError(
            f"{name} runs on the CPU only, but input is on {call.backend.name}; use input.cpu()"
        )
    if x.dtype.kind == "c":
        raise DtypeError(f"{name} is not defined for {x.dtype}")
    axis = arithmetic.normalize_dim(dim, x.ndim)
    if not x.ndim:
        return call, axis, np.zeros((), np.int64)
    if not descending:
        return call, axis, np.argsort(x, axis, kind="stable")
    # Backwards twice, so that equal elements keep their order.
    found = np.argsort(np.flip(x, axis), axis, kind="stable")
    return call, axis, np.flip(x.shape[axis] - 1 - found, axis)


def sort(input: ArrayLike, dim: int = -1, descending: bool = False, stable: bool = False) -> Result:
    """`(values, indices)`: the elements along `dim` in order, and where they stood; NaN counts as largest.

    Equal elements keep their order. Indices are int64. Behaviour of PyTorch's sort with stable=True.

    >>> sort([3.0, 1.0, 2.0]).values
    array([1., 2., 3.])

    Raises DeviceError on a GPU, DtypeError for complex numbers.
    """
    call, axis, found = _order("sort", input, dim, descending)
    return Ordered(gather(input, axis, found), call.result(np.ascontiguousarray(found)))


def argsort(input: ArrayLike, dim: int = -1, descending: bool = False, stable: bool = False) -> Result:
    """The indices of `sort`. Behaviour of PyTorch's argsort with stable=True."""
    call, _, found = _order("argsort", input, dim, descending)
    return call.result(np.ascontiguousarray(found))


def topk(input: ArrayLike, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Result:
    """`(values, indices)` of the `k` largest (or smallest) elements along `dim`, in order.

    Behaviour of PyTorch's topk, but that equal elements keep their order.

    >>> topk([3.0, 1.0, 2.0], 2).values
    array([3., 2.])

    Raises as `sort`, and ArgumentError for a `k` that is negative or larger than the dimension.
    """
    call, axis, found = _order("topk", input, dim, largest)
    size = found.shape[axis] if found.ndim else 1
    if not 0 <= operator.index(k) <= size:
        raise ArgumentError(f"topk needs k from 0 to {size}, the size of dimension {dim}, but got k={k}")
    found = np.ascontiguousarray(found[(*(slice(None),) * axis, slice(k))]) if found.ndim else found
    return Ordered(gather(input, axis, found), call.result(found))
