"""`Size`, the tuple that a Tensor's `shape` and `size()` give."""

import math
from typing import Any

__all__ = ["Size"]


class Size(tuple[int, ...]):
    """The sizes of the dimensions: a tuple whose parts and sums are Sizes too, as PyTorch's torch.Size."""

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements of such a Tensor: the product of the sizes."""
        return math.prod(self)

    def __getitem__(self, index: Any) -> Any:
        """One size, or for a slice a Size."""
        found = tuple.__getitem__(self, index)
        return Size(found) if isinstance(found, tuple) else found

    def __add__(self, other: Any) -> Any:
        """The sizes of both, one after the other."""
        return Size(tuple.__add__(self, tuple(other))) if isinstance(other, tuple) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        """The sizes of a plain tuple and then these."""
        return Size((*other, *self)) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, count: Any) -> Any:
        """The sizes `count` times."""
        return Size(tuple.__mul__(self, count))

    __rmul__ = __mul__
