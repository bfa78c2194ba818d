"""The inverse of max pooling."""

import math
from typing import Any

import numpy as np

from .. import shaping
from ..errors import ShapeError
from ..tensor import Tensor
from . import elementwise as e
from .arrays import ArrayLike, Result, operands
from .indexing import scatter_sum
from .sizes import check_rank, each

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]


def max_unpool1d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Result:
    """Each element of `input` (N, C, L) or (C, L) at the place along the output that `indices` names.

    All else is 0. The arguments are those of the `max_pool1d` with `return_indices` that gave `input`;
    `output_size` says which of the sizes that pool to that of `input` is wanted, by default the smallest.
    Behaviour of PyTorch's max_unpool1d, but that elements with one index are averaged.

    >>> max_unpool1d([[3.0, 5.0]], [[1, 3]], 2)
    array([[0., 3., 0., 5.]])

    Raises ShapeError for shapes that do not fit, DtypeError for indices that are not whole numbers, and on
    the CPU IndexError for one out of range.
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Result:
    """As `max_unpool1d` for `input` (N, C, H, W) or (C, H, W), with indices in the output's H * W."""
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Result:
    """As `max_unpool1d` for `input` (N, C, D, H, W) or (C, D, H, W), with indices in D * H * W."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _max_unpool(
    rank: int, input: ArrayLike, indices: ArrayLike, kernel: Any, stride: Any, padding: Any, wanted: Any
) -> Result:
    if not isinstance(input, Tensor):
        call = operands(input=input)
        found = _max_unpool(rank, Tensor._new(call.arrays[0]), indices, kernel, stride, padding, wanted)
        return found if isinstance(indices, Tensor) else call.result(found._array)
    name = f"max_unpool{rank}d"
    at = indices if isinstance(indices, Tensor) else Tensor._from_array(np.asarray(indices), borrowed=True)
    check_rank(name, rank, input.shape)
    if at.shape != input.shape:
        raise ShapeError(
            f"{name} needs indices of the size of input, but got indices of size {list(at.shape)} and input "
            f"of size {list(input.shape)}"
        )
    sizes = _output_sizes(name, rank, input.shape, kernel, stride, padding, wanted)
    outer, places = input.shape[:-rank], math.prod(input.shape[-rank:])
    plane = (*outer, math.prod(sizes))
    values, at = shaping.reshape(input, *outer, places), shaping.reshape(at, *outer, places)
    host: Any = at if isinstance(indices, Tensor) else at._array
    sums = scatter_sum(values, len(outer), host, plane)
    ones = Tensor._new(operands(values=values).backend.full(values.shape, 1, values.dtype))
    counts = scatter_sum(ones, len(outer), host, plane)
    return shaping.reshape(e.div(sums, e.maximum(counts, 1.0)), *outer, *sizes)


def _output_sizes(
    name: str, rank: int, shape: tuple[int, ...], kernel: Any, stride: Any, padding: Any, wanted: Any
) -> tuple[int, ...]:
    kernels = each("kernel_size", kernel, rank)
    steps = kernels if stride is None else each("stride", stride, rank)
    pads = each("padding", padding, rank, 0)
    smallest = tuple(
        (n - 1) * s + k - 2 * p for n, k, s, p in zip(shape[-rank:], kernels, steps, pads, strict=True)
    )
    if wanted is None:
        return smallest
    sizes = tuple(wanted)[-rank:]
    if len(tuple(wanted)) not in (rank, rank + 2) or any(
        abs(size - small) >= step for size, small, step in zip(sizes, smallest, steps, strict=True)
    ):
        raise ShapeError(
            f"{name} needs an output_size of {rank} or {rank + 2} sizes less than stride={steps} from "
            f"{list(smallest)}, but got output_size={list(wanted)}"
        )
    return sizes
