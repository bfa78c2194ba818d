"""The softmax family as layers."""

from .. import functional as F
from ..errors import ShapeError
from ..tensor import Tensor
from .module import Module

__all__ = ["LogSoftmax", "Softmax", "Softmax2d", "Softmin"]


class _Along(Module):
    def __init__(self, dim: int | None = None) -> None:
        """Along `dim`; None is 0 for inputs of 0, 1 or 3 dimensions, else 1."""
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class Softmax(_Along):
    """`exp(x)` divided by its sum along `dim`, without overflow."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape. Raises IndexError for a dimension out of range."""
        output: Tensor = F.softmax(input, self.dim)
        return output


class LogSoftmax(_Along):
    """The logarithm of `Softmax`, without overflow."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape. Raises IndexError for a dimension out of range."""
        output: Tensor = F.log_softmax(input, self.dim)
        return output


class Softmin(_Along):
    """`Softmax` of the negative input."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape. Raises IndexError for a dimension out of range."""
        output: Tensor = F.softmin(input, self.dim)
        return output


class Softmax2d(Module):
    """`Softmax` over the channels at each place."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W). Raises ShapeError for others."""
        if input.ndim not in (3, 4):
            raise ShapeError(f"Softmax2d expects 3D or 4D input, but got input of size {list(input.shape)}")
        output: Tensor = F.softmax(input, -3)
        return output
