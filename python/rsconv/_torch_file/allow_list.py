"""The globals that tensors and plain containers need, and what each stands for here."""

import codecs
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import WeightsError
from .element_types import DTYPES, STORAGES, ElementType
from .limits import Budget, check_key, shown
from .numpy_values import NumpyValues
from .pickle_machine import Global
from .tensors import rebuild_tensor, shape_of

__all__ = ["StorageType", "allow_list"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class StorageType(Global):
    """The class of a storage, such as torch.FloatStorage, which a persistent id carries."""

    element: ElementType = field(kw_only=True)


class _Rebuilders:
    """What torch._utils has to rebuild tensors."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._tensor_classes = [Global("torch.Tensor"), Global("torch.nn.parameter.Parameter")]
        self._functions = {
            "torch._utils._rebuild_tensor": Global("_rebuild_tensor", rebuild_tensor),
            "torch._utils._rebuild_tensor_v2": Global("_rebuild_tensor_v2", self.tensor_v2),
            "torch._utils._rebuild_tensor_v3": Global("_rebuild_tensor_v3", self.tensor_v3),
            "torch._utils._rebuild_parameter": Global("_rebuild_parameter", self.parameter),
            "torch._utils._rebuild_parameter_with_state": Global(
                "_rebuild_parameter_with_state", self.parameter
            ),
        }

    def globals(self) -> dict[str, object]:
        from_type = Global("_rebuild_from_type_v2", self.from_type)
        classes = {cls.name: cls for cls in self._tensor_classes}
        return {**self._functions, **classes, "torch._tensor._rebuild_from_type_v2": from_type}

    def tensor_v2(
        self,
        ref: object,
        offset: object,
        size: object,
        stride: object,
        grad: object,
        hooks: object,
        *bits: object,
    ) -> Array:
        return self._resolved(rebuild_tensor(ref, offset, size, stride), *bits)

    def tensor_v3(
        self,
        ref: object,
        offset: object,
        size: object,
        stride: object,
        grad: object,
        hooks: object,
        dtype: object,
        *bits: object,
    ) -> Array:
        name = dtype.name if isinstance(dtype, np.dtype) else dtype
        element = DTYPES.get(name) if type(name) is str else None
        if element is None:
            raise WeightsError(f"a tensor's dtype is {shown(dtype)}")
        return self._resolved(rebuild_tensor(ref, offset, size, stride, element), *bits)

    def _resolved(self, array: Array, bits: object = None) -> Array:
        """`array` with what PyTorch's lazy conjugate and negative bits mean applied."""
        if bits is None:
            return array
        unknown = [key for key in bits if key not in ("conj", "neg")] if type(bits) is dict else [bits]
        if type(bits) is not dict or unknown:
            raise WeightsError(f"a tensor has the metadata {shown(unknown[0])}")
        for bit, apply in (("conj", np.conjugate), ("neg", np.negative)):
            if bits.get(bit) is True:
                self._budget.charge(array.size // 8)
                array = apply(array)
        return array

    def parameter(self, data: object, *_: object) -> Array:
        if not isinstance(data, np.ndarray):
            raise WeightsError(f"a Parameter's data is {shown(data)}")
        return data

    def from_type(self, function: object, cls: object, arguments: object, state: object) -> object:
        known = [f for f in self._functions.values() if f is function]
        if not known or not any(cls is c for c in self._tensor_classes) or type(arguments) is not tuple:
            named = cls.name if isinstance(cls, Global) else shown(cls)
            raise WeightsError(f"a tensor of the class {named} is not read")
        assert known[0].call is not None
        return known[0].call(*arguments)


class _Containers:
    """Containers and values that pickle makes by a call."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def globals(self) -> dict[str, object]:
        return {
            "collections.OrderedDict": Global("collections.OrderedDict", self.ordered_dict),
            "collections.Counter": Global("collections.Counter", self.counter),
            "builtins.set": Global("builtins.set", self.set),
            "builtins.frozenset": Global("builtins.frozenset", self.frozenset),
            "builtins.complex": Global("builtins.complex", self.complex),
            "builtins.bytes": Global("builtins.bytes", self.empty_bytes),
            "builtins.bytearray": Global("builtins.bytearray", self.bytearray),
            "_codecs.encode": Global("_codecs.encode", self.encode),
            "torch.Size": Global("torch.Size", self.size),
            "torch.device": Global("torch.device", self.device),
        }

    def ordered_dict(self, pairs: object = ()) -> object:
        made: OrderedDict[Any, Any] = OrderedDict()
        for pair in self._items(pairs):
            if type(pair) not in (list, tuple) or len(pair) != 2:
                raise WeightsError("an OrderedDict is made of what are not pairs")
            check_key(pair[0], self._budget)
            made[pair[0]] = pair[1]
        return made

    def counter(self, counts: object = None) -> object:
        if counts is not None and type(counts) is not dict:
            raise WeightsError(f"a Counter is made of {shown(counts)}")
        self._budget.charge(len(counts or ()))
        made: Counter[Any] = Counter()
        dict.update(made, counts or {})
        return made

    def set(self, items: object = ()) -> object:
        return set(self._keys(items))

    def frozenset(self, items: object = ()) -> object:
        return frozenset(self._keys(items))

    def complex(self, real: object, imag: object) -> object:
        if type(real) is not float or type(imag) is not float:
            raise WeightsError(f"a complex number is made of {shown(real)} and {shown(imag)}")
        return complex(real, imag)

    def empty_bytes(self) -> object:
        return b""  # Other bytes come by _codecs.encode where a protocol has no opcode for them.

    def bytearray(self, text: object = b"", encoding: object = "latin-1") -> object:
        return bytearray(text if type(text) is bytes else self.encode(text, encoding))

    def encode(self, text: object, encoding: object) -> bytes:
        if type(text) is not str or type(encoding) is not str or encoding not in ("latin1", "latin-1"):
            raise WeightsError(f"bytes are made of {shown(text)} in the encoding {shown(encoding)}")
        self._budget.charge(len(text) // 64)
        try:
            return codecs.latin_1_encode(text)[0]
        except UnicodeEncodeError as error:
            raise WeightsError(f"bytes are made of text that is not Latin-1: {error.reason}") from error

    def size(self, numbers: object = ()) -> object:
        return shape_of(numbers, "size")

    def device(self, kind: object, index: object = None) -> object:
        if type(kind) is not str or not (index is None or type(index) is int):
            raise WeightsError(f"a device is {shown(kind)}, {shown(index)}")
        return kind if index is None else f"{kind}:{index}"

    def _items(self, items: object) -> Any:
        if type(items) not in (list, tuple):
            raise WeightsError(f"a container is made of {shown(items)}")
        self._budget.charge(len(items))  # type: ignore[arg-type]
        return items

    def _keys(self, items: object) -> Any:
        for item in self._items(items):
            check_key(item, self._budget)
        return items


def allow_list(budget: Budget, numpy_values: NumpyValues) -> dict[str, object]:
    """What each allowed global stands for, by qualified name. Copies are charged to `budget`."""
    table = {**_Rebuilders(budget).globals(), **_Containers(budget).globals(), **numpy_values.globals()}
    for module in ("torch", "torch.storage", "torch.cuda"):
        table |= {
            f"{module}.{name}": StorageType(f"{module}.{name}", element=element)
            for name, element in STORAGES.items()
        }
    for name, element in DTYPES.items():
        table[f"torch.{name}"] = element.loaded if element.loaded.name == name else name
    return table
