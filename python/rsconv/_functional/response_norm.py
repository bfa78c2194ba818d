"""Normalization by neighbouring channels, and by root mean squares."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import shaping
from ..errors import DtypeError, ShapeError
from . import elementwise as e
from . import reductions as r
from .arrays import ArrayLike, Result
from .composed import composed
from .pad import pad
from .pooling import avg_pool2d

__all__ = ["local_response_norm", "rms_norm"]


@composed
def local_response_norm(
    input: ArrayLike, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Result:
    """`x / (k + alpha * m) ** beta`, with m the mean square of the `size` channels around that of x.

    Channels beyond the first and the last count as zeros. `input` is (N, C, *S), floating-point. Source:
    Krizhevsky et al., 2012; behaviour of PyTorch's local_response_norm.

    Raises ShapeError for less than 3 dimensions, ArgumentError unless `size` is positive.
    """
    x: Any = input
    if x.ndim < 3:
        raise ShapeError(
            f"local_response_norm expects input (N, C, *S), but got input of size {list(x.shape)}"
        )
    if 0 in x.shape:
        return e.mul(x, 1.0)
    rows = shaping.reshape(e.square(x), x.shape[0], 1, x.shape[1], -1)
    padded = pad(rows, (0, 0, size // 2, (size - 1) // 2))
    means = shaping.reshape(avg_pool2d(padded, (size, 1), 1), *x.shape)
    return e.div(x, e.pow(e.add(e.mul(means, float(alpha)), float(k)), float(beta)))


@composed
def rms_norm(
    input: ArrayLike, normalized_shape: Sequence[int], weight: ArrayLike = None, eps: float | None = None
) -> Result:
    """`x / sqrt(m + eps) * weight`, with m the mean square over the last axes, whose sizes are given.

    `weight` has the shape `normalized_shape`, and is 1 if None; `eps` is that of the dtype if None. float16
    is computed in float32. Source: Zhang and Sennrich, 2019; behaviour of PyTorch's rms_norm.

    >>> rms_norm([3.0, 4.0], (2,), eps=12.0 - 8.5).round(4)
    array([0.75, 1.  ])

    Raises ShapeError for shapes that do not match, DtypeError unless the dtype is floating-point.
    """
    x: Any = input
    sizes = shaping.sizes_of((normalized_shape,))
    if not sizes or x.shape[-len(sizes) :] != sizes:
        raise ShapeError(
            f"Given normalized_shape={list(sizes)}, expected input with shape [*, "
            f"{', '.join(map(str, sizes))}], but got input of size {list(x.shape)}"
        )
    if x.dtype.kind != "f":
        raise DtypeError(f"rms_norm needs a floating-point input, but got {x.dtype}")
    if weight is not None and tuple(weight.shape) != sizes:
        raise ShapeError(
            f"Expected weight to be of same shape as normalized_shape, but got weight of shape "
            f"{list(weight.shape)} and normalized_shape={list(sizes)}"
        )
    wide = e.astype(x, np.float32) if x.dtype == np.float16 else x
    small = float(np.finfo(x.dtype).eps) if eps is None else float(eps)
    axes = tuple(range(-len(sizes), 0))
    scale = e.rsqrt(e.add(r.mean(e.square(wide), axes, keepdim=True), small))
    y = e.astype(e.mul(wide, scale), x.dtype) if x.dtype == np.float16 else e.mul(x, scale)
    return y if weight is None else e.mul(y, weight)
