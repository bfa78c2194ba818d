"""PyTorch's arithmetic on NumPy arrays: its type promotion, its errors, its accumulation, and no warnings.

Functions here know arrays and Python scalars only; `tensor.py` makes operators and methods of them.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .dtypes import Dtype, check_dtype, complex64, float32, int64, promote
from .errors import ArgumentError, DtypeError, ShapeError

__all__ = [
    "binary",
    "cast",
    "extremum",
    "fill",
    "matmul",
    "mean",
    "normalize_dims",
    "relu",
    "to_array",
    "total",
    "unary",
]

Array = np.ndarray[Any, Any]
Scalar = bool | int | float | complex
Operand = Array | Scalar
Ufunc = Callable[..., Any]

_ORDERS = {np.less, np.less_equal, np.greater, np.greater_equal}
_COMPARISONS = {np.equal, np.not_equal, *_ORDERS}
_DIVISIONS = {np.floor_divide, np.remainder}
_CATEGORY = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}
_PYTHON_DATA = (bool, int, float, complex, list, tuple)
# PyTorch computes without floating-point warnings: inf and nan tell what happened.
_silent = functools.partial(np.errstate, all="ignore")


def _as(operand: Operand, dtype: Dtype) -> Array:
    # By way of the scalar's own dtype, so that an integer that does not fit wraps around, as in PyTorch.
    return np.asarray(operand).astype(dtype, copy=False)


def _shape(operand: Operand) -> tuple[int, ...]:
    return operand.shape if isinstance(operand, np.ndarray) else ()


def binary(ufunc: Ufunc, a: Operand, b: Operand, out: Array | None = None) -> Array:
    """`ufunc(a, b)` with broadcasting in PyTorch's dtype; into `out` if given, whose dtype and shape stay.

    Raises ShapeError if the shapes do not broadcast (to that of `out`), DtypeError if `out` cannot hold the
    result's kind or the operation is not defined for it, ZeroDivisionError for a whole number divided by zero
    with `//` or `%`, ArgumentError for one raised to a negative power.
    """
    try:
        shape = np.broadcast_shapes(_shape(a), _shape(b))
    except ValueError:
        raise ShapeError(f"shapes {_shape(a)} and {_shape(b)} do not broadcast in {ufunc.__name__}") from None
    if out is not None and shape != out.shape:
        raise ShapeError(
            f"{ufunc.__name__} gives shape {shape}, which does not fit in place of shape {out.shape}"
        )
    dtype = promote(a, b)
    if ufunc is np.true_divide and dtype.kind in "biu":
        dtype = float32
    if ufunc in _DIVISIONS and dtype.kind in "biu" and not np.all(b):
        raise ZeroDivisionError(f"{ufunc.__name__} of whole numbers by zero")
    if ufunc in _ORDERS and dtype.kind == "c":
        raise DtypeError(f"{ufunc.__name__} is not defined for {dtype}")
    if ufunc is np.power and dtype.kind in "biu" and np.any(np.less(b, 0)):
        raise ArgumentError(f"{dtype} has no negative powers; make one of both floating-point")
    if ufunc in _COMPARISONS and dtype.kind in "biu":
        # NumPy compares whole numbers of any two dtypes by value.
        return np.asarray(ufunc(np.asarray(a), np.asarray(b)))
    if out is not None and _CATEGORY[dtype.kind] > _CATEGORY[out.dtype.kind]:
        raise DtypeError(f"{ufunc.__name__} gives {dtype}, which does not fit in place of {out.dtype}")
    try:
        with _silent():
            if out is None:
                return np.asarray(ufunc(_as(a, dtype), _as(b, dtype)))
            ufunc(_as(a, dtype), _as(b, dtype), out=out, casting="unsafe")
    except TypeError:
        raise DtypeError(f"{ufunc.__name__} is not defined for {dtype}") from None
    return out


def unary(ufunc: Ufunc, a: Array) -> Array:
    """`ufunc(a)`; whole numbers keep their dtype where the function allows it, else they become float32."""
    try:
        with _silent():
            result = np.asarray(ufunc(a))
            if a.dtype.kind in "biu" and result.dtype.kind == "f":
                result = np.asarray(ufunc(a.astype(float32)))
    except TypeError:
        raise DtypeError(f"{ufunc.__name__} is not defined for {a.dtype}") from None
    return result


def relu(a: Array, out: Array | None = None) -> Array:
    """`max(a, 0)`, into `out` if given; a nan stays. Raises DtypeError for bools and complex numbers."""
    if a.dtype.kind not in "iuf":
        raise DtypeError(f"relu is not defined for {a.dtype}")
    with _silent():
        return np.asarray(np.maximum(a, a.dtype.type(0), out=out))


def cast(a: Array, dtype: Dtype, copy: bool = False) -> Array:
    """`a` as `dtype`, without a copy if it is that already; floats lose their fraction, complex numbers their
    imaginary part, without a warning.
    """
    if a.dtype.kind == "c" and dtype.kind != "c" and dtype.kind != "b":
        a = a.real
    with _silent():
        return a.astype(dtype, copy=copy)


def fill(target: Array, value: Operand) -> None:
    """Write `value` into `target`, broadcast and cast to it.

    Raises ShapeError if it does not broadcast.
    """
    source = np.asarray(value)
    try:
        with _silent():
            np.copyto(target, cast(source, target.dtype))
    except ValueError:
        raise ShapeError(
            f"a value of shape {source.shape} does not broadcast to shape {target.shape}"
        ) from None


def matmul(a: Array, b: Array) -> Array:
    """The matrix product with NumPy's (and PyTorch's) broadcasting; float16 accumulates in float32.

    Raises DtypeError for mixed dtypes, ShapeError for sizes that do not fit.
    """
    if a.dtype != b.dtype:
        raise DtypeError(f"matmul expects the same dtype on both sides, but got {a.dtype} and {b.dtype}")
    half = a.dtype == np.float16
    try:
        with _silent():
            result = np.matmul(*(x.astype(float32) if half else x for x in (a, b)))
    except ValueError:
        raise ShapeError(f"shapes {a.shape} and {b.shape} cannot be multiplied with matmul") from None
    return np.asarray(result).astype(a.dtype, copy=False)


def normalize_dims(dim: Any, ndim: int) -> tuple[int, ...]:
    """`dim` (None for all, an int, or a sequence of ints) as non-negative axes.

    Raises IndexError for a dimension out of range, ArgumentError for one named twice.
    """
    if dim is None:
        return tuple(range(ndim))
    dims = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    limit = max(ndim, 1)
    for d in dims:
        if not -limit <= d < limit:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {d})"
            )
    axes = tuple(int(d) % limit for d in dims)
    if len(set(axes)) != len(axes):
        raise ArgumentError(f"a dimension appears more than once in dim={dims}")
    return axes if ndim else ()


def total(a: Array, dim: Any, keepdim: bool, dtype: Dtype | None) -> Array:
    """The sum over `dim`; whole numbers and bools add up as int64, float16 accumulates in float32."""
    result = dtype or (int64 if a.dtype.kind in "biu" else a.dtype.newbyteorder("="))
    accumulator = float32 if result == np.float16 else result
    axes = normalize_dims(dim if dim != () else None, a.ndim)
    with _silent():
        return np.asarray(np.sum(a, axis=axes, keepdims=keepdim, dtype=accumulator)).astype(
            result, copy=False
        )


def mean(a: Array, dim: Any, keepdim: bool, dtype: Dtype | None) -> Array:
    """The mean over `dim`, nan where there is nothing.

    Raises DtypeError for whole numbers and bools without a floating-point `dtype`.
    """
    result = dtype or a.dtype.newbyteorder("=")
    if result.kind not in "fc":
        raise DtypeError(f"mean() needs a floating-point or complex dtype, but got {result}")
    axes = normalize_dims(dim if dim != () else None, a.ndim)
    count = 1
    for axis in axes:
        count *= a.shape[axis]
    accumulator = float32 if result == np.float16 else result
    with _silent():
        sums = total(a, axes, keepdim, accumulator) if axes else a.astype(accumulator)
        return np.asarray(np.divide(sums, accumulator.type(count))).astype(result, copy=False)


def extremum(name: str, a: Array, dim: Any, keepdim: bool) -> Array:
    """The largest (`name="max"`) or smallest value over `dim`; a nan wins, as in PyTorch and NumPy.

    Raises ShapeError where there is nothing to choose from, DtypeError for complex numbers.
    """
    if a.dtype.kind == "c":
        raise DtypeError(f"{name}() is not defined for {a.dtype}")
    axes = normalize_dims(dim if dim != () else None, a.ndim)
    empty = [axis for axis in axes if a.shape[axis] == 0]
    if empty:
        raise ShapeError(
            f"{name}() has nothing to choose from: dimension {empty[0]} of shape {a.shape} has size 0"
        )
    reduction = np.max if name == "max" else np.min
    with _silent():
        return np.asarray(reduction(a, axis=axes, keepdims=keepdim))


def to_array(data: Any, dtype: Dtype | None = None) -> Array:
    """`data` as a base ndarray: arrays keep their dtype, Python's floats become float32, complex complex64.

    Nothing is copied that is an array of that dtype already.

    Raises DtypeError for what a Tensor cannot hold, ArgumentError for nested lists that are ragged.
    """
    if not isinstance(data, np.ndarray):
        leaf = data
        while isinstance(leaf, (list, tuple)) and leaf:
            leaf = leaf[0]
        try:
            data = np.asarray(data)
        except ValueError as error:
            raise ArgumentError(f"cannot make a Tensor of nested sequences: {error}") from None
        if data.dtype.kind in "fc" and isinstance(leaf, _PYTHON_DATA) and not isinstance(leaf, np.generic):
            data = cast(data, float32 if data.dtype.kind == "f" else complex64)
    check_dtype(data.dtype)
    array = np.asarray(data)
    return array if dtype is None else cast(array, dtype)
