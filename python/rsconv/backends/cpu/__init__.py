"""The CPU: `_core`'s kernels on ndarrays. Nothing else calls them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .conv import (
    conv,
    conv_input_grad,
    conv_of,
    conv_weight_grad,
    explain,
    pack,
)
from .dropout import dropout
from .elementwise import elementwise
from .gather import gather, scatter_add
from .indexing import identity, index, index_assign, strides
from .layout import fold, pad, pad_grad, unfold
from .matmul import matmul
from .pooling import max_pool, max_pool_grad
from .reduction import arg_reduce, moments, reduce, softmax
from .resample import resample
from .update import update
from .views import assign, concatenate, contiguous, copy, empty, expand, full, permute, reshape, slice

__all__ = [
    "arg_reduce",
    "assign",
    "by_plan",
    "concatenate",
    "contiguous",
    "conv",
    "conv_input_grad",
    "conv_of",
    "conv_weight_grad",
    "copy",
    "download",
    "dropout",
    "elementwise",
    "empty",
    "expand",
    "explain",
    "fold",
    "full",
    "gather",
    "hardware",
    "identity",
    "index",
    "index_assign",
    "index_dtype",
    "matmul",
    "max_pool",
    "max_pool_grad",
    "moments",
    "name",
    "pack",
    "pad",
    "pad_grad",
    "permute",
    "reduce",
    "resample",
    "reshape",
    "scatter_add",
    "slice",
    "softmax",
    "strides",
    "unfold",
    "update",
    "upload",
]

Array = NDArray[Any]
name = hardware = "cpu"
index_dtype = np.dtype(np.int64)


def upload(array: Array) -> Array:
    """The array itself."""
    return array


def by_plan(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    run: Callable[[], Any] | None = None,
) -> Any:
    """The result of the call; nothing is remembered."""
    return function(*args, **kwargs) if run is None else run()


def download(x: Array) -> Array:
    """The array itself."""
    return np.asarray(x)
