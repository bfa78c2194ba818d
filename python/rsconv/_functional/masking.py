"""Elements that a mask, or their place beside the diagonal, replaces by others."""

from typing import Any

import numpy as np

from ..errors import DtypeError, ShapeError
from .arrays import ArrayLike, Result, described
from .elementwise import where

__all__ = ["masked_fill", "tril", "triu"]


def masked_fill(input: ArrayLike, mask: ArrayLike, value: ArrayLike) -> Result:
    """`value`, a number or an array of one, where `mask` is true, and `input` elsewhere; both broadcast.

    Behaviour of PyTorch's masked_fill.

    >>> masked_fill([1.0, 2.0], np.array([True, False]), 0)
    array([0., 2.])

    Raises DtypeError for a mask that is not of bools, or a value that the dtype of `input` cannot hold,
    ShapeError for a value of several elements.
    """
    _, (x, m), _ = described(input=input, mask=mask)
    if m.dtype.kind != "b":
        raise DtypeError(f"masked_fill needs a mask of bools, but got dtype {m.dtype}")
    if np.ndim(value):
        raise ShapeError(
            f"masked_fill needs a value of one element, but got one of size {list(np.shape(value))}"
        )
    result = where(mask, value, input)
    if result.dtype != x.dtype.newbyteorder("="):
        raise DtypeError(f"masked_fill cannot put a value of {result.dtype} into an input of {x.dtype}")
    return result


def tril(input: ArrayLike, diagonal: int = 0) -> Result:
    """The elements on and below a diagonal of the last two axes, zero above. Behaviour of PyTorch's tril.

    `diagonal` counts from the main one to the right.

    >>> tril([[1, 2], [3, 4]])
    array([[1, 0],
           [3, 4]])

    Raises ShapeError for fewer than two dimensions.
    """
    return where(_below("tril", input, diagonal), input, 0)


def triu(input: ArrayLike, diagonal: int = 0) -> Result:
    """The elements on and above a diagonal of the last two axes, zero below, as `tril`.

    Behaviour of PyTorch's triu.
    """
    return where(_below("triu", input, diagonal - 1), 0, input)


def _below(name: str, input: ArrayLike, diagonal: int) -> np.ndarray[Any, Any]:
    _, (x,), _ = described(input=input)
    if x.ndim < 2:
        raise ShapeError(f"{name} needs at least 2 dimensions, but got input of size {list(x.shape)}")
    rows, columns = x.shape[-2:]
    return np.tri(rows, columns, diagonal, dtype=np.bool_)
