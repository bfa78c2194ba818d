"""Functions of each element, with broadcasting, in PyTorch's dtypes.

Common to the binary ones: the operands are arrays or Python numbers whose shapes broadcast; the result has
the dtype that `rsconv.dtypes.promote` gives (a number only counts if its kind, such as float, is higher than
the arrays'). ShapeError if the shapes do not broadcast, DtypeError where the function is not defined.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import arithmetic
from ..dtypes import check_dtype, promote
from ..errors import ArgumentError, DtypeError
from .arrays import ArrayLike, Operands, Result, operands
from .plans import planned
from .recording import node

__all__ = [
    "abs",
    "add",
    "astype",
    "binary",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "clamp",
    "conj",
    "cos",
    "div",
    "eq",
    "erf",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "ge",
    "gt",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "log",
    "log1p",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "maximum",
    "minimum",
    "mul",
    "ne",
    "neg",
    "pow",
    "reciprocal",
    "remainder",
    "round",
    "rsqrt",
    "sign",
    "sin",
    "split",
    "sqrt",
    "square",
    "sub",
    "trunc",
    "unary",
    "where",
]

Unary = Callable[[ArrayLike], Result]
Binary = Callable[[ArrayLike, ArrayLike], Result]

_NUMBERS = (bool, int, float, complex)


def split(**named: ArrayLike) -> tuple[Operands, list[Any]]:
    """The call of some operands, and all of them in order: backend arrays, and Python numbers as they are.

    Numbers have no dtype of their own beside arrays; alone they are arrays.
    """
    given = {name: v.item() if isinstance(v, np.generic) else v for name, v in named.items()}
    arrays = {name: v for name, v in given.items() if v is not None and not isinstance(v, _NUMBERS)}
    call = operands(**(arrays or given))
    placed = dict(zip(arrays or given, call.arrays, strict=True))
    return call, [placed.get(name, value) for name, value in given.items()]


@planned
def unary(op: str, input: ArrayLike, params: tuple[float, ...] = ()) -> Result:
    """An expression of one operand (see `Backend.elementwise`), checked and promoted."""
    call = operands(input=input)
    return node(call, op, {"input": input}, arithmetic.unary(op, call.arrays[0], params), params=params)


@planned
def binary(op: str, input: ArrayLike, other: ArrayLike) -> Result:
    """An expression of two operands, checked and promoted."""
    call, (a, b) = split(input=input, other=other)
    return node(call, op, {"input": input, "other": other}, arithmetic.binary(op, a, b))


def astype(input: ArrayLike, dtype: Any) -> Result:
    """A copy of `input` in another dtype; floats lose their fraction, without a warning."""
    call = operands(input=input)
    y = call.backend.copy(call.arrays[0], check_dtype(dtype))
    return node(call, "cast", {"input": input}, y)


def _unary(op: str, name: str, what: str) -> Unary:
    def function(input: ArrayLike) -> Result:
        return unary(op, input)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{what}\n\nBehaviour of PyTorch's {name}."
    return function


def _binary(op: str, name: str, what: str) -> Binary:
    def function(input: ArrayLike, other: ArrayLike) -> Result:
        return binary(op, input, other)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{what}\n\nOperands broadcast. Behaviour of PyTorch's {name}."
    return function


# Of whole numbers the first group keeps the dtype, the second gives float32.
neg = _unary("neg", "neg", "`-input`. DtypeError for bools.")
abs = _unary("abs", "abs", "The distance from zero; real for complex numbers. DtypeError for bools.")
sign = _unary("sign", "sign", "-1, 0 or 1 as the element is negative, zero or positive; a NaN stays.")
square = _unary("square", "square", "`input * input`.")
floor = _unary("floor", "floor", "The largest whole number that is not larger.")
ceil = _unary("ceil", "ceil", "The smallest whole number that is not smaller.")
trunc = _unary("trunc", "trunc", "The whole number next to it on the side of zero.")

sqrt = _unary("sqrt", "sqrt", "The square root; NaN for negative numbers.")
rsqrt = _unary("rsqrt", "rsqrt", "1 / sqrt(input).")
reciprocal = _unary("reciprocal", "reciprocal", "1 / input.")
exp = _unary("exp", "exp", "The exponential function.")
expm1 = _unary("expm1", "expm1", "exp(input) - 1, exact near 0.")
log = _unary("log", "log", "The natural logarithm; NaN for negative numbers.")
log1p = _unary("log1p", "log1p", "log(1 + input), exact near 0.")
erf = _unary(
    "erf", "erf", "The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to the element."
)
sin = _unary("sin", "sin", "The sine of an angle in radians.")
cos = _unary("cos", "cos", "The cosine of an angle in radians.")

isnan = _unary("isnan", "isnan", "Whether the element is NaN: bools.")
isinf = _unary("isinf", "isinf", "Whether the element is infinite: bools.")
isfinite = _unary("isfinite", "isfinite", "Whether the element is neither infinite nor NaN: bools.")
logical_not = _unary("logical_not", "logical_not", "Whether the element is zero: bools.")


def conj(input: ArrayLike) -> Result:
    """The complex conjugate; `input` itself if it is real. Behaviour of PyTorch's conj."""
    return unary("conj", input) if getattr(input, "dtype", np.dtype(bool)).kind == "c" else input


