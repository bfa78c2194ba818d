"""The gradient of convolutions with respect to their weights: GEMMs that sum over pixels.

Plans come from the core (`src/gpu/weight_grad.rs`), which knows tiles and splits.
"""

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ... import _core
from ..._core import Geometry
from ...errors import BindingTooLarge, DtypeError
from .array import GpuArray
from .elementwise import elementwise
from .layout import assign, relayout
from .layout import slice as part
from .pixel_sums import Plan, dispatch, fits, keep_sum, kept_sum, room, run_sum, split_sum, sum_of
from .plans import layout_key
from .runtime import Runtime

__all__ = ["conv_weight_grad", "explain"]

# Products of a dispatch: below a second on a slow GPU.
_MOST_PRODUCTS = 20_000_000_000
# Pixels that a plan may take for one part of the sum.
_LONGEST = 8192


def conv_weight_grad(geometry: Geometry, x: GpuArray, grad_output: GpuArray) -> GpuArray:
    """Gradient of `conv` with respect to `w`, in float32 or float16 (sums are float32).

    Raises DtypeError for other dtypes, BindingTooLarge if one sample is more than the device binds.
    """
    if x.dtype.kind != "f":
        raise DtypeError(f"convolutions on the GPU take float32 or float16, but got {x.dtype.name}")
    runtime = x.runtime
    limit = runtime.max_binding
    key = ("weight_grad", geometry, layout_key(x), layout_key(grad_output), limit)
    known = kept_sum(key)
    if known is not None and fits(limit, x, grad_output):
        source, grad = (grad_output, x) if geometry.transposed else (x, grad_output)
        return run_sum(known, grad, source, runtime.empty(geometry.weight_shape, x.dtype))
    result = runtime.empty(geometry.weight_shape, x.dtype)
    if result.size == 0:
        return result
    if x.size == 0 or grad_output.size == 0:
        assign(result, 0)
        return result
    # The sides of the direct convolution: a transposed one is its input gradient.
    source, grad = (grad_output, x) if geometry.transposed else (x, grad_output)
    pixels = _channels_last(grad, geometry.rank)
    images = _channels_last(source, geometry.rank)
    half = x.dtype == np.float16
    if _is_long(geometry, pixels, result):
        return _halves(geometry, x, grad_output, result)
    if fits(limit, images, pixels, result):
        plan = _plan(geometry, images.shape[0], half, _operand(images), _operand(pixels), room(limit))
        steps = sum_of(plan, pixels, images, result)
        if images.buffer is source.buffer and pixels.buffer is grad.buffer:
            keep_sum(key, steps)
        return run_sum(steps, pixels, images, result)
    return _by_parts(geometry, images, pixels, result)


