"""The dtypes under PyTorch's names, and PyTorch's rule for which dtype an operation on two of them has.

A dtype is a `numpy.dtype`, so `rsconv.float32 == np.float32`, and a Tensor has the dtype of its array.
"""

import builtins
from typing import Any

import numpy as np

from .errors import DtypeError

__all__ = [
    "bool",
    "check_dtype",
    "complex64",
    "complex128",
    "dtype",
    "finfo",
    "float16",
    "float32",
    "float64",
    "get_default_dtype",
    "iinfo",
    "int8",
    "int16",
    "int32",
    "int64",
    "promote",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]

Dtype = np.dtype[Any]

float16 = np.dtype(np.float16)
float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
int8 = np.dtype(np.int8)
int16 = np.dtype(np.int16)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)
uint8 = np.dtype(np.uint8)
uint16 = np.dtype(np.uint16)
uint32 = np.dtype(np.uint32)
uint64 = np.dtype(np.uint64)
complex64 = np.dtype(np.complex64)
complex128 = np.dtype(np.complex128)
bool_ = np.dtype(np.bool_)

_CATEGORY = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}
_DEFAULT_OF_CATEGORY = (bool_, int64, float32, complex64)
_INTEGERS = (int8, int16, int32, int64, uint8, uint16, uint32, uint64)
_SUPPORTED = frozenset((bool_, *_INTEGERS, float16, float32, float64, complex64, complex128))


def get_default_dtype() -> Dtype:
    """The dtype of factories and of Python floats: float32, as in PyTorch."""
    return float32


def check_dtype(value: Any) -> Dtype:
    """`value` (a dtype, a NumPy scalar type, a dtype's name) as a dtype that a Tensor can have.

    Python's own `float` and `int` mean float64 and int64 here, as in NumPy.

    Raises DtypeError for anything else, and names it.
    """
    try:
        found: Dtype = np.dtype(value)
    except TypeError as error:
        raise DtypeError(f"{value!r} is not a dtype: {error}") from None
    if found.newbyteorder("=") not in _SUPPORTED:
        names = ", ".join(sorted(map(str, _SUPPORTED)))
        raise DtypeError(f"a Tensor cannot have dtype {found}; the dtypes are: {names}")
    return found


def _promote_pair(a: Dtype, b: Dtype) -> Dtype:
    if a == b:
        return a
    low, high = sorted((a, b), key=lambda d: _CATEGORY[d.kind])
    # NumPy widens a float until it holds the other operand's integers; PyTorch keeps the float's dtype.
    if low.kind in "biu" and high.kind in "fc":
        return high
    return np.promote_types(low, high)


def promote(*operands: Any) -> Dtype:
    """The dtype in which PyTorch computes with `operands`: arrays, and Python scalars.

    Arrays with dimensions decide; a 0-d array counts only if its category (bool, integer, float, complex) is
    higher than theirs, and a Python scalar only if it is higher than that of all arrays, and then as int64,
    float32 or complex64. Source: PyTorch, "Tensor Attributes", type promotion.

    Raises DtypeError for arrays of what are no numbers.
    """
    ranks: list[Dtype | None] = [None, None, None]
    for operand in operands:
        if not isinstance(operand, (builtins.bool, builtins.int, builtins.float, builtins.complex)):
            rank, found = (0 if operand.ndim else 1), operand.dtype.newbyteorder("=")
            if found.kind not in _CATEGORY:
                raise DtypeError(f"cannot compute with an array of dtype {found}")
        else:
            rank, found = 2, _DEFAULT_OF_CATEGORY[_CATEGORY[np.dtype(type(operand)).kind]]
        before = ranks[rank]
        ranks[rank] = found if before is None else _promote_pair(before, found)
    result: Dtype | None = None
    for lower in ranks:
        if lower is not None and (result is None or _CATEGORY[lower.kind] > _CATEGORY[result.kind]):
            # A float decides how wide the complex number is that it becomes.
            precision = complex128 if result == float64 else complex64
            widens = result is not None and result.kind == "f" and lower.kind == "c"
            result = lower if result is None else precision if widens else _promote_pair(result, lower)
    if result is None:
        raise DtypeError("no operand to take a dtype from")
    return result


dtype = np.dtype
finfo, iinfo = np.finfo, np.iinfo
# Last, because from here on the builtins' names mean dtypes.
bool = bool_
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
