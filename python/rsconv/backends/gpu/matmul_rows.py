"""Products of few rows with a matrix stored by columns: linear layers of small batches, without a copy."""

import struct

from ...errors import BindingTooLarge
from .array import GpuArray
from .strided import type_name

__all__ = ["few_rows"]

_words = struct.Struct("<16I")
# Rows above which copies of both matrices cost less than reading `b` once for every eight rows.
_MOST_ROWS = 32
# Elements of a row that one workgroup walks through, at most; longer sums are cut.
_LONGEST = 1 << 20
# Columns of a workgroup, and workgroups along one dimension.
_COLUMNS, _MOST_GROUPS = 4, 65535


def few_rows(a: GpuArray, b: GpuArray) -> GpuArray | None:
    """(B, M, K) by (B, K, N), or None for many rows, or a k that is long or not innermost in both."""
    batch, m, k = a.shape
    n = b.shape[2]
    if m > _MOST_ROWS or k > _LONGEST or (k > 1 and not (a.strides[2] == b.strides[1] == 1)):
        return None
    if batch > _MOST_GROUPS or n > _COLUMNS * _MOST_GROUPS:
        return None
    y = a.runtime.empty((batch, m, n), a.dtype)
    try:
        _columns(a, b, y, y.offset)
    except BindingTooLarge:
        return None
    return y


def _columns(a: GpuArray, b: GpuArray, y: GpuArray, first: int) -> None:
    """Dispatch for the columns of `b`, which go to `y` from element `first` on."""
    runtime = y.runtime
    batch, m, k = a.shape
    n = b.shape[2]
    left, target = runtime.bind(a), runtime.bind(y)
    try:
        right = runtime.bind(b)
    except BindingTooLarge:
        if n == 1:
            raise
        half = n // 2
        _columns(a, b.view((batch, k, half), b.strides, b.offset), y, first)
        _columns(a, b.view((batch, k, n - half), b.strides, b.offset + half * b.strides[2]), y, first + half)
        return
    steps = (left.first, a.strides[0], a.strides[1], right.first, b.strides[0], b.strides[2], k)
    width = 1 if any(step % 4 for step in steps) else 4
    rows = 1 if m == 1 else 4 if m <= 4 else 8
    a_first, a_matrix, a_row, b_first, b_matrix, b_column, length = (
        step // width & 0xFFFFFFFF for step in steps
    )
    row = y.shape[2]
    words = _words.pack(
        *(m, n, length, 0, a_first, a_matrix, a_row, b_first),
        *(b_matrix, b_column, target.first - y.offset + first, m * row, row, 0, 0, 0),
    )
    variant = f"matmul_rows_{rows}_{type_name(a.dtype)}_v{width}"
    runtime.dispatch(variant, words, (left, right), (target,), (-(-n // _COLUMNS), -(-m // rows), batch))
