"""Other shapes of a Tensor: functions that are Tensor's methods. Of an ndarray they give an ndarray."""

import functools
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from ._autograd.graph import told
from ._autograd.writes import set_view
from .arithmetic import normalize_dim, normalize_dims
from .backends import backend_of
from .errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "expand",
    "expand_as",
    "flatten",
    "movedim",
    "permute",
    "ravel",
    "reshape",
    "select",
    "squeeze",
    "t",
    "transpose",
    "unflatten",
    "unsqueeze",
    "view",
    "view_as",
]


_P = ParamSpec("_P")


def _of_arrays_too(function: "Callable[_P, Tensor]") -> "Callable[_P, Tensor]":
    """Let the first argument of `function` be an ndarray or a sequence, and the result an ndarray then.

    Its type still says Tensor, as the methods' must.
    """

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> Any:
        if not args or hasattr(args[0], "_storage"):
            return function(*args, **kwargs)
        from .tensor import Tensor

        wrapped: Any = Tensor._from_array(np.asarray(args[0]), borrowed=True)
        return function(wrapped, *args[1:], **kwargs).numpy()  # type: ignore[arg-type]

    return call


def sizes_of(args: tuple[Any, ...]) -> tuple[int, ...]:
    """The sizes or dimensions of a call, given one by one or as one sequence.

    Raises TypeError for what is no integer.
    """
    given = args[0] if len(args) == 1 and np.iterable(args[0]) else args
    try:
        return tuple(map(operator.index, given))
    except TypeError:
        raise TypeError(f"sizes and dimensions must be integers, but got {given!r}") from None


def _seen(
    op: str, input: "Tensor", result: "Tensor", step: "Callable[[Tensor], Tensor]", **args: Any
) -> "Tensor":
    """The result of a layout operator, recorded; as a view of `input`, by `step`, if it shares the memory."""
    if result._storage is input._storage:
        set_view(result, input, step)
    return told(op, {"input": input}, result, **args)


