"""Windows as columns, and back."""

import math
import struct
from typing import Any

import numpy as np

from ..._core import Geometry
from ...errors import DtypeError
from .array import GpuArray, dense_strides
from .planes import by_batch
from .plans import Step, keep, layout_key, replay, send
from .strided import type_name

__all__ = ["fold", "unfold"]

_words = struct.Struct("<28I")
_MASK = 0xFFFFFFFF


def unfold(geometry: Geometry, x: GpuArray) -> GpuArray:
    """Columns `(N, C * prod(k), L)` of the windows of `geometry`."""
    key = ("unfold", geometry, layout_key(x))
    known = replay(key, x.runtime, (x,))
    if known is not None:
        return known[0]
    rank = geometry.rank
    lead, kernel, blocks = x.shape[:-rank], geometry.weight_shape[2:], geometry.output_shape[-rank:]
    columns = (math.prod(kernel) * lead[-1], math.prod(blocks))
    y = x.runtime.empty((*lead[:-1], *columns), x.dtype)
    if y.size == 0:
        return y
    runtime = x.runtime
    batch = _batched(x, rank)
    variant = "unfold_f16" if x.dtype == np.float16 else "unfold_bits"

    def run(parts: list[GpuArray]) -> Step:
        source, target = runtime.bind(parts[0]), runtime.bind(parts[1])
        size = parts[1].size
        words = _pack(geometry, size, lead[-1], source.first, target.first, parts[0].strides)
        return send(variant, words, (source,), (target,), size)

    step = by_batch([batch, _rows(y, batch.shape[0], columns)], run)
    keep(key, step, (y,))
    return y


def fold(geometry: Geometry, columns: GpuArray) -> GpuArray:
    """Sum columns back into an array of the input shape of `geometry`: the gradient of `unfold`.

    Raises DtypeError for other dtypes than float32 and float16.
    """
    if columns.dtype.kind != "f":
        raise DtypeError(f"fold on the GPU takes float32 or float16, but got {columns.dtype.name}")
    key = ("fold", geometry, layout_key(columns))
    known = replay(key, columns.runtime, (columns,))
    if known is not None:
        return known[0]
    rank = geometry.rank
    shape = geometry.input_shape
    lead, runtime = shape[:-rank], columns.runtime
    y = runtime.empty(shape, columns.dtype)
    if y.size == 0:
        return y
    variant = f"fold_{type_name(columns.dtype)}"

    def run(parts: list[GpuArray]) -> Step:
        source, target = runtime.bind(parts[0]), runtime.bind(parts[1])
        size, (n, row, window) = parts[1].size, parts[0].strides
        words = _pack(geometry, size, lead[-1], source.first, target.first, (n, row, 0, 0, window))
        return send(variant, words, (source,), (target,), size)

    batch = _batched(y, rank)
    samples = (
        columns
        if columns.ndim == 3
        else columns.view((1, *columns.shape), (0, *columns.strides), columns.offset)
    )
    step = by_batch([samples, batch], run)
    keep(key, step, (y,))
    return y


def _batched(x: GpuArray, rank: int) -> GpuArray:
    """`x` as (n, c, d, h, w), channels never taken for the batch."""
    split, fill = x.ndim - rank, 3 - rank
    shape, strides = x.shape, x.strides
    lead = ((1,), (0,)) if split == 1 else ((), ())
    return x.view(
        (*lead[0], *shape[:split], *(1,) * fill, *shape[split:]),
        (*lead[1], *strides[:split], *(0,) * fill, *strides[split:]),
        x.offset,
    )


def _rows(y: GpuArray, n: int, columns: tuple[int, int]) -> GpuArray:
    return y.view((n, *columns), dense_strides((n, *columns)), 0)


def _pack(
    geometry: Geometry, size: int, channels: int, x_first: int, y_first: int, strides: tuple[int, ...]
) -> bytes:
    fill = 3 - geometry.rank

    def three(values: Any, missing: int) -> tuple[int, ...]:
        return (*(missing,) * fill, *values)

    n, c, d, h, w = (step & _MASK for step in strides)
    low = [pad[0] for pad in geometry.padding]
    return _words.pack(
        size,
        channels,
        *three(geometry.input_shape[-geometry.rank :], 1),
        *three(geometry.output_shape[-geometry.rank :], 1),
        *three(geometry.weight_shape[2:], 1),
        x_first,
        *three(geometry.stride, 1),
        y_first,
        *three(geometry.dilation, 1),
        n,
        *three(low, 0),
        c,
        *(d, h, w, 0),
    )
