"""Parts of arrays, and arrays of parts: concatenation, stacking, splitting, flipping."""

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import arithmetic
from ..dtypes import promote
from ..errors import ArgumentError, ShapeError
from ..shaping import squeeze, unsqueeze
from ..tensor import Tensor
from .arrays import ArrayLike, Result, operands
from .recording import node

__all__ = [
    "cat",
    "chunk",
    "concat",
    "concatenate",
    "flip",
    "hstack",
    "narrow",
    "span",
    "split",
    "stack",
    "unbind",
    "vstack",
]


def span(shape: tuple[int, ...], axis: int, start: int, stop: int) -> tuple[slice, ...]:
    """The index, for a backend, of the elements from `start` to `stop` along one axis of a shape."""
    index = [slice(0, size, 1) for size in shape]
    index[axis] = slice(start, stop, 1)
    return tuple(index)


def cat(tensors: Sequence[ArrayLike], dim: int = 0) -> Result:
    """Arrays one after the other along `dim`, which agree in all other sizes; dtypes promote.

    Arrays of shape (0,) are passed over. Behaviour of PyTorch's cat.

    >>> cat([[[1, 2]], [[3, 4]]], 1)
    array([[1, 2, 3, 4]])

    Raises ArgumentError without arrays, ShapeError for sizes that differ, IndexError for a dimension out of
    range.
    """
    named = {f"tensors[{i}]": x for i, x in enumerate(tensors)}
    if not named:
        raise ArgumentError("cat expects a non-empty sequence of arrays, but got tensors=[]")
    call = operands(**named)
    dtype = promote(*call.arrays)
    used = [x for x in call.arrays if x.shape != (0,)] or list(call.arrays[:1])
    first = used[0]
    if not all(x.ndim for x in used):
        raise ShapeError("cat expects arrays with dimensions; use stack for arrays of shape ()")
    axis = arithmetic.normalize_dim(dim, first.ndim)
    for i, x in enumerate(call.arrays):
        if x.shape == (0,):
            continue
        if x.ndim != first.ndim:
            raise ShapeError(
                f"cat expects arrays of one number of dimensions, but got {first.ndim} and {x.ndim} for "
                "array "
                f"number {i} in the list"
            )
        for d, (expected, size) in enumerate(zip(first.shape, x.shape, strict=True)):
            if d != axis and size != expected:
                raise ShapeError(
                    f"Sizes of arrays must match except in dimension {axis}. Expected size {expected} but "
                    "got "
                    f"size {size} in dimension {d} for array number {i} in the list"
                )
    y = call.backend.concatenate([arithmetic.cast(x, dtype) for x in used], axis)
    sizes = [0 if x.shape == (0,) and first.shape != (0,) else x.shape[axis] for x in call.arrays]
    return node(call, "cat", named, y, axis=axis, sizes=sizes)


def concat(tensors: Sequence[ArrayLike], dim: int = 0) -> Result:
    """`cat` under another name."""
    return cat(tensors, dim)


def concatenate(tensors: Sequence[ArrayLike], dim: int = 0) -> Result:
    """`cat` under another name."""
    return cat(tensors, dim)


def stack(tensors: Sequence[ArrayLike], dim: int = 0) -> Result:
    """Arrays of one shape along a new dimension at `dim`; dtypes promote. Behaviour of PyTorch's stack.

    >>> stack([[1, 2], [3, 4]], 1)
    array([[1, 3],
           [2, 4]])

    Raises ArgumentError without arrays, ShapeError for shapes that differ, IndexError for a dimension out of
    range.
    """
    named = {f"tensors[{i}]": x for i, x in enumerate(tensors)}
    if not named:
        raise ArgumentError("stack expects a non-empty sequence of arrays, but got tensors=[]")
    call = operands(**named)
    first = call.arrays[0]
    for i, x in enumerate(call.arrays):
        if x.shape != first.shape:
            raise ShapeError(
                f"stack expects each array to be equal size, but got {list(first.shape)} at entry 0 and "
                f"{list(x.shape)} at entry {i}"
            )
    axis = arithmetic.normalize_dim(dim, first.ndim + 1)
    shape = (*first.shape[:axis], 1, *first.shape[axis:])
    dtype = promote(*call.arrays)
    parts = [call.backend.reshape(arithmetic.cast(x, dtype), shape) for x in call.arrays]
    return node(call, "stack", named, call.backend.concatenate(parts, axis), axis=axis)


def _part(input: ArrayLike, axis: int, start: int, length: int) -> Result:
    """A view along one axis: of a Tensor a Tensor that shares its memory, else an ndarray."""
    index = (*(slice(None),) * axis, slice(start, start + length))
    return input[index] if isinstance(input, Tensor) else np.asarray(input)[index]


