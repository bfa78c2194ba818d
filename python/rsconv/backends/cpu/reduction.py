"""Reductions on the CPU."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import by_numpy

__all__ = ["arg_reduce", "moments", "reduce", "softmax"]

Array = NDArray[Any]


def reduce(op: str, x: Array, axes: tuple[int, ...]) -> Array:
    """Reduce over `axes`; see `rsconv.backends.Backend`."""
    if x.dtype == np.float16:
        return by_numpy.reduce(op, x.astype(np.float32), axes).astype(
            bool if op in ("any", "all") else x.dtype
        )
    return by_numpy.reduce(op, x, axes)


arg_reduce, moments = by_numpy.arg_reduce, by_numpy.moments


def softmax(x: Array, axis: int, log: bool) -> Array:
    """Softmax along `axis`, or its logarithm; see `rsconv.backends.Backend`."""
    wide = x.astype(np.float32) if x.dtype == np.float16 else x
    with np.errstate(all="ignore"):
        shifted = wide - wide.max(axis, keepdims=True, initial=-np.inf)
        exponentials = np.exp(shifted)
        sums = exponentials.sum(axis, keepdims=True)
        result = shifted - np.log(sums) if log else exponentials / sums
        return np.asarray(result.astype(x.dtype.newbyteorder("=")))
