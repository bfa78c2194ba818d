"""Elementwise expressions and reductions of integers, bools and complex numbers.

They are NumPy's own loops, which are well kept and wrap around as PyTorch's do; nothing of a network waits
for them. What holds here is PyTorch's meaning of each name. Nothing warns: inf and nan tell.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DtypeError

__all__ = ["arg_reduce", "elementwise", "moments", "reduce"]

Array = NDArray[Any]
Function = Callable[..., Any]


def elementwise(op: str, operands: Sequence[Any], params: Sequence[float] = ()) -> Array:
    """Apply an expression to arrays of one dtype (`where`: after its condition) and numbers beside them.

    Raises DtypeError if it is not defined for the dtype.
    """
    dtype = next(x.dtype for x in reversed(operands) if isinstance(x, np.ndarray)).newbyteorder("=")
    table = _OF_KIND.get(dtype.kind, {})
    function = table.get(op)
    if function is None:
        raise DtypeError(f"{op} is not defined for {dtype}")
    # A number has the arrays' dtype; out of range it wraps around, as in PyTorch.
    values = [x if isinstance(x, np.ndarray) else np.asarray(x).astype(dtype) for x in operands]
    with np.errstate(all="ignore"):
        return np.asarray(function(*values, *params))


def _sign_of_complex(x: Array) -> Any:
    return np.where(x == 0, 0, x / np.abs(x)).astype(x.dtype)


def _unless(condition: Any, value: Any) -> Any:
    """`value`, but 0 where the condition holds."""
    return np.where(condition, np.zeros((), value.dtype), value)


def _clamp(x: Array, low: float, high: float) -> Any:
    limits = np.iinfo(x.dtype)
    # Limits beyond the dtype, or infinite ones, become its own.
    low = max(float(limits.min), np.ceil(low))
    high = min(float(limits.max), np.floor(high))
    bound = [limits.min if low <= limits.min else int(low), limits.max if high >= limits.max else int(high)]
    return np.minimum(np.maximum(x, x.dtype.type(bound[0])), x.dtype.type(bound[1]))


def _threshold(x: Array, limit: float, value: float) -> Any:
    return np.where(x <= limit, np.asarray(value).astype(x.dtype), x)


def _power(a: Array, b: Array) -> Any:
    """Whole powers that wrap around; negative ones are 0 but for bases of 1 and -1."""
    if b.dtype.kind == "u" or not (b < 0).any():
        return np.power(a, b)
    unit = np.where(np.abs(a) == 1, np.where(b % 2 == 0, 1, a), 0).astype(a.dtype)
    return np.where(b < 0, unit, np.power(a, np.maximum(b, 0)))


def _same(x: Array) -> Array:
    return x.copy()


_COMPARISONS: dict[str, Function] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_LOGICAL: dict[str, Function] = {
    "logical_not": np.logical_not,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "where": np.where,
}
_BITS: dict[str, Function] = {
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "bitwise_not": np.invert,
}
_ARITHMETIC: dict[str, Function] = {
    "neg": np.negative,
    "square": np.square,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "multiply_add": lambda x, scale, shift: x * scale + shift,
}
_INTEGER: dict[str, Function] = {
    **_COMPARISONS,
    **_LOGICAL,
    **_BITS,
    **_ARITHMETIC,
    "abs": np.abs,
    "sign": np.sign,
    "floor": _same,
    "ceil": _same,
    "round": _same,
    "trunc": _same,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
    "pow": _power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "relu": lambda x: np.maximum(x, x.dtype.type(0)),
    "relu_grad": lambda x, g: _unless(x <= 0, g),
    "relu6": lambda x: _clamp(x, 0, 6),
    "relu6_grad": lambda x, g: _unless((x <= 0) | (x >= 6), g),
    "clamp": _clamp,
    "clamp_grad": lambda x, g, low, high: _unless((x < low) | (x > high), g),
    "hardtanh": _clamp,
    "hardtanh_grad": lambda x, g, low, high: _unless((x <= low) | (x >= high), g),
    "threshold": _threshold,
    "threshold_grad": lambda x, g, limit, _: _unless(x <= limit, g),
}
_BOOL: dict[str, Function] = {
    **_COMPARISONS,
    **_LOGICAL,
    **_BITS,
    "add": np.logical_or,
    "mul": np.logical_and,
    "maximum": np.logical_or,
    "minimum": np.logical_and,
}
_COMPLEX: dict[str, Function] = {
    **_LOGICAL,
    **_ARITHMETIC,
    "eq": np.equal,
    "ne": np.not_equal,
    "abs": np.abs,
    "sign": _sign_of_complex,
    "div": np.divide,
    "reciprocal": np.reciprocal,
    "conj": np.conjugate,
    "pow": np.power,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
_OF_KIND: dict[str, dict[str, Function]] = {"b": _BOOL, "i": _INTEGER, "u": _INTEGER, "c": _COMPLEX}
_REDUCTIONS: dict[str, Any] = {
    "all": np.all,
    "any": np.any,
    "max": np.max,
    "mean": np.mean,
    "min": np.min,
    "prod": np.prod,
    "sum": np.sum,
}


def reduce(op: str, x: Array, axes: tuple[int, ...]) -> Array:
    """Reduce over `axes`, which stay with size 1, in the dtype of `x`; 'any' and 'all' give bool."""
    how = {"dtype": x.dtype.newbyteorder("=")} if op in ("sum", "prod", "mean") else {}
    with np.errstate(all="ignore"):
        return np.asarray(_REDUCTIONS[op](x, axis=axes, keepdims=True, **how))


def arg_reduce(op: str, x: Array, axis: int) -> Array:
    """Where the first 'max' or 'min' stands along `axis`, which stays with size 1."""
    return np.asarray((np.argmax if op == "max" else np.argmin)(x, axis=axis, keepdims=True))


def moments(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Mean and variance over `axes`, which stay with size 1."""
    with np.errstate(all="ignore"):
        return np.asarray(np.mean(x, axes, keepdims=True)), np.asarray(np.var(x, axes, keepdims=True))
