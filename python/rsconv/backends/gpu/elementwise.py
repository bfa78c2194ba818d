"""Elementwise expressions on strided arrays, numbers, and their broadcasts."""

import math
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ... import _core
from ...errors import DtypeError
from .array import GpuArray
from .layout import broadcast_strides, memory_order
from .strided import (
    MOST_AXES,
    NUMBER,
    UNITS,
    Axes,
    collapse,
    number_bits,
    pack_axes,
    pack_strided,
    split,
    type_name,
    vector_units,
)

__all__ = ["elementwise"]

_header = struct.Struct("<4I4f")
_MOST_PLANS = 4096
_BOOL = np.dtype(np.bool_)

_expressions = _core.expressions()
_variants = frozenset(_core.shader_variants())
_plans: dict[Any, "_Plan"] = {}


class _Plan(NamedTuple):
    shape: tuple[int, ...]
    order: tuple[int, ...] | None
    dtype: np.dtype[Any]
    # For arrays within buffers that a device binds whole; None if the loop needs parts.
    dispatch: tuple[str, bytes, int] | None


def elementwise(op: str, operands: Sequence[Any], params: Sequence[float] = ()) -> GpuArray:
    """Apply an expression of the table to operands that broadcast, at least one of them an array.

    The result lies in memory as the first operand of its shape does. float16 is computed in float32. Raises
    DtypeError for a dtype that the expression is not defined for, or arrays of different dtypes.
    """
    arrays = []
    key: list[Any] = [op]
    for x in operands:
        if type(x) is GpuArray:
            arrays.append(x)
            key.append((x.shape, x.strides, x.offset, x.dtype))
        else:
            key.append(_number_key(x))
    if params:
        key.append(struct.pack(f"<{len(params)}d", *params))
    known = tuple(key)
    plan = _plans.get(known)
    runtime = arrays[0].runtime
    if plan is None:
        plan = _plan(op, operands, params)
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        _plans[known] = plan
    result = runtime.empty(plan.shape, plan.dtype, plan.order)
    if result.size == 0:
        return result
    limit = runtime.max_binding
    fits = result.buffer.block.size <= limit and all(x.buffer.block.size <= limit for x in arrays)
    if plan.dispatch is None or not fits:
        _run_parts(op, operands, params, result)
        return result
    variant, words, workgroups = plan.dispatch
    groups = runtime.grid(workgroups)
    # A number has a binding, too; nothing of it is read.
    spare = runtime.bind(arrays[0])
    inputs = [runtime.bind(x) if type(x) is GpuArray else spare for x in operands]
    runtime.dispatch(variant, words, inputs, (runtime.bind(result),), groups)
    return result


def _number_key(x: Any) -> Any:
    # As bytes, since 0.0 and -0.0 are equal and NaN is not.
    return struct.pack("<d", x) if isinstance(x, (float, np.floating)) else (type(x), x)


def _plan(op: str, operands: Sequence[Any], params: Sequence[float]) -> _Plan:
    dtype = _value_dtype(op, operands)
    shape, order = _result_layout(operands)
    gives_bool = _expressions[op][2]
    dispatch = None
    axes = _axes(operands, shape, order)
    if len(axes.sizes) <= MOST_AXES and 0 not in shape:
        firsts = [x.offset if isinstance(x, GpuArray) else 0 for x in operands]
        dispatch = _dispatch(op, dtype, axes, operands, firsts, 0, params)
    return _Plan(shape, order, _BOOL if gives_bool else dtype, dispatch)


def _value_dtype(op: str, operands: Sequence[Any]) -> np.dtype[Any]:
    """The dtype that the operands share; those that are all numbers have the one that suits them."""
    values = operands[1:] if op == "where" else operands
    found = {x.dtype: None for x in values if isinstance(x, GpuArray)}
    if len(found) > 1:
        names = " and ".join(dtype.name for dtype in found)
        raise DtypeError(f"{op} got operands of {names}: they should be the same")
    if found:
        dtype: np.dtype[Any] = next(iter(found))
    elif any(isinstance(x, float) for x in values):
        dtype = np.dtype(np.float32)
    else:
        dtype = _BOOL if all(isinstance(x, bool) for x in values) else np.dtype(np.int32)
    if f"elementwise_{op}_{type_name(dtype)}_vec4" not in _variants:
        raise DtypeError(f"{op} is not defined for {dtype.name} on the GPU")
    return dtype


