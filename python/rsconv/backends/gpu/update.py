"""Updates in place: the steps of optimizers, one dispatch for each parameter."""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from .array import GpuArray
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
_MOST_PLANS = 4096

# Variant, words before and after the constants, workgroups.
_Plan = tuple[str, bytes, bytes, int]
_plans: dict[Any, _Plan] = {}


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
    runtime = grad.runtime
    with np.errstate(over="ignore"):
        constants = np.array([*params, *(0.0,) * (_CONSTANTS - len(params))], np.float32).tobytes()
    operands = (grad, *arrays)
    key = (op, *[(x.shape, x.strides, x.offset, x.dtype) for x in operands])
    limit = runtime.max_binding
    fits = all(x.buffer.block.size <= limit for x in operands)
    plan = _plans.get(key) if fits else None

    def send(plan: _Plan, bindings: Sequence[Any]) -> None:
        variant, before, after, groups = plan
        words = before + constants + after
        runtime.dispatch(variant, words, bindings[:1], bindings[1:], runtime.grid(groups))

    if plan is not None:
        send(plan, [runtime.bind(x) for x in operands])
        return

    def run(part: Axes, views: list[GpuArray]) -> None:
        bindings = [runtime.bind(view) for view in views]
        plan = _plan(f"update_{op}_{type_name(grad.dtype)}", part, [binding.first for binding in bindings])
        send(plan, bindings)
        if fits and views[0].size == grad.size:
            if len(_plans) >= _MOST_PLANS:
                _plans.clear()
            _plans[key] = plan

    strides = [x.strides for x in operands]
    split(collapse(grad.shape, strided_order(grad.shape, arrays[0].strides), strides), operands, run)


def _plan(name: str, axes: Axes, firsts: Sequence[int]) -> _Plan:
    width = 1 if vector_units(axes, firsts, splat=False, loose_end=True) is None else 4
    elements = 1
    for size in axes.sizes[1:]:
        elements *= size
    units = -(-axes.sizes[0] // width) * elements
    before = _header.pack(units, len(axes.sizes), elements * axes.sizes[0], 0)
    after = pack_axes(axes.sizes, width) + b"".join(
        pack_strided(first, UNITS, 0, strides, width)
        for first, strides in zip(firsts, axes.strides, strict=True)
    )
    return f"{name}_{'vec4' if width == 4 else 'strided'}", before, after, -(-units // 256)
