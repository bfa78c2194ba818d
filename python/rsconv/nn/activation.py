"""Activation layers."""

from .. import functional as F
from ..tensor import Tensor
from .module import Module

__all__ = ["ReLU"]


class ReLU(Module):
    """`max(x, 0)`, element by element; a nan stays. `inplace` writes to the input, if no ndarray."""

    def __init__(self, inplace: bool = False) -> None:
        """Keep `inplace`."""
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape and real dtype."""
        output: Tensor = F.relu(input, self.inplace)
        return output

    def extra_repr(self) -> str:
        """`inplace=True`, if it is."""
        return "inplace=True" if self.inplace else ""
