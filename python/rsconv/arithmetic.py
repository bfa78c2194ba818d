"""PyTorch's arithmetic on arrays of any device: its type promotion, errors and accumulation, no warnings.

Functions here know backend arrays and Python scalars only; `tensor.py` makes operators and methods of them,
and `_functional` functions. Names of operations are those of the backends' elementwise table.
"""

import functools
import math
import operator
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .backends import Backend, backend_of
from .dtypes import Dtype, check_dtype, complex64, float32, promote
from .errors import ArgumentError, DtypeError, ShapeError

__all__ = [
    "beside",
    "binary",
    "broadcast_shapes",
    "cast",
    "cast_host",
    "extremum",
    "matmul",
    "mean",
    "narrowed",
    "normalize_dim",
    "normalize_dims",
    "position",
    "product",
    "reduced",
    "reduction_axes",
    "to_array",
    "total",
    "truth",
    "unary",
    "update",
    "variance",
]

Array = Any
Scalar = bool | int | float | complex
Operand = Any
_Function = TypeVar("_Function", bound=Callable[..., Any])

_ORDERS = {"lt", "le", "gt", "ge"}
_COMPARISONS = {"eq", "ne", *_ORDERS}
_DIVISIONS = {"floor_divide", "remainder"}
_LOGICAL = {"logical_and", "logical_or", "logical_xor"}
# What keeps whole numbers whole; other functions make float32 of them.
_OF_INTEGERS = {
    "neg",
    "abs",
    "sign",
    "square",
    "bitwise_not",
    "floor",
    "ceil",
    "round",
    "trunc",
    "relu",
    "relu6",
}
_TO_BOOL = {"logical_not", "isnan", "isinf", "isfinite"}
# Array kinds in the order in which Python numbers may become them.
_KINDS = "biufc"
# What np.asarray makes of Python's numbers; a list of other arrays has a dtype of its own.
_OF_NUMBERS = "?lqdD"
_CATEGORY = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}
_PYTHON_DATA = (bool, int, float, complex, list, tuple)
# PyTorch computes without floating-point warnings: inf and nan tell what happened.
_silent = functools.partial(np.errstate, all="ignore")


def _planned(function: _Function) -> _Function:
    """`function` of arrays by plan, where they are of a device that keeps plans."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for arg in args:
            if isinstance(arg, np.ndarray):
                break
            if hasattr(arg, "runtime"):
                return backend_of(arg).by_plan(function, args, kwargs)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def _is_array(operand: Operand) -> bool:
    return not isinstance(operand, (bool, int, float, complex))


def _shape(operand: Operand) -> tuple[int, ...]:
    return operand.shape if _is_array(operand) else ()


def broadcast_shapes(what: str, *operands: Operand) -> tuple[int, ...]:
    """The shape that operands broadcast to. Raises ShapeError, naming `what`, if they do not."""
    shapes = [_shape(operand) for operand in operands]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        text = " and ".join(map(str, shapes))
        raise ShapeError(f"shapes {text} do not broadcast in {what}") from None


def cast(x: Array, dtype: Dtype) -> Array:
    """`x` as `dtype`, itself if it is that already.

    Floats lose their fraction, complex numbers their imaginary part, without a warning.
    """
    return x if x.dtype == dtype else backend_of(x).copy(x, dtype)


def _as(operand: Operand, dtype: Dtype) -> Operand:
    """An operand in the dtype of an operation; whole scalars that do not fit wrap around, as in PyTorch."""
    if _is_array(operand):
        return cast(operand, dtype)
    with _silent():
        return np.asarray(operand).astype(dtype).item()


def _backend(*operands: Operand) -> Backend:
    return backend_of(next(operand for operand in operands if _is_array(operand)))


def _any(operand: Operand, op: str) -> bool:
    """Whether a whole operand has an element that is 'eq' or 'lt' zero."""
    if not _is_array(operand):
        return bool(operand == 0 if op == "eq" else operand < 0)
    if op == "lt" and operand.dtype.kind in "bu":
        return False
    backend = backend_of(operand)
    found = backend.elementwise(op, (operand, 0))
    return bool(backend.download(backend.reduce("any", found, tuple(range(operand.ndim)))).item())


@_planned
def binary(op: str, a: Operand, b: Operand) -> Array:
    """`op(a, b)` with broadcasting in PyTorch's dtype; one of them is an array.

    Raises ShapeError if the shapes do not broadcast, DtypeError if the operation is not defined for their
    dtype, ZeroDivisionError for a whole number divided by zero with `//` or `%`, ArgumentError for one raised
    to a negative power.
    """
    shape = broadcast_shapes(op, a, b)
    backend, dtype = _backend(a, b), promote(a, b)
    whole = dtype.kind in "biu"
    if op == "div" and whole:
        dtype = float32
    elif op in _DIVISIONS and whole and _any(b, "eq"):
        raise ZeroDivisionError(f"{op} of whole numbers by zero")
    elif op in _ORDERS and dtype.kind == "c":
        raise DtypeError(f"{op} is not defined for {dtype}")
    elif op == "pow" and whole and _any(b, "lt"):
        raise ArgumentError(f"{dtype} has no negative powers; make one of both floating-point")
    elif op == "sub" and dtype.kind == "b":
        raise DtypeError("sub is not defined for bool; use ^ (exclusive or) or ~")
    elif op in _COMPARISONS and whole:
        constant = _beyond(op, a, b)
        if constant is not None:
            return backend.full(shape, constant, np.dtype(np.bool_))
        if _is_array(a) and _is_array(b):
            # By value: neither operand may wrap around.
            dtype = np.promote_types(a.dtype, b.dtype)
    return backend.elementwise(op, (_as(a, dtype), _as(b, dtype)))


def _beyond(op: str, a: Operand, b: Operand) -> bool | None:
    """What comparing a whole array with a Python number outside of its dtype's range gives everywhere."""
    array, number, above = (a, b, True) if _is_array(a) else (b, a, False)
    if _is_array(number) or array.dtype.kind not in "iu":
        return None
    limits = np.iinfo(array.dtype)
    if limits.min <= number <= limits.max:
        return None
    if op in ("eq", "ne"):
        return op == "ne"
    less = (number > limits.max) == above
    return bool(less == (op in ("lt", "le")))


