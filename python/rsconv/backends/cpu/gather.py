"""Elements by indices along an axis on the CPU, and sums into them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _core
from .bits import as_bits, from_bits

__all__ = ["gather", "scatter_add"]

Array = NDArray[Any]


def gather(x: Array, axis: int, index: Array) -> Array:
    """`y[.., i, ..] = x[.., index[.., i, ..], ..]`; raises ArgumentError for an index outside of the axis."""
    places = index.shape[axis]
    bits, width = as_bits(x)
    index = _compact(index)
    return from_bits(_core.gather(bits, axis, index[..., None] if width > 1 else index, places), x.dtype)


def scatter_add(src: Array, axis: int, index: Array, size: int) -> Array:
    """Sums of `src` where indices agree, in their order; float16 is summed in float32."""
    index = _compact(index)
    if src.dtype.kind != "c":
        return _core.scatter_add(src, axis, index, size)
    real = _core.scatter_add(src.real, axis, index, size)
    y = np.empty(real.shape, src.dtype.newbyteorder("="))
    y.real, y.imag = real, _core.scatter_add(src.imag, axis, index, size)
    return y


def _compact(index: Array) -> Array:
    """An expanded view's one element along the axes that it repeats."""
    return index[tuple(slice(0, 1) if step == 0 else slice(None) for step in index.strides)]
