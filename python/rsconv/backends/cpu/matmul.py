"""Matrix products on the CPU."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["matmul"]

Array = NDArray[Any]


def matmul(a: Array, b: Array) -> Array:
    """(B, M, K) by (B, K, N) to (B, M, N); float16 accumulates in float32."""
    with np.errstate(all="ignore"):
        if a.dtype == np.float16:
            return np.asarray(np.matmul(a.astype(np.float32), b.astype(np.float32)), np.float16)
        return np.asarray(np.matmul(a, b))
