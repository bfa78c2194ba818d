"""`Linear`, and `LazyLinear`, which takes `in_features` from its first input."""

import math
from typing import Any

from .. import functional as F
from ..creation import empty
from ..errors import ShapeError
from ..parameter import Parameter
from ..tensor import Tensor
from . import init
from .lazy import Lazy
from .module import Module
from .parameter import UninitializedParameter

__all__ = ["LazyLinear", "Linear"]


class Linear(Module):
    """`input @ weight.T + bias` with `weight` (out_features, in_features) and `bias` (out_features,)."""

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        """Draw the initial weights."""
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self._make_parameters(bias, device, dtype)
        self.reset_parameters()

    def _make_parameters(self, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = Parameter(empty(self.out_features, self.in_features, dtype=dtype, device=device))
        self.register_parameter(
            "bias", Parameter(empty(self.out_features, dtype=dtype, device=device)) if bias else None
        )

    def reset_parameters(self) -> None:
        """Draw weight and bias from U(-b, b) with b = 1 / sqrt(in_features), zero if there are no inputs."""
        bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """(*, in_features) to (*, out_features). Raises ShapeError for another last size."""
        output: Tensor = F.linear(input, self.weight, self.bias)
        return output

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )


class LazyLinear(Lazy, Linear):
    """`Linear` that takes `in_features` from its first input."""

    _plain = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        """Wait for an input."""
        super().__init__(0, out_features, bias, device, dtype)

    def _make_parameters(self, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(dtype=dtype, device=device)
        self.register_parameter("bias", UninitializedParameter(dtype=dtype, device=device) if bias else None)

    def _initialize(self, input: Tensor) -> None:
        if not input.ndim:
            raise ShapeError(
                f"LazyLinear expects input (*, in_features), but got input of size {list(input.shape)}"
            )
        self.in_features = input.shape[-1]
        self._materialize(weight=(self.out_features, self.in_features), bias=(self.out_features,))
