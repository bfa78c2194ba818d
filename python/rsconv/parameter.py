"""`Parameter`, a Tensor that a module owns."""

from typing import Any

import numpy as np

from . import arithmetic
from .backends import backend_of, select
from .storage import Array, Storage
from .tensor import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A Tensor that a Module owns and trains: as a Module's attribute it is among its `parameters()`.

    It shares the memory of `data` if that is a Tensor whose memory no host code can write to; else, and for
    an array or a sequence, it holds a copy. NumPy sees its memory, and that of its views, read-only.

    Raises DtypeError if it shall require gradients and is neither floating-point nor complex.
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        """Take over `data`; nothing makes an empty Parameter."""
        if not isinstance(data, Tensor):
            data = Tensor._new(select().upload(np.array(arithmetic.to_array(() if data is None else data))))
        self._set(data._array, data._storage)
        self.requires_grad = requires_grad

    def _bind(self, array: Array, storage: Storage) -> None:
        if storage.exposed:
            array, storage = backend_of(array).copy(array), Storage()
        storage.protected = True
        super()._bind(array, storage)

    def __repr__(self) -> str:
        """As PyTorch prints it."""
        return f"Parameter containing:\n{super().__repr__()}"
