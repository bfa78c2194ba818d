"""The operators on a GPU, over WGSL and wgpu-py.

`open` gives the operators of the device that a name means. Kernels are functions over `GpuArray`, one module
for each family, that `GpuBackend` collects.
"""

from .adapters import Adapter, adapters
from .array import Binding, GpuArray
from .backend import GpuBackend
from .devices import adopt, device_name, open, opened, reset
from .runtime import Runtime

__all__ = [
    "Adapter",
    "Binding",
    "GpuArray",
    "GpuBackend",
    "Runtime",
    "adapters",
    "adopt",
    "device_name",
    "open",
    "opened",
    "reset",
]
