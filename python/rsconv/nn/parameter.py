"""Parameters and buffers whose shape is not known yet. `Parameter` itself is `rsconv.Parameter`."""

from typing import Any, ClassVar, NoReturn

from ..creation import empty
from ..errors import ShapeError
from ..parameter import Parameter
from ..storage import Storage
from ..tensor import Tensor

__all__ = ["Parameter", "UninitializedBuffer", "UninitializedParameter"]


class _Uninitialized(Tensor):
    """A member of a lazy layer before the layer has seen an input.

    It has a dtype and a device, and becomes what it stands for by `materialize`. Whatever needs its shape or
    elements raises ShapeError.
    """

    __slots__ = ()

    _settled: ClassVar[type[Tensor]]

    def materialize(self, shape: tuple[int, ...]) -> None:
        """Become uninitialised memory of `shape`."""
        self.__class__ = self._settled  # type: ignore[assignment]
        self._bind(empty(*shape, dtype=self.dtype, device=self.device)._array, Storage())

    def _unknown(self) -> NoReturn:
        raise ShapeError(
            f"the shape of an uninitialized {self._settled.__name__} is not known before the layer's first "
            "forward"
        )

    @property
    def shape(self) -> NoReturn:
        """Raises ShapeError."""
        self._unknown()

    def numpy(self) -> Any:
        """Raises ShapeError."""
        self._unknown()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Raises ShapeError."""
        self._unknown()

    def _store(self, change: Any) -> Any:
        self._unknown()

    def __repr__(self) -> str:
        """As PyTorch prints it."""
        return f"<{type(self).__name__}>"


class UninitializedParameter(_Uninitialized, Parameter):
    """The Parameter of a lazy layer before the layer has seen an input."""

    __slots__ = ()

    _settled = Parameter

    def __init__(self, requires_grad: bool = True, dtype: Any = None, device: Any = None) -> None:
        """Note the flags."""
        self._set(empty(0, dtype=dtype, device=device)._array, Storage())
        self.requires_grad = requires_grad


class UninitializedBuffer(_Uninitialized):
    """The buffer of a lazy layer before the layer has seen an input."""

    __slots__ = ()

    _settled = Tensor

    def __init__(self, requires_grad: bool = False, dtype: Any = None, device: Any = None) -> None:
        """Note the flags."""
        self._set(empty(0, dtype=dtype, device=device)._array, Storage())
        self.requires_grad = requires_grad
