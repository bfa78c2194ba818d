"""Cases of functions that read or write where indices or positions say. Part of `op_cases`."""

import itertools
import math

import numpy as np
from op_case import ALL_FLOATS, WHOLE, Array, Case


def scatter(input, dim, index, src=None, value=None):
    out = input.copy()
    for at in np.ndindex(index.shape):
        target = list(at)
        target[dim] = index[at]
        out[tuple(target)] = value if src is None else src[at]
    return out


def index_add(input, dim, index, source, alpha=1):
    out = np.moveaxis(input.copy(), dim, 0)
    for place, part in zip(index, np.moveaxis(source, dim, 0), strict=True):
        out[place] += alpha * part
    return np.moveaxis(out, 0, dim)


def _inside(at, size, padding_mode, align):
    if padding_mode == "border":
        return min(max(at, 0), size - 1)
    if padding_mode == "reflection":
        low, high = (0, size - 1) if align else (-0.5, size - 0.5)
        while not low <= at <= high:
            at = 2 * low - at if at < low else 2 * high - at
        return min(max(at, 0), size - 1)
    return at


def _cubic(t, a=-0.75):
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a


def _taps(position, size, mode, padding_mode, align):
    at = (position + 1) / 2 * (size - 1) if align else ((position + 1) * size - 1) / 2
    if mode == "bicubic":
        low = math.floor(at)
        taps = [
            (_inside(low + step, size, padding_mode, align), _cubic(at - low - step)) for step in range(-1, 3)
        ]
    else:
        at = _inside(at, size, padding_mode, align)
        low = math.floor(at)
        taps = [(round(at), 1)] if mode == "nearest" else [(low, 1 - at + low), (low + 1, at - low)]
    return [(int(place), weight) for place, weight in taps if 0 <= place < size]


def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=False):
    out = np.zeros((*input.shape[:2], *grid.shape[1:-1]))
    for at in np.ndindex(grid.shape[:-1]):
        axes = [
            _taps(position, size, mode, padding_mode, align_corners)
            for position, size in zip(grid[at][::-1], input.shape[2:], strict=True)
        ]
        for taps in itertools.product(*axes):
            places, weights = zip(*taps, strict=True)
            out[(at[0], slice(None), *at[1:])] += math.prod(weights) * input[(at[0], slice(None), *places)]
    return out


def affine_grid(theta, size, align_corners=False):
    out = np.zeros((size[0], *size[2:], len(size) - 2))
    for at in np.ndindex(out.shape[:-1]):
        place = [
            (2 * i / (n - 1) - 1 if n > 1 else 0) if align_corners else (2 * i + 1) / n - 1
            for i, n in zip(at[1:], size[2:], strict=True)
        ]
        out[at] = theta[at[0]] @ [*place[::-1], 1]
    return out


def cases():
    for dim, shape in ((0, (2, 3, 4)), (1, (3, 6, 4)), (2, (2, 2, 5))):
        arrays = {"input": Array((3, 4, 5)), "index": Array(shape, f"index {(3, 4, 5)[dim]}")}
        yield Case(
            "scatter", {**arrays, "src": Array((3, 6, 5))}, scatter, {"dim": dim}, (*ALL_FLOATS, *WHOLE)
        )
        yield Case("scatter", arrays, scatter, {"dim": dim, "value": 2.5}, ALL_FLOATS)
        source = [3, 4, 5]
        source[dim] = 6
        arrays = {"input": Array((3, 4, 5)), "index": Array((6,), f"index {(3, 4, 5)[dim]}")}
        yield Case(
            "index_add", {**arrays, "source": Array(tuple(source), layout="F")}, index_add, {"dim": dim}
        )
        if dim == 1:
            args = {"dim": -2, "alpha": -0.5}
            yield Case("index_add", {**arrays, "source": Array((3, 6, 5))}, index_add, args)
    two = {"input": Array((2, 3, 4, 5)), "grid": Array((2, 3, 2, 2))}
    three = {"input": Array((1, 2, 3, 4, 2)), "grid": Array((1, 2, 1, 3, 3))}
    for mode, padding_mode, align in itertools.product(
        ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (False, True)
    ):
        args = {"mode": mode, "padding_mode": padding_mode, "align_corners": align}
        yield Case("grid_sample", two, grid_sample, args, terms=64)
        if mode == "bilinear":
            yield Case("grid_sample", three, grid_sample, args, terms=64)
    for size in ((2, 1, 3, 4), (1, 2, 2, 1, 3)):
        rank = len(size) - 2
        theta = {"theta": Array((size[0], rank, rank + 1))}
        for align in (False, True):
            args = {"size": size, "align_corners": align}
            yield Case("affine_grid", theta, affine_grid, args, ALL_FLOATS, linear=True)
