"""Elements by their indices: whole numbers inside of the axis they count along.

Indices in host memory are checked, IndexError otherwise. Those in a GPU's memory are checked there: one out
of range gives 0, and IndexError when the GPU is next waited for.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import arithmetic
from .._autograd.graph import told, wanted
from ..backends import Array, backend_of
from ..errors import DtypeError, ShapeError
from ..tensor import Tensor
from .arrays import ArrayLike, Operands, Result, operands
from .elementwise import add
from .joining import span
from .recording import node

__all__ = [
    "check_index",
    "gather",
    "index_beside",
    "index_select",
    "index_sum",
    "indexed",
    "one_hot",
    "scatter_add",
    "scatter_sum",
    "without",
]


def index_beside(
    name: str, index: ArrayLike, argument: str = "index", /, **others: ArrayLike
) -> tuple[Operands, Array]:
    """The call of some operands, and an array of whole numbers beside them in the device's index dtype.

    Host arrays are cast before they go to the device, which may lack int64. `argument` is what the caller of
    `name` knows the index as.
    """
    if isinstance(index, Tensor):
        # With the others, so that two devices are an error that names both.
        call = operands(**others, **{argument: index})
        found = call.arrays[-1]
    else:
        call, found = operands(**others), np.asarray(index)
    if found.dtype.kind not in "iu" and found.size:
        raise DtypeError(f"{name} needs indices of whole numbers, but got dtype {found.dtype}")
    if isinstance(index, Tensor):
        return call, arithmetic.cast(found, call.backend.index_dtype)
    return call, call.backend.upload(found.astype(call.backend.index_dtype, copy=False))


def indexed(name: str, index: ArrayLike, size: int, **others: ArrayLike) -> tuple[Operands, Array]:
    """As `index_beside`, checked against an axis of `size` where it is in host memory."""
    call, at = index_beside(name, index, **others)
    found = at if isinstance(at, np.ndarray) else index
    if not isinstance(found, Tensor) and np.size(found):
        low, high = int(np.min(found)), int(np.max(found))
        if low < 0 or high >= size:
            raise IndexError(
                f"index {low if low < 0 else high} is out of bounds for dimension with size {size} in {name}"
            )
    return call, at


def _kept(call: Operands, at: Array, input: ArrayLike) -> Array:
    """Indices that stay what they are until gradients are computed, if those are wanted."""
    return call.backend.copy(at) if wanted({"input": input}) else at


def gather(input: ArrayLike, dim: int, index: ArrayLike) -> Result:
    """`y[.., i, ..] = input[.., index[.., i, ..], ..]` along `dim`, in the shape of `index`.

    `index` has as many dimensions as `input`, and no more elements along the others. Behaviour of PyTorch's
    gather.

    >>> gather([[1, 2], [3, 4]], 1, [[1], [0]])
    array([[2],
           [3]])

    Raises ShapeError for shapes that do not fit, IndexError for a dimension or an index out of range,
    DtypeError for an index that is not of whole numbers.
    """
    shape = input.shape if isinstance(input, Tensor) else np.shape(input)
    axis = arithmetic.normalize_dim(dim, len(shape))
    size = shape[axis] if shape else 1
    call, at = indexed("gather", index, size, input=input)
    at = _kept(call, at, input)
    x = call.arrays[0]
    check_index("gather", "input", shape, at.shape, axis)
    for other in range(x.ndim):
        if other != axis and at.shape[other] != x.shape[other]:
            x = call.backend.slice(x, span(x.shape, other, 0, at.shape[other]))
    y = call.backend.gather(x, axis, at) if x.ndim else call.backend.copy(x)
    return node(call, "gather", {"input": input}, y, {"index": at}, axis=axis, shape=shape)


def index_select(input: ArrayLike, dim: int, index: ArrayLike) -> Result:
    """The slices of `input` along `dim` at the places that the 1-D `index` holds, in its order.

    Behaviour of PyTorch's index_select. Raises as `gather`.

    >>> index_select([[1, 2], [3, 4]], 0, [1, 1])
    array([[3, 4],
           [3, 4]])
    """
    shape = input.shape if isinstance(input, Tensor) else np.shape(input)
    axis = arithmetic.normalize_dim(dim, len(shape))
    call, at = indexed("index_select", index, shape[axis] if shape else 1, input=input)
    at = _kept(call, at, input)
    if at.ndim > 1:
        raise ShapeError(
            f"index_select expects a 1-dimensional index, but got index of size {list(at.shape)}"
        )
    x = call.arrays[0]
    if not shape:
        return node(call, "reshape", {"input": input}, call.backend.copy(x))
    wide = (*shape[:axis], at.size, *shape[axis + 1 :])
    column = call.backend.reshape(at, (at.size, *(1,) * (len(shape) - axis - 1)))
    places = call.backend.expand(column, wide)
    y = call.backend.gather(x, axis, places)
    return node(call, "gather", {"input": input}, y, {"index": places}, axis=axis, shape=shape)


def one_hot(tensor: ArrayLike, num_classes: int = -1) -> Result:
    """For each whole number a row of `num_classes` (-1: as many as occur) that is 1 there, else 0.

    int64, on a GPU int32. A number out of range gives zeros, where PyTorch raises. Behaviour of PyTorch's
    one_hot.

    >>> one_hot([0, 2])
    array([[1, 0, 0],
           [0, 0, 1]])

    Raises DtypeError for what is no whole number.
    """
    call, at = index_beside("one_hot", tensor, "tensor")
    backend, dtype = call.backend, call.backend.index_dtype
    if num_classes == -1:
        num_classes = int(backend.download(at).max(initial=-1)) + 1
    classes = backend.upload(np.arange(num_classes, dtype=dtype))
    equal = backend.elementwise("eq", (backend.reshape(at, (*at.shape, 1)), classes))
    return call.result(backend.copy(equal, dtype))


def scatter_add(input: ArrayLike, dim: int, index: ArrayLike, src: ArrayLike) -> Result:
    """`input` with each element of `src` added where `index` says along `dim`; equal indices add up in order.

    `index` has as many dimensions as `input` and `src`, no more elements than either along the others.
    Behaviour of PyTorch's scatter_add. Raises as `gather`.

    >>> scatter_add([0.0, 0.0], 0, [1, 1, 0], [1.0, 2.0, 4.0])
    array([4., 3.])
    """
    shape = input.shape if isinstance(input, Tensor) else np.shape(input)
    axis = arithmetic.normalize_dim(dim, len(shape))
    if not shape:
        raise ShapeError("scatter_add expects input with dimensions, but got input of size []")
    return add(input, scatter_sum(src, axis, index, shape))


def scatter_sum(src: ArrayLike, axis: int, index: ArrayLike, shape: tuple[int, ...]) -> Result:
    """Zeros of `shape` with each element of `src` added where `index` says: the gradient of `gather`."""
    call, at = indexed("scatter_add", index, shape[axis], src=src)
    at = _kept(call, at, src)
    x = call.arrays[0]
    check_index("scatter_add", "input", shape, at.shape, axis)
    check_index(
        "scatter_add", "src", (*x.shape[:axis], max(at.shape[axis], 0), *x.shape[axis + 1 :]), at.shape, axis
    )
    if at.shape[axis] > x.shape[axis]:
        raise ShapeError(
            f"scatter_add expects src of size {list(x.shape)} to hold an element for each index of size "
            f"{list(at.shape)}"
        )
    for other in range(x.ndim):
        if at.shape[other] != x.shape[other]:
            x = call.backend.slice(x, span(x.shape, other, 0, at.shape[other]))
    y = call.backend.scatter_add(x, axis, at, shape[axis])
    for other in range(len(shape)):
        missing = shape[other] - y.shape[other]
        if missing:
            pads = tuple((0, missing if a == other else 0) for a in range(len(shape)))
            y = call.backend.pad(y, pads, "constant", 0)
    return node(call, "scatter_sum", {"src": src}, y, {"index": at}, axis=axis)


def index_sum(src: ArrayLike, shape: tuple[int, ...], index: tuple[Any, ...]) -> Result:
    """Zeros of `shape` with `src` added where an index selects: the gradient of indexing."""
    call = operands(src=src)
    backend, x = call.backend, call.arrays[0]
    if any(hasattr(part, "shape") and part.dtype.kind in "iu" for part in index):
        # An element may be selected more than once.
        size = math.prod(shape)
        numbers = backend.upload(np.arange(size, dtype=backend.index_dtype).reshape(shape))
        places = backend.index(numbers, index)
        flat = backend.reshape(x, (x.size,))
        y = backend.scatter_add(flat, 0, backend.reshape(places, (x.size,)), size)
        y = backend.reshape(y, shape)
    else:
        y = backend.full(shape, 0, x.dtype)
        backend.index_assign(y, index, x)
    return node(call, "index_sum", {"src": src}, y, index=index)


def without(input: Tensor, clear: Callable[[Tensor], object]) -> Tensor:
    """A copy in which `clear` wrote zeros to some part."""
    y = Tensor._new(backend_of(input._array).copy(input._array))
    clear(y)
    return told("without", {"input": input}, y, clear=clear)


def check_index(
    name: str, what: str, shape: tuple[int, ...], index: tuple[int, ...], axis: int | None
) -> None:
    """Raise ShapeError unless `index` fits `shape`: no larger, but along `axis`."""
    fits = len(shape) == len(index) and all(
        a == axis or i <= n for a, (i, n) in enumerate(zip(index, shape, strict=True))
    )
    if not fits and (shape or index not in ((), (1,))):
        raise ShapeError(
            f"{name} expects index of size {list(index)} to have as many dimensions as {what} of size "
            f"{list(shape)} and be no larger" + ("" if axis is None else f" in dimensions other than {axis}")
        )