def _is_long(geometry: Geometry, pixels: GpuArray, result: GpuArray) -> bool:
    """Whether one part of the sum is too much work for a dispatch: of large weights few parts fit memory."""
    if geometry.groups > 1 or result.shape[0] == 1:
        return False
    positions = pixels.size // pixels.shape[1]
    parts = max(room(result.runtime.max_binding) // (4 * result.size), 1)
    longest = max(-(-positions // parts), min(positions, _LONGEST))
    return result.size * longest > _MOST_PRODUCTS


def _halves(geometry: Geometry, x: GpuArray, grad_output: GpuArray, result: GpuArray) -> GpuArray:
    """The gradient of the first and of the second half of the weight's first axis."""
    rank, rows = geometry.rank, result.shape[0]
    given, shape = [x, grad_output], list(geometry.input_shape)
    which = 0 if geometry.transposed else 1
    channels = given[which].ndim - 1 - rank
    if channels and not _pixels_in_order(given[which].shape, given[which].strides):
        # Copied once, and not for every part.
        given[which] = relayout(given[which], (0, *range(2, rank + 2), 1))
    whole = given[which]
    for start, stop in ((0, rows // 2), (rows // 2, rows)):
        index = [slice(None)] * whole.ndim
        index[channels] = slice(start, stop)
        given[which] = part(whole, tuple(index))
        if geometry.transposed:
            shape[channels] = stop - start
        own = Geometry(
            rank,
            tuple(shape),
            (stop - start, *result.shape[1:]),
            None,
            geometry.stride,
            geometry.padding,
            geometry.output_padding,
            1,
            geometry.dilation,
            geometry.transposed,
        )
        assign(
            part(result, (slice(start, stop), *(slice(None),) * (rank + 1))), conv_weight_grad(own, *given)
        )
    return result


def explain(runtime: Runtime, geometry: Geometry, dtype: np.dtype[Any]) -> dict[str, Any]:
    """The plan for arrays in channels-last order, without running it. Raises DtypeError."""
    if dtype.kind != "f":
        raise DtypeError(f"convolutions on the GPU take float32 or float16, but got {dtype.name}")
    half = runtime.check_dtype(dtype) == np.float16
    shapes = [
        shape if geometry.batched else (1, *shape) for shape in (geometry.input_shape, geometry.output_shape)
    ]
    images, pixels = reversed(shapes) if geometry.transposed else shapes
    plan = _plan(geometry, images[0], half, _dense(images), _dense(pixels), room(runtime.max_binding))
    direct = plan.grid[0] == 0
    tile = plan.variant.removeprefix("weight_grad_").rsplit("_", 3)[0]
    rows, columns, own_rows, own_columns = (1, 1, 1, 1) if direct else map(int, re.findall(r"\d+", tile))
    return {
        "algorithm": "direct" if direct else "implicit GEMM",
        "kernel": plan.variant,
        "tile": (rows, columns),
        "threads": 64 if direct else rows * columns // (own_rows * own_columns),
        "tasks": math.prod(size for size in plan.grid if size) * plan.splits,
        "scratch_bytes": plan.splits * plan.outputs * 4 if plan.splits > 1 or half else 0,
        "packed_bytes": 0,
        "reason": f"the sum over pixels in {plan.splits} parts" if plan.splits > 1 else "the sum in one part",
    }


def _dense(shape: Sequence[int]) -> tuple[tuple[int, ...], bool]:
    """`_operand` of a channels-last array without gaps."""
    _, c, *sizes = shape
    steps = [c]
    for size in (*sizes[::-1], *(1,) * (3 - len(sizes))):
        steps.append(steps[-1] * size)
    return tuple(steps[::-1]), True


def _by_parts(geometry: Geometry, images: GpuArray, pixels: GpuArray, result: GpuArray) -> GpuArray:
    """The sum over samples that the device cannot bind at once: every part leaves parts of the sum."""
    runtime, half = result.runtime, result.dtype == np.float16
    parts = _parts([images, pixels])
    space = room(runtime.max_binding) // len(parts)
    plans = [
        _plan(geometry, stop - start, half, _operand(image), _operand(pixel), space)
        for start, stop, (image, pixel) in parts
    ]
    splits = sum(plan.splits for plan in plans)
    single = np.dtype(np.float32)
    if splits * result.size * 4 > runtime.max_binding:
        # Large weights: one part of the sum after the other.
        total: GpuArray | None = None
        for plan, (_, _, (image, pixel)) in zip(plans, parts, strict=True):
            sums = runtime.empty((plan.splits, result.size), single)
            dispatch(plan, runtime.bind(pixel), runtime.bind(image), runtime.bind(sums), 0)
            piece = runtime.empty(result.shape, single)
            split_sum(sums, piece)
            total = piece if total is None else elementwise("add", (total, piece))
        assign(result, total)
        return result
    sums = runtime.empty((splits, result.size), single)
    target, at = runtime.bind(sums), 0
    for plan, (_, _, (image, pixel)) in zip(plans, parts, strict=True):
        dispatch(plan, runtime.bind(pixel), runtime.bind(image), target, target.first + at * plan.outputs)
        at += plan.splits
    split_sum(sums, result)
    return result


def _channels_last(x: GpuArray, rank: int) -> GpuArray:
    """`x` as (n, c, d, h, w) with neighbouring channels and pixels in C order, copied if need be.

    Pixels may be further apart than their channels take, all by the same distance.
    """
    if x.ndim == rank + 1:
        x = x.view((1, *x.shape), (0, *x.strides), x.offset)
    fill = 3 - rank
    n, c, *sizes = x.shape
    if not _pixels_in_order(x.shape, x.strides):
        x = relayout(x, (0, *range(2, x.ndim), 1))
    n_step, _, *steps = x.strides
    # Axes of one element get the step that fits their neighbours.
    step = next((s for size, s in zip(sizes[::-1], steps[::-1], strict=True) if size > 1), c)
    step = n_step if n > 1 and all(size == 1 for size in sizes) else step
    found = []
    for size in (*sizes[::-1], *(1,) * fill, n):
        found.append(step)
        step *= size
    *inner, outer = found
    return x.view((n, c, *(1,) * fill, *sizes), (outer, 1, *inner[::-1]), x.offset)


def _pixels_in_order(shape: Sequence[int], strides: Sequence[int]) -> bool:
    n, c, *sizes = shape
    n_step, c_step, *steps = strides
    if c > 1 and c_step != 1:
        return False
    expected = 0
    for size, step in zip((*sizes[::-1], n), (*steps[::-1], n_step), strict=True):
        if size == 1:
            continue
        if step != expected if expected else step < c:
            return False
        expected = step * size
    return True


def _parts(arrays: list[GpuArray]) -> list[tuple[int, int, list[GpuArray]]]:
    """Ranges of samples that the device can bind, with the arrays of each."""
    samples = arrays[0].shape[0]
    parts: list[tuple[int, int, list[GpuArray]]] = []

    def add(start: int, stop: int) -> None:
        views = [
            a.view((stop - start, *a.shape[1:]), a.strides, a.offset + start * a.strides[0]) for a in arrays
        ]
        try:
            for view in views:
                view.runtime.bind(view)
        except BindingTooLarge:
            if stop - start == 1:
                raise
            middle = (start + stop) // 2
            add(start, middle)
            add(middle, stop)
        else:
            parts.append((start, stop, views))

    add(0, samples)
    return parts


def _operand(x: GpuArray) -> tuple[tuple[int, ...], bool]:
    n, _, d, h, w = x.strides
    return (n, d, h, w), x.offset % 4 == 0


@lru_cache(4096)
def _plan(
    geometry: Geometry,
    samples: int,
    half: bool,
    x: tuple[tuple[int, ...], bool],
    g: tuple[tuple[int, ...], bool],
    space: int,
) -> Plan:
    return Plan(*_core.gpu_weight_grad_plan(geometry, samples, half, x, g, space))
