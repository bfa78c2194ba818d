"""Arithmetic, comparison, reductions and writes of Tensors: functions that are Tensor's methods."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import arithmetic, random
from ._autograd.graph import record, told, wanted
from ._autograd.writes import check_writable, set_view
from ._autograd.writes import in_place as write_in_place
from .backends import backend_of
from .conversion import host
from .dtypes import Dtype, check_dtype
from .errors import DeviceError, ShapeError

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
    "get_item",
    "in_place",
    "matmul",
    "max",
    "mean",
    "min",
    "normal_",
    "operand",
    "prod",
    "relu_",
    "rmatmul",
    "scaled",
    "set_item",
    "std",
    "sum",
    "unary",
    "uniform_",
    "var",
    "zero_",
]


class Extremum(NamedTuple):
    """The largest or smallest values along a dimension, and where they stand."""

    values: "Tensor"
    indices: "Tensor"


def operand(input: "Tensor", other: Any) -> Any:
    """`other` as an array on the device of `input` or a Python scalar; None if it is nothing to compute with.

    Raises DeviceError for a Tensor on another device.
    """
    if hasattr(other, "_storage"):
        own, found = backend_of(input._array), backend_of(other._array)
        if own is not found:
            raise DeviceError(
                f"the Tensors are on {own.name} and {found.name}, but a call runs on one device; "
                f'move one of them, for instance by to("{own.name}")'
            )
        return other._array
    if isinstance(other, (bool, int, float, complex)):
        return other
    if isinstance(other, np.generic):
        return other.item()
    if isinstance(other, (np.ndarray, list, tuple)):
        array = arithmetic.beside(other, input.dtype)
        return backend_of(input._array).upload(arithmetic.to_array(other if array is None else array))
    return None


def _written(input: "Tensor", value: Any) -> Any:
    """As `operand`, for writes: host values in the dtype of `input`, as its device may lack theirs."""
    if hasattr(value, "_storage"):
        return operand(input, value)
    if isinstance(value, (np.ndarray, np.generic, list, tuple)):
        return backend_of(input._array).upload(arithmetic.cast_host(arithmetic.to_array(value), input.dtype))
    if isinstance(value, (bool, int, float, complex)):
        return arithmetic.cast_host(np.asarray(value), input.dtype).item()
    return None


def binary(op: str, reflected: bool = False) -> "Callable[[Tensor, Any], Tensor]":
    """The operator `op(input, other)`; `op(other, input)` if `reflected`."""

    second = "exponent" if op == "pow" else "other"

    def compute(input: "Tensor", other: Any) -> "Tensor":
        value = operand(input, other)
        if value is None:
            return NotImplemented  # type: ignore[no-any-return]
        if reflected:
            result = input._new(arithmetic.binary(op, value, input._array))
            return told(op, {"input": other, second: input}, result)
        result = input._new(arithmetic.binary(op, input._array, value))
        return told(op, {"input": input, second: other}, result)

    compute.__doc__ = f"'{op}' of the tensor and `other`, broadcast, in PyTorch's dtypes."
    return compute


def in_place(op: str) -> "Callable[[Tensor, Any], Tensor]":
    """The operator that writes `op(input, other)` to `input`, whose shape and dtype stay."""

    second = "exponent" if op == "pow" else "other"

    def compute(input: "Tensor", other: Any) -> "Tensor":
        value = operand(input, other)
        if value is None:
            return NotImplemented  # type: ignore[no-any-return]

        def change(target: Any) -> None:
            arithmetic.update(op, target, value)

        return write_in_place(input, op, {"input": input, second: other}, change)

    compute.__doc__ = f"Write '{op}' of the tensor and `other` to the tensor."
    return compute


def scaled(operator: "Callable[[Tensor, Any], Tensor]") -> "Callable[..., Tensor]":
    """`add` or `sub`, or one of them in place, with PyTorch's `alpha`, a factor of `other`."""

    def compute(input: "Tensor", other: Any, *, alpha: float = 1) -> "Tensor":
        result = operator(input, other if alpha == 1 else other * alpha)
        if result is NotImplemented:
            raise TypeError(f"cannot compute with a {type(other).__name__} and a Tensor")
        return result

    compute.__doc__ = f"{operator.__doc__} `alpha` multiplies `other`."
    return compute


