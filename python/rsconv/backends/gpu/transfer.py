"""Arrays to the device and back."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .array import GpuArray, dense_strides
from .layout import contiguous

if TYPE_CHECKING:
    from .runtime import Runtime

__all__ = ["download", "upload"]


def upload(runtime: "Runtime", array: NDArray[Any]) -> GpuArray:
    """A host array on the device: in its own memory order if it has no gaps, else in C order.

    Raises DtypeError for a dtype that the device lacks, OutOfMemoryError.
    """
    dtype = runtime.check_dtype(array.dtype)
    order = _dense_order(array)
    result = runtime.empty(array.shape, dtype, order)
    stored = np.dtype(np.uint32) if dtype == np.bool_ else dtype
    in_memory = array if order is None else array.transpose(order)
    runtime.write(result, np.ascontiguousarray(in_memory, stored))
    return result


def download(x: GpuArray) -> NDArray[Any]:
    """An array of the device, of any strides, as a base ndarray in C order. Waits for it."""
    x = contiguous(x)
    result = np.empty(x.shape, x.dtype)
    x.runtime.read(x.buffer, x.offset * x.itemsize, result)
    return result


def _dense_order(array: NDArray[Any]) -> tuple[int, ...] | None:
    """The axes, outermost first, of an array without gaps in another order than C's; else None."""
    if array.flags.c_contiguous or array.ndim < 2:
        return None
    order = tuple(sorted(range(array.ndim), key=lambda axis: -array.strides[axis]))
    dense = dense_strides(array.shape, order)
    item = array.itemsize
    same = all(
        length == 1 or stride == step * item
        for length, stride, step in zip(array.shape, array.strides, dense, strict=True)
    )
    return order if same else None
