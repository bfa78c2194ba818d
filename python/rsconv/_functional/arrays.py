"""What every function does with its array arguments: the device of the call, and what its result comes in."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arithmetic import beside
from ..backends import Backend, backend_of, select
from ..errors import ArgumentError, DeviceError
from ..tensor import Tensor

Array = NDArray[Any]
# A Tensor, an ndarray, or what np.asarray takes.
ArrayLike: TypeAlias = Any
# A Tensor if any array argument is one, else an ndarray; a union would burden every caller with a cast.
Result: TypeAlias = Any


class Operands:
    """A call's arguments as `arrays` of the device that runs it, `backend`; None stays None."""

    __slots__ = ("arrays", "backend", "tensor")

    def __init__(self, backend: Backend, arrays: Sequence[Any], tensor: bool) -> None:
        """`tensor` says whether any argument was a Tensor."""
        self.backend, self.arrays, self.tensor = backend, arrays, tensor

    def result(self, array: Any) -> Result:
        """A fresh array of the backend as a Tensor if an argument was one, else as an ndarray.

        A tuple or list gives a tuple of them; None stays None.
        """
        if array is None:
            return None
        if isinstance(array, (tuple, list)):
            return tuple(map(self.result, array))
        return Tensor._new(array) if self.tensor else self.backend.download(array)


def operands(**named: ArrayLike) -> Operands:
    """The arguments of a call, by name, on one device: that of the Tensors among them, else the current one.

    Host arrays go to that device, in native byte order. Python numbers, alone or in lists, have no dtype of
    their own: beside arrays they take the dtype of the first, unless that would lose a fraction or an
    imaginary part.

    Raises DeviceError, naming both, for Tensors of two devices.
    """
    backend, arrays, tensor = described(**named)
    if np.ndarray in map(type, arrays):
        arrays = [backend.upload(native(x)) if isinstance(x, np.ndarray) else x for x in arrays]
    return Operands(backend, arrays, tensor)


def native(array: Array) -> Array:
    """A host array in native byte order: itself, or a copy."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def described(**named: ArrayLike) -> tuple[Backend, Sequence[Any], bool]:
    """As `operands`, but host arrays stay where they are: for what only asks for shapes and dtypes.

    The backend, the arrays, and whether there is a Tensor among them.
    """
    backend, owner, dtype = None, "", None
    arrays: list[Any] = []
    host = []
    for name, value in named.items():
        if isinstance(value, Tensor):
            value = value._array
            own = backend_of(value)
            if own is not backend:
                if backend is not None:
                    raise DeviceError(
                        f"{owner} is on {backend.name} and {name} on {own.name}, but a call runs on one "
                        f'device; move one of them, for instance by {name}.to("{backend.name}")'
                    )
                backend, owner = own, name
            if dtype is None:
                dtype = value.dtype.newbyteorder("=")
        elif value is not None:
            host.append(len(arrays))
            if dtype is None and isinstance(value, (np.ndarray, np.generic)):
                dtype = value.dtype
        arrays.append(value)
    for place in host:
        arrays[place] = _as_array(arrays[place], dtype)
    return backend or select(), arrays, backend is not None


def _as_array(value: Any, dtype: np.dtype[Any] | None) -> Array:
    array = None if dtype is None else beside(value, dtype)
    return np.asarray(value) if array is None else array


def check_out_kind(out: Any, backend: Backend) -> None:
    """Raise unless `out` is None, an ndarray, or a Tensor on the device that runs the call."""
    if isinstance(out, Tensor):
        if backend_of(out._array) is not backend:
            raise DeviceError(f"out is on {out.device}, but the call runs on {backend.name}")
    elif out is not None and not isinstance(out, np.ndarray):
        raise ArgumentError(f"out must be an ndarray or a Tensor, but got out of type {type(out).__name__}")


def stored(backend: Backend, y: Any, out: Any) -> Any:
    """`y`, or `out` after `y` was written to it: an array of the backend, or a host array."""
    if out is None:
        return y
    if isinstance(out, np.ndarray):
        np.copyto(out, backend.download(y))
    else:
        backend.assign(out, y)
    return out
