"""Padding of arrays: the modes, their limits, and `pad`."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backends import Array, Pads
from ..errors import ArgumentError, ShapeError
from .arrays import ArrayLike, Result, operands
from .recording import node

MODES = ("constant", "reflect", "replicate", "circular")


def pad(input: ArrayLike, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Result:
    """Extend the last axes of an array of any rank and dtype.

    `pad` holds `(low, high)` for the last axis, then for the one before it, and so on; negative values crop.
    Modes: 'constant' fills with `value` (0 if None), 'reflect' mirrors without repeating the edge (each pad
    less than the axis), 'replicate' repeats the edge, 'circular' wraps around (each pad at most the axis).
    Behaviour of PyTorch's pad, whose limit to certain ranks for all but 'constant' does not apply here.

    >>> pad([1, 2, 3], (1, 2), "reflect")
    array([2, 1, 2, 3, 2, 1])
    >>> pad([[1, 2, 3]], (-1, 0, 0, 1), value=9)
    array([[2, 3],
           [9, 9]])

    Raises ArgumentError for an unknown mode, a pad of odd length or one that reaches too far, and a value
    that the dtype cannot hold or the mode does not take; ShapeError for more pads than axes, or a negative
    output size.
    """
    call = operands(input=input)
    (x,) = call.arrays
    pads = _all_axes(pad, x.shape)
    if mode not in MODES:
        raise ArgumentError(f"mode must be one of {', '.join(map(repr, MODES))}, but got mode={mode!r}")
    if mode != "constant" and value:
        raise ArgumentError(f"mode={mode!r} does not take a value, but got value={value!r}")
    check_reach(x.shape, pads, mode)
    fill = _fill(x, value) if mode == "constant" else 0
    y = call.backend.pad(x, pads, mode, fill)
    return node(call, "pad", {"input": input}, y, pads=pads, mode=mode)


def padded(input: ArrayLike, pads: Pads, mode: str) -> Result:
    """`pad` with checked pads for each axis, and zeros if constant."""
    call = operands(input=input)
    y = call.backend.pad(call.arrays[0], pads, mode, 0)
    return node(call, "pad", {"input": input}, y, pads=pads, mode=mode)


def padded_grad(grad_output: ArrayLike, pads: Pads, mode: str) -> Result:
    """The gradient of `padded`: what a border was copied from gets that border's."""
    call = operands(grad_output=grad_output)
    y = call.backend.pad_grad(call.arrays[0], pads, mode)
    return node(call, "pad_grad", {"grad_output": grad_output}, y, pads=pads, mode=mode)


def check_reach(shape: tuple[int, ...], pads: Pads, mode: str) -> None:
    """Raise unless every axis keeps a size and holds what the mode copies into its borders."""
    for axis, (size, (low, high)) in enumerate(zip(shape, pads, strict=True)):
        kept = size + min(low, 0) + min(high, 0)
        if kept < 0:
            raise ShapeError(
                f"pad=({low}, {high}) crops more than axis {axis} holds, whose size is {size} (input of size "
                f"{list(shape)})"
            )
        reach = max(low, high)
        if mode == "reflect" and reach > 0 and reach >= kept:
            raise ArgumentError(
                "Padding size should be less than the corresponding input dimension, but got "
                f"padding=({low}, {high}) at axis {axis} of input of size {list(shape)} with mode 'reflect'"
            )
        if mode == "circular" and reach > kept:
            raise ArgumentError(
                f"Padding value causes wrapping around more than once: padding=({low}, {high}) at axis "
                f"{axis} of size {list(shape)} with mode 'circular'"
            )
        if mode == "replicate" and reach > 0 and kept == 0:
            raise ArgumentError(
                f"there is no edge to replicate: padding=({low}, {high}) at axis {axis} of input of size "
                f"{list(shape)} with mode 'replicate'"
            )


def _all_axes(pad: Any, shape: tuple[int, ...]) -> Pads:
    try:
        flat = [operator.index(value) for value in pad]
    except TypeError:
        raise ArgumentError(f"pad must be a sequence of integers, but got pad={pad!r}") from None
    if len(flat) % 2:
        raise ArgumentError(f"Padding length must be divisible by 2, but got pad={tuple(flat)}")
    if len(flat) > 2 * len(shape):
        raise ShapeError(
            "Padding length should be less than or equal to two times the input dimension, but got "
            f"pad={tuple(flat)} and input of size {list(shape)}"
        )
    pairs = tuple(zip(flat[::2], flat[1::2], strict=True))[::-1]
    return ((0, 0),) * (len(shape) - len(pairs)) + pairs


def _fill(x: Array, value: Any) -> Any:
    if value is None:
        return 0
    if x.dtype.kind in "biu":
        limits = (0, 1) if x.dtype.kind == "b" else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
        if not (limits[0] <= value <= limits[1] and value == int(value)):
            raise ArgumentError(f"an array of dtype {x.dtype.name} cannot hold value={value!r}")
        return int(value)
    return value
