"""Batch normalization: what is learned and tracked, over `functional.batch_norm`."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from .. import functional as F
from ..creation import empty, ones, tensor, zeros
from ..dtypes import int64
from ..errors import ShapeError
from ..parameter import Parameter
from ..tensor import Tensor
from . import init
from .module import Module

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "NormWithStatistics", "SyncBatchNorm"]


class NormWithStatistics(Module):
    """What batch and instance normalization share: scale, shift and running statistics of each channel.

    `weight` and `bias` (num_features,) exist if `affine`, the latter if `bias` too; the buffers
    `running_mean`, `running_var` (num_features,) and `num_batches_tracked`, an int64 that is always on the
    CPU, if `track_running_stats`.
    """

    _version = 2
    # How many dimensions an input may have.
    _ndims: ClassVar[tuple[int, ...]]

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        """`momentum` is how far a batch moves the running statistics; None makes them means over batches."""
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._make_members(bias, device, dtype)
        self.reset_parameters()

    def _make_members(self, bias: bool, device: Any, dtype: Any) -> None:
        features = self.num_features
        for name, wanted in (("weight", self.affine), ("bias", self.affine and bias)):
            new = Parameter(empty(features, dtype=dtype, device=device)) if wanted else None
            self.register_parameter(name, new)
        tracked = self.track_running_stats
        for name, make in (("running_mean", zeros), ("running_var", ones)):
            self.register_buffer(name, make(features, dtype=dtype, device=device) if tracked else None)
        self.register_buffer("num_batches_tracked", tensor(0, int64, device="cpu") if tracked else None)

    def reset_running_stats(self) -> None:
        """Mean 0 and variance 1 of no batches."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0, and `reset_running_stats`."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_ndim(self, input: Tensor) -> None:
        if input.ndim not in self._ndims:
            expected = " or ".join(f"{ndim}D" for ndim in self._ndims)
            raise ShapeError(
                f"{type(self).__name__} expected {expected} input, but got {input.ndim}D input of size "
                f"{list(input.shape)}"
            )

    def _statistics(self) -> tuple[Tensor | None, Tensor | None]:
        """The running mean and variance that this call uses or updates."""
        if self.training and not self.track_running_stats:
            return None, None
        return self.running_mean, self.running_var

    def _apply(self, convert: Any) -> Self:
        # The count stays on the host, where momentum=None reads it; GPUs have no int64.
        count = self._buffers.pop("num_batches_tracked")
        super()._apply(convert)
        self._buffers["num_batches_tracked"] = count
        return self

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, local_metadata: Mapping[str, Any], *rest: Any
    ) -> None:
        """Version 1 state dicts, and those of unknown version, need not have `num_batches_tracked`."""
        key, count = f"{prefix}num_batches_tracked", self.num_batches_tracked
        if (local_metadata.get("version") or 1) < 2 and count is not None and key not in state_dict:
            state_dict = {**state_dict, key: count}
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(NormWithStatistics):
    """Each channel by its mean and variance over the batch and all places: see `functional.batch_norm`.

    In training these are the batch's, and the running statistics move towards them, with the variance of n
    values divided by n - 1; else they are the running ones, if there are any.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Raises ShapeError for another number of dimensions or channels, or one value for each channel."""
        self._check_ndim(input)
        momentum = self.momentum or 0.0
        counting = self.training and self.track_running_stats and self.num_batches_tracked is not None
        if counting and self.momentum is None:
            momentum = 1.0 / (int(self.num_batches_tracked) + 1)  # type: ignore[arg-type]
        of_batch = self.training or (self.running_mean is None and self.running_var is None)
        output: Tensor = F.batch_norm(
            input, *self._statistics(), self.weight, self.bias, of_batch, momentum, self.eps
        )
        if counting:
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        return output


class BatchNorm1d(_BatchNorm):
    """Batch normalization of (N, C) or (N, C, L)."""

    _ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalization of (N, C, H, W)."""

    _ndims = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalization of (N, C, D, H, W)."""

    _ndims = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch normalization of (N, C, *); in one process it is what `BatchNorm1d` to `3d` are."""

    _ndims = (2, 3, 4, 5)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        """As all batch normalizations; `process_group` is kept and has no effect."""
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """`module` with a SyncBatchNorm for each batch normalization, which shares its members."""
        if isinstance(module, _BatchNorm) and not isinstance(module, SyncBatchNorm):
            converted = cls.__new__(cls)
            converted.__dict__.update(module.__dict__, process_group=process_group)
            return converted
        for name, child in module.named_children():
            module.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return module
