"""Tensors to other dtypes, devices, copies and Python numbers: functions that are Tensor's methods."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import dtypes
from ._autograd.graph import told
from .arithmetic import cast_host, narrowed
from .backends import Backend, backend_of
from .device import placement
from .errors import ShapeError

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["clone", "contiguous", "cpu", "host", "item", "on", "to", "to_dtype", "tolist", "type_as"]


def to(
    input: "Tensor",
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    copy: bool = False,
    non_blocking: bool = False,
    memory_format: Any = None,
) -> "Tensor":
    """To a device, a dtype, or those of another Tensor; `input` itself if it is there already.

    A dtype that the other device does not have is converted before the move or after it, as it fits; without
    one, wider whole numbers become a GPU's int32, which its indices and labels are, if all fit.
    `non_blocking` and `memory_format` are accepted and mean nothing here.

    Raises DeviceError for a device that is not available, DtypeError for what is neither device nor dtype.
    """
    place, wanted = placement(args, device, dtype)
    array = input._array
    own = backend_of(array)
    target = own if place is None else place._backend
    if target is own:
        # Not `in (None, ...)`: NumPy takes None for float64 when it compares dtypes.
        wanted = input.dtype if wanted is None else wanted
        if wanted == input.dtype and not copy:
            return input
        return told("cast", {"input": input}, input._new(own.copy(array, wanted)))
    host = own.download(array)
    host = narrowed(host, target.index_dtype) if wanted is None else cast_host(host, wanted)
    moved = input._new(target.upload(host))
    return told("transfer", {"input": input}, moved, backend=own)


def on(input: "Tensor", backend: "Backend") -> "Tensor":
    """`input` on the device of a backend; itself if it is there already."""
    own = backend_of(input._array)
    if own is backend:
        return input
    moved = input._new(backend.upload(own.download(input._array)))
    return told("transfer", {"input": input}, moved, backend=own)


def to_dtype(wanted: dtypes.Dtype) -> "Callable[[Tensor], Tensor]":
    """The function that gives a Tensor `wanted`'s dtype, as `to` does."""

    def convert(input: "Tensor") -> "Tensor":
        return to(input, dtype=wanted)

    convert.__doc__ = f"To {wanted}."
    return convert


def cpu(input: "Tensor") -> "Tensor":
    """To the CPU."""
    return to(input, "cpu")


def type_as(input: "Tensor", other: "Tensor") -> "Tensor":
    """To the dtype of `other`."""
    return to(input, dtype=other.dtype)


def clone(input: "Tensor", *, memory_format: Any = None) -> "Tensor":
    """A copy with memory of its own."""
    copied = input._new(backend_of(input._array).copy(input._array, input.dtype))
    return told("clone", {"input": input}, copied)


def contiguous(input: "Tensor", memory_format: Any = None) -> "Tensor":
    """`input` if its elements lie in C order without gaps, else such a copy."""
    if input.is_contiguous():
        return input
    return told("clone", {"input": input}, input._new(backend_of(input._array).contiguous(input._array)))


def host(input: "Tensor") -> Any:
    """The elements as an ndarray, to read: over the same memory on the CPU, a copy from a GPU."""
    return backend_of(input._array).download(input._array)


def item(input: "Tensor") -> Any:
    """The one element as a Python number. Raises ShapeError if there are more or fewer."""
    if input._array.size != 1:
        raise ShapeError(f"item() needs a Tensor of one element, but its shape is {input.shape}")
    return host(input).item()


def tolist(input: "Tensor") -> Any:
    """The elements as nested lists of Python numbers."""
    return host(input).tolist()
