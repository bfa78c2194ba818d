"""The padding layers: `functional.pad` with its arguments kept.

`padding` is one int for all sides, or two for each spatial dimension, the last dimension's first: (left,
right, top, bottom, front, back).
"""

from collections.abc import Sequence
from typing import ClassVar

from .. import functional as F
from ..errors import ArgumentError, ShapeError
from ..tensor import Tensor
from .module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    """What the padding layers share."""

    _rank: ClassVar[int]
    _mode: ClassVar[str]

    def __init__(self, padding: int | Sequence[int]) -> None:
        """Keep `padding`. Raises ArgumentError unless it is an int or has two for each spatial dimension."""
        super().__init__()
        given = tuple(padding) if isinstance(padding, Sequence) else (padding,) * (2 * self._rank)
        if len(given) != 2 * self._rank or not all(isinstance(side, int) for side in given):
            raise ArgumentError(
                f"{type(self).__name__} takes padding as an int or {2 * self._rank} ints, but got "
                f"padding={padding!r}"
            )
        self.padding = given

    def forward(self, input: Tensor) -> Tensor:
        """Pad the last dimensions of (N, C, *S) or (C, *S). Raises ShapeError for another number of them."""
        if input.ndim not in (self._rank + 1, self._rank + 2):
            raise ShapeError(
                f"{type(self).__name__} expects {self._rank + 1}D (unbatched) or {self._rank + 2}D (batched) "
                f"input, but got input of size: {list(input.shape)}"
            )
        padded: Tensor = F.pad(input, self.padding, self._mode)
        return padded

    def extra_repr(self) -> str:
        """The padding of every side."""
        return f"{self.padding}"


class _ConstantPadNd(_PadNd):
    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        """Keep the arguments. Raises ArgumentError as all padding layers."""
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Pad the last dimensions of an input with any number of them."""
        padded: Tensor = F.pad(input, self.padding, "constant", self.value)
        return padded

    def extra_repr(self) -> str:
        """The padding of every side, and what it holds."""
        return f"padding={self.padding}, value={self.value}"


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: int | Sequence[int]) -> None:
        """Keep `padding`. Raises ArgumentError as all padding layers."""
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The padding of every side."""
        return f"{self.padding}"


class ConstantPad1d(_ConstantPadNd):
    """Pad the last dimension with one value."""

    _rank = 1


class ConstantPad2d(_ConstantPadNd):
    """Pad the last two dimensions with one value."""

    _rank = 2


class ConstantPad3d(_ConstantPadNd):
    """Pad the last three dimensions with one value."""

    _rank = 3


class ZeroPad1d(_ZeroPadNd):
    """Pad the last dimension with zeros."""

    _rank = 1


class ZeroPad2d(_ZeroPadNd):
    """Pad the last two dimensions with zeros."""

    _rank = 2


class ZeroPad3d(_ZeroPadNd):
    """Pad the last three dimensions with zeros."""

    _rank = 3


class ReflectionPad1d(_PadNd):
    """Pad the last dimension with the input mirrored at its edge, which is not repeated."""

    _rank = 1
    _mode = "reflect"


class ReflectionPad2d(_PadNd):
    """Pad the last two dimensions with the input mirrored at its edge, which is not repeated."""

    _rank = 2
    _mode = "reflect"


class ReflectionPad3d(_PadNd):
    """Pad the last three dimensions with the input mirrored at its edge, which is not repeated."""

    _rank = 3
    _mode = "reflect"


class ReplicationPad1d(_PadNd):
    """Pad the last dimension with the edge repeated."""

    _rank = 1
    _mode = "replicate"


class ReplicationPad2d(_PadNd):
    """Pad the last two dimensions with the edge repeated."""

    _rank = 2
    _mode = "replicate"


class ReplicationPad3d(_PadNd):
    """Pad the last three dimensions with the edge repeated."""

    _rank = 3
    _mode = "replicate"


class CircularPad1d(_PadNd):
    """Pad the last dimension with the opposite side of the input."""

    _rank = 1
    _mode = "circular"


class CircularPad2d(_PadNd):
    """Pad the last two dimensions with the opposite side of the input."""

    _rank = 2
    _mode = "circular"


class CircularPad3d(_PadNd):
    """Pad the last three dimensions with the opposite side of the input."""

    _rank = 3
    _mode = "circular"
