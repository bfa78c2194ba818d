"""Elementwise expressions on strided arrays, numbers, and their broadcasts."""

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _core
from ...errors import DtypeError
from .array import GpuArray
from .dispatches import Dispatch, send
from .layout import broadcast_strides, memory_order
from .strided import (
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
_THREADS = 256
_BOOL = np.dtype(np.bool_)

_expressions = _core.expressions()
_variants = frozenset(_core.shader_variants())


def elementwise(op: str, operands: Sequence[Any], params: Sequence[float] = ()) -> GpuArray:
    """Apply an expression of the table to operands that broadcast, at least one of them an array.

    The result lies in memory as the first operand of its shape does. float16 is computed in float32. Raises
    DtypeError for a dtype that the expression is not defined for, or arrays of different dtypes.
    """
    shape, order = _result_layout(operands)
    dtype = _value_dtype(op, operands)
    arrays = [x for x in operands if isinstance(x, GpuArray)]
    runtime = arrays[0].runtime
    result = runtime.empty(shape, _BOOL if _expressions[op][2] else dtype, order)
    if result.size == 0:
        return result
    axes = _axes(operands, shape, order)
    numbers = [i for i, x in enumerate(operands) if not isinstance(x, GpuArray)]
    # Numbers take no part in the splitting: arrays first, then the result.
    kept = [strides for i, strides in enumerate(axes.strides) if i not in numbers]
    whole = Axes(axes.sizes, (*kept, dense_steps(axes.sizes)))

    def run(part: Axes, views: list[GpuArray]) -> Dispatch:
        bindings = [runtime.bind(view) for view in views]
        target = bindings.pop()
        waiting = list(zip(bindings, part.strides, strict=False))
        inputs, firsts, strides = [], [], []
        for i in range(len(operands)):
            # A number has a binding, too; nothing of it is read.
            binding, own = (bindings[0], (0,) * len(part.sizes)) if i in numbers else waiting.pop(0)
            inputs.append(binding)
            firsts.append(0 if i in numbers else binding.first)
            strides.append(own)
        axes = Axes(part.sizes, tuple(strides))
        variant, words, threads = _plan(op, dtype, axes, operands, firsts, target.first, params)
        return send(variant, words, inputs, (target,), threads, _THREADS)

    split(whole, [*arrays, result], run)
    return result


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


def _plan(
    op: str,
    dtype: np.dtype[Any],
    axes: Axes,
    operands: Sequence[Any],
    firsts: Sequence[int],
    first: int,
    params: Sequence[float],
) -> tuple[str, bytes, int]:
    """Variant, words and number of threads of a loop whose result starts at element `first`."""
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
    return variant, b"".join(words), units


def _float32(value: float) -> float:
    """`value` as struct packs it without an error: infinite where float32 ends."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def dense_steps(sizes: Sequence[int]) -> tuple[int, ...]:
    """Strides of an array without gaps, innermost first as `sizes`."""
    steps, step = [], 1
    for size in sizes:
        steps.append(step)
        step *= size
    return tuple(steps)
