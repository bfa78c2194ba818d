"""Functions that are made of others, and have their gradients and devices from them."""

import math
from typing import Any

import numpy as np

from .. import arithmetic
from ..dtypes import check_dtype
from ..errors import ArgumentError
from .arrays import ArrayLike, Result, described, operands
from .elementwise import (
    abs,
    add,
    astype,
    clamp,
    cos,
    div,
    eq,
    exp,
    isfinite,
    isinf,
    isnan,
    le,
    log,
    logical_and,
    logical_or,
    mul,
    ne,
    pow,
    sin,
    sqrt,
    square,
    sub,
    where,
)
from .joining import cat, narrow
from .reductions import all, amax, amin, sum

__all__ = [
    "addcdiv",
    "addcmul",
    "allclose",
    "clamp_max",
    "clamp_min",
    "cosine_similarity",
    "count_nonzero",
    "cumsum",
    "diff",
    "equal",
    "exp2",
    "isclose",
    "lerp",
    "log2",
    "log10",
    "logsumexp",
    "nan_to_num",
    "norm",
    "normalize",
    "pairwise_distance",
    "tan",
]


def log2(input: ArrayLike) -> Result:
    """The logarithm to the base 2; NaN for negative numbers. Behaviour of PyTorch's log2."""
    return mul(log(input), 1 / math.log(2))


def log10(input: ArrayLike) -> Result:
    """The logarithm to the base 10; NaN for negative numbers. Behaviour of PyTorch's log10."""
    return mul(log(input), 1 / math.log(10))


def exp2(input: ArrayLike) -> Result:
    """2 to the power of the element. Behaviour of PyTorch's exp2."""
    return exp(mul(input, math.log(2)))


def tan(input: ArrayLike) -> Result:
    """The tangent of an angle in radians. Behaviour of PyTorch's tan."""
    return div(sin(input), cos(input))


def clamp_min(input: ArrayLike, min: ArrayLike) -> Result:
    """`clamp` with only a lower bound. Behaviour of PyTorch's clamp_min."""
    return clamp(input, min=min)


def clamp_max(input: ArrayLike, max: ArrayLike) -> Result:
    """`clamp` with only an upper bound. Behaviour of PyTorch's clamp_max."""
    return clamp(input, max=max)


def lerp(input: ArrayLike, end: ArrayLike, weight: ArrayLike) -> Result:
    """`input + weight * (end - input)`, broadcast. Behaviour of PyTorch's lerp."""
    return add(input, mul(sub(end, input), weight))


def addcmul(input: ArrayLike, tensor1: ArrayLike, tensor2: ArrayLike, *, value: Any = 1) -> Result:
    """`input + value * tensor1 * tensor2`, broadcast. Behaviour of PyTorch's addcmul."""
    return add(input, mul(tensor1, tensor2), alpha=value)


def addcdiv(input: ArrayLike, tensor1: ArrayLike, tensor2: ArrayLike, *, value: Any = 1) -> Result:
    """`input + value * tensor1 / tensor2`, broadcast. Behaviour of PyTorch's addcdiv."""
    return add(input, div(tensor1, tensor2), alpha=value)


