"""`PReLU`, the activation with a learned slope."""

from typing import Any

from .. import functional as F
from ..creation import empty
from ..parameter import Parameter
from ..tensor import Tensor
from . import init
from .module import Module

__all__ = ["PReLU"]


class PReLU(Module):
    """`x` where positive, else `weight * x`, with one learned slope or one for each channel (dimension 1)."""

    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        """`num_parameters` slopes that start as `init`."""
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(empty(num_parameters, dtype=dtype, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """All slopes as they started."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, (N, C, *) with a slope for each channel. Raises ShapeError for another C."""
        output: Tensor = F.prelu(input, self.weight)
        return output

    def extra_repr(self) -> str:
        """The number of slopes."""
        return f"num_parameters={self.num_parameters}"