def update(op: str, target: Array, other: Operand) -> None:
    """Write `op(target, other)` to `target`, whose shape and dtype stay.

    Raises as `binary`, and ShapeError or DtypeError if `target` cannot hold the result.
    """
    shape = broadcast_shapes(op, target, other)
    if shape != target.shape:
        raise ShapeError(f"{op} gives shape {shape}, which does not fit in place of shape {target.shape}")
    dtype = promote(target, other)
    if op == "div" and dtype.kind in "biu":
        dtype = float32
    if _CATEGORY[dtype.kind] > _CATEGORY[target.dtype.kind]:
        raise DtypeError(f"{op} gives {dtype}, which does not fit in place of {target.dtype}")
    backend_of(target).assign(target, binary(op, target, other))


@_planned
def unary(op: str, x: Array, params: tuple[float, ...] = ()) -> Array:
    """`op(x)`, element by element; whole numbers become float32 unless the function keeps them whole.

    Raises DtypeError where the function is not defined for the dtype.
    """
    kind = x.dtype.kind
    if kind in "biu" and op not in _OF_INTEGERS and op not in _TO_BOOL:
        x = cast(x, float32)
    elif kind == "b" and op in _OF_INTEGERS and op != "bitwise_not":
        raise DtypeError(f"{op} is not defined for {x.dtype}")
    return backend_of(x).elementwise(op, (x,), params)


@_planned
def matmul(a: Array, b: Array) -> Array:
    """The matrix product with NumPy's (and PyTorch's) broadcasting; float16 accumulates in float32.

    Raises DtypeError for mixed dtypes, ShapeError for sizes that do not fit.
    """
    if a.dtype != b.dtype:
        raise DtypeError(f"matmul expects the same dtype on both sides, but got {a.dtype} and {b.dtype}")
    if not (a.ndim and b.ndim) or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ShapeError(f"shapes {a.shape} and {b.shape} cannot be multiplied with matmul")
    backend = backend_of(a)
    left = a.shape if a.ndim > 1 else (1, *a.shape)
    right = b.shape if b.ndim > 1 else (*b.shape, 1)
    try:
        batch = np.broadcast_shapes(left[:-2], right[:-2])
    except ValueError:
        raise ShapeError(f"shapes {a.shape} and {b.shape} cannot be multiplied with matmul") from None
    (m, k), n = left[-2:], right[-1]
    if not right[:-2] and batch:
        # One matrix on the right: all rows on the left make one product.
        stacked = backend.reshape(a, (1, math.prod(batch) * m, k))
        y = backend.matmul(stacked, backend.reshape(b, (1, k, n)))
    else:
        count = math.prod(batch)
        stacks = []
        for x, own, last in ((a, left, (m, k)), (b, right, (k, n))):
            x = backend.reshape(x, own)
            x = x if own[:-2] == batch else backend.expand(x, (*batch, *last))
            stacks.append(backend.reshape(x, (count, *last)))
        y = backend.matmul(*stacks)
    rows = (m,) if a.ndim > 1 else ()
    columns = (n,) if b.ndim > 1 else ()
    return backend.reshape(y, (*batch, *rows, *columns))


