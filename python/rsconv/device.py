"""Devices as objects and context managers. The CPU is the only one."""

import builtins
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import numpy as np

from .dtypes import Dtype, check_dtype
from .errors import DeviceError

__all__ = ["CPU", "device", "placement"]


class device:
    """A place where Tensors live and operators run: `device("cpu")`.

    It equals its own name, so `t.device == "cpu"` holds. As a context manager it decides where host arrays
    are computed and where factories put their result.

    Raises DeviceError for a device that is not available, and names those that are.
    """

    type: str
    index: int | None

    __slots__ = ("index", "type")

    def __init__(self, name: "str | device" = "cpu", index: int | None = None) -> None:
        """Look `name` up among the devices that are available."""
        text = str(name)
        kind, _, number = text.partition(":")
        if kind != "cpu" or number not in ("", "0") or index not in (None, 0):
            wanted = text if index is None else f"{text}:{index}"
            raise DeviceError(f"device {wanted!r} is not available; the devices are: 'cpu'")
        self.type = kind
        self.index = 0 if number or index is not None else None

    def __enter__(self) -> "device":
        """Make this the device of host arrays and factories."""
        return self

    def __exit__(
        self,
        kind: builtins.type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Return to the device before."""

    def __str__(self) -> str:
        """The name, such as `cpu`."""
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        """As PyTorch prints it: `device(type='cpu')`."""
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    def __eq__(self, other: object) -> bool:
        """Whether `other` is the same device or its name."""
        return str(self) == str(other) if isinstance(other, (device, str)) else NotImplemented

    def __hash__(self) -> int:
        """As the name's, which it equals."""
        return hash(str(self))

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
