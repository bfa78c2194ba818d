"""Reductions over `dim`: None (all), one dimension, or several.

Reduced dimensions disappear, or have size 1 with `keepdim`. IndexError for a dimension out of range,
ArgumentError for one that is named twice, ShapeError where a choice has nothing to choose from.
"""

from typing import Any

from .. import arithmetic
from ..dtypes import check_dtype
from ..errors import ArgumentError
from ..operators import Extremum, corrected
from ..tensor import Tensor
from .arrays import ArrayLike, Result, operands
from .elementwise import maximum, minimum
from .recording import node

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "std_mean",
    "sum",
    "var",
    "var_mean",
]


def _dtype(dtype: Any) -> Any:
    return None if dtype is None else check_dtype(dtype)


def sum(input: ArrayLike, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Result:
    """The sum; whole numbers and bools add up as int64 (int32 on a GPU), float16 accumulates in float32.

    `dtype` casts first. Behaviour of PyTorch's sum.

    >>> sum([[1.0, 2.0], [3.0, 4.0]], 0)
    array([4., 6.])
    """
    call = operands(input=input)
    x = call.arrays[0]
    y = arithmetic.total(x, dim, keepdim, _dtype(dtype))
    return node(
        call, "sum", {"input": input}, y, axes=arithmetic.reduction_axes(dim, x.ndim), keepdim=keepdim
    )


def mean(input: ArrayLike, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Result:
    """The mean, NaN of nothing; float16 accumulates in float32. Behaviour of PyTorch's mean.

    Raises DtypeError for whole numbers and bools without a floating-point `dtype`, which casts first.
    """
    call = operands(input=input)
    x = call.arrays[0]
    y = arithmetic.mean(x, dim, keepdim, _dtype(dtype))
    return node(
        call, "mean", {"input": input}, y, axes=arithmetic.reduction_axes(dim, x.ndim), keepdim=keepdim
    )


def prod(input: ArrayLike, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Result:
    """The product, in dtypes as `sum`. Behaviour of PyTorch's prod.

    >>> prod([2.0, 3.0])
    array(6.)
    """
    call = operands(input=input)
    x = call.arrays[0]
    y = arithmetic.product(x, dim, keepdim, _dtype(dtype))
    return node(
        call, "prod", {"input": input}, y, axes=arithmetic.reduction_axes(dim, x.ndim), keepdim=keepdim
    )


def amax(input: ArrayLike, dim: Any = None, keepdim: bool = False) -> Result:
    """The largest element; NaN if there is one. DtypeError for complex numbers. Behaviour of PyTorch's amax.

    Equal ones share the gradient.
    """
    return _extreme("amax", "max", input, dim, keepdim)


def amin(input: ArrayLike, dim: Any = None, keepdim: bool = False) -> Result:
    """The smallest element; NaN if there is one. DtypeError for complex numbers. Behaviour of PyTorch's amin.

    Equal ones share the gradient.
    """
    return _extreme("amin", "min", input, dim, keepdim)


def _extreme(name: str, op: str, input: ArrayLike, dim: Any, keepdim: bool) -> Result:
    call = operands(input=input)
    x = call.arrays[0]
    y = arithmetic.extremum(op, x, dim, keepdim)
    return node(call, name, {"input": input}, y, axes=arithmetic.reduction_axes(dim, x.ndim), keepdim=keepdim)


def argmax(input: ArrayLike, dim: int | None = None, keepdim: bool = False) -> Result:
    """Where the first largest element (or NaN) stands along `dim`, or in the flattened array: int64 (int32 on
    a GPU). Behaviour of PyTorch's argmax.

    >>> argmax([[1.0, 5.0], [7.0, 2.0]], 1)
    array([1, 0])
    """
    call = operands(input=input)
    return call.result(arithmetic.position("max", call.arrays[0], dim, keepdim))


def argmin(input: ArrayLike, dim: int | None = None, keepdim: bool = False) -> Result:
    """Where the first smallest element (or NaN) stands, as `argmax`. Behaviour of PyTorch's argmin."""
    call = operands(input=input)
    return call.result(arithmetic.position("min", call.arrays[0], dim, keepdim))


def max(input: ArrayLike, dim: Any = None, keepdim: bool = False) -> Result:
    """The largest element; along an int `dim`, `(values, indices)`; of two arrays the larger elements.

    NaN if there is one. Behaviour of PyTorch's max.

    >>> max([[1.0, 5.0], [7.0, 2.0]], 1).values
    array([5., 7.])
    """
    return _choice("max", input, dim, keepdim)


def min(input: ArrayLike, dim: Any = None, keepdim: bool = False) -> Result:
    """The smallest element; along an int `dim`, `(values, indices)`; of two arrays the smaller elements.

    NaN if there is one. Behaviour of PyTorch's min.
    """
    return _choice("min", input, dim, keepdim)


def _choice(name: str, input: ArrayLike, dim: Any, keepdim: bool) -> Result:
    if isinstance(dim, Tensor) or (hasattr(dim, "dtype") and getattr(dim, "ndim", False)):
        return (maximum if name == "max" else minimum)(input, dim)
    if dim is None:
        return _extreme(f"a{name}", name, input, None, keepdim)
    call = operands(input=input)
    x = call.arrays[0]
    found = (arithmetic.extremum(name, x, dim, keepdim), arithmetic.position(name, x, dim, keepdim))
    args: dict[str, Any] = {"axes": arithmetic.reduction_axes(dim, x.ndim), "keepdim": keepdim}
    values, indices = node(call, "choice", {"input": input}, found, **args)
    return Extremum(values, indices)


def any(input: ArrayLike, dim: Any = None, keepdim: bool = False) -> Result:
    """Whether an element is not zero. Behaviour of PyTorch's any."""
    call = operands(input=input)
    return call.result(arithmetic.truth("any", call.arrays[0], dim, keepdim))


def all(input: ArrayLike, dim: Any = None, keepdim: bool = False) -> Result:
    """Whether no element is zero. Behaviour of PyTorch's all."""
    call = operands(input=input)
    return call.result(arithmetic.truth("all", call.arrays[0], dim, keepdim))


def var(
    input: ArrayLike,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Result:
    """The squared deviations from the mean, added up and divided by `count - correction`; NaN of nothing.

    Without a `correction`, `unbiased` says whether it is 1 or 0.

    Raises DtypeError unless the dtype is floating-point. Behaviour of PyTorch's var.

    >>> var([1.0, 3.0])
    array(2.)
    """
    return _deviation("var", input, dim, corrected(unbiased, correction), keepdim)


def std(
    input: ArrayLike,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Result:
    """The square root of `var`. Behaviour of PyTorch's std."""
    return _deviation("std", input, dim, corrected(unbiased, correction), keepdim)


def var_mean(
    input: ArrayLike,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Result, Result]:
    """`var` and `mean`. Behaviour of PyTorch's var_mean."""
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


def std_mean(
    input: ArrayLike,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Result, Result]:
    """`std` and `mean`. Behaviour of PyTorch's std_mean."""
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


def _deviation(name: str, input: ArrayLike, dim: Any, correction: float, keepdim: bool) -> Result:
    if isinstance(correction, bool) or not isinstance(correction, (int, float)):
        raise ArgumentError(f"correction must be a number, but got correction={correction!r}")
    call = operands(input=input)
    x = call.arrays[0]
    y = arithmetic.variance(x, dim, keepdim, correction, name == "std")
    args: dict[str, Any] = {
        "axes": arithmetic.reduction_axes(dim, x.ndim),
        "keepdim": keepdim,
        "correction": correction,
    }
    return node(call, name, {"input": input}, y, **args)
