"""The convolution layers: one `_ConvNd` and thin classes over it, which behave as PyTorch's.

Sizes, here and in the functions they call, are one int for all spatial dimensions or one for each.
"""

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .. import functional as F
from .._functional.conv import PADDING_MODES, TRANSPOSED_PADDING_MODES
from ..backends import Geometry
from ..creation import empty
from ..errors import ArgumentError, ShapeError
from ..parameter import Parameter
from ..tensor import Tensor
from . import init
from .module import Module

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]

Sizes = int | Sequence[int]
Padding = int | str | Sequence[int] | Sequence[Sequence[int]]

_PADDING_STRINGS = ("valid", "same", "same_upper", "same_lower")


def _per_dimension(name: str, value: Any, rank: int, least: int) -> tuple[int, ...]:
    """`value`, one int or one for each dimension, as a tuple of `rank` ints."""
    values = tuple(value) if np.iterable(value) and not isinstance(value, str) else (value,)
    if len(values) not in (1, rank):
        raise ArgumentError(
            f"expected {name} to be a single integer value or a list of {rank} values to match the "
            f"convolution dimensions, but got {name}={list(values)}"
        )
    try:
        ints = tuple(operator.index(v) for v in values) * (rank // len(values))
    except TypeError:
        raise TypeError(f"{name} must be an int or a tuple of ints, but got {name}={value!r}") from None
    if min(ints) < least:
        problem = {0: "negative", 1: "non-positive"}[least]
        raise ArgumentError(f"{problem} {name} is not supported, but got {name}={ints}")
    return ints


class _ConvNd(Module):
    """What convolution layers share: the arguments, checked and made canonical once, and the parameters."""

    _rank: ClassVar[int]
    _transposed: ClassVar[bool]

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Any
    dilation: tuple[int, ...]
    output_padding: tuple[int, ...]
    groups: int
    padding_mode: str
    weight: Parameter
    bias: Parameter | None

    def _set_up(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Padding,
        output_padding: Sizes,
        dilation: Sizes,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        rank = self._rank
        for name, number in (
            ("in_channels", in_channels),
            ("out_channels", out_channels),
            ("groups", groups),
        ):
            if not hasattr(number, "__index__"):
                raise TypeError(f"{name} must be an int, but got {name}={number!r}")
        if groups <= 0:
            raise ArgumentError(f"groups must be a positive integer, but got groups={groups}")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels < 0:
                raise ArgumentError(f"{name} must not be negative, but got {name}={channels}")
            if channels % groups:
                raise ArgumentError(
                    f"{name} must be divisible by groups, but got {name}={channels}, groups={groups}"
                )
        self._check_padding_mode(padding_mode)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _per_dimension("kernel_size", kernel_size, rank, 1)
        self.stride = _per_dimension("stride", stride, rank, 1)
        self.dilation = _per_dimension("dilation", dilation, rank, 1)
        self.output_padding = _per_dimension("output_padding", output_padding, rank, 0)
        self.padding = self._canonical_padding(padding)
        self.transposed = self._transposed
        self.groups = groups
        self.padding_mode = padding_mode
        for extra, step, gap in zip(self.output_padding, self.stride, self.dilation, strict=True):
            if extra and extra >= max(step, gap):
                raise ArgumentError(
                    "output padding must be smaller than either stride or dilation, but got output_padding="
                    f"{self.output_padding}, stride={self.stride}, dilation={self.dilation}"
                )
        self._make_parameters(bias, device, dtype)
        self.reset_parameters()

    def _check_padding_mode(self, padding_mode: str) -> None:
        if self._transposed and padding_mode not in TRANSPOSED_PADDING_MODES:
            raise ArgumentError(
                f'Only "zeros" and "circular" padding modes are supported for {self._plain_name()}, but got '
                f"padding_mode={padding_mode!r}"
            )
        if padding_mode not in PADDING_MODES:
            allowed = ", ".join(map(repr, PADDING_MODES))
            raise ArgumentError(
                f"padding_mode must be one of {{{allowed}}}, but got padding_mode={padding_mode!r}"
            )

    def _canonical_padding(self, padding: Any) -> Any:
        """A string, a tuple of ints, or a tuple of `(low, high)` pairs."""
        if isinstance(padding, str):
            return self._checked_padding_string(padding)
        if isinstance(padding, Sequence) and padding and all(isinstance(pair, Sequence) for pair in padding):
            if len(padding) != self._rank or any(len(pair) != 2 for pair in padding):
                raise ArgumentError(
                    f"expected padding to have one (low, high) pair for each of the {self._rank} dimensions, "
                    f"but got padding={padding}"
                )
            return tuple(_per_dimension("padding", pair, 2, 0) for pair in padding)
        return _per_dimension("padding", padding, self._rank, 0)

    def _checked_padding_string(self, padding: str) -> str:
        if self._transposed:
            raise ArgumentError(
                f"padding={padding!r} is not supported for {self._plain_name()}: it takes numbers"
            )
        allowed = (*_PADDING_STRINGS, "causal") if self._rank == 1 else _PADDING_STRINGS
        if padding not in allowed:
            names = ", ".join(map(repr, allowed))
            raise ArgumentError(f"Invalid padding string {padding!r}, should be one of {{{names}}}")
        if padding == "same" and any(step != 1 for step in self.stride):
            raise ArgumentError(
                f"padding='same' is not supported for strided convolutions, but got stride={self.stride}; "
                "'same_upper' and 'same_lower' are"
            )
        return padding

    @classmethod
    def _plain_name(cls) -> str:
        return f"Conv{'Transpose' if cls._transposed else ''}{cls._rank}d"

    def _weight_shape(self) -> tuple[int, ...]:
        channels = (
            (self.in_channels, self.out_channels)
            if self._transposed
            else (self.out_channels, self.in_channels)
        )
        return channels[0], channels[1] // self.groups, *self.kernel_size

    def _make_parameters(self, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = Parameter(empty(self._weight_shape(), dtype=dtype, device=device))
        if bias:
            self.bias = Parameter(empty(self.out_channels, dtype=dtype, device=device))
        else:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Draw weight and bias from U(-b, b) with b = 1 / sqrt(fan_in), zero if there are no inputs."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
            init.uniform_(self.bias, -bound, bound)

    @property
    def _reversed_padding_repeated_twice(self) -> tuple[int, ...]:
        """The padding as `functional.pad` takes it. Raises ArgumentError if it depends on the input."""
        if self.padding in ("same_upper", "same_lower") and any(step != 1 for step in self.stride):
            raise ArgumentError(
                f"padding={self.padding!r} with stride={self.stride} depends on the size of the input"
            )
        size = tuple(gap * (taps - 1) + 1 for gap, taps in zip(self.dilation, self.kernel_size, strict=True))
        weight = (1, 1, *self.kernel_size)
        geometry = Geometry(
            self._rank, (1, 1, *size), weight, None, self.stride, self.padding, 0, 1, self.dilation
        )
        return tuple(itertools.chain(*reversed(geometry.padding)))

    def extra_repr(self) -> str:
        """The arguments, those with their default values left out."""
        rank = self._rank
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        for name, default in (
            ("padding", (0,) * rank),
            ("dilation", (1,) * rank),
            ("output_padding", (0,) * rank),
            ("groups", 1),
        ):
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(_ConvNd):
    """A convolution layer: see `rsconv.functional.conv{1,2,3}d` for shapes, padding and errors.

    `weight` is (out_channels, in_channels // groups, *kernel_size), `bias` (out_channels,). Beyond PyTorch,
    `padding` may be `(low, high)` pairs, 'same_upper', 'same_lower' and in 1-D 'causal'.

    Raises ArgumentError, with the name and value, for an argument that is out of range or unknown.
    """

    _transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Padding = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Check the arguments and draw the initial weights."""
        super().__init__()
        self._set_up(
            in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias, padding_mode,
            device, dtype,
        )  # fmt: skip

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        convolve = (F.conv1d, F.conv2d, F.conv3d)[self._rank - 1]
        result: Tensor = convolve(
            input,
            weight,
            bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            padding_mode=self.padding_mode,
        )
        return result

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C_in, *S) or (C_in, *S)."""
        return self._conv_forward(input, self.weight, self.bias)


class _ConvTranspose(_ConvNd):
    """A transposed convolution layer: see `rsconv.functional.conv_transpose{1,2,3}d` for shapes and errors.

    `weight` is (in_channels, out_channels // groups, *kernel_size), `bias` (out_channels,). Beyond PyTorch,
    `padding` may be `(low, high)` pairs and `padding_mode` 'circular'.

    Raises ArgumentError, with the name and value, for an argument that is out of range or unknown.
    """

    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Padding = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Check the arguments and draw the initial weights."""
        super().__init__()
        self._set_up(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def _output_padding(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        if output_size is None:
            return self.output_padding
        rank = self._rank
        wanted = tuple(output_size)
        if len(wanted) == input.ndim:
            wanted = wanted[-rank:]
        if len(wanted) != rank:
            raise ShapeError(
                f"ConvTranspose{rank}D: for {input.ndim}D input, output_size must have {rank} or "
                f"{input.ndim} elements (got {len(output_size)})"
            )
        most_extra = tuple(step - 1 for step in self.stride)
        largest = Geometry(
            rank, input.shape, self.weight.shape, None, self.stride, self.padding, most_extra, self.groups,
            self.dilation, True,
        ).output_shape[-rank:]  # fmt: skip
        smallest = [size - extra for size, extra in zip(largest, most_extra, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(smallest, wanted, largest, strict=True)):
            raise ShapeError(
                f"requested an output size of {wanted}, but valid sizes range from {smallest} to "
                f"{list(largest)} (for an input of {input.shape})"
            )
        return tuple(size - low for size, low in zip(wanted, smallest, strict=True))

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Convolve (N, C_in, *S) or (C_in, *S); `output_size`, spatial or full, replaces `output_padding`.

        Raises ShapeError for an `output_size` that no output padding gives.
        """
        convolve = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self._rank - 1]
        result: Tensor = convolve(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._output_padding(input, output_size),
            self.groups,
            self.dilation,
            padding_mode=self.padding_mode,
        )
        return result


class Conv1d(_Conv):
    """A 1-D convolution layer over (N, C_in, L) or (C_in, L)."""

    _rank = 1


class Conv2d(_Conv):
    """A 2-D convolution layer over (N, C_in, H, W) or (C_in, H, W)."""

    _rank = 2


class Conv3d(_Conv):
    """A 3-D convolution layer over (N, C_in, D, H, W) or (C_in, D, H, W)."""

    _rank = 3


class ConvTranspose1d(_ConvTranspose):
    """A transposed 1-D convolution layer over (N, C_in, L) or (C_in, L)."""

    _rank = 1


class ConvTranspose2d(_ConvTranspose):
    """A transposed 2-D convolution layer over (N, C_in, H, W) or (C_in, H, W)."""

    _rank = 2


class ConvTranspose3d(_ConvTranspose):
    """A transposed 3-D convolution layer over (N, C_in, D, H, W) or (C_in, D, H, W)."""

    _rank = 3
