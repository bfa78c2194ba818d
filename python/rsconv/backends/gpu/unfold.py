"""Windows as columns, and back."""

import math
import struct
from typing import Any

import numpy as np

from ..._core import Geometry
from ...errors import DtypeError
from .array import GpuArray, dense_strides
from .dispatches import Dispatch, send
from .layout import copy
from .regions import TAP_WORK, Box, Operand, Part, by_regions
from .strided import type_name

__all__ = ["fold", "unfold"]

_words = struct.Struct("<40I")
_MASK = 0xFFFFFFFF
_FLOAT32 = np.dtype(np.float32)


class _Sizes:
    """What `geometry` says of each of three axes."""

    def __init__(self, geometry: Geometry) -> None:
        rank = geometry.rank
        fill = 3 - rank

        def three(values: Any, missing: int) -> tuple[int, ...]:
            return (*(missing,) * fill, *values)

        self.rank = rank
        self.size = three(geometry.input_shape[-rank:], 1)
        self.out = three(geometry.output_shape[-rank:], 1)
        self.kernel = three(geometry.weight_shape[2:], 1)
        self.stride = three(geometry.stride, 1)
        self.dilation = three(geometry.dilation, 1)
        self.low = three([pad[0] for pad in geometry.padding], 0)

    def batched(self, x: GpuArray) -> GpuArray:
        """`x` as (n, c, d, h, w)."""
        split, fill = x.ndim - self.rank, 3 - self.rank
        n = ((1,), (0,)) if split == 1 else ((), ())
        return x.view(
            (*n[0], *x.shape[:split], *(1,) * fill, *x.shape[split:]),
            (*n[1], *x.strides[:split], *(0,) * fill, *x.strides[split:]),
            x.offset,
        )

    def columns(self, x: GpuArray, channels: int) -> GpuArray:
        """Columns as (n, c, kernel's d, h, w, windows' d, h, w)."""
        *n, _, _ = x.shape
        *n_step, row, window = x.strides
        kernel, out = dense_strides(self.kernel), dense_strides(self.out)
        return x.view(
            (*(n or (1,)), channels, *self.kernel, *self.out),
            (
                *(n_step or (0,)),
                math.prod(self.kernel) * row,
                *[step * row for step in kernel],
                *[step * window for step in out],
            ),
            x.offset,
        )

    def elements(self, box: Box) -> Box:
        """The elements that some columns show."""
        starts, sizes = [], []
        for axis in range(3):
            tap, window = box.starts[2 + axis], box.starts[5 + axis]
            step, jump = self.dilation[axis], self.stride[axis]
            start = window * jump + tap * step - self.low[axis]
            stop = start + (box.sizes[5 + axis] - 1) * jump + (box.sizes[2 + axis] - 1) * step + 1
            start, stop = max(start, 0), min(stop, self.size[axis])
            starts.append(min(start, max(stop, 0)))
            sizes.append(max(stop - start, 0))
        return Box((*box.starts[:2], *starts), (*box.sizes[:2], *sizes))

    def shown(self, box: Box) -> Box:
        """The columns that may show some elements of (n, c, kernel, d, h, w) by some taps."""
        starts, sizes = [], []
        for axis in range(3):
            first = box.starts[5 + axis] + self.low[axis] - box.starts[2 + axis] * self.dilation[axis]
            reach = (box.sizes[2 + axis] - 1) * self.dilation[axis]
            start = max(-((reach - first) // self.stride[axis]), 0)
            stop = min((first + box.sizes[5 + axis] - 1) // self.stride[axis] + 1, self.out[axis])
            starts.append(min(start, max(stop, 0)))
            sizes.append(max(stop - start, 0))
        return Box((*box.starts[:5], *starts), (*box.sizes[:5], *sizes))


def unfold(geometry: Geometry, x: GpuArray) -> GpuArray:
    """Columns `(N, C * prod(k), L)` of the windows of `geometry`."""
    sizes = _Sizes(geometry)
    lead, runtime = x.shape[: -sizes.rank], x.runtime
    y = runtime.empty((*lead[:-1], math.prod(sizes.kernel) * lead[-1], math.prod(sizes.out)), x.dtype)
    if y.size == 0:
        return y
    variant = "unfold_f16" if x.dtype == np.float16 else "unfold_bits"

    def run(box: Box, parts: list[Part]) -> Dispatch:
        to, seen = parts
        target, source = runtime.bind(to.view), runtime.bind(seen.view)
        # The place of the first tap of the first window.
        low = [
            sizes.low[axis]
            - box.starts[5 + axis] * sizes.stride[axis]
            - box.starts[2 + axis] * sizes.dilation[axis]
            for axis in range(3)
        ]
        words = _pack(
            *(math.prod(box.sizes), box.sizes[1], *sizes.size, *box.sizes[5:], *box.sizes[2:5]),
            *(seen.origin(source.first, (2, 3, 4)), *sizes.stride, target.first, *sizes.dilation),
            *(seen.view.strides[0], *low, *seen.view.strides[1:]),
            *(*to.view.strides[:2], *to.view.strides[5:], *to.view.strides[2:5], source.first, 0),
        )
        return send(variant, words, (source,), (target,), math.prod(box.sizes))

    columns = sizes.columns(y, lead[-1])
    operands = [Operand(columns), Operand(sizes.batched(x), sizes.elements)]
    by_regions(columns.shape, operands, run)
    return y


def fold(geometry: Geometry, columns: GpuArray) -> GpuArray:
    """Sum columns back into an array of the input shape of `geometry`: the gradient of `unfold`.

    Raises DtypeError for other dtypes than float32 and float16.
    """
    if columns.dtype.kind != "f":
        raise DtypeError(f"fold on the GPU takes float32 or float16, but got {columns.dtype.name}")
    runtime = columns.runtime
    if columns.dtype != _FLOAT32 and columns.buffer.block.size > runtime.max_binding:
        # Sums over some taps after the others are float32.
        return copy(fold(geometry, copy(columns, _FLOAT32)), columns.dtype)
    sizes = _Sizes(geometry)
    y = runtime.empty(geometry.input_shape, columns.dtype)
    if y.size == 0:
        return y
    variant = f"fold_{type_name(columns.dtype)}"

    def run(box: Box, parts: list[Part]) -> Dispatch:
        to, seen = parts
        target, source = runtime.bind(to.view), runtime.bind(seen.view)
        # Of the first element from the first tap.
        low = [
            sizes.low[axis] + box.starts[5 + axis] - box.starts[2 + axis] * sizes.dilation[axis]
            for axis in range(3)
        ]
        count = math.prod(box.sizes[:2] + box.sizes[5:])
        steps = seen.view.strides
        words = _pack(
            *(count, box.sizes[1], *box.sizes[5:], *sizes.out, *box.sizes[2:5]),
            *(seen.origin(source.first, (5, 6, 7)), *sizes.stride, target.first, *sizes.dilation),
            *(steps[0], *low, steps[1], 0, 0, steps[7]),
            *(*to.view.strides[:2], *to.view.strides[5:], *steps[2:5], source.first, any(box.starts[2:5])),
        )
        return send(variant, words, (source,), (target,), count)

    image = sizes.batched(y)
    shape = (*image.shape[:2], *sizes.kernel, *image.shape[2:])
    # Its sums run over the kernel.
    summed = image.view(shape, (*image.strides[:2], 0, 0, 0, *image.strides[2:]), image.offset)
    operands = [Operand(summed), Operand(sizes.columns(columns, shape[1]), sizes.shown)]
    by_regions(shape, operands, run, work=lambda sizes: TAP_WORK * math.prod(sizes))
    return y


def _pack(*words: int) -> bytes:
    """The uniform block of `unfold.wgsl`; what is negative wraps as the shader's numbers do."""
    return _words.pack(*[word & _MASK for word in words], *(0,) * (40 - len(words)))
