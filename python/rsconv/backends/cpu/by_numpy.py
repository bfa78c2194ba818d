"""Elementwise operations and reductions of integers, bools and complex numbers: NumPy's, which are good.

Wrap-around, floor division and remainders are Python's and PyTorch's. Nothing warns: inf and nan tell.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DtypeError

__all__ = ["arg_reduce", "elementwise", "moments", "reduce"]

Array = NDArray[Any]

_UFUNCS: dict[str, Any] = {
    "abs": np.absolute,
    "add": np.add,
    "bitwise_and": np.bitwise_and,
    "bitwise_not": np.invert,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "ceil": np.ceil,
    "cos": np.cos,
    "div": np.true_divide,
    "eq": np.equal,
    "exp": np.exp,
    "floor": np.floor,
    "floor_divide": np.floor_divide,
    "ge": np.greater_equal,
    "gt": np.greater,
    "isfinite": np.isfinite,
    "isinf": np.isinf,
    "isnan": np.isnan,
    "le": np.less_equal,
    "log": np.log,
    "logical_and": np.logical_and,
    "logical_not": np.logical_not,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "lt": np.less,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mul": np.multiply,
    "ne": np.not_equal,
    "neg": np.negative,
    "pow": np.power,
    "reciprocal": np.reciprocal,
    "remainder": np.remainder,
    "round": np.rint,
    "sign": np.sign,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "square": np.square,
    "sub": np.subtract,
    "tanh": np.tanh,
    "trunc": np.trunc,
    "where": np.where,
}
_ROUNDINGS = ("ceil", "floor", "round", "trunc")
_REDUCTIONS: dict[str, Any] = {
    "all": np.all,
    "any": np.any,
    "max": np.max,
    "mean": np.mean,
    "min": np.min,
    "prod": np.prod,
    "sum": np.sum,
}


def elementwise(op: str, operands: Sequence[Any], params: Sequence[float] = ()) -> Array:
    """Apply an operation to arrays of one dtype and Python numbers beside them.

    Raises DtypeError if it is not defined for the dtype.
    """
    dtype = next(x.dtype for x in reversed(operands) if isinstance(x, np.ndarray)).newbyteorder("=")
    values = [x if isinstance(x, np.ndarray) else np.asarray(x).astype(dtype) for x in operands]
    if op in _ROUNDINGS and dtype.kind in "iu":
        return values[0].astype(dtype)
    if op in ("relu", "relu6", "clamp") and dtype.kind in "iu":
        limits = {"relu": (0,), "relu6": (0, 6)}.get(op, tuple(params))
        result = np.maximum(values[0], dtype.type(limits[0]))
        return np.asarray(result if len(limits) == 1 else np.minimum(result, dtype.type(limits[1])))
    ufunc = _UFUNCS.get(op)
    try:
        if ufunc is None:
            raise TypeError
        with np.errstate(all="ignore"):
            return np.asarray(ufunc(*values))
    except TypeError:
        raise DtypeError(f"{op} is not defined for {dtype}") from None


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