def _axis(input: ArrayLike, dim: int) -> tuple[int, int]:
    """A dimension as an axis, and its size."""
    shape = np.shape(input) if not isinstance(input, Tensor) else input.shape
    if not shape:
        raise ShapeError("an array without dimensions has no parts")
    axis = arithmetic.normalize_dim(dim, len(shape))
    return axis, shape[axis]


def narrow(input: ArrayLike, dim: int, start: int, length: int) -> Result:
    """A view of `length` elements from `start` on along `dim`. Behaviour of PyTorch's narrow.

    >>> narrow([1, 2, 3, 4], 0, 1, 2)
    array([2, 3])

    Raises IndexError for a start out of range, ArgumentError for a length that is negative or too long.
    """
    axis, size = _axis(input, dim)
    start, length = operator.index(start), operator.index(length)
    if not -size <= start <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})"
        )
    start += size if start < 0 else 0
    if length < 0 or start + length > size:
        raise ArgumentError(f"start ({start}) + length ({length}) exceeds dimension size ({size})")
    return _part(input, axis, start, length)


def split(tensor: ArrayLike, split_size_or_sections: Any, dim: int = 0) -> tuple[Result, ...]:
    """Views of parts of a size (the last may be smaller), or of a list of sizes.

    Behaviour of PyTorch's split.

    >>> split([1, 2, 3], 2)
    (array([1, 2]), array([3]))

    Raises ArgumentError for sizes that are negative or do not add up to the size along `dim`.
    """
    axis, size = _axis(tensor, dim)
    if isinstance(split_size_or_sections, (list, tuple)):
        sections = [operator.index(part) for part in split_size_or_sections]
        if min(sections, default=0) < 0 or sum(sections) != size:
            raise ArgumentError(
                f"split expects sizes that are not negative and sum exactly to {size}, the size of dimension "
                f"{dim}, but got split_sizes={sections}"
            )
    else:
        part = operator.index(split_size_or_sections)
        if part < 0 or (part == 0 and size):
            raise ArgumentError(f"split expects a positive split_size, but got split_size={part}")
        sections = [min(part, size - start) for start in range(0, size, part)] if size else [0]
    starts = np.cumsum([0, *sections]).tolist()
    return tuple(_part(tensor, axis, a, b - a) for a, b in itertools.pairwise(starts))


def chunk(input: ArrayLike, chunks: int, dim: int = 0) -> tuple[Result, ...]:
    """Views of at most `chunks` parts of one size, `ceil(size / chunks)`; the last may be smaller.

    Behaviour of PyTorch's chunk. Raises ArgumentError for a number of chunks that is not positive.
    """
    if operator.index(chunks) < 1:
        raise ArgumentError(f"chunk expects `chunks` to be greater than 0, but got chunks={chunks}")
    _, size = _axis(input, dim)
    return split(input, max(-(-size // chunks), 1), dim) if size else split(input, [0] * chunks, dim)


def unbind(input: ArrayLike, dim: int = 0) -> tuple[Result, ...]:
    """Views of the slices along `dim`, without it. Behaviour of PyTorch's unbind."""
    axis, size = _axis(input, dim)
    return tuple(squeeze(_part(input, axis, i, 1), axis) for i in range(size))


def flip(input: ArrayLike, dims: Any) -> Result:
    """A copy with the order of the elements reversed along `dims`. Behaviour of PyTorch's flip.

    >>> flip([[1, 2], [3, 4]], 0)
    array([[3, 4],
           [1, 2]])
    """
    call = operands(input=input)
    x = call.arrays[0]
    axes = arithmetic.normalize_dims(() if dims is None else dims, x.ndim)
    index = tuple(
        slice(size - 1, None, -1) if axis in axes else slice(0, size, 1) for axis, size in enumerate(x.shape)
    )
    return node(call, "flip", {"input": input}, call.backend.copy(call.backend.slice(x, index)), axes=axes)


def hstack(tensors: Sequence[ArrayLike]) -> Result:
    """`cat` along the second axis, of 1-D arrays along their only one. Behaviour of PyTorch's hstack."""
    return cat(tensors, 0 if all(len(np.shape(x)) < 2 for x in tensors) else 1)


def vstack(tensors: Sequence[ArrayLike]) -> Result:
    """`cat` along the first axis, 1-D arrays as rows. Behaviour of PyTorch's vstack."""
    return cat([unsqueeze(x, 0) if len(np.shape(x)) < 2 else x for x in tensors], 0)