def round(input: ArrayLike, *, decimals: int = 0) -> Result:
    """The nearest whole number, the even one of two as near; whole numbers stay.

    With `decimals`, the nearest multiple of `10 ** -decimals`. Behaviour of PyTorch's round.

    >>> round([0.5, 1.5, 2.6])
    array([0., 2., 3.])
    """
    if not decimals:
        return unary("round", input)
    scale = 10.0**decimals
    return div(unary("round", mul(input, scale)), scale)


def bitwise_not(input: ArrayLike) -> Result:
    """Every bit inverted, of whole numbers; of bools the opposite. DtypeError for others.

    Behaviour of PyTorch's bitwise_not.
    """
    call = operands(input=input)
    x = call.arrays[0]
    if x.dtype.kind not in "biu":
        raise DtypeError(f"bitwise_not is not defined for {x.dtype}")
    flipped = ("logical_not", (x,)) if x.dtype.kind == "b" else ("bitwise_xor", (x, _all_ones(x.dtype)))
    return call.result(call.backend.elementwise(*flipped))


def _all_ones(dtype: Any) -> int:
    return -1 if dtype.kind == "i" else int(np.iinfo(dtype).max)


maximum = _binary("maximum", "maximum", "The larger of two elements; NaN if one is.")
minimum = _binary("minimum", "minimum", "The smaller of two elements; NaN if one is.")
floor_divide = _binary(
    "floor_divide", "floor_divide", "The quotient rounded down. ZeroDivisionError for whole numbers by zero."
)
remainder = _binary(
    "remainder",
    "remainder",
    "What `floor_divide` leaves, with the sign of `other`. ZeroDivisionError as there.",
)
eq = _binary("eq", "eq", "Whether the elements are equal: bools.")
ne = _binary("ne", "ne", "Whether the elements differ: bools.")
lt = _binary("lt", "lt", "Whether input < other: bools.")
le = _binary("le", "le", "Whether input <= other: bools.")
gt = _binary("gt", "gt", "Whether input > other: bools.")
ge = _binary("ge", "ge", "Whether input >= other: bools.")
logical_and = _binary("logical_and", "logical_and", "Whether neither element is zero: bools.")
logical_or = _binary("logical_or", "logical_or", "Whether one of the elements is not zero: bools.")
logical_xor = _binary("logical_xor", "logical_xor", "Whether just one of the elements is not zero: bools.")
bitwise_and = _binary("bitwise_and", "bitwise_and", "The bits set in both whole numbers or bools.")
bitwise_or = _binary("bitwise_or", "bitwise_or", "The bits set in one or both whole numbers or bools.")
bitwise_xor = _binary("bitwise_xor", "bitwise_xor", "The bits set in just one of two whole numbers or bools.")


def add(input: ArrayLike, other: ArrayLike, *, alpha: Any = 1) -> Result:
    """`input + alpha * other`, broadcast. Behaviour of PyTorch's add.

    >>> add([[1.0], [2.0]], [10.0, 20.0], alpha=2)
    array([[21., 41.],
           [22., 42.]])
    """
    return binary("add", input, other if alpha == 1 else mul(other, alpha))


