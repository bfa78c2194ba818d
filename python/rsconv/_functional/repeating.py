"""Arrays repeated, rotated, and spread over each other's axes."""

import operator
from typing import Any

import numpy as np

from .. import arithmetic
from ..errors import ArgumentError, ShapeError
from ..shaping import expand, reshape, sizes_of, unsqueeze
from ..tensor import Tensor
from .arrays import ArrayLike, Result, described, native
from .elementwise import mul
from .indexing import index_select
from .joining import cat, narrow

__all__ = [
    "broadcast_tensors",
    "broadcast_to",
    "meshgrid",
    "outer",
    "repeat",
    "repeat_interleave",
    "roll",
    "tile",
]


def _shape(input: ArrayLike) -> tuple[int, ...]:
    _, (x,), _ = described(input=input)
    shape: tuple[int, ...] = x.shape
    return shape


def repeat(input: ArrayLike, *repeats: Any) -> Result:
    """`input` so many times along each axis; more numbers than dimensions are of new axes in front.

    Behaviour of PyTorch's Tensor.repeat.

    >>> repeat(np.array([1, 2]), 2, 2)
    array([[1, 2, 1, 2],
           [1, 2, 1, 2]])

    Raises ShapeError for fewer numbers than dimensions, ArgumentError for negative ones.
    """
    counts, shape = sizes_of(repeats), _shape(input)
    if len(counts) < len(shape):
        raise ShapeError(f"repeat needs a number for each dimension of size {list(shape)}, but got {counts}")
    if min(counts, default=0) < 0:
        raise ArgumentError(f"repeat needs numbers that are not negative, but got {counts}")
    shape = (1,) * (len(counts) - len(shape)) + shape
    if not isinstance(input, Tensor):
        input = native(np.asarray(input))
    # Each axis behind a new one of size 1, which is spread and then joined with it.
    apart = [size for n in shape for size in (1, n)]
    spread = [size for count, n in zip(counts, shape, strict=True) for size in (count, n)]
    whole = [count * n for count, n in zip(counts, shape, strict=True)]
    return reshape(expand(reshape(input, apart), spread), whole)


def tile(input: ArrayLike, dims: Any) -> Result:
    """As `repeat`; fewer numbers than dimensions are of the last axes. Behaviour of PyTorch's tile."""
    counts = sizes_of((dims,))
    return repeat(input, (1,) * (len(_shape(input)) - len(counts)) + counts)


def repeat_interleave(input: ArrayLike, repeats: Any, dim: int | None = None) -> Result:
    """Each element `repeats` times in a row along `dim`, or in the flattened array.

    `repeats` is a number, or host data with one for each element along `dim`. Behaviour of PyTorch's
    repeat_interleave.

    >>> repeat_interleave([1, 2], 2)
    array([1, 1, 2, 2])

    Raises ShapeError for another number of repeats, ArgumentError for negative ones.
    """
    if dim is None:
        input, dim = reshape(input, -1), 0
    shape = _shape(input)
    axis = arithmetic.normalize_dim(dim, len(shape))
    counts = np.asarray(repeats)
    if counts.size and counts.min() < 0:
        raise ArgumentError(f"repeat_interleave needs repeats that are not negative, but got {counts.min()}")
    if counts.size != 1 and counts.shape != shape[axis : axis + 1]:
        raise ShapeError(
            f"repeat_interleave needs one number or {shape[axis]} repeats, but got size {list(counts.shape)}"
        )
    return index_select(input, axis, np.repeat(np.arange(shape[axis]), counts.reshape(-1)))


def roll(input: ArrayLike, shifts: Any, dims: Any = None) -> Result:
    """The elements moved by `shifts` places along `dims`, those that leave at one end enter at the other.

    Without `dims`, along the flattened array. Behaviour of PyTorch's roll.

    >>> roll([1, 2, 3], 1)
    array([3, 1, 2])

    Raises ArgumentError unless there are as many shifts as dims.
    """
    shape = _shape(input)
    if dims is None:
        return reshape(roll(reshape(input, -1), shifts, 0), shape)
    steps = sizes_of((shifts,)) if np.iterable(shifts) else (operator.index(shifts),)
    axes = arithmetic.normalize_dims(dims, len(shape))
    if len(steps) != len(axes):
        raise ArgumentError(f"roll needs a shift for each of dims={dims}, but got shifts={shifts}")
    for step, axis in zip(steps, axes, strict=True):
        size = shape[axis]
        first = step % size if size else 0
        parts = [narrow(input, axis, size - first, first), narrow(input, axis, 0, size - first)]
        input = cat(parts, axis)
    return input


def broadcast_to(input: ArrayLike, size: Any) -> Result:
    """A read-only view with the axes of size 1 repeated, and new ones in front. ShapeError as `expand`.

    Behaviour of PyTorch's broadcast_to.
    """
    return expand(input, size)


def broadcast_tensors(*tensors: ArrayLike) -> tuple[Result, ...]:
    """Read-only views of all in the shape they broadcast to. Behaviour of PyTorch's broadcast_tensors."""
    _, arrays, _ = described(**{f"tensors[{i}]": x for i, x in enumerate(tensors)})
    shape = arithmetic.broadcast_shapes("broadcast_tensors", *arrays)
    return tuple(expand(x, shape) for x in tensors)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Result, ...]:
    """For each of several 1-D arrays a read-only view with one axis for every array, along which it varies.

    With `indexing='xy'` the first two axes change places. Behaviour of PyTorch's meshgrid.

    >>> meshgrid([0, 1], [5, 6, 7])[1]
    array([[5, 6, 7],
           [5, 6, 7]])

    Raises ArgumentError for another indexing, ShapeError for arrays of more dimensions.
    """
    if indexing not in ("ij", "xy"):
        raise ArgumentError(f"indexing must be 'ij' or 'xy', but got indexing={indexing!r}")
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    shapes = [_shape(x) for x in given]
    for i, shape in enumerate(shapes):
        if len(shape) > 1:
            raise ShapeError(f"meshgrid needs 1-D arrays, but got size {list(shape)} for array number {i}")
    order = list(range(len(shapes)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = 1, 0
    whole = [(shapes[i] or (1,))[0] for i in order]
    return tuple(
        expand(reshape(x, [-1 if i == own else 1 for i in order]), whole) for own, x in enumerate(given)
    )


def outer(input: ArrayLike, vec2: ArrayLike) -> Result:
    """The product of each element of a 1-D `input` with each of a 1-D `vec2`. Behaviour of PyTorch's outer.

    >>> outer([1.0, 2.0], [3.0, 4.0])
    array([[3., 4.],
           [6., 8.]])

    Raises ShapeError for other dimensions.
    """
    for name, shape in (("input", _shape(input)), ("vec2", _shape(vec2))):
        if len(shape) != 1:
            raise ShapeError(f"outer needs 1-D arrays, but got {name} of size {list(shape)}")
    return mul(unsqueeze(input, 1), vec2)
