"""Matrix products on the CPU, of operands where they lie.

| a, b in memory | how |
|---|---|
| rows, rows | a convolution of kernel 1: `b` is the image, `a` the weight, batches are groups |
| rows, columns | products of rows (linear layers) |
| columns, rows | the input gradient of that convolution |
| columns, columns | the transposed product of rows and rows |

Integers and complex numbers are NumPy's.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ..._core import Geometry

__all__ = ["matmul"]

Array = NDArray[Any]


def matmul(a: Array, b: Array) -> Array:
    """(B, M, K) by (B, K, N) to (B, M, N); float16 is summed in float32.

    The result may be a transposed view of a new array.
    """
    if a.dtype.kind != "f" or a.dtype.itemsize > 8:
        return np.asarray(np.matmul(a, b))
    (batch, m, k), n = a.shape, b.shape[2]
    if 0 in (batch, m, k, n):
        return np.zeros((batch, m, n), a.dtype.newbyteorder("="))
    if batch > 1 and b.strides[0] == 0 and a.flags.c_contiguous:
        return matmul(a.reshape(1, batch * m, k), b[:1]).reshape(batch, m, n)
    (a, a_rows), (b, b_rows) = _laid_out(a), _laid_out(b)
    if a_rows and (not b_rows or n == 1):
        return _core.products(a, b.swapaxes(1, 2))
    if a_rows:
        return _rows_by_rows(a, b)
    if not b_rows:
        return _rows_by_rows(b.swapaxes(1, 2), a.swapaxes(1, 2)).swapaxes(1, 2)
    # The longer side lies along the pixels.
    return (
        _columns_by_rows(a, b)
        if n >= m
        else _columns_by_rows(b.swapaxes(1, 2), a.swapaxes(1, 2)).swapaxes(1, 2)
    )


def _laid_out(x: Array) -> tuple[Array, bool]:
    """The matrices without gaps, copied if need be, and whether their rows (else their columns) are."""
    if x.flags.c_contiguous:
        return x, True
    if x.swapaxes(1, 2).flags.c_contiguous:
        return x, False
    return np.ascontiguousarray(x), True


def _rows_by_rows(a: Array, b: Array) -> Array:
    (batch, m, k), n = a.shape, b.shape[2]
    geometry = _product(batch, m, k, n)
    return _core.conv(geometry, b.reshape(1, batch * k, n), a.reshape(batch * m, k, 1)).reshape(batch, m, n)


def _columns_by_rows(a: Array, b: Array) -> Array:
    (batch, m, k), n = a.shape, b.shape[2]
    geometry = _product(batch, k, m, n)
    weight = a.swapaxes(1, 2).reshape(batch * k, m, 1)
    return _core.conv_input_grad(geometry, weight, b.reshape(1, batch * k, n)).reshape(batch, m, n)


@lru_cache(256)
def _product(batch: int, m: int, k: int, n: int) -> Geometry:
    """The convolution of kernel 1 that multiplies (m, k) by (k, n) in each group."""
    return Geometry(1, (1, batch * k, n), (batch * m, k, 1), groups=batch)
