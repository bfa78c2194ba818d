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
from ...errors import DtypeError
from .array import GpuArray
from .layout import assign, relayout
from .pixel_sums import Plan, fits, longest_part, room, run_sum
from .regions import MOST_WORK, Box, Operand, Part, by_regions
from .runtime import Runtime

__all__ = ["conv_weight_grad", "explain"]

# Products of a dispatch: below a second on a slow GPU.
_MOST_PRODUCTS = MOST_WORK
_FLOAT32 = np.dtype(np.float32)


def conv_weight_grad(geometry: Geometry, x: GpuArray, grad_output: GpuArray) -> GpuArray:
    """Gradient of `conv` with respect to `w`, in float32 or float16 (sums are float32).

    Raises DtypeError for other dtypes, BindingTooLarge if one row of an image is more than the device binds.
    """
    if x.dtype.kind != "f":
        raise DtypeError(f"convolutions on the GPU take float32 or float16, but got {x.dtype.name}")
    runtime = x.runtime
    limit = runtime.max_binding
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
    if fits(limit, images, pixels, result):
        products = result.size * longest_part(result.size, pixels.size // pixels.shape[1], limit)
        if products <= _MOST_PRODUCTS:
            half = x.dtype == np.float16
            plan = _plan(geometry, images.shape[0], half, _operand(images), _operand(pixels), room(limit))
            run_sum(plan, pixels, images, result)
            return result
    total = result if result.dtype == _FLOAT32 else runtime.empty(result.shape, _FLOAT32)
    _by_regions(geometry, images, pixels, total)
    if total is not result:
        assign(result, total)
    return result


def _by_regions(geometry: Geometry, images: GpuArray, pixels: GpuArray, result: GpuArray) -> None:
    """The sum by regions of (samples, pixels' d, h, w, groups, their outputs), added in their order."""
    rank, groups = geometry.rank, geometry.groups
    fill = 3 - rank
    rows, channels = result.shape[0] // groups, images.shape[1] // groups
    columns = result.size // result.shape[0]
    stride, dilation = (1,) * fill + geometry.stride, (1,) * fill + geometry.dilation
    low = (0,) * fill + tuple([pad[0] for pad in geometry.padding])
    kernel = geometry.weight_shape[2:]
    extent = [(size - 1) * step + 1 for size, step in zip((1,) * fill + kernel, dilation, strict=True)]
    n, _, *sizes = pixels.shape
    shape = (n, *sizes, groups, rows)

    def seen(box: Box) -> Box:
        starts, counts = [], []
        for axis in range(3):
            size, first = images.shape[2 + axis], box.starts[1 + axis] * stride[axis] - low[axis]
            start = min(max(first, 0), size - 1)
            end = first + (box.sizes[1 + axis] - 1) * stride[axis] + extent[axis]
            starts.append(start)
            counts.append(max(min(end, size), start + 1) - start)
        return Box((box.starts[0], *starts, box.starts[4]), (box.sizes[0], *counts, box.sizes[4]))

    def view(x: GpuArray, shape: tuple[int, ...], *inner: int) -> GpuArray:
        return x.view(shape, (x.strides[0], *x.strides[2:5], *inner), x.offset)

    operands = [
        Operand(result.view((*shape, columns), (0, 0, 0, 0, rows * columns, columns, 1), result.offset)),
        Operand(view(images, (n, *images.shape[2:], groups, channels), channels, 1), seen),
        Operand(view(pixels, shape, rows, 1)),
    ]

    def must(sizes: tuple[int, ...]) -> int | None:
        # Pixels of a dispatch lie at one distance, and several groups have all of their outputs.
        for axis in (0, 1, 2):
            if sizes[axis] > 1 and sizes[axis + 1 : 4] != shape[axis + 1 : 4]:
                return axis
        return 4 if sizes[4] > 1 and sizes[5] != rows else None

    def work(sizes: tuple[int, ...]) -> float:
        outputs = sizes[4] * sizes[5] * columns
        products = outputs * longest_part(outputs, math.prod(sizes[:4]), result.runtime.max_binding)
        return products * (MOST_WORK / _MOST_PRODUCTS)

    def run(box: Box, parts: list[Part]) -> None:
        to, image, pixel = (part.view for part in parts)
        samples, *counts, own_groups, own_rows = box.sizes
        own_channels, outputs = own_groups * channels, own_groups * own_rows
        pads = []
        for axis in range(fill, 3):
            before = parts[1].starts[1 + axis] - box.starts[1 + axis] * stride[axis] + low[axis]
            reach = (counts[axis] - 1) * stride[axis] + extent[axis]
            pads.append((before, reach - before - image.shape[1 + axis]))
        target = to.view((outputs, columns), (columns, 1), to.offset)
        more = any(box.starts[:4])
        if min(map(min, pads)) < 0:
            # These windows see nothing but padding.
            if not more:
                assign(target, 0)
            return
        x_shape, steps = (samples, own_channels, *image.shape[1:4]), image.strides
        x = image.view(x_shape, (steps[0], 1, *steps[1:4]), image.offset)
        g_shape, steps = (samples, outputs, *counts), pixel.strides
        g = pixel.view(g_shape, (steps[0], 1, *steps[1:4]), pixel.offset)
        own = Geometry(
            rank,
            (samples, own_channels, *image.shape[1 + fill : 4]),
            (outputs, channels, *kernel),
            stride=stride[fill:],
            padding=pads,
            groups=own_groups,
            dilation=dilation[fill:],
        )
        plan = _plan(own, samples, False, _operand(x), _operand(g), room(result.runtime.max_binding))
        run_sum(plan, g, x, target, more)

    by_regions(shape, operands, run, work=work, must=must)


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
