"""Pooling by p-norms."""

import math
from typing import Any

from . import elementwise as e
from .activation import relu
from .arrays import ArrayLike, Result
from .composed import composed
from .pooling import avg_pool1d, avg_pool2d, avg_pool3d
from .sizes import each

__all__ = ["lp_pool1d", "lp_pool2d", "lp_pool3d"]


@composed
def lp_pool1d(
    input: ArrayLike, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Result:
    """`sum(x ** p) ** (1 / p)` of each window of `input` (N, C, L) or (C, L), with p the `norm_type`.

    Windows are those of `avg_pool1d`; a negative sum, of an odd power, gives NaN. Where a sum is 0, the
    gradient is 0. Behaviour of PyTorch's lp_pool1d. Raises as `avg_pool1d`.

    >>> lp_pool1d([[3.0, 4.0, 6.0, 8.0]], 2, 2)
    array([[ 5., 10.]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


@composed
def lp_pool2d(
    input: ArrayLike, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Result:
    """As `lp_pool1d` for `input` (N, C, H, W) or (C, H, W)."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


@composed
def lp_pool3d(
    input: ArrayLike, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Result:
    """As `lp_pool1d` for `input` (N, C, D, H, W) or (C, D, H, W)."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(rank: int, input: Any, norm_type: float, kernel: Any, stride: Any, ceil: bool) -> Result:
    power = float(norm_type)
    mean = (avg_pool1d, avg_pool2d, avg_pool3d)[rank - 1](e.pow(input, power), kernel, stride, 0, ceil)
    # Means as they are; but where one is 0 the gradient is 0, not infinite times 0.
    signed = e.mul(e.sign(mean), relu(e.abs(mean)))
    return e.pow(e.mul(signed, float(math.prod(each("kernel_size", kernel, rank)))), 1.0 / power)
