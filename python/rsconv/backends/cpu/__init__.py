"""The CPU: `_core`'s kernels on ndarrays. Nothing else calls them."""

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
    packed,
)
from .layout import fold, pad, pad_grad, unfold
from .views import assign, concatenate, contiguous, copy, expand, full, permute, reshape, slice

__all__ = [
    "assign",
    "concatenate",
    "contiguous",
    "conv",
    "conv_input_grad",
    "conv_of",
    "conv_weight_grad",
    "copy",
    "download",
    "expand",
    "explain",
    "fold",
    "full",
    "name",
    "pack",
    "packed",
    "pad",
    "pad_grad",
    "permute",
    "reshape",
    "slice",
    "unfold",
    "upload",
]

Array = NDArray[Any]
name = "cpu"


def upload(array: Array) -> Array:
    """The array itself."""
    return array


def download(x: Array) -> Array:
    """The array itself."""
    return np.asarray(x)
