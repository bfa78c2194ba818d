"""PyTorch's convolutions for NumPy: ndarray in, ndarray out.

`rsconv.functional` has the functions, `rsconv.nn` the layers that own weights, `rsconv.Tensor` an array with
PyTorch's methods.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import errors, functions, nn, random
from . import functional as functional
from ._core import __version__, get_num_threads, set_num_threads
from .autograd import enable_grad, inference_mode, no_grad
from .creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    rand,
    rand_like,
    randn,
    randn_like,
    tensor,
    zeros,
    zeros_like,
)
from .device import device
from .dtypes import (
    bool,
    complex64,
    complex128,
    double,
    dtype,
    float,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    int,
    int8,
    int16,
    int32,
    int64,
    long,
    short,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .errors import (
    ArgumentError,
    DeviceError,
    DtypeError,
    GpuError,
    InternalError,
    OutOfMemoryError,
    ShapeError,
    WeightsError,
)
from .explain import explain
from .functions import *  # noqa: F403 (its `__all__` lists PyTorch's tensor functions)
from .logs import configure
from .names import missing_attribute
from .parameter import Parameter
from .prepare import prepare
from .random import manual_seed
from .shaping import flatten, permute, reshape, squeeze, transpose, unsqueeze
from .tensor import Tensor

if TYPE_CHECKING:
    from . import gpu, optim
    from .device_list import devices
    from .io import load, save

__all__ = [
    "ArgumentError",
    "DeviceError",
    "DtypeError",
    "GpuError",
    "InternalError",
    "OutOfMemoryError",
    "Parameter",
    "ShapeError",
    "Tensor",
    "WeightsError",
    "__version__",
    "arange",
    "as_tensor",
    "bool",
    "complex64",
    "complex128",
    "device",
    "devices",
    "double",
    "dtype",
    "empty",
    "empty_like",
    "enable_grad",
    "errors",
    "explain",
    "eye",
    "flatten",
    "float",
    "float16",
    "float32",
    "float64",
    "from_numpy",
    "full",
    "full_like",
    "functional",
    "get_default_dtype",
    "get_num_threads",
    "gpu",
    "half",
    "inference_mode",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "linspace",
    "load",
    "long",
    "manual_seed",
    "nn",
    "no_grad",
    "ones",
    "ones_like",
    "optim",
    "permute",
    "prepare",
    "rand",
    "rand_like",
    "randn",
    "randn_like",
    "random",
    "reshape",
    "save",
    "set_num_threads",
    "short",
    "squeeze",
    "tensor",
    "transpose",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "unsqueeze",
    "zeros",
    "zeros_like",
    *functions.__all__,
]

# Names whose modules import more than NumPy: fetched when they are first asked for.
_LAZY = {"devices": ".device_list", "load": ".io", "save": ".io"}
_MODULES = frozenset(("gpu", "optim"))

configure()


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name], __name__), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    raise missing_attribute(f"module {__name__!r}", name, __all__)


def __dir__() -> list[str]:
    return sorted(__all__)
