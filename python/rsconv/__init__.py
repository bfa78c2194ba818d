"""PyTorch's convolutions for NumPy: ndarray in, ndarray out.

`rsconv.functional` has the functions, `rsconv.nn` the layers that own weights, `rsconv.Tensor` an array with
PyTorch's methods.
"""

import importlib
import math
from typing import TYPE_CHECKING, Any

from . import autograd, errors, functions, methods, nn, random
from . import functional as functional
from ._core import __version__, get_num_threads, set_num_threads
from .autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .creation import (
    arange,
    as_tensor,
    bernoulli,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    normal,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
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
    finfo,
    float,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    iinfo,
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
    GradientError,
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
from .profiling import profiler
from .queries import (
    _assert as _assert,
)
from .queries import (
    broadcast_shapes,
    clone,
    detach,
    is_complex,
    is_floating_point,
    is_tensor,
    numel,
)
from .random import manual_seed
from .shaping import (
    flatten,
    movedim,
    permute,
    ravel,
    reshape,
    select,
    squeeze,
    t,
    transpose,
    unflatten,
    unsqueeze,
)
from .size import Size
from .tensor import Tensor

if TYPE_CHECKING:
    from . import cuda, data, fx, gpu, hub, jit, optim, utils
    from .device_list import devices
    from .io import load, save

__all__ = [
    "e",
    "inf",
    "nan",
    "pi",
    "ArgumentError",
    "DeviceError",
    "DtypeError",
    "GpuError",
    "GradientError",
    "InternalError",
    "OutOfMemoryError",
    "Parameter",
    "ShapeError",
    "Size",
    "Tensor",
    "WeightsError",
    "__version__",
    "arange",
    "as_tensor",
    "asarray",
    "bernoulli",
    "autograd",
    "bool",
    "broadcast_shapes",
    "channels_last",
    "channels_last_3d",
    "clone",
    "complex128",
    "complex64",
    "contiguous_format",
    "cuda",
    "data",
    "detach",
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
    "finfo",
    "flatten",
    "float",
    "float16",
    "float32",
    "float64",
    "from_numpy",
    "full",
    "full_like",
    "functional",
    "fx",
    "get_default_dtype",
    "get_num_threads",
    "gpu",
    "half",
    "hub",
    "iinfo",
    "inference_mode",
    "int",
    "int16",
    "int32",
    "int64",
    "int8",
    "is_complex",
    "is_floating_point",
    "is_tensor",
    "jit",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "linspace",
    "load",
    "long",
    "manual_seed",
    "moveaxis",
    "movedim",
    "nn",
    "no_grad",
    "normal",
    "numel",
    "ones",
    "ones_like",
    "optim",
    "permute",
    "prepare",
    "profiler",
    "preserve_format",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "random",
    "randperm",
    "ravel",
    "reshape",
    "save",
    "select",
    "set_grad_enabled",
    "set_num_threads",
    "short",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "tensor",
    "transpose",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
    "unflatten",
    "unsqueeze",
    "utils",
    "zeros",
    "zeros_like",
    *functions.__all__,
]

methods.attach()
asarray, swapaxes, swapdims, moveaxis = as_tensor, transpose, transpose, movedim
e, inf, nan, pi = math.e, math.inf, math.nan, math.pi
# Layouts are the library's own choice; code that asks for one goes on.
contiguous_format, preserve_format = "contiguous_format", "preserve_format"
channels_last, channels_last_3d = "channels_last", "channels_last_3d"

# Names whose modules import more than NumPy: fetched when they are first asked for.
_LAZY = {"devices": ".device_list", "load": ".io", "save": ".io"}
_MODULES = frozenset(("cuda", "data", "fx", "gpu", "hub", "jit", "optim", "utils"))

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
