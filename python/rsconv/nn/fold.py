"""`Unfold` and `Fold`: the functions of those names with their arguments kept."""

from collections.abc import Sequence

from .. import functional as F
from ..tensor import Tensor
from .module import Module

__all__ = ["Fold", "Unfold"]

Sizes = int | Sequence[int]


class _Windows(Module):
    """What both share."""

    def __init__(self, kernel_size: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> None:
        """Keep the arguments."""
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def extra_repr(self) -> str:
        """The arguments."""
        names = ("kernel_size", "dilation", "padding", "stride")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class Unfold(_Windows):
    """The windows that a convolution sees, as columns: see `rsconv.functional.unfold`."""

    def __init__(
        self, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
    ) -> None:
        """Keep the arguments; they are checked when the size of the input is known."""
        super().__init__(kernel_size, dilation, padding, stride)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, *S) to (N, C * prod(kernel_size), L)."""
        columns: Tensor = F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)
        return columns


class Fold(_Windows):
    """Columns summed back into the windows they come from: see `rsconv.functional.fold`."""

    def __init__(
        self,
        output_size: Sizes,
        kernel_size: Sizes,
        dilation: Sizes = 1,
        padding: Sizes = 0,
        stride: Sizes = 1,
    ) -> None:
        """Keep the arguments; they are checked when the size of the input is known."""
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """(N, C * prod(kernel_size), L) to (N, C, *output_size)."""
        image: Tensor = F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )
        return image

    def extra_repr(self) -> str:
        """The arguments."""
        return f"output_size={self.output_size}, {super().extra_repr()}"
