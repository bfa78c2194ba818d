"""Arrays to the device and back."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .array import GpuArray, dense_strides

if TYPE_CHECKING:
    from .runtime import Runtime

__all__ = ["download", "upload"]


def upload(runtime: "Runtime", array: NDArray[Any]) -> GpuArray:
    """A host array of any strides on the device, in C order.

    Raises DtypeError for dtypes that a GPU lacks.
    """
    dtype = runtime.check_dtype(array.dtype)
    result = runtime.empty(array.shape, dtype)
    if array.size:
        stored = np.uint32 if dtype == np.bool_ else dtype
        runtime.write(result, np.ascontiguousarray(array, dtype=stored))
    return result


def download(x: GpuArray) -> NDArray[Any]:
    """An array of the device, of any strides, as a base ndarray. Waits for it."""
    if x.size == 0:
        return np.empty(x.shape, x.dtype)
    order = x.order()
    low, high = x.extent()
    stored = np.dtype(np.uint32) if x.dtype == np.bool_ else x.dtype
    flat = np.empty(high - low, stored)
    x.runtime.read(x.buffer, low * x.itemsize, flat)
    if order is not None:
        whole = np.lib.stride_tricks.as_strided(
            flat, x.shape, [stride * stored.itemsize for stride in x.strides], writeable=True
        )
    else:
        steps = [stride * stored.itemsize for stride in x.strides]
        whole = np.lib.stride_tricks.as_strided(flat[x.offset - low :], x.shape, steps)
    result = np.ascontiguousarray(whole).reshape(x.shape)
    return result.astype(np.bool_) if x.dtype == np.bool_ else result


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in C order."""
    return dense_strides(shape)
