"""Layers that leave the elements as they are: `Identity` and `Flatten`."""

from typing import Any

from ..tensor import Tensor
from .module import Module

__all__ = ["Flatten", "Identity"]


class Identity(Module):
    """The input. Takes and ignores any arguments, so that it can stand in for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ignore the arguments."""
        super().__init__()

    def forward(self, input: Any) -> Any:
        """The input."""
        return input


class Flatten(Module):
    """The dimensions from `start_dim` to `end_dim`, both included, as one: a view where possible."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        """Keep the arguments."""
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        """Raises IndexError for a dimension out of range, ArgumentError if they are not in order."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
