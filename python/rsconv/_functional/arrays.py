"""What every function does with its array arguments: Tensors and array-likes in, ndarrays for the backend."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError
from ..tensor import Tensor

Array = NDArray[Any]
# A Tensor, an ndarray, or what np.asarray takes.
ArrayLike: TypeAlias = Any
# A Tensor if any array argument is one, else an ndarray; a union would burden every caller with a cast.
Result: TypeAlias = Any

# Array kinds in the order in which Python numbers may become them.
_KINDS = "biufc"
# What np.asarray makes of Python's numbers; a list of other arrays has a dtype of its own.
_OF_NUMBERS = "?lqdD"


def as_arrays(*values: ArrayLike) -> tuple[bool, list[Any]]:
    """Whether any value is a Tensor, and every value as a base ndarray (None stays None).

    Python numbers, alone or in lists, have no dtype of their own: beside arrays they take the arrays' dtype,
    unless that would lose a fraction or an imaginary part.
    """
    found = [value._array if isinstance(value, Tensor) else value for value in values]
    dtypes = [value.dtype for value in found if isinstance(value, np.ndarray | np.generic)]
    arrays = [None if value is None else _as_array(value, dtypes) for value in found]
    return any(isinstance(value, Tensor) for value in values), arrays


def _as_array(value: Any, dtypes: list[np.dtype[Any]]) -> Array:
    array = np.asarray(value)
    numbers = isinstance(value, list | tuple | int | float | complex) and not isinstance(value, np.generic)
    weak = numbers and array.dtype.char in _OF_NUMBERS
    if weak and dtypes and _KINDS.find(array.dtype.kind) <= _KINDS.find(dtypes[0].kind):
        return np.asarray(value, dtypes[0])
    return array


def as_result(array: Array, tensor: bool) -> Result:
    """A fresh array as the caller gets it."""
    return Tensor._new(array) if tensor else array


def check_is_array(out: Any) -> None:
    """Raise ArgumentError unless `out` is an ndarray."""
    if out is not None and not isinstance(out, np.ndarray):
        raise ArgumentError(f"out must be an ndarray or a Tensor, but got out of type {type(out).__name__}")
