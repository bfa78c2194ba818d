"""The operators of one GPU, collected from the modules of their kernels."""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core import Geometry
from . import layout, transfer
from .array import GpuArray
from .runtime import Runtime

__all__ = ["GpuBackend"]

# The module of each operator's function.
_MODULES = {
    "layout": ("reshape", "permute", "slice", "expand", "copy", "contiguous", "assign", "concatenate"),
    "elementwise": ("elementwise",),
    "reduction": ("reduce", "arg_reduce", "moments", "softmax"),
    "matmul": ("matmul",),
    "conv": ("conv", "conv_input_grad", "pack", "conv_of", "packed"),
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
    """The operators on one device; see `rsconv.backends.Backend`.

    `name` is the device's: "gpu", "gpu:1", or part of an adapter's name. The runtime is another one after
    `reset`; arrays of the former one are lost.
    """

    def __init__(self, runtime: Runtime, name: str) -> None:
        """The operators that run on `runtime`."""
        self.name = name
        self.index_dtype = np.dtype(np.int32)
        self.use(runtime)

    def use(self, runtime: Runtime) -> None:
        """Run on `runtime` from now on."""
        self.runtime = runtime
        self.hardware = runtime.adapter.name
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

    def explain(self, geometry: Geometry, dtype: np.dtype[Any], which: str) -> dict[str, Any]:
        """The plan of a pass, 'forward', 'input_grad' or 'weight_grad', without running it."""
        kernels = importlib.import_module(
            f".{'weight_grad' if which == 'weight_grad' else 'conv'}", __package__
        )
        plan: dict[str, Any] = kernels.explain(self.runtime, geometry, np.dtype(dtype), which)
        return plan

    def __getattr__(self, name: str) -> Any:
        """The function of an operator, from its module."""
        if name not in _MODULE_OF:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        module = importlib.import_module(f"{__package__}.{_MODULE_OF[name]}")
        function = getattr(module, name)
        setattr(self, name, function)
        return function
