"""Pooling to a given size: `functional.adaptive_avg_pool*` and `adaptive_max_pool*`, arguments kept.

`output_size` is one number, or one for each dimension; None keeps a size. Inputs are (N, C, *S) or (C, *S).
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from .. import functional as F
from ..tensor import Tensor
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
]

OutputSize = int | None | Sequence[int | None]


class _AdaptiveNd(Module):
    _rank: ClassVar[int]

    def __init__(self, output_size: OutputSize) -> None:
        """Keep `output_size`, which is checked when there is an input."""
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        """The output size."""
        return f"output_size={self.output_size}"


class _AdaptiveAvgPoolNd(_AdaptiveNd):
    def forward(self, input: Tensor) -> Tensor:
        """Pool the last dimensions."""
        pool = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[self._rank - 1]
        output: Tensor = pool(input, self.output_size)
        return output


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Means of (N, C, L) or (C, L) in `output_size` windows."""

    _rank = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Means of (N, C, H, W) or (C, H, W) in `output_size` windows."""

    _rank = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Means of (N, C, D, H, W) or (C, D, H, W) in `output_size` windows."""

    _rank = 3


class _AdaptiveMaxPoolNd(_AdaptiveNd):
    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        """Keep the arguments, which are checked when there is an input."""
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        """Pool the last dimensions; with `return_indices` also say where in its plane each maximum stands."""
        pool = (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)[self._rank - 1]
        return pool(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest elements of (N, C, L) or (C, L) in `output_size` windows."""

    _rank = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest elements of (N, C, H, W) or (C, H, W) in `output_size` windows."""

    _rank = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The largest elements of (N, C, D, H, W) or (C, D, H, W) in `output_size` windows."""

    _rank = 3
