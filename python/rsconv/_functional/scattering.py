"""Elements written or added where indices say, into copies."""

from typing import Any

import numpy as np

from .. import arithmetic, shaping
from ..errors import ArgumentError, ShapeError
from ..tensor import Tensor
from . import elementwise as e
from .arrays import ArrayLike, Result
from .composed import composed
from .indexing import check_index, indexed, scatter_sum
from .joining import narrow

__all__ = ["index_add", "scatter"]


@composed
def scatter(
    input: ArrayLike, dim: int, index: ArrayLike, src: ArrayLike = None, *, value: Any = None
) -> Result:
    """`input` with each element of `src`, or one number, where `index` says along `dim`.

    `index` has as many dimensions as `input` and `src`, no more elements than either along the others. Of
    equal indices the last counts, in values and gradients. Indices that are in a GPU's memory are read back.
    Behaviour of PyTorch's scatter, without its `reduce`: see `scatter_add`.

    >>> scatter([0.0, 0.0, 0.0], 0, [2, 1], [5.0, 6.0])
    array([0., 6., 5.])
    >>> scatter([[0, 0], [0, 0]], 1, [[1], [0]], 1)
    array([[0, 1],
           [1, 0]])

    Raises ArgumentError unless one of `src` and `value` is given, ShapeError for shapes that do not fit,
    IndexError for a dimension or an index out of range, DtypeError for an index that is not of whole numbers.
    """
    if (src is None) == (value is None):
        raise ArgumentError(f"scatter needs one of src and value, but got src={src!r} and value={value!r}")
    given = value if src is None else src
    axis = arithmetic.normalize_dim(dim, input.ndim)
    call, at = indexed("scatter", index, input.shape[axis] if input.ndim else 1, input=input)
    check_index("scatter", "input", input.shape, at.shape, axis)
    places = call.backend.download(at)
    whole = tuple(slice(0, None if i == axis else n) for i, n in enumerate(places.shape))
    mask, last = np.zeros(input.shape, bool), np.zeros(input.shape, np.intp)
    order = np.arange(places.shape[axis]).reshape(-1, *(1,) * (places.ndim - 1 - axis))
    np.put_along_axis(mask[whole], places, True, axis)
    np.put_along_axis(last[whole], places, np.broadcast_to(order, places.shape), axis)
    written = Tensor._new(call.backend.upload(mask))
    if np.ndim(given) == 0 and not isinstance(given, Tensor):
        return e.where(written, given, input)
    counts = np.take_along_axis(last[whole], places, axis) == order
    given = given if isinstance(given, Tensor) else Tensor._new(call.backend.upload(np.asarray(given)))
    check_index("scatter", "src", given.shape, places.shape, None)
    for other, size in enumerate(places.shape):
        given = narrow(given, other, 0, size)
    chosen = e.where(Tensor._new(call.backend.upload(counts)), given, 0)
    return e.where(written, scatter_sum(chosen, axis, index, input.shape), input)


@composed
def index_add(input: ArrayLike, dim: int, index: ArrayLike, source: ArrayLike, *, alpha: float = 1) -> Result:
    """`input` with `alpha` times the slices of `source` along `dim` added at the places of the 1-D `index`.

    Equal indices add up in order. Behaviour of PyTorch's index_add.

    >>> index_add([0.0, 0.0], 0, [1, 1, 0], [1.0, 2.0, 4.0])
    array([4., 3.])

    Raises ShapeError for shapes that do not fit, IndexError and DtypeError as `scatter`.
    """
    axis = arithmetic.normalize_dim(dim, input.ndim)
    if not input.ndim:
        raise ShapeError("index_add expects input with dimensions, but got input of size []")
    given = np.shape(source)
    wanted = (*input.shape[:axis], *np.shape(index), *input.shape[axis + 1 :])
    if len(np.shape(index)) != 1 or given != wanted:
        raise ShapeError(
            f"index_add expects a 1-dimensional index and a slice of source for each, but got index of size "
            f"{list(np.shape(index))} and source of size {list(given)} for input of size {list(input.shape)} "
            f"and dim={dim}"
        )
    column = shaping.reshape(index, -1, *(1,) * (input.ndim - axis - 1))
    total = scatter_sum(source, axis, shaping.expand(column, *wanted), input.shape)
    return e.add(input, total if alpha == 1 else e.mul(total, alpha))
