"""Elements at positions that a grid names: what spatial transformers and warps are made of."""

import math
from typing import Any

import numpy as np

from .. import arithmetic, shaping
from ..errors import ArgumentError, DtypeError, ShapeError
from ..tensor import Tensor
from . import elementwise as e
from .arrays import ArrayLike, Result, operands
from .composed import composed
from .indexing import gather
from .linear import matmul

__all__ = ["affine_grid", "grid_sample"]

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")
# Keys' cubic convolution, with the constant that `interpolate` has.
_CUBIC = -0.75

# Positions along one axis, and the factors of the elements there.
_Taps = list[tuple[Tensor, Tensor | None]]


@composed
def grid_sample(
    input: ArrayLike,
    grid: ArrayLike,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Result:
    """`input` (N, C, H, W) at the positions `grid` (N, H', W', 2), or (N, C, D, H, W) at (N, D', H', W', 3).

    A position is (x, y) or (x, y, z), from -1 to 1 across the image: with `align_corners` from the middle of
    the first element to that of the last, without from border to border. Modes: 'bilinear' (of 8 neighbours
    in 3-D), 'nearest' (halves to even), 'bicubic' (2-D; a = -0.75). Outside of the image there are zeros, its
    'border', or its 'reflection'. Both of one floating-point dtype; N of `grid` is that of `input`. Behaviour
    of PyTorch's grid_sample; made of other functions, so that second derivatives exist.

    >>> grid_sample([[[[1.0, 3.0]]]], [[[[0.0, 0.0], [-1.0, 0.0]]]], align_corners=True)
    array([[[[2., 1.]]]])

    Raises ShapeError for shapes that do not fit, ArgumentError for unknown modes, DtypeError for whole
    numbers or dtypes that differ.
    """
    call = operands(input=input, grid=grid)
    x, at = call.arrays
    if mode not in _MODES:
        raise ArgumentError(f"mode must be one of {', '.join(map(repr, _MODES))}, but got mode={mode!r}")
    if padding_mode not in _PADDINGS:
        raise ArgumentError(
            f"padding_mode must be one of {', '.join(map(repr, _PADDINGS))}, but got {padding_mode!r}"
        )
    rank = x.ndim - 2
    fits = rank in (2, 3) and at.ndim == x.ndim and at.shape[0] == x.shape[0] and at.shape[-1] == rank
    if not fits or (mode == "bicubic" and rank == 3) or min(x.shape[2:]) < 1:
        raise ShapeError(
            "grid_sample needs input (N, C, H, W) and grid (N, H', W', 2), or unless bicubic (N, C, D, H, W) "
            f"and (N, D', H', W', 3), but got sizes {list(x.shape)} and {list(at.shape)} with mode={mode!r}"
        )
    if x.dtype.kind != "f" or at.dtype != x.dtype:
        raise DtypeError(
            f"grid_sample needs one floating-point dtype, but got input of {x.dtype} and grid of {at.dtype}"
        )
    given = grid if isinstance(grid, Tensor) else Tensor._new(at)
    if x.dtype == np.float16:
        # Of a large image, float16 cannot name every element.
        wide = grid_sample(input.float(), given.float(), mode, padding_mode, align_corners)
        return wide.half()
    sizes, outputs = tuple(x.shape[2:]), math.prod(at.shape[1:-1])
    index_dtype = call.backend.index_dtype
    # One term for each neighbour: its number in the flat image, and its weight.
    terms: _Taps = [(Tensor._new(call.backend.full((x.shape[0], outputs), 0, x.dtype)), None)]
    for axis, size in enumerate(sizes):
        position = shaping.reshape(given[..., rank - 1 - axis], x.shape[0], outputs)
        taps = _taps(position, size, mode, padding_mode, bool(align_corners))
        terms = [
            (e.add(e.mul(flat, size), place), own if weight is None else e.mul(weight, own))
            for flat, weight in terms
            for place, own in taps
        ]
    flat_input = shaping.reshape(input, *x.shape[:2], math.prod(sizes))
    total: Any = None
    for flat, weight in terms:
        number = Tensor._new(arithmetic.cast(flat._array, index_dtype))
        wide = shaping.expand(shaping.unsqueeze(number, 1), x.shape[0], x.shape[1], outputs)
        found = gather(flat_input, 2, wide)
        found = found if weight is None else e.mul(found, shaping.unsqueeze(weight, 1))
        total = found if total is None else e.add(total, found)
    return shaping.reshape(total, *x.shape[:2], *at.shape[1:-1])


def _taps(position: Any, size: int, mode: str, padding_mode: str, align: bool) -> _Taps:
    """The elements along an axis of `size` that positions from -1 to 1 read, and their weights."""
    scaled = e.mul(e.add(position, 1.0), (size - 1) / 2 if align else size / 2)
    at = scaled if align else e.sub(scaled, 0.5)
    if mode != "bicubic":
        at = _inside(at, size, padding_mode, align)
    if mode == "nearest":
        return [_read(e.round(at), None, size, padding_mode)]
    low = e.floor(at)
    rest = e.sub(at, low)
    if mode == "bilinear":
        weights = [e.sub(1.0, rest), rest]
        steps = [0, 1]
    else:
        weights = [_far(e.add(rest, 1.0)), _near(rest), _near(e.sub(1.0, rest)), _far(e.sub(2.0, rest))]
        steps = [-1, 0, 1, 2]
    taps = []
    for step, weight in zip(steps, weights, strict=True):
        place = e.add(low, step) if step else low
        if mode == "bicubic":
            place = _inside(place, size, padding_mode, align)
        taps.append(_read(place, weight, size, padding_mode))
    return taps


def _read(place: Any, weight: Any, size: int, padding_mode: str) -> tuple[Tensor, Any]:
    """A place within the axis, and the weight of what is there: none of what lies outside of it."""
    if padding_mode == "zeros":
        inside = e.logical_and(e.ge(place, 0), e.le(place, size - 1))
        weight = e.where(inside, 1.0 if weight is None else weight, 0.0)
        weight = weight if weight.dtype == place.dtype else weight.to(dtype=place.dtype)
    # NaN is nowhere, and reads the first element with the weight that it has.
    found = e.clamp(e.where(e.isnan(place), 0.0, place), 0, size - 1)
    return found.detach(), weight


def _inside(at: Any, size: int, padding_mode: str, align: bool) -> Any:
    if padding_mode == "zeros":
        return at
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align else (-0.5, float(size))
        if span == 0:
            return e.mul(at, 0.0)
        # A triangle wave: there and back again.
        turn = e.remainder(e.sub(at, low), 2 * span)
        at = e.add(e.sub(span, e.abs(e.sub(turn, span))), low)
    return e.clamp(at, 0.0, size - 1.0)


def _near(t: Any) -> Any:
    """The cubic kernel from 0 to 1 away."""
    a = _CUBIC
    return e.add(e.mul(e.mul(e.sub(e.mul(t, a + 2), a + 3), t), t), 1.0)


def _far(t: Any) -> Any:
    """The cubic kernel from 1 to 2 away."""
    a = _CUBIC
    return e.sub(e.mul(e.add(e.mul(e.sub(e.mul(t, a), 5 * a), t), 8 * a), t), 4 * a)


@composed
def affine_grid(theta: ArrayLike, size: Any, align_corners: bool | None = None) -> Result:
    """The grid for `grid_sample` that maps an output of `size` by the matrices `theta`.

    `theta` (N, 2, 3) with `size` (N, C, H, W) gives (N, H, W, 2); (N, 3, 4) with (N, C, D, H, W) gives
    (N, D, H, W, 3). Behaviour of PyTorch's affine_grid.

    >>> affine_grid([[[2.0, 0.0, 0.5], [0.0, 1.0, 0.0]]], (1, 1, 1, 2), align_corners=True)
    array([[[[-1.5,  0. ],
             [ 2.5,  0. ]]]])

    Raises ShapeError for shapes that do not fit, DtypeError unless `theta` has a floating-point dtype.
    """
    sizes = tuple(map(int, size))
    rank = len(sizes) - 2
    if rank not in (2, 3) or theta.shape != (sizes[0], rank, rank + 1) or min(sizes) < 1:
        raise ShapeError(
            "affine_grid needs theta (N, 2, 3) and size (N, C, H, W), or (N, 3, 4) and (N, C, D, H, W), but "
            f"got theta of size {list(theta.shape)} and size={list(sizes)}"
        )
    if theta.dtype.kind != "f":
        raise DtypeError(f"affine_grid needs theta of a floating-point dtype, but got {theta.dtype}")
    axes = [
        np.linspace(-1, 1, n) * (1 if align_corners else (n - 1) / n) if n > 1 else np.zeros(1)
        for n in sizes[2:]
    ]
    places = np.meshgrid(*axes, indexing="ij")[::-1]
    base = np.stack([*places, np.ones(sizes[2:])], -1).reshape(-1, rank + 1)
    given = Tensor._new(operands(theta=theta, base=base.astype(theta.dtype)).arrays[1])
    return shaping.reshape(matmul(given, shaping.transpose(theta, 1, 2)), sizes[0], *sizes[2:], rank)