@_of_arrays_too
def reshape(input: "Tensor", *shape: Any) -> "Tensor":
    """`input` with another shape: a view where possible, else a copy. One size may be -1.

    Raises ShapeError if the number of elements differs.
    """
    wanted = sizes_of(shape)
    known = math.prod(size for size in wanted if size != -1)
    if wanted.count(-1) == 1 and known and input.numel() % known == 0:
        wanted = tuple(input.numel() // known if size == -1 else size for size in wanted)
    if min(wanted, default=0) < 0 or math.prod(wanted) != input.numel():
        raise ShapeError(f"shape {sizes_of(shape)} is invalid for a Tensor of shape {input.shape}")
    result = input._derive(backend_of(input._array).reshape(input._array, wanted))
    return _seen("reshape", input, result, lambda whole: reshape(whole, wanted))


def view(input: "Tensor", *shape: Any) -> "Tensor":
    """`input` with another shape over the same memory.

    Raises ShapeError if the number of elements differs, or only a copy could have that shape.
    """
    result = reshape(input, *shape)
    if result._storage is not input._storage and result.numel():
        raise ShapeError(
            f"a Tensor of shape {input.shape} and strides {input.stride()} cannot be viewed as shape "
            f"{result.shape} without a copy; use reshape()"
        )
    return result


def view_as(input: "Tensor", other: "Tensor") -> "Tensor":
    """`input` with the shape of `other` over the same memory. Raises ShapeError as `view` does."""
    return view(input, other.shape)


@_of_arrays_too
def flatten(input: "Tensor", start_dim: int = 0, end_dim: int = -1) -> "Tensor":
    """`input` with the dimensions from `start_dim` to `end_dim`, both included, as one.

    Raises IndexError for a dimension out of range, ArgumentError if they are not in order.
    """
    shape = input.shape or (1,)
    start, end = (normalize_dim(dim, len(shape)) for dim in (start_dim, end_dim))
    if start > end:
        raise ArgumentError(
            f"flatten() needs start_dim <= end_dim, but got start_dim={start_dim}, end_dim={end_dim}"
        )
    return reshape(input, *shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


def _permuted(input: "Tensor", axes: tuple[int, ...]) -> "Tensor":
    result = input._derive(backend_of(input._array).permute(input._array, axes))
    return _seen("permute", input, result, lambda whole: _permuted(whole, axes), axes=axes)


@_of_arrays_too
def permute(input: "Tensor", *dims: Any) -> "Tensor":
    """A view with the dimensions in the order `dims`. Raises ShapeError unless `dims` has one for each."""
    wanted = sizes_of(dims)
    if len(wanted) != input.ndim:
        raise ShapeError(
            f"permute() of a Tensor of shape {input.shape} needs {input.ndim} dims, but got {wanted}"
        )
    return _permuted(input, normalize_dims(wanted, input.ndim))


@_of_arrays_too
def transpose(input: "Tensor", dim0: int, dim1: int) -> "Tensor":
    """A view with two dimensions exchanged. Raises IndexError for a dimension out of range."""
    axes = list(range(input.ndim))
    a, b = normalize_dim(dim0, input.ndim), normalize_dim(dim1, input.ndim)
    if axes:
        axes[a], axes[b] = axes[b], axes[a]
    return _permuted(input, tuple(axes))


def t(input: "Tensor") -> "Tensor":
    """The transpose of a Tensor of at most two dimensions. Raises ShapeError for more."""
    if input.ndim > 2:
        raise ShapeError(f"t() needs at most 2 dimensions, but the shape is {input.shape}")
    return _permuted(input, tuple(reversed(range(input.ndim))))


@_of_arrays_too
def unsqueeze(input: "Tensor", dim: int) -> "Tensor":
    """A view with a dimension of size 1 at `dim`. Raises IndexError if that is out of range."""
    axis = normalize_dim(dim, input.ndim + 1)
    return reshape(input, *input.shape[:axis], 1, *input.shape[axis:])


@_of_arrays_too
def squeeze(input: "Tensor", dim: Any = None) -> "Tensor":
    """A view without the dimensions of size 1, or without those among `dim`. Raises IndexError."""
    dims = normalize_dims(dim, input.ndim)
    return reshape(input, *(n for d, n in enumerate(input.shape) if n != 1 or d not in dims))


@_of_arrays_too
def expand(input: "Tensor", *sizes: Any) -> "Tensor":
    """A read-only view with dimensions of size 1 repeated, and new ones in front; -1 keeps a size.

    Raises ShapeError if another dimension would change.
    """
    wanted = sizes_of(sizes)
    new = len(wanted) - input.ndim
    own = (1,) * new + input.shape
    if new < 0 or any(size not in (-1, n) and n != 1 for size, n in zip(wanted, own, strict=True)):
        raise ShapeError(f"a Tensor of shape {input.shape} cannot be expanded to {wanted}")
    shape = tuple(n if size == -1 else size for size, n in zip(wanted, own, strict=True))
    result = input._derive(backend_of(input._array).expand(input._array, shape))
    return _seen("expand", input, result, lambda whole: expand(whole, shape))


def expand_as(input: "Tensor", other: "Tensor") -> "Tensor":
    """`input` expanded to the shape of `other`."""
    return expand(input, other.shape)


@_of_arrays_too
def movedim(input: "Tensor", source: Any, destination: Any) -> "Tensor":
    """A view with the dimensions `source` (an int or several) at `destination`, the others in order.

    Raises ArgumentError unless there are as many of both, IndexError for a dimension out of range.
    """
    moved, places = normalize_dims(source, input.ndim), normalize_dims(destination, input.ndim)
    if len(moved) != len(places):
        raise ArgumentError(
            f"movedim() needs as many sources as destinations, but got {source} and {destination}"
        )
    others = iter([axis for axis in range(input.ndim) if axis not in moved])
    order = [moved[places.index(axis)] if axis in places else next(others) for axis in range(input.ndim)]
    return _permuted(input, tuple(order))


@_of_arrays_too
def ravel(input: "Tensor") -> "Tensor":
    """`input` in one dimension: a view where possible, else a copy."""
    return reshape(input, -1)


@_of_arrays_too
def unflatten(input: "Tensor", dim: int, sizes: Any) -> "Tensor":
    """`input` with dimension `dim` as several of `sizes`, one of which may be -1.

    Raises ShapeError if they do not make up the dimension's size.
    """
    axis, parts = normalize_dim(dim, input.ndim), sizes_of((sizes,))
    size, known = input.shape[axis], math.prod(part for part in parts if part != -1)
    whole = tuple(size // known if part == -1 and known else part for part in parts)
    if not parts or parts.count(-1) > 1 or math.prod(whole) != size:
        raise ShapeError(f"unflatten() cannot make sizes {parts} of dimension {dim} of shape {input.shape}")
    return reshape(input, *input.shape[:axis], *whole, *input.shape[axis + 1 :])


@_of_arrays_too
def select(input: "Tensor", dim: int, index: int) -> "Tensor":
    """The view of `input` at `index` of dimension `dim`, which it lacks. Raises IndexError."""
    axis = normalize_dim(dim, input.ndim)
    return input[(*(slice(None),) * axis, operator.index(index))]
