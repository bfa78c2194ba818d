"""Rows of a table."""

from typing import Any

import numpy as np

from .. import shaping
from ..errors import ArgumentError, ShapeError
from ..tensor import Tensor
from . import elementwise as e
from .arrays import ArrayLike, Result
from .indexing import index_select

__all__ = ["embedding"]


def embedding(input: ArrayLike, weight: ArrayLike, padding_idx: int | None = None) -> Result:
    """The rows of `weight` (V, D) that the whole numbers of `input` (*) name: (*, D).

    The row `padding_idx` gets no gradient. Behaviour of PyTorch's embedding, without renormalization.

    >>> embedding([1, 1], [[1.0, 2.0], [3.0, 4.0]])
    array([[3., 4.],
           [3., 4.]])

    Raises ShapeError for a table of other than 2 dimensions, IndexError for an index out of range (on the
    CPU), ArgumentError for a `padding_idx` out of range, DtypeError for indices that are not whole numbers.
    """
    table = weight if isinstance(weight, Tensor) else np.asarray(weight)
    if table.ndim != 2:
        raise ShapeError(f"embedding expects weight (V, D), but got weight of size {list(table.shape)}")
    indices: Any = input if isinstance(input, Tensor) else np.asarray(input)
    rows = index_select(weight, 0, indices.reshape(-1))
    if padding_idx is not None:
        if not -table.shape[0] <= padding_idx < table.shape[0]:
            raise ArgumentError(
                f"padding_idx must be within num_embeddings={table.shape[0]}, but got "
                f"padding_idx={padding_idx}"
            )
        if isinstance(rows, Tensor):
            padded = shaping.reshape(e.eq(indices, padding_idx % table.shape[0]), -1, 1)
            rows = e.where(padded, rows.detach(), rows)
    return shaping.reshape(rows, *indices.shape, table.shape[1])
