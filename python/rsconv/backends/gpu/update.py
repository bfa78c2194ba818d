"""Updates in place: the steps of optimizers, one dispatch for each parameter."""

import struct
from collections.abc import Sequence

import numpy as np

from .array import GpuArray
from .dispatches import Dispatch, again, keep, send
from .layout import assign, copy
from .strided import (
    UNITS,
    Axes,
    collapse,
    pack_axes,
    pack_strided,
    split,
    strided_order,
    type_name,
    vector_units,
)

__all__ = ["update"]

_header = struct.Struct("<4I")
_CONSTANTS = 12
_THREADS = 256


def update(op: str, arrays: Sequence[GpuArray], grad: GpuArray, params: Sequence[float]) -> None:
    """Rewrite arrays of float32 or float16, which is computed in float32; see the protocol."""
    if grad.size == 0:
        return
    buffers = {id(x.buffer) for x in arrays}
    if id(grad.buffer) in buffers:
        # No buffer can be input and output of a dispatch, nor twice its output.
        grad = copy(grad)
    if len(buffers) < len(arrays):
        apart = [copy(x) for x in arrays]
        update(op, apart, grad, params)
        for to, new in zip(arrays, apart, strict=True):
            assign(to, new)
        return
    with np.errstate(over="ignore"):
        constants = np.array([*params, *(0.0,) * (_CONSTANTS - len(params))], np.float32).tobytes()
    operands = (grad, *arrays)
    key = ("update", op, *[x.layout for x in operands])
    if again(key, (grad,), arrays, (_header.size, constants)):
        return

    def run(part: Axes, views: list[GpuArray]) -> Dispatch:
        bindings = [grad.runtime.bind(view) for view in views]
        name = f"update_{op}_{type_name(grad.dtype)}"
        variant, words, threads = _plan(name, part, [binding.first for binding in bindings], constants)
        return send(variant, words, bindings[:1], bindings[1:], threads, _THREADS)

    strides = [x.strides for x in operands]
    order = strided_order(grad.shape, arrays[0].strides)
    keep(key, split(collapse(grad.shape, order, strides), operands, run))


def _plan(name: str, axes: Axes, firsts: Sequence[int], constants: bytes) -> tuple[str, bytes, int]:
    """Variant, words and number of threads."""
    width = 1 if vector_units(axes, firsts, splat=False, loose_end=True) is None else 4
    elements = 1
    for size in axes.sizes[1:]:
        elements *= size
    units = -(-axes.sizes[0] // width) * elements
    words = _header.pack(units, len(axes.sizes), elements * axes.sizes[0], 0) + constants
    words += pack_axes(axes.sizes, width) + b"".join(
        pack_strided(first, UNITS, 0, strides, width)
        for first, strides in zip(firsts, axes.strides, strict=True)
    )
    return f"{name}_{'vec4' if width == 4 else 'strided'}", words, units
