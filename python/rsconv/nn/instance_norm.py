"""Instance normalization over `functional.instance_norm`."""

import warnings
from typing import Any

from .. import functional as F
from ..errors import ShapeError
from ..tensor import Tensor
from .batch_norm import NormWithStatistics

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _InstanceNorm(NormWithStatistics):
    """Each channel of each element of a batch by its mean and variance over all places.

    With `track_running_stats` these move running statistics in training, which are used in evaluation.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        """As batch normalization, but by default neither affine nor tracking."""
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Raises ShapeError for another number of dimensions or, if affine, of channels.

        If it is not affine, another number of channels makes a warning, as in PyTorch.
        """
        self._check_ndim(input)
        batched = input.ndim == self._ndims[-1]
        channels = input.shape[1 if batched else 0]
        if channels != self.num_features:
            message = (
                f"{type(self).__name__} expected input with num_features={self.num_features} channels, but "
                f"got {channels} (input of size {list(input.shape)})"
            )
            if self.affine:
                raise ShapeError(message)
            warnings.warn(f"{message}; they are not used as affine=False", stacklevel=2)
        output: Tensor = F.instance_norm(
            input if batched else input.unsqueeze(0),
            *self._statistics(),
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum or 0.0,
            self.eps,
        )
        return output if batched else output.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Instance normalization of (N, C, L) or (C, L)."""

    _ndims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalization of (N, C, H, W) or (C, H, W)."""

    _ndims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalization of (N, C, D, H, W) or (C, D, H, W)."""

    _ndims = (4, 5)
