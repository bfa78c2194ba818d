"""Convolutions on a GPU: forward, transposed and input gradient.

The core plans (`src/gpu/conv/`): which kernel, which parts of the arrays, which parameters. This module packs
weights, copies inputs that do not lie channels-last, and dispatches.
"""

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ... import _core
from ..._core import Geometry
from ...errors import ArgumentError, BindingTooLarge, DtypeError
from ..checks import check_out, same_dtype
from .array import Binding, GpuArray, dense_strides
from .calls import Packed
from .runtime import Runtime

__all__ = ["Activation", "PackedWeight", "conv", "conv_input_grad", "conv_of", "explain", "pack"]

MAX_PRODUCTS = 20_000_000_000
"""Multiplications of one dispatch, at most: a slow GPU does them in less than a second."""
_FLOATS = (np.dtype(np.float32), np.dtype(np.float16))
# x_first, w_first, b_first, r_first, y_first, bias, residual, activation, act_low, act_high.
_HEAD = struct.Struct("<8I2f")
_STRIDES = struct.Struct("<6i")
# Of a step of staging: channels, padded ones, groups; the image's sizes, the result's, and its place in that.
_STAGE = struct.Struct("<12I")
_ACTIVATIONS = {"relu": 1, "clamp": 2, "leaky_relu": 3, "silu": 4}


class Activation(NamedTuple):
    """What the store applies: 'relu', 'clamp' (from `low` to `high`), 'leaky_relu' (slope `low`), 'silu'."""

    name: str
    low: float = 0.0
    high: float = 0.0


class Options(NamedTuple):
    """What a plan depends on besides the geometry; `force` names a kernel, for tests."""

    f16: bool
    adapter_class: str
    max_binding: int
    max_products: int
    force: str = ""


class _Step:
    """A dispatch: `tail` are its parameters behind those that the arrays decide."""

    __slots__ = ("channel", "groups", "pack", "plain_variant", "role", "tail", "units", "variant", "x", "y")

    def __init__(
        self,
        role: str,
        variant: str,
        plain: bool,
        words: bytes,
        groups: tuple[int, int],
        x: tuple[int, int],
        y: tuple[int, int],
        pack: int,
        channel: int,
        units: tuple[int, int],
    ) -> None:
        """`plain` says whether there is a variant without activation and residual."""
        self.role, self.variant, self.tail = role, variant, words[_HEAD.size :]
        self.plain_variant = f"{variant}_plain" if plain else variant
        self.groups, self.x, self.y = groups, x, y
        self.pack, self.channel, self.units = pack, channel, units


class _Plan:
    """The core's plan, with the shape and memory order of its result."""

    __slots__ = (
        "algorithm",
        "in_place",
        "kernel",
        "order",
        "packs",
        "reason",
        "shape",
        "stage_size",
        "stage_steps",
        "staged",
        "steps",
        "threads",
        "tile",
        "workspace",
        "x_shape",
    )

    def __init__(self, geometry: Geometry, which: str, options: Options) -> None:
        try:
            made = _core.gpu_conv_plan(geometry, which, **options._asdict())
        except ArgumentError as error:
            if "bind" in str(error):
                raise BindingTooLarge(str(error)) from None
            raise
        self.algorithm, self.kernel, self.tile = made["algorithm"], made["kernel"], made["tile"]
        self.threads, self.reason, self.staged = made["threads"], made["reason"], made["staged"]
        self.stage_size, self.stage_steps = made["stage"]
        self.packs, self.workspace = made["packs"], made["workspace"]
        self.steps = [_Step(*step) for step in made["steps"]]
        # Eager calls have neither activation nor residual; the plan names the kernel that they run.
        self.kernel = next((s.plain_variant for s in self.steps if s.variant == self.kernel), self.kernel)
        # Whether an input is read where it lies, by its strides; few are met.
        self.in_place: dict[tuple[int, ...], bool] = {}
        forward = which == "forward"
        self.shape = geometry.output_shape if forward else geometry.input_shape
        self.x_shape = geometry.input_shape if forward else geometry.output_shape
        axes = range(len(self.shape))
        channel = 1 if geometry.batched else 0
        self.order = (*(axis for axis in axes if axis != channel), channel)


class PackedWeight(Packed):
    """A weight in the order in which one geometry's kernels read it; it keeps nothing of the original."""

    __slots__ = ("dtype", "geometry", "runtime", "shape")

    plan: _Plan

    def __init__(self, geometry: Geometry, which: str, w: GpuArray, force: str = "") -> None:
        """Pack `w` for the pass `which` of `geometry`."""
        self.runtime, self.geometry, self.dtype, self.shape = w.runtime, geometry, w.dtype, w.shape
        self.plan = _planned(geometry, which, w.runtime, w.dtype, force)
        self.arrays = _pack(self.plan, w)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return sum(array.nbytes for array in self.arrays)


