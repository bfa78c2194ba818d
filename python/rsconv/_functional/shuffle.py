"""Channels to pixels and back: `pixel_shuffle`, `pixel_unshuffle`, `channel_shuffle`."""

from ..backends import Array, Backend
from ..backends.checks import share_memory
from ..errors import ArgumentError, ShapeError
from .arrays import ArrayLike, Result, operands
from .recording import node
from .sizes import integer

__all__ = ["channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def pixel_shuffle(input: ArrayLike, upscale_factor: int) -> Result:
    """(*, C * r * r, H, W) to (*, C, H * r, W * r) with r = `upscale_factor`. Any dtype.

    Channel `(c * r + i) * r + j` fills the pixels of channel c at rows i and columns j modulo r. Source: Shi
    et al., 2016; behaviour of PyTorch's pixel_shuffle.

    >>> pixel_shuffle([[[1]], [[2]], [[3]], [[4]]], 2)
    array([[[1, 2],
            [3, 4]]])

    Raises ArgumentError for a factor that is not positive, ShapeError for fewer than 3 dimensions or a number
    of channels that its square does not divide.
    """
    call = operands(input=input)
    x, r = call.arrays[0], _factor("upscale_factor", upscale_factor)
    _check_planes("pixel_shuffle", x.shape)
    *lead, channels, height, width = x.shape
    if channels % (r * r):
        raise ShapeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    b, n = call.backend, len(lead)
    split = b.reshape(x, (*lead, channels // (r * r), r, r, height, width))
    moved = b.permute(split, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    y = _reshaped(b, moved, (*lead, channels // (r * r), height * r, width * r))
    return node(call, "pixel_shuffle", {"input": input}, y, factor=r)


def pixel_unshuffle(input: ArrayLike, downscale_factor: int) -> Result:
    """(*, C, H * r, W * r) to (*, C * r * r, H, W) with r = `downscale_factor`: undoes `pixel_shuffle`.

    Behaviour of PyTorch's pixel_unshuffle.

    Raises ArgumentError for a factor that is not positive, ShapeError for fewer than 3 dimensions or a height
    or width that it does not divide.
    """
    call = operands(input=input)
    x, r = call.arrays[0], _factor("downscale_factor", downscale_factor)
    _check_planes("pixel_unshuffle", x.shape)
    *lead, channels, height, width = x.shape
    for name, size in (("height", height), ("width", width)):
        if size % r:
            raise ShapeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input of size "
                f"{list(x.shape)} has {name} {size}, which is not divisible by {r}"
            )
    b, n = call.backend, len(lead)
    split = b.reshape(x, (*lead, channels, height // r, r, width // r, r))
    moved = b.permute(split, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    y = _reshaped(b, moved, (*lead, channels * r * r, height // r, width // r))
    return node(call, "pixel_unshuffle", {"input": input}, y, factor=r)


def channel_shuffle(input: ArrayLike, groups: int) -> Result:
    """Interleave the channels of `groups` groups of `input` (N, C, *): channel c of group g goes to place
    `c * groups + g`. Any dtype. Source: Zhang et al., 2017; behaviour of PyTorch's channel_shuffle.

    Raises ArgumentError for groups that are not positive, ShapeError for fewer than 3 dimensions or channels
    that they do not divide.
    """
    call = operands(input=input)
    x, groups = call.arrays[0], _factor("groups", groups)
    if x.ndim < 3:
        raise ShapeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(x.shape)}"
        )
    batch, channels, *rest = x.shape
    if channels % groups:
        raise ShapeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    b = call.backend
    split = b.reshape(x, (batch, groups, channels // groups, *rest))
    y = _reshaped(b, b.permute(split, (0, 2, 1, *range(3, x.ndim + 1))), x.shape)
    return node(call, "channel_shuffle", {"input": input}, y, groups=groups)


def _reshaped(backend: Backend, x: Array, shape: tuple[int, ...]) -> Array:
    """A reshaped copy."""
    y = backend.reshape(x, shape)
    return backend.copy(y) if share_memory(y, x) else y


def _factor(name: str, value: int) -> int:
    factor = integer(name, value)
    if factor < 1:
        raise ArgumentError(f"{name} must be a positive integer, but got {name}={value}")
    return factor


def _check_planes(name: str, shape: tuple[int, ...]) -> None:
    if len(shape) < 3:
        raise ShapeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {len(shape)} "
            "dimension(s): "
            f"{list(shape)}"
        )