def sub(input: ArrayLike, other: ArrayLike, *, alpha: Any = 1) -> Result:
    """`input - alpha * other`, broadcast. DtypeError for bools. Behaviour of PyTorch's sub."""
    return binary("sub", input, other if alpha == 1 else mul(other, alpha))


def mul(input: ArrayLike, other: ArrayLike) -> Result:
    """`input * other`, broadcast. Behaviour of PyTorch's mul."""
    return binary("mul", input, other)


def div(input: ArrayLike, other: ArrayLike, *, rounding_mode: str | None = None) -> Result:
    """`input / other`, broadcast; of whole numbers in float32.

    `rounding_mode` 'floor' rounds down and 'trunc' towards zero; whole numbers stay whole then. Behaviour of
    PyTorch's div.

    >>> div([7.0, -7.0], 2.0, rounding_mode="trunc")
    array([ 3., -3.])

    Raises ArgumentError for another rounding mode, ZeroDivisionError for whole numbers by zero when rounding.
    """
    if rounding_mode is None:
        return binary("div", input, other)
    if rounding_mode not in ("floor", "trunc"):
        raise ArgumentError(
            f"rounding_mode must be None, 'floor' or 'trunc', but got rounding_mode={rounding_mode!r}"
        )
    if rounding_mode == "floor":
        return binary("floor_divide", input, other)
    call, (a, b) = split(input=input, other=other)
    if promote(a, b).kind in "biu":
        # The floor of a negative quotient that is not whole is one too low.
        floor = binary("floor_divide", input, other)
        inexact = ne(mul(floor, other), input)
        return where(logical_and(lt(floor, 0), inexact), add(floor, 1), floor)
    return call.result(arithmetic.unary("trunc", arithmetic.binary("div", a, b)))


def pow(input: ArrayLike, exponent: ArrayLike) -> Result:
    """`input` to the power of `exponent`, broadcast.

    ArgumentError for whole numbers to a negative power. Behaviour of PyTorch's pow.

    >>> pow([1.0, 2.0, 3.0], 2)
    array([1., 4., 9.])
    """
    call, (a, b) = split(input=input, exponent=exponent)
    return node(call, "pow", {"input": input, "exponent": exponent}, arithmetic.binary("pow", a, b))


def where(condition: ArrayLike, input: ArrayLike, other: ArrayLike) -> Result:
    """`input` where `condition`, an array of bools, is true, and `other` elsewhere; all three broadcast.

    DtypeError for a condition of another dtype. Behaviour of PyTorch's where.

    >>> where(np.array([True, False]), [1.0, 2.0], 0.0)
    array([1., 0.])
    """
    call, (c, a, b) = split(condition=condition, input=input, other=other)
    if isinstance(c, _NUMBERS):
        c = call.backend.full((), bool(c), np.dtype(np.bool_))
    if c.dtype.kind != "b":
        raise DtypeError(f"where expected condition to be an array of bools, but got dtype {c.dtype}")
    arithmetic.broadcast_shapes("where", c, a, b)
    dtype = promote(a, b)
    values = [
        call.backend.full((), value, dtype) if isinstance(value, _NUMBERS) else arithmetic.cast(value, dtype)
        for value in (a, b)
    ]
    inputs = {"condition": condition, "input": input, "other": other}
    return node(call, "where", inputs, call.backend.elementwise("where", (c, *values)))


def clamp(input: ArrayLike, min: ArrayLike = None, max: ArrayLike = None) -> Result:
    """`input` with what is less than `min` or greater than `max` replaced by that; a NaN stays.

    The bounds are numbers or arrays that broadcast; None is no bound; where they cross, `max` holds.
    Behaviour of PyTorch's clamp.

    >>> clamp([-2.0, 0.5, 2.0], min=-1, max=1)
    array([-1. ,  0.5,  1. ])

    Raises ArgumentError without bounds.
    """
    if min is None and max is None:
        raise ArgumentError("clamp needs min or max, but both are None")
    _, (x, low, high) = split(input=input, min=min, max=max)
    numbers = all(bound is None or isinstance(bound, (int, float)) for bound in (low, high))
    if numbers and not isinstance(x, _NUMBERS) and x.dtype.kind == "f":
        params = (-math.inf if low is None else float(low), math.inf if high is None else float(high))
        return unary("clamp", input, params)
    result = input if min is None else maximum(input, min)
    return result if max is None else minimum(result, max)
