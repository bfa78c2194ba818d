"""Layers that move elements between channels and space, or among channels."""

from .. import functional as F
from ..errors import ArgumentError
from ..tensor import Tensor
from .module import Module

__all__ = ["ChannelShuffle", "PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """(N, C * r * r, H, W) to (N, C, H * r, W * r) with r the `upscale_factor`."""

    def __init__(self, upscale_factor: int) -> None:
        """Keep the factor."""
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Raises ShapeError for channels that r * r does not divide."""
        output: Tensor = F.pixel_shuffle(input, self.upscale_factor)
        return output

    def extra_repr(self) -> str:
        """The factor."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(N, C, H * r, W * r) to (N, C * r * r, H, W) with r the `downscale_factor`."""

    def __init__(self, downscale_factor: int) -> None:
        """Keep the factor."""
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Raises ShapeError for a height or width that r does not divide."""
        output: Tensor = F.pixel_unshuffle(input, self.downscale_factor)
        return output

    def extra_repr(self) -> str:
        """The factor."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """The channels of (N, C, *), first those that come first in each of `groups`, then the second ones..."""

    def __init__(self, groups: int) -> None:
        """Keep `groups`. Raises ArgumentError unless it is positive."""
        super().__init__()
        if groups < 1:
            raise ArgumentError(f"groups must be a positive integer, but got groups={groups}")
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """Raises ShapeError for channels that `groups` does not divide."""
        output: Tensor = F.channel_shuffle(input, self.groups)
        return output

    def extra_repr(self) -> str:
        """The groups."""
        return f"groups={self.groups}"