def unary(op: str) -> "Callable[[Tensor], Tensor]":
    """The function `op(input)`, element by element."""

    def compute(input: "Tensor") -> "Tensor":
        result = input._new(arithmetic.unary(op, input._array))
        return told(op, {"input": input}, result, params=())

    compute.__doc__ = f"'{op}', element by element."
    return compute


def matmul(input: "Tensor", other: Any) -> "Tensor":
    """The matrix product, batched over leading dimensions. Raises DtypeError, ShapeError."""
    value = operand(input, other)
    if not hasattr(value, "shape"):
        return NotImplemented  # type: ignore[no-any-return]
    return told(
        "matmul", {"input": input, "other": other}, input._new(arithmetic.matmul(input._array, value))
    )


def rmatmul(input: "Tensor", other: Any) -> "Tensor":
    """`other @ input` for an array `other`."""
    value = operand(input, other)
    if not hasattr(value, "shape"):
        return NotImplemented  # type: ignore[no-any-return]
    return told(
        "matmul", {"input": other, "other": input}, input._new(arithmetic.matmul(value, input._array))
    )


def _reduced(op: str, input: "Tensor", y: Any, dim: Any, keepdim: bool, **args: Any) -> "Tensor":
    """The result of a reduction, recorded."""
    result = input._new(y)
    if wanted({"input": input}):
        args.update(axes=arithmetic.reduction_axes(dim, input.ndim), keepdim=keepdim)
        record(op, {"input": input}, (result,), args)
    return result


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
    """The sum over `dim` (None for all, an int, a tuple of ints).

    Whole numbers and bools add up as int64, on a GPU as int32.
    """
    _no_out(out)
    dims = axis if dim is None else dim
    y = arithmetic.total(input._array, dims, keepdim, _dtype(dtype))
    return _reduced("sum", input, y, dims, keepdim)


