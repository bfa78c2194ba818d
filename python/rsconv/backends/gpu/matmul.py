"""Batched matrix products, as sums over pixels: rows of k are the pixels, m and n the channels."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ... import _core
from ...errors import DtypeError
from .array import GpuArray
from .layout import assign, permute, relayout
from .matmul_rows import few_rows
from .pixel_sums import Plan, fits, longest_part, room, run_sum
from .regions import MOST_WORK, Box, Operand, Part, at_most, by_regions
from .runtime import Runtime

__all__ = ["matmul"]

# Workgroups along the third dimension of a grid.
_MOST_MATRICES = 65535
# Columns, or rows, of a dispatch: of tiles of at least 16 there are fewer than 65,535.
_MOST_COLUMNS = 1 << 19
# Products of a dispatch: below a second on a slow GPU.
_MOST_PRODUCTS = MOST_WORK
_FLOAT32 = np.dtype(np.float32)


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
    if batch <= _MOST_MATRICES and m <= _MOST_COLUMNS and fits(limit, a, b, result) and _is_short(a, b):
        left, right = _neighbours(a, 1, 2), _neighbours(b, 2, 1)
        run_sum(_planned(left, right), left, right, result)
        return result
    if result.dtype == _FLOAT32:
        _multiply(a, b, result)
        return result
    # Sums of parts along k are float32.
    total = runtime.empty(result.shape, _FLOAT32)
    _multiply(a, b, total)
    assign(result, total)
    return result


def _is_short(a: GpuArray, b: GpuArray) -> bool:
    return _products(a.shape, b.shape[2], a.runtime) <= _MOST_PRODUCTS


def _products(a: Sequence[int], n: int, runtime: Runtime) -> int:
    """Those of a dispatch, of a whole product or of a part of its sum."""
    batch, m, k = a
    outputs = batch * m * n
    return outputs * longest_part(outputs, k, runtime.max_binding)


def _multiply(a: GpuArray, b: GpuArray, out: GpuArray) -> None:
    """Multiply by regions of (matrices, k, m, n); regions along k are added in their order."""
    (batch, m, k), n = a.shape, b.shape[2]
    left, right = _neighbours(a, 1, 2), _neighbours(b, 2, 1)
    shape = (batch, k, m, n)
    operands = [
        Operand(out.view(shape, (out.strides[0], 0, *out.strides[1:]), out.offset)),
        Operand(left.view(shape, (left.strides[0], left.strides[2], left.strides[1], 0), left.offset)),
        Operand(right.view(shape, (right.strides[0], right.strides[1], 0, right.strides[2]), right.offset)),
    ]

    def run(box: Box, parts: list[Part]) -> None:
        many, length, rows, columns = box.sizes
        (to, x, y) = (part.view for part in parts)
        target = to.view((many, rows, columns), (to.strides[0], *to.strides[2:]), to.offset)
        x = x.view((many, rows, length), (x.strides[0], x.strides[2], x.strides[1]), x.offset)
        y = y.view((many, length, columns), (y.strides[0], y.strides[1], y.strides[3]), y.offset)
        run_sum(_planned(x, y), x, y, target, box.starts[1] > 0)

    def work(sizes: tuple[int, ...]) -> float:
        matrices, length, rows, columns = sizes
        return _products((matrices, rows, length), columns, out.runtime) * (MOST_WORK / _MOST_PRODUCTS)

    by_regions(shape, operands, run, work=work, must=at_most((_MOST_MATRICES, k, _MOST_COLUMNS)))


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
