"""Padding, unfolding and folding on the CPU: pure layout, so NumPy moves the data.

Sums accumulate float16 in float32.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ..._core import Geometry

Array = NDArray[Any]
Pads = tuple[tuple[int, int], ...]


def pad(x: Array, pads: Pads, mode: str, value: Any = 0) -> Array:
    """Crop by negative pads, then extend axis after axis, so that filled borders give the corners."""
    core = x[_crop(x.shape, pads)]
    grown = [(max(low, 0), max(high, 0)) for low, high in pads]
    shape = [low + size + high for (low, high), size in zip(grown, core.shape, strict=True)]
    out = np.empty(shape, x.dtype.newbyteorder("="))
    region = [slice(low, low + size) for (low, _), size in zip(grown, core.shape, strict=True)]
    out[tuple(region)] = core
    for axis, (low, high) in enumerate(grown):
        for border, source in _borders(low, core.shape[axis], high, mode):
            region[axis] = border
            target = out[tuple(region)]
            region[axis] = source
            target[...] = value if mode == "constant" else out[tuple(region)]
        region[axis] = slice(None)
    return out


def pad_grad(grad_output: Array, pads: Pads, mode: str) -> Array:
    """Undo `pad`: add each border to what it was copied from, axis by axis in the reverse order, and crop."""
    grown = [(max(low, 0), max(high, 0)) for low, high in pads]
    sizes = [size - low - high for size, (low, high) in zip(grad_output.shape, grown, strict=True)]
    total = _accumulator(grad_output)
    if mode != "constant":
        region = [slice(None)] * total.ndim
        for axis in reversed(range(total.ndim)):
            low, high = grown[axis]
            for border, source in _borders(low, sizes[axis], high, mode):
                region[axis] = border
                share = total[tuple(region)]
                region[axis] = source
                total[tuple(region)] += share.sum(axis, keepdims=True) if mode == "replicate" else share
            region[axis] = slice(low, low + sizes[axis])
    inner = tuple(slice(low, low + size) for (low, _), size in zip(grown, sizes, strict=True))
    shape = [size - min(low, 0) - min(high, 0) for size, (low, high) in zip(sizes, pads, strict=True)]
    grad = np.zeros(shape, grad_output.dtype.newbyteorder("="))
    grad[_crop(tuple(shape), pads)] = total[inner]
    return grad


def unfold(geometry: Geometry, x: Array) -> Array:
    """Copy every window of `geometry` into a column: `(N, C, *S)` to `(N, C * prod(k), L)`."""
    rank, kernel, blocks = geometry.rank, geometry.weight_shape[2:], geometry.output_shape[-geometry.rank :]
    x = pad(x, _spatial_pads(geometry), "constant") if any(map(any, geometry.padding)) else x
    lead, steps = x.shape[:-rank], x.strides[-rank:]
    windows = as_strided(
        x,
        (*lead, *kernel, *blocks),
        (
            *x.strides[:-rank],
            *(step * d for step, d in zip(steps, geometry.dilation, strict=True)),
            *(step * s for step, s in zip(steps, geometry.stride, strict=True)),
        ),
        writeable=False,
    )
    columns = np.empty(windows.shape, x.dtype.newbyteorder("="))
    columns[...] = windows
    return columns.reshape(*lead[:-1], lead[-1] * int(np.prod(kernel)), int(np.prod(blocks)))


def fold(geometry: Geometry, columns: Array) -> Array:
    """Add every column back to where `unfold` took it from."""
    rank, kernel, blocks = geometry.rank, geometry.weight_shape[2:], geometry.output_shape[-geometry.rank :]
    lead = geometry.input_shape[:-rank]
    pads = geometry.padding
    sizes = [low + n + high for n, (low, high) in zip(geometry.input_shape[-rank:], pads, strict=True)]
    values = columns.reshape(*lead, *kernel, *blocks)
    total = np.zeros((*lead, *sizes), _accumulation_dtype(columns.dtype))
    index: Any
    for tap in np.ndindex(*kernel):
        windows = tuple(
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, d, s, n in zip(tap, geometry.dilation, geometry.stride, blocks, strict=True)
        )
        index = (..., *windows)
        total[index] += values[(..., *tap, *(slice(None),) * rank)]
    index = (..., *(slice(low, size - high) for size, (low, high) in zip(sizes, pads, strict=True)))
    return np.ascontiguousarray(total[index], columns.dtype.newbyteorder("="))


def _crop(shape: tuple[int, ...], pads: Pads) -> tuple[slice, ...]:
    return tuple(
        slice(max(-low, 0), size - max(-high, 0)) for size, (low, high) in zip(shape, pads, strict=True)
    )


def _borders(low: int, size: int, high: int, mode: str) -> Iterator[tuple[slice, slice]]:
    """`(border, source)` along an axis that holds `low`, `size` and `high` elements."""
    end = low + size
    if low:
        source = {
            "circular": slice(size, end),
            "replicate": slice(low, low + 1),
            "reflect": slice(2 * low, low, -1),
        }
        yield slice(0, low), source.get(mode, slice(0))
    if high:
        stop = end - 2 - high
        source = {
            "circular": slice(low, low + high),
            "replicate": slice(end - 1, end),
            # A reversed slice that includes element 0 has no stop.
            "reflect": slice(end - 2, stop if stop >= 0 else None, -1),
        }
        yield slice(end, end + high), source.get(mode, slice(0))


def _spatial_pads(geometry: Geometry) -> Pads:
    return ((0, 0),) * (len(geometry.input_shape) - geometry.rank) + geometry.padding


def _accumulation_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32) if dtype.char == "e" else dtype.newbyteorder("=")


def _accumulator(array: Array) -> Array:
    return array.astype(_accumulation_dtype(array.dtype), order="C", subok=False)
