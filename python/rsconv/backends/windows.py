"""Pooling windows: which elements of an axis each output sees, whatever the kind of pooling."""

from typing import NamedTuple

__all__ = ["Window", "Windows"]


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
