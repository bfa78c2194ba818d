"""Layers that leave the elements as they are: `Identity`, `Flatten` and `Unflatten`."""

import operator
from collections.abc import Sequence
from typing import Any

from .. import arithmetic
from ..errors import ArgumentError
from ..tensor import Tensor
from .module import Module

__all__ = ["Flatten", "Identity", "Unflatten"]


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


class Unflatten(Module):
    """The dimension `dim` as several of the sizes `unflattened_size`, one of which may be -1: a view."""

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        """Keep the arguments. Raises TypeError for a dimension or sizes that are no integers."""
        super().__init__()
        self.dim = operator.index(dim)
        self.unflattened_size = unflattened_size
        for size in unflattened_size:
            operator.index(size)

    def forward(self, input: Tensor) -> Tensor:
        """Raises IndexError for a dimension out of range, ArgumentError for sizes of another product."""
        axis = arithmetic.normalize_dim(self.dim, input.ndim)
        sizes = self.unflattened_size
        try:
            return input.reshape(*input.shape[:axis], *sizes, *input.shape[axis + 1 :])
        except (ValueError, RuntimeError):
            raise ArgumentError(
                f"cannot unflatten dimension {axis} of size {input.shape[axis]} into unflattened_size="
                f"{sizes} (input of size {list(input.shape)})"
            ) from None

    def extra_repr(self) -> str:
        """The arguments."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
