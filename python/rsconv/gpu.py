"""GPUs in use: their memory, waiting for them, and sharing them with other libraries over wgpu-py.

`rsconv.devices()` lists what there is, `rsconv.device("gpu")` chooses.
"""

from typing import Any, NamedTuple

import numpy as np

from .backends import backend_of
from .backends import gpu as _gpu
from .backends.gpu.timing import Timer
from .device import device as Device
from .dtypes import check_dtype
from .errors import ArgumentError, DeviceError, ShapeError
from .tensor import Tensor

__all__ = [
    "SharedBuffer",
    "buffer_of",
    "empty_cache",
    "from_buffer",
    "memory_stats",
    "reset",
    "set_memory_limit",
    "synchronize",
    "timer",
    "use_device",
]

Name = str | Device | None


class SharedBuffer(NamedTuple):
    """A Tensor's memory as `buffer_of` lends it.

    `buffer` is a GPUBuffer of wgpu-py; the element [0, .., 0] stands at element `offset` of it, and `strides`
    count elements, too. bool takes a u32 for each element. The memory stays the Tensor's for as long as this
    object lives, so keep it while the buffer is in use.
    """

    buffer: Any
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: Any


def memory_stats(device: Name = None) -> dict[str, int]:
    """Counts for one GPU, by default the sum over those in use.

    Bytes: `bytes_in_use` by Tensors and what kernels keep, `bytes_pooled` in free buffers that are kept for
    later, `bytes_peak` the most in use at a time, `bytes_uploaded`, `bytes_downloaded`. Buffers: `buffers`
    that exist, `buffers_created` so far. `bind_groups` that exist and `bind_groups_created`, `pipelines`
    compiled, `dispatches` of kernels, and `submits` of batches of them.

    Raises DeviceError for a device that is not available.
    """
    counts: dict[str, int] = {}
    for backend in _backends(device):
        for name, value in backend.runtime.stats().items():
            counts[name] = counts.get(name, 0) + value
    return counts


def set_memory_limit(limit: int | None, device: Name = None) -> None:
    """Allocate at most `limit` bytes on a GPU, by default on each that is in use; None lifts the limit.

    Free buffers go first; where those in use leave no room, an operator raises OutOfMemoryError. The variable
    RSCONV_GPU_MEMORY_LIMIT sets it from the start.

    Raises DeviceError for a device that is not available, ArgumentError for a limit that is not positive.
    """
    if limit is not None and (not isinstance(limit, (int, np.integer)) or limit <= 0):
        raise ArgumentError(f"limit={limit!r} must be a positive number of bytes, or None")
    for backend in _backends(device):
        backend.runtime.pool.set_limit(None if limit is None else int(limit))


def empty_cache(device: Name = None) -> None:
    """Give free buffers back to the driver, by default on all GPUs in use."""
    for backend in _backends(device):
        backend.runtime.empty_cache()


def synchronize(device: Name = None) -> None:
    """Wait until a GPU, by default each that is in use, has done all work that it was given.

    Raises GpuError if the device is lost.
    """
    for backend in _backends(device):
        backend.runtime.synchronize()


def timer(device: str | Device = "gpu") -> Timer:
    """A context manager whose `seconds`, afterwards, are what the GPU worked for the calls within.

    By the device's own clock (`on_device` is true) where the adapter has timestamps, else by the host's.

    Raises DeviceError for a device that is not available.
    """
    return Timer(_backends(device)[0].runtime)


def reset(device: Name = None) -> None:
    """Open a GPU, by default each that is in use, afresh, as after the loss of the device.

    All Tensors there are lost, and raise GpuError when they are used.
    """
    for backend in _backends(device):
        _gpu.reset(backend)


def use_device(device: Any) -> Device:
    """Run on a GPUDevice of wgpu-py that another library has: `wgpu.utils.device.get_default_device()`.

    From then on the names of its adapter mean it, and Tensors and that library can share buffers. Gives the
    rsconv.device. Devices made without the feature shader-f16 have no float16.

    Raises DeviceError if the GPU is in use through another device already.
    """
    if not all(hasattr(device, name) for name in ("adapter", "limits", "features", "queue")):
        raise DeviceError(f"use_device needs a GPUDevice of wgpu, but got {type(device).__name__}")
    return Device._of(_gpu.adopt(device))


def from_buffer(
    buffer: Any,
    shape: tuple[int, ...],
    dtype: Any,
    strides: tuple[int, ...] | None = None,
    offset: int = 0,
) -> Tensor:
    """A Tensor over a GPUBuffer of wgpu-py, without a copy.

    The buffer must belong to a device in use (see `use_device`) and allow the usages STORAGE, COPY_SRC and
    COPY_DST. `strides` (default: C order) and `offset` count elements; bool takes a u32 for each. What other
    code submits to the device's queue before is seen, and it sees what is submitted after `synchronize()`.

    Raises DeviceError, DtypeError, or ShapeError if the buffer is too small.
    """
    usage = getattr(buffer, "usage", None)
    if usage is None or not hasattr(buffer, "size"):
        raise ArgumentError(f"from_buffer needs a GPUBuffer of wgpu, but got {type(buffer).__name__}")
    # Without wgpu-py's word for its device, wgpu itself refuses a buffer of another one.
    found = _gpu.opened()
    if hasattr(buffer, "_device"):
        found = [backend for backend in found if backend.runtime.device is buffer._device]
    if not found:
        raise DeviceError("from_buffer got a buffer of a device that is not in use: call use_device() first")
    made = found[0].runtime.adopt(buffer, tuple(shape), check_dtype(dtype), strides, offset)
    low, high = made.extent()
    if low < 0 or high * made.itemsize > buffer.size:
        raise ShapeError(
            f"shape {made.shape}, strides {made.strides} and offset {offset} of {made.dtype.name} reach from "
            f"byte {low * made.itemsize} to {high * made.itemsize}, but the buffer has {buffer.size}"
        )
    tensor = Tensor._new(made)
    tensor._storage.exposed = True
    return tensor


def buffer_of(tensor: Tensor) -> SharedBuffer:
    """The memory of a Tensor on a GPU, without a copy, after all work on it was submitted.

    Code that writes to it must not write to a Parameter's: what was packed from that would not follow.

    Raises DeviceError for a Tensor that is not on a GPU.
    """
    array = tensor._array
    if not isinstance(array, _gpu.GpuArray):
        raise DeviceError(f"buffer_of needs a Tensor on a GPU, but got one on {backend_of(array).name}")
    if not tensor._storage.protected:
        tensor._storage.exposed = True
    array.runtime.flush()
    raw = array.buffer.block.raw
    return SharedBuffer(raw, array.offset, array.shape, array.strides, array.dtype, array)


def _backends(device: Name) -> list[_gpu.GpuBackend]:
    if device is None:
        return _gpu.opened()
    backend = Device(device)._backend
    if not isinstance(backend, _gpu.GpuBackend):
        raise DeviceError(f"device {str(device)!r} is not a GPU")
    return [backend]
