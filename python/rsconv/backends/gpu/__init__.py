"""The operators on a GPU, over WGSL and wgpu-py."""

import importlib
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import layout, transfer
from .adapters import Adapter, adapters, choose
from .array import Binding, GpuArray
from .runtime import Runtime

__all__ = ["Adapter", "Binding", "GpuArray", "GpuBackend", "Runtime", "adapters", "open"]

# The module of each operator's function.
_MODULES = {
    "layout": ("reshape", "permute", "slice", "expand", "copy", "contiguous", "assign", "concatenate"),
    "elementwise": ("elementwise",),
    "reduction": ("reduce", "arg_reduce", "moments", "softmax"),
    "matmul": ("matmul",),
    "conv": ("conv", "conv_input_grad", "explain", "pack", "conv_of", "packed"),
    "weight_grad": ("conv_weight_grad",),
    "unfold": ("unfold", "fold"),
    "windows": ("max_pool", "max_pool_grad", "resample"),
    "pad": ("pad", "pad_grad"),
    "indexing": ("index", "index_assign", "strides", "identity"),
    "gather": ("gather", "scatter_add"),
    "random": ("dropout",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


class GpuBackend:
    """The operators on one device; see `rsconv.backends.Backend`."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        """The operators that run on `runtime`."""
        self.runtime, self.name = runtime, name
        self.index_dtype = np.dtype(np.int32)
        runtime.backend = self

    def upload(self, array: NDArray[Any]) -> GpuArray:
        """A host array on this device."""
        return transfer.upload(self.runtime, array)

    def download(self, x: GpuArray) -> NDArray[Any]:
        """An array of this device as a base ndarray."""
        return transfer.download(x)

    def full(self, shape: tuple[int, ...], value: Any, dtype: np.dtype[Any]) -> GpuArray:
        """A new array of one value."""
        return layout.full(self.runtime, shape, value, np.dtype(dtype))

    def __getattr__(self, name: str) -> Any:
        """The function of an operator, from its module."""
        if name not in _MODULE_OF:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        function = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        setattr(self, name, function)
        return function


_open: dict[str, GpuBackend] = {}
_lock = threading.Lock()


def open(name: str = "gpu") -> GpuBackend:
    """The operators on the device that `name` means, opened once per adapter."""
    with _lock:
        backend = _open.get(name)
        if backend is None:
            adapter = choose(name)
            known = [b for b in _open.values() if b.runtime.adapter.name == adapter.name]
            backend = _open[name] = known[0] if known else GpuBackend(_start(adapter), name)
        return backend


def _start(adapter: Adapter) -> Runtime:
    features = [name for name in ("shader-f16", "timestamp-query") if name in adapter.features]
    device = adapter.raw.request_device_sync(required_features=features)
    return Runtime(device, adapter)
