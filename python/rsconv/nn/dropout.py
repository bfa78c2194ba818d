"""Dropout layers: `functional.dropout` and its kin in training, nothing in evaluation."""

from .. import functional as F
from ..errors import ArgumentError
from ..tensor import Tensor
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        """`p` is the probability to be dropped. Raises ArgumentError unless it is one."""
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(f"dropout probability has to be between 0 and 1, but got p={p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        """The arguments."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """In training, zero each element with probability `p` and divide the others by `1 - p`."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.dropout(input, self.p, self.training, self.inplace)
        return output


class Dropout1d(_DropoutNd):
    """As `Dropout`, but of whole channels of (N, C, L) or (C, L)."""

    def forward(self, input: Tensor) -> Tensor:
        """Raises ShapeError for another number of dimensions."""
        output: Tensor = F.dropout1d(input, self.p, self.training, self.inplace)
        return output


class Dropout2d(_DropoutNd):
    """As `Dropout`, but of whole channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Raises ShapeError for another number of dimensions."""
        output: Tensor = F.dropout2d(input, self.p, self.training, self.inplace)
        return output


class Dropout3d(_DropoutNd):
    """As `Dropout`, but of whole channels of (N, C, D, H, W) or (C, D, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Raises ShapeError for another number of dimensions."""
        output: Tensor = F.dropout3d(input, self.p, self.training, self.inplace)
        return output


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean 0 and variance 1, for networks of `SELU`."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.alpha_dropout(input, self.p, self.training, self.inplace)
        return output


class FeatureAlphaDropout(_DropoutNd):
    """As `AlphaDropout`, but of whole channels of (N, C, *)."""

    def forward(self, input: Tensor) -> Tensor:
        """Raises ShapeError for less than 2 dimensions."""
        output: Tensor = F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
        return output
