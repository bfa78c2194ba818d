"""Chance that is not plain dropout: it keeps mean and variance, or draws slopes."""

import math
from typing import Any

from .. import random
from ..errors import ArgumentError, ShapeError
from ..tensor import Tensor
from . import elementwise as e
from .activation import leaky_relu
from .arrays import ArrayLike, Result, operands
from .composed import composed
from .dropout import dropout

__all__ = ["alpha_dropout", "feature_alpha_dropout", "rrelu"]

# What SELU tends to for large negative numbers: -scale * alpha.
_LOWEST = -1.7580993408473766


@composed
def alpha_dropout(input: ArrayLike, p: float = 0.5, training: bool = False, inplace: bool = False) -> Result:
    """In training, set each element with probability `p` to SELU's lowest value, then scale and shift all.

    Inputs of mean 0 and variance 1 keep them. Floating-point dtypes; `inplace` writes to a Tensor. Source:
    Klambauer et al., 2017; behaviour of PyTorch's alpha_dropout, with other random numbers.

    Raises ArgumentError unless `0 <= p <= 1`.
    """
    x: Any = input
    return _alpha(x, x.shape, p, training, inplace)


@composed
def feature_alpha_dropout(
    input: ArrayLike, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Result:
    """As `alpha_dropout`, but of whole channels of `input` (N, C, *).

    Raises ShapeError for fewer than 2 dimensions.
    """
    x: Any = input
    if x.ndim < 2:
        raise ShapeError(
            f"feature_alpha_dropout expects input (N, C, *), but got input of size {list(x.shape)}"
        )
    return _alpha(x, (*x.shape[:2], *(1,) * (x.ndim - 2)), p, training, inplace)


def _alpha(x: Tensor, shape: tuple[int, ...], p: float, training: bool, inplace: bool) -> Result:
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout probability has to be between 0 and 1, but got p={p}")
    if not training or p == 0:
        return x
    ones = Tensor._new(operands(input=x).backend.full(shape, 1, x.dtype))
    kept = e.mul(dropout(ones, p), 1.0 - p)
    a = 0.0 if p == 1 else 1 / math.sqrt((1 - p) * (1 + p * _LOWEST**2))
    shift = e.mul(e.sub(1.0, kept), a * _LOWEST) if p < 1 else e.mul(kept, 0.0)
    y = e.add(e.add(e.mul(e.mul(x, kept), a), shift), -a * _LOWEST * p)
    return x.copy_(y) if inplace else y


@composed
def rrelu(
    input: ArrayLike,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Result:
    """`leaky_relu` of slope `(lower + upper) / 2`; in training of a random slope for each element.

    Slopes follow the uniform distribution and `rsconv.manual_seed`. Source: Xu et al., 2015; behaviour of
    PyTorch's rrelu, with other random numbers.

    Raises ArgumentError if `lower` is above `upper`.
    """
    if lower > upper:
        raise ArgumentError(f"rrelu needs lower <= upper, but got lower={lower}, upper={upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    x: Any = input
    slopes = random.uniform(x.shape, lower, upper).astype(x.dtype)
    y = e.where(e.lt(x, 0.0), e.mul(x, slopes), x)
    return x.copy_(y) if inplace else y
