"""Batch and instance normalization that take `num_features` from their first input."""

from typing import Any

from ..creation import tensor
from ..dtypes import int64
from ..tensor import Tensor
from .batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, NormWithStatistics, _BatchNorm
from .instance_norm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from .lazy import Lazy
from .parameter import UninitializedBuffer, UninitializedParameter

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _LazyNorm(Lazy, NormWithStatistics):
    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        """Wait for an input. Defaults are those of batch normalization, for instance normalization, too."""
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _make_members(self, bias: bool, device: Any, dtype: Any) -> None:
        for name, wanted in (("weight", self.affine), ("bias", self.affine and bias)):
            self.register_parameter(
                name, UninitializedParameter(dtype=dtype, device=device) if wanted else None
            )
        tracked = self.track_running_stats
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, UninitializedBuffer(dtype=dtype, device=device) if tracked else None)
        self.register_buffer("num_batches_tracked", tensor(0, int64, device="cpu") if tracked else None)

    def _initialize(self, input: Tensor) -> None:
        self._check_ndim(input)
        self.num_features = input.shape[1 if isinstance(self, _BatchNorm) else 1 - self._ndims[-1]]
        shape = (self.num_features,)
        self._materialize(weight=shape, bias=shape, running_mean=shape, running_var=shape)


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """`BatchNorm1d` that takes `num_features` from its first input."""

    _plain = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """`BatchNorm2d` that takes `num_features` from its first input."""

    _plain = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """`BatchNorm3d` that takes `num_features` from its first input."""

    _plain = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """`InstanceNorm1d` that takes `num_features` from its first input."""

    _plain = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """`InstanceNorm2d` that takes `num_features` from its first input."""

    _plain = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """`InstanceNorm3d` that takes `num_features` from its first input."""

    _plain = InstanceNorm3d
