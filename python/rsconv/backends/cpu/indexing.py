"""Indexing on the CPU: NumPy's own."""

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ShapeError

__all__ = ["identity", "index", "index_assign", "strides"]

Array = NDArray[Any]


def strides(x: Array) -> tuple[int, ...]:
    """The steps between neighbours along each axis, in elements."""
    return tuple(step // x.itemsize for step in x.strides)


def identity(x: Array) -> Hashable:
    """Address, shape, strides and dtype."""
    return x.__array_interface__["data"][0], x.shape, x.strides, x.dtype.str


def _with_ellipsis(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """An index that makes 0-d views of what would be NumPy's scalars."""
    return index if any(part is ... for part in index) else (*index, ...)


def index(x: Array, index: tuple[Any, ...]) -> Array:
    """NumPy's indexing, that gives 0-d views instead of scalars."""
    return np.asarray(x[_with_ellipsis(index)])


def index_assign(target: Array, index: tuple[Any, ...], value: Any) -> None:
    """Write `value`, broadcast and cast, where `index` selects. Raises ShapeError if it does not fit."""
    source, index = np.asarray(value), _with_ellipsis(index)
    if source.dtype.kind == "c" and target.dtype.kind not in "cb":
        source = source.real
    try:
        with np.errstate(all="ignore"):
            target[index] = source.astype(target.dtype, copy=False)
    except ValueError:
        raise ShapeError(
            f"a value of shape {source.shape} does not fit the selected shape {target[index].shape}"
        ) from None