def conv(
    geometry: Geometry,
    x: GpuArray,
    w: Any,
    b: GpuArray | None = None,
    out: GpuArray | None = None,
    *,
    activation: Activation | None = None,
    residual: GpuArray | None = None,
) -> GpuArray:
    """Run the convolution `geometry`; `w` is an array or what `pack` returned.

    The result lies channels-last. `residual`, of its shape, is added before `activation`.
    """
    same_dtype(input=x, weight=w, bias=b, residual=residual)
    weight = w if type(w) is PackedWeight else PackedWeight(geometry, "forward", w)
    if out is not None:
        check_out(out, geometry.output_shape, x.dtype)
    y = _run(weight.plan, weight.arrays, x, b, activation, residual)
    if out is None:
        return y
    from .layout import assign

    assign(out, y)
    return out


def conv_input_grad(geometry: Geometry, w: GpuArray, grad_output: GpuArray, force: str = "") -> GpuArray:
    """Gradient of `conv` with respect to `x`, channels-last."""
    same_dtype(weight=w, grad_output=grad_output)
    weight = PackedWeight(geometry, "input_grad", w, force)
    return _run(weight.plan, weight.arrays, grad_output, None, None, None)


def pack(geometry: Geometry, w: GpuArray, force: str = "") -> PackedWeight:
    """Lay a weight out as the kernel of `geometry` reads it."""
    return PackedWeight(geometry, "forward", w, force)


def conv_of(weight: PackedWeight) -> Callable[..., GpuArray]:
    """`conv` for a packed weight."""
    return conv


def explain(runtime: Runtime, geometry: Geometry, dtype: np.dtype[Any], which: str) -> dict[str, Any]:
    """The plan of a pass, 'forward' or 'input_grad', without running it."""
    plan = _planned(geometry, which, runtime, runtime.check_dtype(dtype))
    staged = plan.stage_size * dtype.itemsize if plan.staged else 0
    return {
        "algorithm": plan.algorithm,
        "kernel": plan.kernel,
        "tile": plan.tile,
        "threads": plan.threads,
        "tasks": sum(step.groups[0] * step.groups[1] for step in plan.steps),
        "scratch_bytes": plan.workspace * 4 + staged,
        "packed_bytes": sum(size * dtype.itemsize for _, _, _, size in plan.packs),
        "reason": plan.reason,
    }


@lru_cache(maxsize=1024)
def _plan(geometry: Geometry, which: str, options: Options) -> _Plan:
    return _Plan(geometry, which, options)


def _planned(geometry: Geometry, which: str, runtime: Runtime, dtype: Any, force: str = "") -> _Plan:
    if dtype not in _FLOATS:
        raise DtypeError(f"convolutions on a GPU take float32 and float16, but got {dtype.name}")
    f16 = dtype == np.float16
    options = Options(f16, runtime.adapter_class, runtime.max_binding, MAX_PRODUCTS, force)
    return _plan(geometry, which, options)


def _part(array: GpuArray, first: int, count: int) -> Binding:
    """The binding of `count` numbers of the memory of `array` from its `first` on."""
    runtime = array.runtime
    if array.buffer.block.size <= runtime.max_binding:
        # All of the buffer is bound, so no view need say which part of it counts.
        binding = runtime.bind(array)
        binding.first += first
        return binding
    return runtime.bind(array.view((count,), (1,), array.offset + first))


def _dense(array: GpuArray) -> GpuArray:
    if array.is_contiguous():
        return array
    from .layout import contiguous

    return contiguous(array)