def normalize_dims(dim: Any, ndim: int) -> tuple[int, ...]:
    """`dim` (None for all, an int, or a sequence of ints) as non-negative axes.

    Raises TypeError for what is no integer, IndexError for a dimension out of range, ArgumentError for one
    named twice.
    """
    if dim is None:
        return tuple(range(ndim))
    try:
        dims: tuple[int, ...] = tuple(map(operator.index, dim if np.iterable(dim) else (dim,)))
    except TypeError:
        raise TypeError(f"dim must be an integer or a sequence of them, but got dim={dim!r}") from None
    limit = max(ndim, 1)
    for d in dims:
        if not -limit <= d < limit:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {d})"
            )
    axes = tuple(d % limit for d in dims)
    if len(set(axes)) != len(axes):
        raise ArgumentError(f"a dimension appears more than once in dim={dims}")
    return axes if ndim else ()


def normalize_dim(dim: Any, ndim: int) -> int:
    """`dim`, one integer, as an axis that is not negative; 0 where there are no dimensions.

    Raises TypeError for what is no integer, IndexError for a dimension out of range.
    """
    try:
        dims = (operator.index(dim),)
    except TypeError:
        raise TypeError(f"dim must be an integer, but got dim={dim!r}") from None
    return (normalize_dims(dims, ndim) or (0,))[0]


def reduced(x: Array, axes: tuple[int, ...], keepdim: bool) -> Array:
    """A reduction's result, whose reduced axes have size 1, without them unless `keepdim`."""
    if keepdim or not axes:
        return x
    shape = tuple(size for axis, size in enumerate(x.shape) if axis not in axes)
    return backend_of(x).reshape(x, shape)


def reduction_axes(dim: Any, ndim: int) -> tuple[int, ...]:
    """`normalize_dims` for reductions, where no dimensions mean all, as in PyTorch."""
    return normalize_dims(dim, ndim) or tuple(range(ndim))


@_planned
def total(x: Array, dim: Any, keepdim: bool, dtype: Dtype | None) -> Array:
    """The sum over `dim`; whole numbers and bools add up as the device's index dtype (int64 on the CPU),
    float16 accumulates in float32."""
    return _summed("sum", x, dim, keepdim, dtype)


@_planned
def product(x: Array, dim: Any, keepdim: bool, dtype: Dtype | None) -> Array:
    """The product over `dim`, in dtypes as `total`."""
    return _summed("prod", x, dim, keepdim, dtype)


def _summed(op: str, x: Array, dim: Any, keepdim: bool, dtype: Dtype | None) -> Array:
    backend, axes = backend_of(x), reduction_axes(dim, x.ndim)
    own = x.dtype.newbyteorder("=")
    wanted = dtype or (backend.index_dtype if own.kind in "biu" else own)
    return reduced(backend.reduce(op, cast(x, wanted), axes), axes, keepdim)


@_planned
def mean(x: Array, dim: Any, keepdim: bool, dtype: Dtype | None) -> Array:
    """The mean over `dim`, nan where there is nothing.

    Raises DtypeError for whole numbers and bools without a floating-point `dtype`.
    """
    wanted = dtype or x.dtype.newbyteorder("=")
    if wanted.kind not in "fc":
        raise DtypeError(f"mean() needs a floating-point or complex dtype, but got {wanted}")
    axes = reduction_axes(dim, x.ndim)
    return reduced(backend_of(x).reduce("mean", cast(x, wanted), axes), axes, keepdim)


