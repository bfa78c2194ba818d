"""Pooling windows: which elements of an axis each output sees, whatever the kind of pooling."""

from typing import NamedTuple

__all__ = ["Window", "Windows", "adaptive_window", "pool_window"]


class Window(NamedTuple):
    """The windows along one axis of `size` elements.

    Output i of `outputs` sees the elements `start(i), start(i) + dilation, ...` inside of the axis. Regular
    windows (`adaptive` false) start at `i * stride - low` and have `kernel` taps. Adaptive ones run from
    `floor(i * size / outputs)` to `ceil((i + 1) * size / outputs)`, as PyTorch's do; their `kernel` is the
    longest, `stride` and `dilation` are 1 and `low` is 0.
    """

    size: int
    outputs: int
    kernel: int
    stride: int
    low: int
    dilation: int
    adaptive: bool


Windows = tuple[Window, ...]


def pool_window(
    size: int,
    kernel: int,
    stride: int,
    padding: int | tuple[int, int] = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
) -> Window:
    """Regular windows over an axis; `padding` is one number or `(low, high)`.

    With `ceil_mode` a last window may reach beyond the padding, but starts before the high padding. `outputs`
    is 0 or negative if no window fits: the caller, who knows the array, refuses that.
    """
    low, high = (padding, padding) if isinstance(padding, int) else padding
    rest = size + low + high - dilation * (kernel - 1) - 1
    outputs = (rest + stride - 1 if ceil_mode else rest) // stride + 1
    if ceil_mode and (outputs - 1) * stride >= size + low:
        outputs -= 1
    return Window(size, outputs, kernel, stride, low, dilation, False)


def adaptive_window(size: int, outputs: int) -> Window:
    """The windows of adaptive pooling: output i sees `floor(i * size / outputs)` to
    `ceil((i + 1) * size / outputs)`."""
    longest = max((-(-(i + 1) * size // outputs) - i * size // outputs for i in range(outputs)), default=0)
    return Window(size, outputs, longest, 1, 0, 1, True)
