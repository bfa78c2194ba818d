"""Devices as objects and context managers: the CPU, and GPUs."""

import builtins
from collections.abc import Iterable
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import numpy as np

from . import backends
from .backends import Backend
from .dtypes import Dtype, check_dtype

__all__ = ["CPU", "device", "placement"]


# The devices around each entered one, of this thread: an object may be entered by several threads at a time.
_outer: ContextVar[tuple[Backend | None, ...]] = ContextVar("outer", default=())


class device:
    """A place where Tensors live and operators run: `device("cpu")`, `device("gpu")`, `device("gpu:1")`.

    Part of a GPU's name will do, too; `rsconv.devices()` lists them. It equals its own name, so
    `t.device == "cpu"` holds; "gpu" is the first GPU. As a context manager it decides where host arrays are
    computed and where factories put their result.

    Raises DeviceError for a device that is not available, and names those that are.
    """

    type: str
    index: int | None

    __slots__ = ("_backend", "index", "type")

    def __init__(self, name: "str | device" = "cpu", index: int | None = None) -> None:
        """Look `name` up among the devices that are available."""
        text = str(name) if index is None else f"{name}:{index}"
        self._backend = backends.named(text)
        self.type, _, number = self._backend.name.partition(":")
        self.index = int(number) if number else 0 if ":" in text else None

    @classmethod
    def _of(cls, backend: Backend) -> "device":
        """The device of a backend."""
        made = object.__new__(cls)
        made._backend = backend
        made.type, _, number = backend.name.partition(":")
        made.index = int(number) if number else None
        return made

    def __enter__(self) -> "device":
        """Make this the device of host arrays and factories."""
        _outer.set((*_outer.get(), backends.current.get()))
        backends.current.set(self._backend)
        return self

    def __exit__(
        self,
        kind: builtins.type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Return to the device before."""
        *rest, before = _outer.get()
        _outer.set(tuple(rest))
        backends.current.set(before)

    @property
    def name(self) -> str:
        """What the device calls itself: "cpu", or the name of a GPU."""
        return self._backend.hardware

    def __str__(self) -> str:
        """The name, such as `cpu` or `gpu:0`."""
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        """As PyTorch prints it: `device(type='cpu')`."""
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    def __eq__(self, other: object) -> bool:
        """Whether `other` is the same device or its name."""
        if isinstance(other, device):
            return self.type == other.type and (self.index or 0) == (other.index or 0)
        if isinstance(other, str):
            return other in (
                str(self),
                f"{self.type}:{self.index or 0}",
                *([] if self.index else [self.type]),
            )
        return NotImplemented

    def __hash__(self) -> int:
        """As the name's without a number."""
        return hash(self.type)

    def __reduce__(self) -> "tuple[builtins.type[device], tuple[str]]":
        """Pickle as the name."""
        return device, (str(self),)


CPU = device("cpu")


def placement(
    args: Iterable[Any], to_device: Any = None, dtype: Any = None
) -> tuple[device | None, Dtype | None]:
    """The device and the dtype that the arguments of a `to(...)` ask for, None where they leave it.

    `args` are devices or their names, dtypes or their names, and Tensors, whose device and dtype are meant.

    Raises DeviceError for a device that is not available, DtypeError for what is neither.
    """
    for arg in args:
        if hasattr(arg, "device") and hasattr(arg, "dtype"):
            to_device, dtype = arg.device, arg.dtype
        elif isinstance(arg, device) or (isinstance(arg, str) and arg not in np.sctypeDict):
            to_device = arg
        elif arg is not None and not isinstance(arg, bool):
            dtype = arg
    return None if to_device is None else device(to_device), None if dtype is None else check_dtype(dtype)
