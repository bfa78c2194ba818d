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


def index(x: Array, index: tuple[Any, ...]) -> Array:
    """NumPy's indexing; an ellipsis makes its scalars 0-d views."""
    return x[index if any(part is ... for part in index) else (*index, ...)]


def index_assign(target: Array, index: tuple[Any, ...], value: Any) -> None:
    """Write `value`, broadcast and cast, where `index` selects. Raises ShapeError if it does not fit."""
    source = np.asarray(value)
    if source.dtype.kind == "c" and target.dtype.kind not in "cb":
        source = source.real
    try:
        with np.errstate(all="ignore"):
            target[index] = source.astype(target.dtype, copy=False)
    except ValueError:
        raise ShapeError(
            f"a value of shape {source.shape} does not fit the selected shape {target[index].shape}"
        ) from None