def _pack(plan: _Plan, w: GpuArray) -> list[GpuArray]:
    runtime, w = w.runtime, _dense(w)
    variant = "conv_pack_f16" if w.dtype == np.float16 else "conv_pack_f32"
    arrays = []
    for words, groups, (first, count), size in plan.packs:
        array = runtime.empty((size,), w.dtype)
        if groups:
            source, result = _part(w, first, count), runtime.bind(array)
            block = bytearray(words)
            start = int.from_bytes(words[:4], "little") + source.first
            struct.pack_into("<2I", block, 0, start, result.first // 4)
            runtime.dispatch(variant, bytes(block), [source], [result], runtime.grid(groups))
        arrays.append(array)
    return arrays


def _strides(plan: _Plan, x: GpuArray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape and strides of x as N, C, D, H, W."""
    batched = plan.order[-1]
    shape = x.shape if batched else (1, *x.shape)
    strides = x.strides if batched else (0, *x.strides)
    missing = 5 - len(shape)
    return (*shape[:2], *(1,) * missing, *shape[2:]), (*strides[:2], *(0,) * missing, *strides[2:])


def _reads_in_place(plan: _Plan, x: GpuArray) -> bool:
    """Whether x lies channels-last without gaps, aligned as vectors of four need it."""
    known = plan.in_place.get(x.strides)
    if known is None:
        known = plan.in_place[x.strides] = _is_channels_last(*_strides(plan, x))
    return known and x.offset % 4 == 0


def _is_channels_last(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    step = 1
    for axis in (1, 4, 3, 2, 0):
        if shape[axis] != 1:
            if strides[axis] != step:
                return False
            step *= shape[axis]
    return True


def _staged(plan: _Plan, x: GpuArray) -> GpuArray:
    """The copy of x that the kernels read."""
    runtime = x.runtime
    shape, strides = _strides(plan, x)
    copy = runtime.empty((plan.stage_size,), x.dtype)
    variant = "conv_stage_f16" if x.dtype == np.float16 else "conv_stage_f32"
    for words, groups, (image, images), (first, count) in plan.stage_steps:
        if not groups:
            continue
        part = x.view((images, *shape[1:]), strides, x.offset + image * strides[0])
        try:
            source, result = runtime.bind(part), _part(copy, first, count)
        except BindingTooLarge:
            _stage_by_copies(words, part, copy, first)
            continue
        block = bytearray(words)
        _STRIDES.pack_into(block, 0, source.first, *strides)
        struct.pack_into("<I", block, 24, result.first)
        runtime.dispatch(variant, bytes(block), [source], [result], runtime.grid(groups))
    return copy


def _stage_by_copies(words: bytes, x: GpuArray, result: GpuArray, first: int) -> None:
    """What a step of staging does, by copies that are cut anywhere: for an image that cannot be bound."""
    from .layout import assign

    channels, padded, groups, *numbers = _STAGE.unpack_from(words, 32)
    image, space, place = numbers[:3], numbers[3:6], numbers[6:]
    sizes = [min(size, room - start) for size, room, start in zip(image, space, place, strict=True)]
    n = x.shape[0]
    shape = (n, *space, groups, padded)
    steps = dense_strides(shape)
    whole = result.view(shape, steps, first)
    assign(whole, 0)
    inside = (n, *sizes, groups, channels)
    at = first + sum(start * step for start, step in zip(place, steps[1:4], strict=True))
    n_step, c_step, *x_steps = x.strides
    source = x.view(inside, (n_step, *x_steps, channels * c_step, c_step), x.offset)
    assign(whole.view(inside, steps, at), source)


def _run(
    plan: _Plan,
    weights: Sequence[GpuArray],
    x: GpuArray,
    b: GpuArray | None,
    activation: Activation | None,
    residual: GpuArray | None,
) -> GpuArray:
    runtime = x.runtime
    y = runtime.empty(plan.shape, x.dtype, plan.order)
    if not y.size:
        return y
    if plan.staged or not _reads_in_place(plan, x):
        x = _staged(plan, x)
    if b is not None and b.strides[0] != 1:
        b = _dense(b)
    if residual is not None and residual.strides != y.strides:
        from .layout import assign

        copy = runtime.empty(plan.shape, x.dtype, plan.order)
        assign(copy, residual)
        residual = copy
    sums = runtime.empty((plan.workspace,), np.dtype(np.float32)) if plan.workspace else None
    kind, low, high = 0, 0.0, 0.0
    if activation is not None:
        kind, low, high = _ACTIVATIONS[activation.name], activation.low, activation.high
    plain = activation is None and residual is None
    for step in plan.steps:
        (x_unit, y_unit), (y_first, y_count) = step.units, step.y
        weight = runtime.bind(weights[step.pack])
        if step.role == "part":
            assert sums is not None
            source, result = _part(x, *step.x), runtime.bind(sums)
            head = _HEAD.pack(source.first // x_unit, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0)
            inputs = [source, weight]
        else:
            result = _part(y, y_first, y_count)
            bias = added = weight
            b_first = r_first = 0
            if b is not None:
                bias = runtime.bind(b)
                b_first = bias.first + step.channel
            if residual is not None:
                added = _part(residual, y_first, y_count)
                r_first = added.first // y_unit
            if step.role == "whole":
                source = _part(x, *step.x)
                inputs = [source, weight, bias, added]
                x_first = source.first // x_unit
            else:
                assert sums is not None
                inputs = [runtime.bind(sums), bias, added]
                x_first = 0
            y_at = result.first // y_unit
            given = (b is not None, residual is not None)
            head = _HEAD.pack(x_first, 0, b_first, r_first, y_at, *given, kind, low, high)
        columns, rows, _ = runtime.grid(step.groups[0])
        variant = step.plain_variant if plain else step.variant
        runtime.dispatch(variant, head + step.tail, inputs, [result], (columns, rows, step.groups[1]))
    return y
