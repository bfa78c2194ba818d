"""Dropout: elements or channels become zero by chance, the others grow to keep the mean.

The numbers come from `rsconv.manual_seed`, by a stream that is new with each call and the same on every
device.
"""

from typing import Any

from .. import random
from .._autograd.writes import in_place
from ..backends import Array, backend_of
from ..errors import ArgumentError, DtypeError, ShapeError
from ..tensor import Tensor
from .arrays import ArrayLike, Result, operands
from .recording import node

__all__ = ["dropout", "dropout1d", "dropout2d", "dropout3d", "dropped"]


def dropout(input: ArrayLike, p: float = 0.5, training: bool = True, inplace: bool = False) -> Result:
    """In training, zero each element with probability `p` and divide the others by `1 - p`; else `input`.

    Floating-point dtypes. `inplace` writes to `input`, which must be a Tensor. Source: Hinton et al., 2012;
    behaviour of PyTorch's dropout, with other random numbers.

    Raises ArgumentError unless `0 <= p <= 1`, and for `inplace` on anything but a Tensor, DtypeError for
    whole and complex numbers.
    """
    return _dropout("dropout", input, p, training, inplace, 0)


def dropout1d(input: ArrayLike, p: float = 0.5, training: bool = True, inplace: bool = False) -> Result:
    """As `dropout`, but of whole channels of `input` (N, C, L) or (C, L). Behaviour of PyTorch's "
    "dropout1d."""
    return _dropout("dropout1d", input, p, training, inplace, 1)


def dropout2d(input: ArrayLike, p: float = 0.5, training: bool = True, inplace: bool = False) -> Result:
    """As `dropout`, but of whole channels of `input` (N, C, H, W) or (C, H, W).

    Source: Tompson et al., 2015; behaviour of PyTorch's dropout2d, but that 3-D input is (C, H, W).
    """
    return _dropout("dropout2d", input, p, training, inplace, 2)


def dropout3d(input: ArrayLike, p: float = 0.5, training: bool = True, inplace: bool = False) -> Result:
    """As `dropout`, but of whole channels of `input` (N, C, D, H, W) or (C, D, H, W).

    Behaviour of PyTorch's dropout3d.
    """
    return _dropout("dropout3d", input, p, training, inplace, 3)


def _dropout(name: str, input: ArrayLike, p: float, training: bool, inplace: bool, rank: int) -> Result:
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout probability has to be between 0 and 1, but got p={p}")
    if inplace and not isinstance(input, Tensor):
        raise ArgumentError(
            f"inplace=True is for Tensors, but got input of type {type(input).__name__}, which is never "
            "written to"
        )
    call = operands(input=input)
    x = call.arrays[0]
    if x.dtype.kind != "f":
        raise DtypeError(f"{name} needs a floating-point input, but got {x.dtype}")
    if rank and x.ndim not in (rank + 1, rank + 2):
        raise ShapeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name}, but got input of "
            "size: "
            f"{list(x.shape)}"
        )
    if not training or p == 0:
        return input if isinstance(input, Tensor) else call.result(call.backend.copy(x))
    seed, offset = random.stream()
    args: dict[str, Any] = {"p": float(p), "seed": seed, "offset": offset, "rank": rank}
    if inplace:

        def change(target: Array) -> None:
            backend = backend_of(target)
            backend.assign(target, _mask(backend, target, **args))

        return in_place(input, "dropout", {"input": input}, change, **args)
    return node(call, "dropout", {"input": input}, _mask(call.backend, x, **args), **args)


def dropped(input: ArrayLike, p: float, seed: int, offset: int, rank: int) -> Result:
    """The dropout of a stream, again: it is its own gradient."""
    call = operands(input=input)
    y = _mask(call.backend, call.arrays[0], p, seed, offset, rank)
    return node(call, "dropout", {"input": input}, y, p=p, seed=seed, offset=offset, rank=rank)


def _mask(backend: Any, x: Array, p: float, seed: int, offset: int, rank: int) -> Array:
    if p == 1:
        return backend.full(x.shape, 0, x.dtype)
    if not rank:
        return backend.dropout(x, p, seed, offset)
    shape = (*x.shape[:-rank], *(1,) * rank)
    scales = backend.dropout(backend.full(shape, 1, x.dtype), p, seed, offset)
    return backend.elementwise("mul", (x, scales))
