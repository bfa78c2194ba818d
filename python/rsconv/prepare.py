"""A convolution whose weight is packed once, for many calls on inputs of one shape."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ._autograd.graph import wanted
from ._functional.arrays import ArrayLike, Result, check_out_kind, described, operands
from .backends import Backend, Geometry
from .backends.checks import same_dtype
from .errors import ArgumentError, DeviceError, DtypeError, GradientError
from .tensor import Tensor

__all__ = ["Prepared", "prepare"]


class Prepared:
    """What `prepare` returns: call it with an input, and optionally an array for the result."""

    __slots__ = ("_backend", "_bias", "_conv", "_like", "_weight", "geometry")

    def __init__(self, backend: Backend, geometry: Geometry, w: Any, b: Any) -> None:
        """Pack `w` and copy `b`, so that later writes to either change nothing."""
        self._backend = backend
        self.geometry = geometry
        self._weight = backend.pack(geometry, w)
        self._conv = backend.conv_of(self._weight)
        self._bias = None if b is None else backend.copy(b)
        # Beside it, Python numbers take the weight's dtype.
        self._like = np.empty(0, w.dtype)

    def __call__(self, x: ArrayLike, out: Any = None) -> Result:
        """Convolve `x`, of the shape and dtype prepared for; `out` as for `rsconv.functional`'s functions.

        Raises DeviceError for a Tensor on another device than that of the weight, GradientError for one that
        requires grad.
        """
        backend, tensor = self._backend, False
        if type(x) is np.ndarray and (out is None or type(out) is np.ndarray):
            array = backend.upload(x)
        else:
            chosen, (host, _), tensor = described(input=x, weight=self._like)
            if tensor and chosen is not backend:
                raise DeviceError(f"input is on {chosen.name}, but the weight was prepared on {backend.name}")
            array = host if tensor else backend.upload(host)
            check_out_kind(out, backend)
            if wanted({"input": x}):
                raise GradientError(
                    "a prepared convolution has no gradient, but input requires grad; call it inside of "
                    "`with rsconv.no_grad():`, or use the function"
                )
        try:
            if isinstance(out, Tensor):
                return out._write(partial(self._conv, self.geometry, array, self._weight, self._bias))
            y = self._conv(self.geometry, array, self._weight, self._bias, out)
        except DtypeError:
            same_dtype(input=array, weight=self._like)
            raise
        if not tensor:
            return backend.download(y) if out is None else out
        return Tensor._new(y) if out is None else Tensor._from_array(out)

    def __repr__(self) -> str:
        """The shapes it maps."""
        g = self.geometry
        name = f"conv{'_transpose' if g.transposed else ''}{g.rank}d"
        return f"Prepared({name}, weight={g.weight_shape}, {g.input_shape} -> {g.output_shape})"


def prepare(
    w: ArrayLike,
    b: ArrayLike = None,
    *,
    input_shape: Sequence[int],
    transposed: bool = False,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Prepared:
    """Pack the weight of a convolution once; the result is called as `p(x)` or `p(x, out)`.

    `w`, `b` and the keywords are those of `rsconv.functional.conv{1,2,3}d`, or of the transposed ones; the
    rank is that of `w`. Inputs must have exactly `input_shape`, batch included, and the dtype of `w`. Later
    writes to `w` or `b` change nothing. A prepared call may choose another algorithm than a plain one, so the
    last bits may differ.

    >>> p = prepare(np.ones((4, 3, 3, 3), np.float32), input_shape=(1, 3, 8, 8), padding=1)
    >>> p
    Prepared(conv2d, weight=(4, 3, 3, 3), (1, 3, 8, 8) -> (1, 4, 8, 8))
    >>> p(np.ones((1, 3, 8, 8), np.float32)).max().item()
    27.0

    Raises what those functions raise, when it is made; DtypeError or ShapeError for an input that does not
    fit.
    """
    call = operands(weight=w, bias=b)
    weight, bias = call.arrays
    rank = weight.ndim - 2
    if not 1 <= rank <= 3:
        raise ArgumentError(
            f"w must be a weight of 3 to 5 dimensions, but got w of size {list(weight.shape)}"
        )
    if not transposed and np.any(output_padding):
        raise ArgumentError(f"output_padding={output_padding} is for transposed convolutions only")
    geometry = Geometry(
        rank,
        tuple(input_shape),
        weight.shape,
        None if bias is None else bias.shape,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
        transposed,
    )
    same_dtype(weight=weight, bias=bias)
    return Prepared(call.backend, geometry, weight, bias)
