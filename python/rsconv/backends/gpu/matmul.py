"""Batched matrix products, as sums over pixels: rows of k are the pixels, m and n the channels."""

import math
from functools import lru_cache

import numpy as np

from ... import _core
from ...errors import BindingTooLarge, DtypeError
from .array import GpuArray
from .layout import assign, permute, relayout
from .layout import slice as part
from .matmul_rows import few_rows
from .pixel_sums import Plan, dispatch, fits, keep_sum, kept_sum, room, run_sum, split_sum, sum_of
from .planes import by_batch
from .plans import layout_key

__all__ = ["matmul"]

# Workgroups along the third dimension of a grid.
_MOST_MATRICES = 65535
# Columns, or rows, of a dispatch: of tiles of at least 16 there are fewer than 65,535.
_MOST_COLUMNS = 1 << 19
# Products of a dispatch: below a second on a slow GPU.
_MOST_PRODUCTS = 20_000_000_000


def matmul(a: GpuArray, b: GpuArray) -> GpuArray:
    """(B, M, K) by (B, K, N) to (B, M, N), in float32 or float16 (sums are float32).

    The kernel reads `a` with neighbouring rows and `b` with neighbouring columns: others are copied first,
    unless there are few rows.
    """
    if a.dtype.kind != "f":
        raise DtypeError(f"matmul on the GPU takes float32 or float16, but got {a.dtype.name}")
    runtime = a.runtime
    batch, m, k = a.shape
    n = b.shape[2]
    if n > _MOST_COLUMNS and m < n:
        # More columns than a grid has; of rows any number can be cut off.
        return permute(matmul(permute(b, (0, 2, 1)), permute(a, (0, 2, 1))), (0, 2, 1))
    if batch and m and n and k:
        short = few_rows(a, b)
        if short is not None:
            return short
    result = runtime.empty((batch, m, n), a.dtype)
    if result.size == 0:
        return result
    if k == 0:
        assign(result, 0)
        return result
    limit = runtime.max_binding
    together = min(_MOST_MATRICES, max(_MOST_PRODUCTS // (m * n * k), 1))
    one_dispatch = batch <= together and m <= _MOST_COLUMNS and not _is_long(a, b)
    if one_dispatch and fits(limit, a, b, result):
        left, right = _neighbours(a, 1, 2), _neighbours(b, 2, 1)
        key = ("matmul", layout_key(left), layout_key(right), limit)
        steps = kept_sum(key)
        if steps is None:
            steps = sum_of(_planned(left, right), left, right, result)
            keep_sum(key, steps)
        return run_sum(steps, left, right, result)
    for start in range(0, batch, together):
        count = min(batch - start, together)
        _multiply(_from(a, start, count), _from(b, start, count), _from(result, start, count))
    return result


def _is_long(a: GpuArray, b: GpuArray) -> bool:
    """Whether one matrix is too much work for a dispatch, and has rows to cut."""
    return a.shape[1] > 1 and math.prod(a.shape[1:]) * b.shape[2] > _MOST_PRODUCTS


def _multiply(a: GpuArray, b: GpuArray, out: GpuArray) -> None:
    if _is_long(a, b):
        # Copied once, if need be, and not for every part.
        return _halves(_neighbours(a, 1, 2), _neighbours(b, 2, 1), out)
    try:
        # Before it is copied: a copy of what is too large takes long.
        size = a.nbytes // a.shape[0]
        if a.shape[1] > _MOST_COLUMNS or size > a.runtime.max_binding:
            raise BindingTooLarge(
                f"a matrix of {a.shape[1:]} ({size:,} bytes) is too large for one dispatch of a device that "
                f"binds at most {a.runtime.max_binding:,} bytes at once"
            )
        by_batch([out, _neighbours(a, 1, 2), _neighbours(b, 2, 1)], _run)
    except BindingTooLarge:
        # One matrix is too large.
        if a.shape[1] == 1:
            raise
        _halves(a, b, out)


def _halves(a: GpuArray, b: GpuArray, out: GpuArray) -> None:
    """Multiply the upper and the lower half of the rows of each matrix."""
    batch, m, _ = a.shape
    for matrix in range(batch):
        left, right, target = (_from(x, matrix, 1) for x in (a, b, out))
        for rows in (slice(0, m // 2), slice(m // 2, m)):
            index = (slice(0, 1), rows, slice(None))
            _multiply(part(left, index), right, part(target, index))


def _run(arrays: list[GpuArray]) -> None:
    out, left, right = arrays
    runtime = out.runtime
    target, x, g = runtime.bind(out), runtime.bind(right), runtime.bind(left)
    plan = _planned(left, right)
    if plan.splits == 1 and out.dtype == np.float32:
        dispatch(plan, g, x, target, target.first)
        return
    sums = runtime.empty((plan.splits, out.size), np.dtype(np.float32))
    dispatch(plan, g, x, runtime.bind(sums), 0)
    split_sum(sums, out)


def _from(x: GpuArray, start: int, count: int) -> GpuArray:
    return x.view((count, *x.shape[1:]), x.strides, x.offset + start * x.strides[0])


def _neighbours(x: GpuArray, inner: int, outer: int) -> GpuArray:
    """`x` with elements along the axis `inner` side by side, copied if need be.

    Of a matrix that repeats one copy is made.
    """
    steps = x.strides
    ready = (x.shape[inner] == 1 or steps[inner] == 1) and (x.shape[outer] == 1 or steps[outer] > 0)
    if not ready:
        if steps[0] == 0 and x.shape[0] > 1:
            one = _neighbours(_from(x, 0, 1), inner, outer)
            return one.view(x.shape, (0, *one.strides[1:]), one.offset)
        return relayout(x, (0, outer, inner))
    if x.shape[outer] == 1:
        # Any step, but one that does not keep vectors from being read.
        fixed = list(steps)
        fixed[outer] = -(-x.shape[inner] // 4) * 4
        return x.view(x.shape, tuple(fixed), x.offset)
    return x


def _planned(left: GpuArray, right: GpuArray) -> Plan:
    matrices, m, k = left.shape
    return _plan(
        matrices,
        (m, k, right.shape[2]),
        left.dtype == np.float16,
        ((right.strides[0], 0, 0, right.strides[1]), right.offset % 4 == 0),
        ((left.strides[0], 0, 0, left.strides[2]), left.offset % 4 == 0),
        room(left.runtime.max_binding),
    )


@lru_cache(4096)
def _plan(
    matrices: int,
    sizes: tuple[int, int, int],
    half: bool,
    b: tuple[tuple[int, ...], bool],
    a: tuple[tuple[int, ...], bool],
    space: int,
) -> Plan:
    return Plan(*_core.gpu_matmul_plan(matrices, sizes, half, b, a, space))
