"""Normalization within one element of the batch: of groups of channels, last axes, neighbouring channels."""

import operator
from collections.abc import Sequence
from typing import Any

from .. import functional as F
from ..creation import empty
from ..errors import ArgumentError
from ..parameter import Parameter
from ..tensor import Tensor
from . import init
from .module import Module

__all__ = ["GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class _Affine(Module):
    """A scale `weight` and a shift `bias`, or None."""

    weight: Parameter | None
    bias: Parameter | None

    def _make_parameters(self, shape: tuple[int, ...], device: Any, dtype: Any, **wanted: bool) -> None:
        for name, exists in wanted.items():
            self.register_parameter(
                name, Parameter(empty(shape, dtype=dtype, device=device)) if exists else None
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1 and shift 0."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                init.constant_(parameter, float(name == "weight"))


class GroupNorm(_Affine):
    """Each group of channels of (N, C, *) by its mean and variance: see `functional.group_norm`."""

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        """Raises ArgumentError unless `num_groups` divides `num_channels`."""
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ArgumentError(
                f"num_channels must be divisible by num_groups, but got num_channels={num_channels}, "
                f"num_groups={num_groups}"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._make_parameters((num_channels,), device, dtype, weight=affine, bias=affine and bias)

    def forward(self, input: Tensor) -> Tensor:
        """Raises ShapeError for another number of channels."""
        output: Tensor = F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
        return output

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


def _sizes(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    given = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
    return tuple(map(operator.index, given))


class LayerNorm(_Affine):
    """The last axes, whose sizes are `normalized_shape`, by their mean and variance.

    See `functional.layer_norm`.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """`weight` and `bias` have the shape `normalized_shape`, which one int stands for, too."""
        super().__init__()
        self.normalized_shape = _sizes(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._make_parameters(
            self.normalized_shape, device, dtype, weight=elementwise_affine, bias=elementwise_affine and bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """Raises ShapeError for another shape of the last axes."""
        output: Tensor = F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)
        return output

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(_Affine):
    """The last axes, whose sizes are `normalized_shape`, by their root mean square."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """`weight` has the shape `normalized_shape`, which one int stands for, too."""
        super().__init__()
        self.normalized_shape = _sizes(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._make_parameters(self.normalized_shape, device, dtype, weight=elementwise_affine)

    def forward(self, input: Tensor) -> Tensor:
        """Raises ShapeError for another shape of the last axes."""
        output: Tensor = F.rms_norm(input, self.normalized_shape, self.weight, self.eps)
        return output

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """Each element of (N, C, *) by its `size` neighbours along the channels: AlexNet's normalization."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        """Keep the arguments of `functional.local_response_norm`."""
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        """Raises ShapeError for less than 3 dimensions."""
        output: Tensor = F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)
        return output

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