def nan_to_num(
    input: ArrayLike, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Result:
    """`input` with numbers for NaN and the infinities; by default 0 and the largest of the dtype.

    Behaviour of PyTorch's nan_to_num.

    >>> nan_to_num([1.0, float("nan")])
    array([1., 0.])
    """
    _, (x,), _ = described(input=input)
    if x.dtype.kind != "f":
        return add(input, 0)
    limit = float(np.finfo(x.dtype).max)
    finite = clamp(input, -limit if neginf is None else -math.inf, limit if posinf is None else math.inf)
    if posinf is not None:
        finite = where(eq(input, math.inf), posinf, finite)
    if neginf is not None:
        finite = where(eq(input, -math.inf), neginf, finite)
    return where(isnan(input), nan, finite)


def isclose(
    input: ArrayLike, other: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Result:
    """Whether `|input - other| <= atol + rtol * |other|`, or both are equal: bools.

    Behaviour of PyTorch's isclose.
    """
    error = abs(sub(input, other))
    near = logical_and(isfinite(error), le(error, add(mul(abs(other), rtol), atol)))
    close = logical_or(eq(input, other), near)
    return logical_or(close, logical_and(isnan(input), isnan(other))) if equal_nan else close


def allclose(
    input: ArrayLike, other: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements are close, as `isclose`. Behaviour of PyTorch's allclose.

    >>> allclose([1.0, 2.0], [1.0, 2.000001])
    True
    """
    return bool(all(isclose(input, other, rtol, atol, equal_nan)))


def equal(input: ArrayLike, other: ArrayLike) -> bool:
    """Whether both have one shape and equal elements. Behaviour of PyTorch's equal."""
    _, (a, b), _ = described(input=input, other=other)
    return bool(a.shape == b.shape and all(eq(input, other)))


def count_nonzero(input: ArrayLike, dim: Any = None) -> Result:
    """How many elements over `dim` are not zero: int64, on a GPU int32.

    Behaviour of PyTorch's count_nonzero.
    """
    return sum(ne(input, 0), dim)


def logsumexp(input: ArrayLike, dim: Any, keepdim: bool = False) -> Result:
    """The logarithm of the sum of the exponentials over `dim`, without overflow.

    Behaviour of PyTorch's logsumexp.

    >>> logsumexp([1000.0, 1000.0], 0)
    array(1000.69314718)

    Raises DtypeError for whole and complex numbers.
    """
    call = operands(input=input)
    x = call.arrays[0]
    # A constant for gradients; where it is infinite, nothing needs to be shifted.
    largest = call.result(arithmetic.extremum("max", x, dim, True))
    shift = where(isinf(largest), 0.0, largest)
    summed = add(log(sum(exp(sub(input, shift)), dim, True)), shift)
    if keepdim:
        return summed
    return sum(summed, dim) if x.ndim else summed


def norm(
    input: ArrayLike, p: float | str | None = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Result:
    """The p-norm over `dim`, all if that is None; 'fro' and None are 2. Its gradient at zero is zero.

    Behaviour of PyTorch's norm, of real numbers.

    >>> norm([3.0, 4.0])
    array(5.)

    Raises ArgumentError for another name than 'fro'.
    """
    if dtype is not None:
        input = astype(input, check_dtype(dtype))
    if p in ("fro", None):
        p = 2.0
    if isinstance(p, str):
        raise ArgumentError(f"norm knows numbers and 'fro', but got p={p!r}")
    if p in (math.inf, -math.inf):
        return (amax if p > 0 else amin)(abs(input), dim, keepdim)
    if p == 0:
        return sum(astype(ne(input, 0), described(input=input)[1][0].dtype), dim, keepdim)
    if p == 1:
        return sum(abs(input), dim, keepdim)
    summed = sum(square(input) if p == 2 else pow(abs(input), p), dim, keepdim)
    # A root has no slope at zero: 0 * inf would make NaN of the gradient.
    zero = eq(summed, 0.0)
    positive = where(zero, 1.0, summed)
    return where(zero, 0.0, sqrt(positive) if p == 2 else pow(positive, 1 / p))


def normalize(input: ArrayLike, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Result:
    """`input` divided by its p-norm over `dim`, or by `eps` where that is larger.

    Behaviour of PyTorch's normalize.
    """
    return div(input, clamp(norm(input, p, dim, True), min=eps))


def pairwise_distance(
    x1: ArrayLike, x2: ArrayLike, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Result:
    """The p-norm of `x1 - x2 + eps` over the last axis. Behaviour of PyTorch's pairwise_distance."""
    return norm(add(sub(x1, x2), eps), p, -1, keepdim)


def cosine_similarity(x1: ArrayLike, x2: ArrayLike, dim: int = 1, eps: float = 1e-8) -> Result:
    """The product of `x1` and `x2`, added up over `dim`, divided by their norms (at least `eps` each).

    Behaviour of PyTorch's cosine_similarity.
    """
    first, second = (clamp(norm(x, 2.0, dim), min=eps) for x in (x1, x2))
    return div(sum(mul(x1, x2), dim), mul(first, second))


def cumsum(input: ArrayLike, dim: int, *, dtype: Any = None) -> Result:
    """The sums of the elements up to each along `dim`; whole numbers as int64, on a GPU int32.

    Pairs are added, then pairs of pairs: log2(size) passes, on any device. Behaviour of PyTorch's cumsum.

    >>> cumsum([1, 2, 3], 0)
    array([1, 3, 6])
    """
    call = operands(input=input)
    x = call.arrays[0]
    if dtype is not None:
        input = astype(input, check_dtype(dtype))
    elif x.dtype.kind in "biu":
        input = astype(input, call.backend.index_dtype)
    axis = arithmetic.normalize_dim(dim, x.ndim)
    size = x.shape[axis] if x.ndim else 1
    y, reach = add(input, 0), 1
    while reach < size:
        later = add(narrow(y, axis, reach, size - reach), narrow(y, axis, 0, size - reach))
        y, reach = cat([narrow(y, axis, 0, reach), later], axis), 2 * reach
    return y


def diff(input: ArrayLike, n: int = 1, dim: int = -1) -> Result:
    """Each element minus the one before along `dim`, `n` times. Behaviour of PyTorch's diff, of numbers.

    >>> diff([1, 4, 9])
    array([3, 5])

    Raises ArgumentError for a negative `n`.
    """
    if n < 0:
        raise ArgumentError(f"diff needs n >= 0, but got n={n}")
    for _ in range(n):
        _, (x,), _ = described(input=input)
        axis = arithmetic.normalize_dim(dim, x.ndim)
        size = max(x.shape[axis] - 1, 0)
        input = sub(narrow(input, axis, x.shape[axis] - size, size), narrow(input, axis, 0, size))
    return input
