"""NumPy scalars and arrays as training scripts leave them in checkpoints.

NumPy pickles a dtype by name and byte order, a scalar as dtype and bytes, an array as an empty one that BUILD
fills. Only numbers and booleans are made; a dtype that holds Python objects is refused before there is an
array of it.
"""

import math
import re
from typing import Any

import numpy as np

from ..errors import WeightsError
from .limits import Budget, shown
from .pickle_machine import Global
from .tensors import shape_of

__all__ = ["NumpyValues"]

_NUMBERS = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|c8|c16)")


class _Dtype:
    """A dtype whose byte order BUILD gives."""

    name = "numpy.dtype"

    def __init__(self, code: object, *_: object) -> None:
        if type(code) is not str or not _NUMBERS.fullmatch(code):
            raise WeightsError(
                f"the pickle holds NumPy values of dtype {shown(code)}; only numbers and bools are read"
            )
        self.dtype = np.dtype(code)


class NumpyValues:
    """Makes the NumPy values of one file."""

    def __init__(self, budget: Budget) -> None:
        """Copies are charged to `budget`."""
        self._budget = budget
        self._class = Global("numpy.ndarray")
        self._unfilled: dict[int, np.ndarray[Any, Any]] = {}

    def globals(self) -> dict[str, object]:
        """The allow-list's entries, by qualified name."""
        table: dict[str, object] = {
            "numpy.ndarray": self._class,
            "numpy.dtype": Global("numpy.dtype", _Dtype),
        }
        for package in ("numpy.core", "numpy._core"):
            table[f"{package}.multiarray.scalar"] = Global("numpy scalar", self._scalar)
            table[f"{package}.multiarray._reconstruct"] = Global("numpy array", self._reconstruct)
        return table

    def build(self, target: object, state: object) -> bool:
        """Set the state of a dtype, or of an array that has none yet; False if `target` is neither."""
        if isinstance(target, _Dtype):
            order = state[1] if type(state) is tuple and len(state) > 1 else state
            if type(order) is not str or order not in tuple("<>|="):
                raise WeightsError(
                    f"the pickle gives NumPy's dtype {target.dtype} the byte order {shown(order)}"
                )
            target.dtype = np.dtype(order + target.dtype.str[1:])
            return True
        array = self._unfilled.get(id(target))
        if array is None:
            return False
        # Once only: an array that is filled may have been handed on.
        del self._unfilled[id(target)]
        if type(state) is not tuple or len(state) != 5 or not isinstance(state[2], _Dtype):
            raise WeightsError("the pickle holds a NumPy array whose state is malformed")
        shape, dtype, fortran, data = state[1], state[2].dtype, state[3] is True, state[4]
        shape = shape_of(shape, "size")
        array.__setstate__((1, shape, dtype, fortran, self._checked(data, dtype, math.prod(shape))))  # type: ignore[arg-type]
        return True

    def _checked(self, data: object, dtype: "np.dtype[Any]", count: int) -> bytes:
        if type(data) is not bytes or len(data) != count * dtype.itemsize:
            found = f"{len(data)} bytes" if type(data) is bytes else f"a {type(data).__name__}"
            raise WeightsError(
                f"the pickle holds {count} NumPy values of dtype {dtype}, and {found} for them"
            )
        self._budget.charge(len(data) // 64)
        return data

    def _scalar(self, dtype: object, data: object) -> object:
        if not isinstance(dtype, _Dtype):
            raise WeightsError(f"the pickle holds a NumPy scalar whose dtype is a {type(dtype).__name__}")
        return np.frombuffer(self._checked(data, dtype.dtype, 1), dtype.dtype)[0]

    def _reconstruct(self, cls: object, *_: object) -> object:
        if cls is not self._class:
            raise WeightsError("the pickle holds a NumPy array of a class other than numpy.ndarray")
        array = np.empty(0, np.int8)
        self._unfilled[id(array)] = array
        return array
