"""Updates in place: the steps of optimizers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _core

__all__ = ["update"]

Array = NDArray[Any]


def update(op: str, arrays: Sequence[Array], grad: Array, params: Sequence[float]) -> None:
    """Rewrite floating-point arrays, float16 computed in float32; see `rsconv.backends.Backend`."""
    if all(x.flags.behaved and x.dtype.isnative for x in arrays):
        _core.update(op, arrays, grad, params)
        return
    # The kernel takes memory as it is, so that what the machine does not read so goes by way of copies.
    plain = [np.array(x, x.dtype.newbyteorder("=")) for x in arrays]
    _core.update(op, plain, grad, params)
    for to, new in zip(arrays, plain, strict=True):
        to[...] = new
