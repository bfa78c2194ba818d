"""Max pooling on the CPU."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ...errors import DtypeError
from ..windows import Windows

__all__ = ["max_pool", "max_pool_grad"]

Array = NDArray[Any]


def max_pool(x: Array, windows: Windows, indices: bool) -> tuple[Array, Array | None]:
    """The largest element of each window over the last axes, and with `indices` where it stands (int64)."""
    if x.dtype.kind == "c":
        raise DtypeError(f"max_pool takes ordered numbers, but input has type {x.dtype.name}")
    if x.dtype.kind == "b":
        y, places = _core.max_pool(x.view(np.uint8), windows, indices)
        return y.view(np.bool_), places
    return _core.max_pool(x, windows, indices)


def max_pool_grad(grad_output: Array, indices: Array, windows: Windows) -> Array:
    """Every element of `grad_output` added to where its index points; float16 is summed in float32."""
    return _core.max_pool_grad(grad_output, indices, windows)