@_planned
def variance(x: Array, dim: Any, keepdim: bool, correction: float, root: bool = False) -> Array:
    """The variance over `dim`: squared deviations divided by `count - correction`, or its square root.

    Raises DtypeError unless `x` is floating-point.
    """
    if x.dtype.kind != "f":
        raise DtypeError(f"{'std' if root else 'var'}() needs a floating-point dtype, but got {x.dtype}")
    backend, axes = backend_of(x), reduction_axes(dim, x.ndim)
    count = math.prod(x.shape[axis] for axis in axes)
    _, var = backend.moments(x, axes)
    divisor = max(count - correction, 0.0)
    scale = count / divisor if divisor else math.nan if count <= 1 else math.inf
    if scale != 1:
        var = backend.elementwise("mul", (var, float(scale)))
    if root:
        var = backend.elementwise("sqrt", (var,))
    return reduced(cast(var, x.dtype), axes, keepdim)


def _check_choice(name: str, x: Array, axes: tuple[int, ...]) -> None:
    if x.dtype.kind == "c":
        raise DtypeError(f"{name}() is not defined for {x.dtype}")
    empty = [axis for axis in axes if x.shape[axis] == 0]
    if empty:
        raise ShapeError(
            f"{name}() has nothing to choose from: dimension {empty[0]} of shape {x.shape} has size 0"
        )


@_planned
def extremum(name: str, x: Array, dim: Any, keepdim: bool) -> Array:
    """The largest (`name="max"`) or smallest value over `dim`; a nan wins, as in PyTorch and NumPy.

    Raises ShapeError where there is nothing to choose from, DtypeError for complex numbers.
    """
    axes = reduction_axes(dim, x.ndim)
    _check_choice(name, x, axes)
    return reduced(backend_of(x).reduce(name, x, axes), axes, keepdim)


@_planned
def position(name: str, x: Array, dim: Any, keepdim: bool) -> Array:
    """Where the first largest or smallest value (or nan) stands along `dim`, or in all if that is None.

    Raises as `extremum`, and TypeError unless `dim` is None or an integer.
    """
    backend = backend_of(x)
    axes = normalize_dims(None if dim is None else normalize_dim(dim, x.ndim), x.ndim)
    _check_choice(name, x, axes)
    if dim is None or not x.ndim:
        found = backend.arg_reduce(name, backend.reshape(x, (x.size,)), 0)
        return backend.reshape(found, (1,) * x.ndim if keepdim else ())
    return reduced(backend.arg_reduce(name, x, axes[0]), axes, keepdim)


@_planned
def truth(name: str, x: Array, dim: Any, keepdim: bool) -> Array:
    """Whether 'any' or 'all' elements over `dim` are not zero."""
    axes = normalize_dims(dim, x.ndim)
    return reduced(backend_of(x).reduce(name, x, axes), axes, keepdim)


def cast_host(array: np.ndarray[Any, Any], dtype: Dtype, copy: bool = False) -> np.ndarray[Any, Any]:
    """A host array as `dtype`, as `cast` does it; `copy` even if it is that already."""
    if array.dtype.kind == "c" and dtype.kind not in "cb":
        array = array.real
    with _silent():
        return array.astype(dtype, copy=copy)


def narrowed(array: np.ndarray[Any, Any], index_dtype: Dtype) -> np.ndarray[Any, Any]:
    """Wider whole numbers in a device's dtype of indices, if all fit (GPUs have no int64); else as it is."""
    if array.dtype.kind in "iu" and array.dtype.itemsize > index_dtype.itemsize:
        limits = np.iinfo(index_dtype)
        if not array.size or (limits.min <= array.min() and array.max() <= limits.max):
            return array.astype(index_dtype)
    return array


def beside(value: Any, dtype: Dtype) -> np.ndarray[Any, Any] | None:
    """Python numbers, alone or in lists, as `dtype`, that of an array beside them.

    None for what has a dtype of its own, does not fit, or would lose a fraction or an imaginary part.
    """
    if not isinstance(value, list | tuple | int | float | complex):
        return None
    array = np.asarray(value)
    if array.dtype.char not in _OF_NUMBERS or _KINDS.find(array.dtype.kind) > _KINDS.find(dtype.kind):
        return None
    try:
        return np.asarray(value, dtype)
    except OverflowError:
        return None


def to_array(data: Any, dtype: Dtype | None = None) -> np.ndarray[Any, Any]:
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
            data = cast_host(data, float32 if data.dtype.kind == "f" else complex64)
    check_dtype(data.dtype)
    array = np.asarray(data)
    return array if dtype is None else cast_host(array, dtype)
