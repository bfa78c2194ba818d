"""Storages, and the strided views that are a file's tensors."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import WeightsError
from .element_types import ElementType
from .limits import shown

__all__ = ["Storage", "StorageRef", "rebuild_tensor", "shape_of"]

Array = np.ndarray[Any, Any]

# Elements that a tensor which repeats its storage (by stride 0) may have beyond those that are in the file.
_MAX_REPEATED = 1 << 27
_MAX_RANK = 32


class Storage:
    """The bytes of one storage, and the arrays over them.

    The bytes may arrive after the arrays were handed out, since the old format puts them behind the pickle.
    """

    def __init__(self, nbytes: int, byteorder: str) -> None:
        """Memory for `nbytes` in `byteorder` ("<" or ">"): write to `raw`, then call `filled`."""
        self.raw: Array = np.empty(nbytes, np.uint8)
        self._byteorder = byteorder
        self._native = np.dtype(byteorder + "u2").isnative
        self._arrays: dict[str, tuple[ElementType, Array]] = {}
        self._filled = False

    def _whole(self, element: ElementType) -> Array:
        return self.raw[: self.raw.size // element.itemsize * element.itemsize]

    def array(self, element: ElementType) -> Array:
        """All whole elements as a 1-D array, the same at every call, so that tied weights share memory."""
        if element.name not in self._arrays:
            raw = self._whole(element)
            if element.shares_memory(self._native):
                array = raw.view(element.loaded)
            elif self._filled:
                array = element.decode(raw, self._byteorder)
            else:
                array = np.empty(raw.size // element.itemsize, element.loaded)
            self._arrays[element.name] = element, array
        return self._arrays[element.name][1]

    def filled(self) -> None:
        """The bytes are there: decode them into the arrays that could not be views of them."""
        for element, array in self._arrays.values():
            if not element.shares_memory(self._native):
                array[...] = element.decode(self._whole(element), self._byteorder)
        self._filled = True


@dataclass(frozen=True, eq=False)
class StorageRef:
    """What a persistent id stands for: `count` elements of a storage from element `start` on."""

    storage: Storage
    element: ElementType
    start: int
    count: int
    name: str

    def elements(self, element: ElementType | None = None) -> Array:
        """The 1-D array, of another element type if one is given."""
        first, stop = self.start * self.element.itemsize, (self.start + self.count) * self.element.itemsize
        chosen = element or self.element
        if first % chosen.itemsize:
            raise WeightsError(f"{self.name} begins amid an element of type {chosen.name}")
        return self.storage.array(chosen)[first // chosen.itemsize : stop // chosen.itemsize]


def shape_of(value: object, what: str) -> tuple[int, ...]:
    """`value` as a tuple of non-negative integers below 2**63; raises WeightsError that calls it `what`."""
    if type(value) not in (tuple, list):
        raise WeightsError(f"a tensor's {what} is a {type(value).__name__}, not a tuple")
    numbers: tuple[Any, ...] = tuple(value)  # type: ignore[arg-type]
    if len(numbers) > _MAX_RANK:
        raise WeightsError(f"a tensor's {what} has {len(numbers)} numbers; at most {_MAX_RANK} are read")
    for number in numbers:
        if type(number) is not int or not 0 <= number < 2**63:
            raise WeightsError(f"a tensor's {what} holds {shown(number)}")
    return numbers


def rebuild_tensor(
    ref: object, offset: object, size: object, stride: object, element: ElementType | None = None
) -> Array:
    """The tensor of shape `size` and `stride` (in elements) from element `offset` of a storage on.

    Returns a view of the storage's array. Raises WeightsError unless all of it lies inside the storage.
    """
    if not isinstance(ref, StorageRef):
        raise WeightsError(f"a tensor's storage is a {type(ref).__name__}")
    shape, strides = shape_of(size, "size"), shape_of(stride, "stride")
    (first,) = shape_of((offset,), "storage offset")
    described = f"a tensor of size {shape}, stride {strides}, offset {first}"
    if len(shape) != len(strides):
        raise WeightsError(f"{described} has strides for another rank")
    elements = ref.elements(element)
    count = math.prod(shape)
    itemsize = elements.itemsize
    if count == 0:
        # NumPy bounds the product of the other dimensions too.
        if math.prod(n for n in shape if n) >= 2**63 // itemsize:
            raise WeightsError(f"{described} is too large")
        return np.empty(shape, elements.dtype)
    last = first + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if last >= elements.size:
        raise WeightsError(
            f"{described} reaches element {last} of {ref.name}, which has {elements.size} ({elements.dtype})"
        )
    if count > max(elements.size, _MAX_REPEATED):
        raise WeightsError(f"{described} has {count} elements over a storage of {elements.size}")
    # A dimension of size 1 may carry any stride, and NumPy checks that strides fit its integers.
    in_bytes = [step * itemsize if n > 1 else itemsize for n, step in zip(shape, strides, strict=True)]
    return np.ndarray(shape, elements.dtype, elements, first * itemsize, in_bytes)
