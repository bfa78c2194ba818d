"""Arithmetic, comparison, reductions and writes of Tensors: functions that are Tensor's methods."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import arithmetic, random
from .dtypes import Dtype, check_dtype
from .errors import ShapeError

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "binary",
    "copy_",
    "fill_",
    "in_place",
    "matmul",
    "max",
    "mean",
    "min",
    "normal_",
    "operand",
    "relu",
    "relu_",
    "rmatmul",
    "set_item",
    "sum",
    "unary",
    "uniform_",
    "zero_",
]

Ufunc = Callable[..., Any]


class Extremum(NamedTuple):
    """The largest or smallest values along a dimension, and where they stand."""

    values: "Tensor"
    indices: "Tensor"


def operand(other: Any) -> Any:
    """`other` as an array or a Python scalar, or None if it is nothing to compute with."""
    if hasattr(other, "_storage"):
        return other._array
    if isinstance(other, (bool, int, float, complex)):
        return other
    if isinstance(other, np.generic):
        return other.item()
    return arithmetic.to_array(other) if isinstance(other, (np.ndarray, list, tuple)) else None


def binary(ufunc: Ufunc, reflected: bool = False) -> "Callable[[Tensor, Any], Tensor]":
    """The operator `ufunc(input, other)`; `ufunc(other, input)` if `reflected`."""

    def compute(input: "Tensor", other: Any) -> "Tensor":
        value = operand(other)
        if value is None:
            return NotImplemented  # type: ignore[no-any-return]
        a, b = (value, input._array) if reflected else (input._array, value)
        return input._new(arithmetic.binary(ufunc, a, b))

    compute.__doc__ = f"`numpy.{ufunc.__name__}` of the tensor and `other`, broadcast, in PyTorch's dtypes."
    return compute


def in_place(ufunc: Ufunc) -> "Callable[[Tensor, Any], Tensor]":
    """The operator that writes `ufunc(input, other)` to `input`, whose shape and dtype stay."""

    def compute(input: "Tensor", other: Any) -> "Tensor":
        value = operand(other)
        if value is None:
            return NotImplemented  # type: ignore[no-any-return]
        return input._write(lambda target: arithmetic.binary(ufunc, target, value, out=target))

    compute.__doc__ = f"Write `numpy.{ufunc.__name__}` of the tensor and `other` to the tensor."
    return compute


def unary(ufunc: Ufunc) -> "Callable[[Tensor], Tensor]":
    """The function `ufunc(input)`, element by element."""

    def compute(input: "Tensor") -> "Tensor":
        return input._new(arithmetic.unary(ufunc, input._array))

    compute.__doc__ = f"`numpy.{ufunc.__name__}`, element by element."
    return compute


def matmul(input: "Tensor", other: Any) -> "Tensor":
    """The matrix product, batched over leading dimensions. Raises DtypeError, ShapeError."""
    value = operand(other)
    if not isinstance(value, np.ndarray):
        return NotImplemented  # type: ignore[no-any-return]
    return input._new(arithmetic.matmul(input._array, value))


def rmatmul(input: "Tensor", other: Any) -> "Tensor":
    """`other @ input` for an array `other`."""
    value = operand(other)
    if not isinstance(value, np.ndarray):
        return NotImplemented  # type: ignore[no-any-return]
    return input._new(arithmetic.matmul(value, input._array))


def _dtype(given: Any) -> Dtype | None:
    return None if given is None else check_dtype(given)


def _no_out(out: object) -> None:
    if out is not None:
        raise TypeError("a reduction of a Tensor takes no out=")


# NumPy's own functions, such as np.sum, call the methods with axis= and out=.


def sum(
    input: "Tensor",
    dim: Any = None,
    keepdim: bool = False,
    dtype: Any = None,
    *,
    axis: Any = None,
    out: None = None,
) -> "Tensor":
    """The sum over `dim` (None for all, an int, a tuple of ints); whole numbers and bools add up as int64."""
    _no_out(out)
    dims = axis if dim is None else dim
    return input._new(arithmetic.total(input._array, dims, keepdim, _dtype(dtype)))


def mean(
    input: "Tensor",
    dim: Any = None,
    keepdim: bool = False,
    dtype: Any = None,
    *,
    axis: Any = None,
    out: None = None,
) -> "Tensor":
    """The mean over `dim`. Raises DtypeError for whole numbers without a floating-point `dtype`."""
    _no_out(out)
    dims = axis if dim is None else dim
    return input._new(arithmetic.mean(input._array, dims, keepdim, _dtype(dtype)))


def amax(input: "Tensor", dim: Any = None, keepdim: bool = False) -> "Tensor":
    """The largest value over `dim`. Raises ShapeError where there is none."""
    return input._new(arithmetic.extremum("max", input._array, dim, keepdim))


def amin(input: "Tensor", dim: Any = None, keepdim: bool = False) -> "Tensor":
    """The smallest value over `dim`. Raises ShapeError where there is none."""
    return input._new(arithmetic.extremum("min", input._array, dim, keepdim))


def _position(name: str, input: "Tensor", dim: Any, keepdim: bool) -> "Tensor":
    arithmetic.extremum(name, input._array, dim, keepdim)
    search = np.argmax if name == "max" else np.argmin
    axis = None if dim is None or not input.ndim else arithmetic.normalize_dims(dim, input.ndim)[0]
    return input._new(np.asarray(search(input._array, axis=axis, keepdims=keepdim and input.ndim > 0)))


def argmax(input: "Tensor", dim: int | None = None, keepdim: bool = False) -> "Tensor":
    """Where the largest value stands along `dim`, or in the flattened Tensor. Raises ShapeError."""
    return _position("max", input, dim, keepdim)


def argmin(input: "Tensor", dim: int | None = None, keepdim: bool = False) -> "Tensor":
    """Where the smallest value stands along `dim`, or in the flattened Tensor. Raises ShapeError."""
    return _position("min", input, dim, keepdim)


def _extremum(name: str, input: "Tensor", dim: Any, keepdim: bool, axis: Any) -> Any:
    if hasattr(dim, "_storage"):
        return binary(np.maximum if name == "max" else np.minimum)(input, dim)
    values = input._new(arithmetic.extremum(name, input._array, axis if dim is None else dim, keepdim))
    return values if dim is None else Extremum(values, _position(name, input, dim, keepdim))


def max(
    input: "Tensor", dim: Any = None, keepdim: bool = False, *, axis: Any = None, out: None = None
) -> Any:
    """The largest value; `(values, indices)` along an int `dim`; with a Tensor the larger of each pair."""
    _no_out(out)
    return _extremum("max", input, dim, keepdim, axis)


def min(
    input: "Tensor", dim: Any = None, keepdim: bool = False, *, axis: Any = None, out: None = None
) -> Any:
    """The smallest value; `(values, indices)` along an int `dim`; with a Tensor the smaller of each pair."""
    _no_out(out)
    return _extremum("min", input, dim, keepdim, axis)


def relu(input: "Tensor") -> "Tensor":
    """`max(input, 0)`, element by element; a nan stays. Raises DtypeError for bools and complex numbers."""
    return input._new(arithmetic.relu(input._array))


def relu_(input: "Tensor") -> "Tensor":
    """`max(input, 0)` in place. Raises DtypeError for bools and complex numbers."""
    return input._write(lambda target: arithmetic.relu(target, target))


def any(input: "Tensor", dim: Any = None, keepdim: bool = False) -> "Tensor":
    """Whether any element over `dim` is true (not zero)."""
    axes = arithmetic.normalize_dims(dim, input.ndim)
    return input._new(np.asarray(np.any(input._array, axis=axes, keepdims=keepdim)))


def all(input: "Tensor", dim: Any = None, keepdim: bool = False) -> "Tensor":
    """Whether all elements over `dim` are true (not zero)."""
    axes = arithmetic.normalize_dims(dim, input.ndim)
    return input._new(np.asarray(np.all(input._array, axis=axes, keepdims=keepdim)))


def copy_(input: "Tensor", source: Any, non_blocking: bool = False) -> "Tensor":
    """Write the elements of `source`, broadcast and cast. Raises ShapeError."""
    values = operand(source)
    if values is None:
        raise TypeError(f"copy_() cannot read a {type(source).__name__}")
    return input._write(lambda target: arithmetic.fill(target, values))


def fill_(input: "Tensor", value: Any) -> "Tensor":
    """Write one value everywhere."""
    return copy_(input, value)


def zero_(input: "Tensor") -> "Tensor":
    """Write zero everywhere."""
    return copy_(input, 0)


def normal_(input: "Tensor", mean: float = 0.0, std: float = 1.0) -> "Tensor":
    """Write draws from the normal distribution."""
    draws = random.normal(input.shape, mean, std)
    return input._write(lambda target: arithmetic.fill(target, draws))


def uniform_(input: "Tensor", low: float = 0.0, high: float = 1.0) -> "Tensor":
    """Write draws from the uniform distribution over [low, high)."""
    draws = random.uniform(input.shape, low, high, input.dtype)
    return input._write(lambda target: arithmetic.fill(target, draws))


def set_item(input: "Tensor", index: tuple[Any, ...], value: Any) -> None:
    """Write `value`, broadcast and cast, where `index`, which has an ellipsis, selects. Raises ShapeError."""
    values = operand(value)
    if values is None:
        raise TypeError(f"cannot write a {type(value).__name__} into a Tensor")
    source = arithmetic.cast(np.asarray(values), input.dtype)

    def change(target: np.ndarray[Any, Any]) -> None:
        try:
            target[index] = source
        except ValueError:
            raise ShapeError(
                f"a value of shape {source.shape} does not fit the selected shape {target[index].shape}"
            ) from None

    input._write(change)