def _result_layout(operands: Sequence[Any]) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """The broadcast shape, and the order of axes of the first operand that has it."""
    arrays = [x for x in operands if isinstance(x, GpuArray)]
    ndim = max(x.ndim for x in arrays)
    shape = [1] * ndim
    for x in arrays:
        for axis, size in enumerate(x.shape, ndim - x.ndim):
            if size != 1:
                shape[axis] = size
    whole = tuple(shape)
    full = [x for x in arrays if x.shape == whole]
    dense = [x for x in full if x.order() is not None]
    model = next(iter(dense or full), None)
    return whole, None if model is None else memory_order(model)


def _axes(operands: Sequence[Any], shape: tuple[int, ...], order: tuple[int, ...] | None) -> Axes:
    none = (0,) * len(shape)
    strides = [broadcast_strides(x, shape) if isinstance(x, GpuArray) else none for x in operands]
    return collapse(shape, range(len(shape)) if order is None else order, strides)


def _dispatch(
    op: str,
    dtype: np.dtype[Any],
    axes: Axes,
    operands: Sequence[Any],
    firsts: Sequence[int],
    first: int,
    params: Sequence[float],
) -> tuple[str, bytes, int]:
    """Variant, words and number of workgroups of a loop whose result starts at element `first`."""
    kinds = vector_units(axes, firsts, splat=True, loose_end=True) if first % 4 == 0 else None
    width = 1 if kinds is None else 4
    units = -(-axes.sizes[0] // width) * math.prod(axes.sizes[1:])
    constants = [*params, *(0.0,) * (4 - len(params))]
    words = [
        _header.pack(
            units, len(axes.sizes), first // width, math.prod(axes.sizes), *map(_float32, constants)
        ),
        pack_axes(axes.sizes, width),
    ]
    for i, (x, start, strides) in enumerate(zip(operands, firsts, axes.strides, strict=True)):
        if isinstance(x, GpuArray):
            words.append(pack_strided(start, kinds[i] if kinds else UNITS, 0, strides, width))
        else:
            bits = number_bits(x, _BOOL if op == "where" and i == 0 else dtype)
            words.append(pack_strided(0, NUMBER, bits, (), width))
    mode = "vec4" if width == 4 else "strided"
    variant = f"elementwise_{op}_{type_name(dtype)}_{mode}"
    return variant, b"".join(words), -(-units // 256)


def _float32(value: float) -> float:
    """`value` as struct packs it without an error: infinite where float32 ends."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def _run_parts(op: str, operands: Sequence[Any], params: Sequence[float], result: GpuArray) -> None:
    runtime = result.runtime
    dtype = _value_dtype(op, operands)
    axes = _axes(operands, result.shape, result.order())
    arrays = [x for x in operands if isinstance(x, GpuArray)]
    numbers = [i for i, x in enumerate(operands) if not isinstance(x, GpuArray)]
    # Numbers take no part in the splitting: arrays first, then the result.
    kept = [strides for i, strides in enumerate(axes.strides) if i not in numbers]
    steps = dense_steps(axes.sizes)
    whole = Axes(axes.sizes, (*kept, steps))

    def run(part: Axes, views: list[GpuArray]) -> None:
        bindings = [runtime.bind(view) for view in views]
        target = bindings.pop()
        waiting = list(zip(bindings, part.strides, strict=False))
        inputs, firsts, strides = [], [], []
        for i in range(len(operands)):
            binding, own = (bindings[0], (0,) * len(part.sizes)) if i in numbers else waiting.pop(0)
            inputs.append(binding)
            firsts.append(0 if i in numbers else binding.first)
            strides.append(own)
        axes = Axes(part.sizes, tuple(strides))
        variant, words, workgroups = _dispatch(op, dtype, axes, operands, firsts, target.first, params)
        runtime.dispatch(variant, words, inputs, (target,), runtime.grid(workgroups))

    split(whole, [*arrays, result], run)


def dense_steps(sizes: Sequence[int]) -> tuple[int, ...]:
    """Strides of an array without gaps, innermost first as `sizes`."""
    steps, step = [], 1
    for size in sizes:
        steps.append(step)
        step *= size
    return tuple(steps)
