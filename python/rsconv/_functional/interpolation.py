"""Resizing by nearest elements, linear and cubic interpolation, or means of areas."""

import math
import numbers
from typing import Any

import numpy as np

from ..backends.taps import resize_taps
from ..errors import ArgumentError, DtypeError, ShapeError
from . import pooling
from .arrays import ArrayLike, Result, operands
from .sizes import each

__all__ = ["interpolate", "upsample"]

# The number of spatial dimensions of each mode (None: any of 1 to 3), and the rule along each axis.
_MODES: dict[str, tuple[int | None, str]] = {
    "nearest": (None, "nearest"),
    "nearest-exact": (None, "nearest-exact"),
    "linear": (1, "linear"),
    "bilinear": (2, "linear"),
    "bicubic": (2, "cubic"),
    "trilinear": (3, "linear"),
    "area": (None, "area"),
}


def interpolate(
    input: ArrayLike,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Result:
    """Resize the spatial dimensions of `input` (N, C, *S), 1 to 3 of them, to `size` or by `scale_factor`.

    Both are one number, or one for each dimension; the new size is `floor(S * scale_factor)`. Modes:
    'nearest' (the element at `floor(i / scale)`), 'nearest-exact' (nearest to the middle), 'linear',
    'bilinear', 'trilinear' for 1, 2 and 3 dimensions, 'bicubic' (2; a = -0.75), 'area' (means, as
    `adaptive_avg_pool2d`). With `align_corners` the first and last elements keep their values; without, the
    outer borders of the elements are aligned. Positions are computed with `scale_factor`, or if
    `recompute_scale_factor` with the ratio of the sizes. Floating-point dtypes; the nearest modes take all.
    Behaviour of PyTorch's interpolate, without `antialias`; an element of weight zero is left out, so that an
    infinite one does not make NaN of its neighbour.

    >>> interpolate([[[1.0, 2.0]]], scale_factor=2)
    array([[[1., 1., 2., 2.]]])
    >>> interpolate([[[1.0, 4.0]]], 4, mode="linear", align_corners=True)
    array([[[1., 2., 3., 4.]]])

    Raises ShapeError for an input of another rank than the mode's, or that leaves no output, ArgumentError
    unless one of `size` and `scale_factor` is given, for an unknown mode, for `align_corners` with a mode
    that has none, DtypeError for whole numbers.
    """
    call = operands(input=input)
    x = call.arrays[0]
    if mode not in _MODES:
        raise ArgumentError(f"mode must be one of {', '.join(map(repr, _MODES))}, but got mode={mode!r}")
    wanted, rule = _MODES[mode]
    rank = x.ndim - 2
    if not 1 <= rank <= 3 or rank != (wanted or rank):
        dims = f"{wanted + 2}D" if wanted else "3D, 4D or 5D"
        raise ShapeError(f"Got {x.ndim}D input of size {list(x.shape)}, but {mode} mode needs {dims} input")
    if antialias:
        raise ArgumentError(f"antialias=True is not supported, in mode={mode!r} or any other")
    if align_corners is not None and rule not in ("linear", "cubic"):
        raise ArgumentError(
            "align_corners can only be set with the interpolating modes linear, bilinear, bicubic and "
            "trilinear, "
            f"but got align_corners={align_corners} with mode={mode!r}"
        )
    sizes, scales = _sizes(x.shape[2:], size, scale_factor, recompute_scale_factor)
    if min(*x.shape[1:], *sizes) < 1:
        raise ShapeError(
            f"Input and output sizes should be greater than 0, but got input of size {list(x.shape)} and "
            "output "
            f"sizes {list(sizes)}"
        )
    if rule == "area":
        pool = (pooling.adaptive_avg_pool1d, pooling.adaptive_avg_pool2d, pooling.adaptive_avg_pool3d)[
            rank - 1
        ]
        return pool(input, sizes)
    if x.dtype.kind != "f" and rule in ("linear", "cubic"):
        raise DtypeError(f"mode={mode!r} needs a floating-point input, but got {x.dtype}")
    axes = zip(x.shape[2:], sizes, scales, strict=True)
    taps = [resize_taps(rule, n, out, scale, bool(align_corners)) for n, out, scale in axes]
    return pooling.resample(call, input, taps)


def upsample(
    input: ArrayLike,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: Any = None,
) -> Result:
    """`interpolate` under PyTorch's former name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def _sizes(
    own: tuple[int, ...], size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The output sizes, and the scales that positions are computed with."""
    rank = len(own)
    if (size is None) == (scale_factor is None):
        raise ArgumentError(
            f"one of size or scale_factor should be defined, but got size={size}, scale_factor={scale_factor}"
        )
    if size is not None:
        if recompute:
            raise ArgumentError(
                f"recompute_scale_factor is not meaningful with an explicit size, but got size={size}"
            )
        if isinstance(size, (list, tuple)) and len(size) != rank:
            raise ArgumentError(
                "Input and output must have the same number of spatial dimensions, but got input with "
                "spatial "
                f"dimensions of {list(own)} and output size of {size}"
            )
        return each("size", size, rank, None), (None,) * rank
    given = tuple(scale_factor) if np.iterable(scale_factor) else (scale_factor,) * rank
    if len(given) != rank or not all(isinstance(s, numbers.Real) and 0 < float(s) < math.inf for s in given):
        raise ArgumentError(
            f"scale_factor must be {rank} positive numbers or one for all, as input has spatial dimensions "
            "of "
            f"{list(own)}, but got scale_factor={scale_factor}"
        )
    scales = tuple(float(scale) for scale in given)
    sizes = tuple(math.floor(n * scale) for n, scale in zip(own, scales, strict=True))
    return sizes, (None,) * rank if recompute else scales
