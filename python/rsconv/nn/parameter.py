"""Parameters whose shape is not known yet. `Parameter` itself is `rsconv.Parameter`."""

from typing import Any, NoReturn

import numpy as np

from ..dtypes import check_dtype, float32
from ..errors import ShapeError
from ..storage import Storage
from ..tensor import Parameter

__all__ = ["Parameter", "UninitializedParameter"]


class UninitializedParameter(Parameter):
    """The Parameter of a lazy layer before the layer has seen an input.

    It has a dtype and a device, and becomes a Parameter by `materialize`. Whatever needs its shape or
    elements raises ShapeError.
    """

    __slots__ = ()

    def __init__(self, requires_grad: bool = True, dtype: Any = None) -> None:
        """Note the flags."""
        self._set(np.empty(0, check_dtype(dtype or float32)), Storage())
        self.requires_grad = requires_grad

    def materialize(self, shape: tuple[int, ...]) -> None:
        """Become an uninitialised Parameter of `shape`."""
        self.__class__ = Parameter  # type: ignore[assignment]
        self._bind(np.empty(shape, self.dtype), Storage())

    def _unknown(self) -> NoReturn:
        raise ShapeError(
            "the shape of an uninitialized Parameter is not known before the layer's first forward"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Raises ShapeError."""
        self._unknown()

    def numpy(self) -> Any:
        """Raises ShapeError."""
        self._unknown()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Raises ShapeError."""
        self._unknown()

    def _write(self, change: Any) -> Any:
        self._unknown()

    def __repr__(self) -> str:
        """As PyTorch prints it."""
        return "<UninitializedParameter>"