def prod(input: "Tensor", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> "Tensor":
    """The product over `dim`, in dtypes as `sum`."""
    y = arithmetic.product(input._array, dim, keepdim, _dtype(dtype))
    return _reduced("prod", input, y, dim, keepdim)


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
    y = arithmetic.mean(input._array, dims, keepdim, _dtype(dtype))
    return _reduced("mean", input, y, dims, keepdim)


def corrected(unbiased: bool, correction: float | None) -> float:
    """What a variance takes off the count: `correction`, without one 1 if it shall be unbiased, else 0."""
    return (1 if unbiased else 0) if correction is None else correction


def var(
    input: "Tensor",
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> "Tensor":
    """The variance over `dim`, divided by `count - correction`. Raises DtypeError unless floating-point."""
    correction = corrected(unbiased, correction)
    y = arithmetic.variance(input._array, dim, keepdim, correction)
    return _reduced("var", input, y, dim, keepdim, correction=correction)


def std(
    input: "Tensor",
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> "Tensor":
    """The standard deviation over `dim`: the root of `var`."""
    correction = corrected(unbiased, correction)
    y = arithmetic.variance(input._array, dim, keepdim, correction, root=True)
    return _reduced("std", input, y, dim, keepdim, correction=correction)


def amax(input: "Tensor", dim: Any = None, keepdim: bool = False) -> "Tensor":
    """The largest value over `dim`. Raises ShapeError where there is none."""
    return _reduced("amax", input, arithmetic.extremum("max", input._array, dim, keepdim), dim, keepdim)


def amin(input: "Tensor", dim: Any = None, keepdim: bool = False) -> "Tensor":
    """The smallest value over `dim`. Raises ShapeError where there is none."""
    return _reduced("amin", input, arithmetic.extremum("min", input._array, dim, keepdim), dim, keepdim)


def argmax(input: "Tensor", dim: int | None = None, keepdim: bool = False) -> "Tensor":
    """Where the largest value stands along `dim`, or in the flattened Tensor. Raises ShapeError."""
    return input._new(arithmetic.position("max", input._array, dim, keepdim))


def argmin(input: "Tensor", dim: int | None = None, keepdim: bool = False) -> "Tensor":
    """Where the smallest value stands along `dim`, or in the flattened Tensor. Raises ShapeError."""
    return input._new(arithmetic.position("min", input._array, dim, keepdim))


def _extremum(name: str, input: "Tensor", dim: Any, keepdim: bool, axis: Any) -> Any:
    if hasattr(dim, "_storage"):
        return binary("maximum" if name == "max" else "minimum")(input, dim)
    dims = axis if dim is None else dim
    found = arithmetic.extremum(name, input._array, dims, keepdim)
    if dim is None:
        return _reduced(f"a{name}", input, found, dims, keepdim)
    values, indices = input._new(found), input._new(arithmetic.position(name, input._array, dim, keepdim))
    if wanted({"input": input}):
        args = {"axes": arithmetic.reduction_axes(dim, input.ndim), "keepdim": keepdim}
        record("choice", {"input": input}, (values, indices), args)
    return Extremum(values, indices)


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


def relu_(input: "Tensor") -> "Tensor":
    """`max(input, 0)` in place. Raises DtypeError for bools and complex numbers."""

    def change(target: Any) -> None:
        backend_of(target).assign(target, arithmetic.unary("relu", target))

    return write_in_place(input, "relu", {"input": input}, change, params=())


def any(input: "Tensor", dim: Any = None, keepdim: bool = False) -> "Tensor":
    """Whether any element over `dim` is true (not zero)."""
    return input._new(arithmetic.truth("any", input._array, dim, keepdim))


def all(input: "Tensor", dim: Any = None, keepdim: bool = False) -> "Tensor":
    """Whether all elements over `dim` are true (not zero)."""
    return input._new(arithmetic.truth("all", input._array, dim, keepdim))


def _assign(target: Any, value: Any) -> None:
    shape = getattr(value, "shape", ())
    try:
        fits = np.broadcast_shapes(shape, target.shape) == target.shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"a value of shape {shape} does not broadcast to shape {target.shape}")
    backend_of(target).assign(target, value)


def copy_(input: "Tensor", source: Any, non_blocking: bool = False) -> "Tensor":
    """Write the elements of `source`, broadcast and cast, from whatever device. Raises ShapeError."""
    given, own = source, backend_of(input._array)
    if hasattr(source, "_storage") and backend_of(source._array) is not own:
        own, source = backend_of(source._array), host(source)
    values = _written(input, source)
    if values is None:
        raise TypeError(f"copy_() cannot read a {type(source).__name__}")
    inputs = {"input": input, "source": given}
    args = {"device": own} if own is not backend_of(input._array) else {}
    return write_in_place(input, "copy", inputs, lambda target: _assign(target, values), **args)


def fill_(input: "Tensor", value: Any) -> "Tensor":
    """Write one value everywhere."""
    return copy_(input, value)


def zero_(input: "Tensor") -> "Tensor":
    """Write zero everywhere."""
    return copy_(input, 0)


def normal_(input: "Tensor", mean: float = 0.0, std: float = 1.0) -> "Tensor":
    """Write draws from the normal distribution."""
    return copy_(input, random.normal(input.shape, mean, std))


def uniform_(input: "Tensor", low: float = 0.0, high: float = 1.0) -> "Tensor":
    """Write draws from the uniform distribution over [low, high)."""
    return copy_(input, random.uniform(input.shape, low, high, input.dtype))


def set_item(input: "Tensor", index: tuple[Any, ...], value: Any) -> None:
    """Write `value`, broadcast and cast, where `index` selects. Raises ShapeError."""
    values = _written(input, value)
    if values is None:
        raise TypeError(f"cannot write a {type(value).__name__} into a Tensor")

    def change(target: Any) -> None:
        backend_of(target).index_assign(target, index, values)

    inputs = {"input": input, "value": value}
    if wanted(inputs):
        # The caller may write to his indices before the gradients are computed.
        kept = tuple(backend_of(i).copy(i) if hasattr(i, "shape") else i for i in index)
        parts: dict[str, Any] = {
            "part": lambda whole: get_item(whole, kept),
            "clear": lambda whole: set_item(whole, kept, 0),
        }
        write_in_place(input, "put", inputs, change, **parts)
    else:
        check_writable(input)
        input._store(change)


def get_item(input: "Tensor", index: tuple[Any, ...]) -> "Tensor":
    """What an index selects: a view for ints and slices, else a copy."""
    array = input._array
    result = input._derive(backend_of(array).index(array, index))
    if result._storage is input._storage:
        set_view(result, input, lambda whole: get_item(whole, index))
    if wanted({"input": input}):
        kept = tuple(backend_of(i).copy(i) if hasattr(i, "shape") else i for i in index)
        record("index", {"input": input}, (result,), {"index": kept})
    return result
