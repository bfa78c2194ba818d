"""Reductions on the CPU."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import by_numpy

__all__ = ["arg_reduce", "moments", "reduce"]

Array = NDArray[Any]


def reduce(op: str, x: Array, axes: tuple[int, ...]) -> Array:
    """Reduce over `axes`; see `rsconv.backends.Backend`."""
    if x.dtype == np.float16:
        return by_numpy.reduce(op, x.astype(np.float32), axes).astype(
            bool if op in ("any", "all") else x.dtype
        )
    return by_numpy.reduce(op, x, axes)


arg_reduce, moments = by_numpy.arg_reduce, by_numpy.moments
