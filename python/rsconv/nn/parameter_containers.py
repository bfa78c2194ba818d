"""Parameters in a list or by name, without a `forward`."""

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from ..parameter import Parameter
from ..tensor import Tensor
from .module import Module

__all__ = ["ParameterDict", "ParameterList"]


def _owned(value: Any) -> Any:
    """Tensors become Parameters, as in PyTorch; anything else stays what it is."""
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _line(name: Any, value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"  ({name}): Object of type: {type(value).__name__}"
    kind = type(value).__name__
    size = "x".join(map(str, value.shape))
    place = "" if value.device == "cpu" else f" ({value.device})"
    shown = "torch.{}".format
    return f"  ({name}): {kind} containing: [{shown(value.dtype.name)} of size {size}{place}]"


class ParameterList(Module):
    """A list of Parameters, whose names are their indices; Tensors become Parameters."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        """Own `values`."""
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def _name(self, index: Any) -> str:
        position = operator.index(index)
        if not -self._size <= position < self._size:
            raise IndexError(f"index {position} is out of range for a {type(self).__name__} of {self._size}")
        return str(position % self._size)

    def __getitem__(self, index: int | slice) -> Any:
        """The Parameter at an index, or a list of those of a slice."""
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return getattr(self, self._name(index))

    def __setitem__(self, index: int, value: Any) -> None:
        """Put another Parameter at an index."""
        setattr(self, self._name(index), _owned(value))

    def __len__(self) -> int:
        """How many there are."""
        return self._size

    def __iter__(self) -> Iterator[Any]:
        """The Parameters in order."""
        return iter([getattr(self, str(index)) for index in range(self._size)])

    def append(self, value: Any) -> Self:
        """Add a Parameter at the end."""
        self._size += 1
        setattr(self, str(self._size - 1), _owned(value))
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add Parameters at the end. Raises TypeError for what is not iterable, or is one Tensor."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(
                f"{type(self).__name__}.extend() needs an iterable, but got {type(values).__name__}"
            )
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> Self:
        """`extend`."""
        return self.extend(values)

    def pop(self, index: int = -1) -> Any:
        """Take out a Parameter and return it; those behind move up."""
        values = list(self)
        taken = values.pop(int(self._name(index)))
        for position in range(self._size):
            delattr(self, str(position))
        self._size = 0
        self.extend(values)
        return taken

    def extra_repr(self) -> str:
        """A line for each."""
        return "\n".join(_line(index, value) for index, value in enumerate(self))


class ParameterDict(Module):
    """Parameters by name, in order; Tensors become Parameters."""

    def __init__(self, parameters: Any = None) -> None:
        """Own `parameters`, a mapping or an iterable of pairs."""
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        """The Parameter called `key`. Raises KeyError."""
        if key not in self._keys:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        """Own `value` as `key`."""
        if key not in self._keys and hasattr(self, key):
            raise KeyError(f"attribute {key!r} already exists")
        setattr(self, key, _owned(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        """Take out the Parameter called `key`. Raises KeyError."""
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(list(self._keys))

    def __contains__(self, key: object) -> bool:
        """Whether there is a Parameter called `key`."""
        return key in self._keys

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._keys.keys()

    def values(self) -> Iterable[Any]:
        """The Parameters."""
        return [self[key] for key in self._keys]

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and Parameters."""
        return [(key, self[key]) for key in self._keys]

    def get(self, key: str, default: Any = None) -> Any:
        """The Parameter called `key`, or `default`."""
        return self[key] if key in self._keys else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The Parameter called `key`, which becomes `default` if there is none."""
        if key not in self._keys:
            self[key] = default
        return self[key]

    def update(self, parameters: Any) -> None:
        """Own more, from a mapping or an iterable of pairs. Raises TypeError for others."""
        pairs = parameters.items() if isinstance(parameters, (Mapping, ParameterDict)) else parameters
        if not isinstance(pairs, Iterable):
            raise TypeError(
                f"ParameterDict.update() needs a mapping or pairs, but got {type(parameters).__name__}"
            )
        for key, value in pairs:
            self[key] = value

    def pop(self, key: str) -> Any:
        """Take out the Parameter called `key` and return it. Raises KeyError."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Take out all."""
        for key in list(self._keys):
            del self[key]

    def extra_repr(self) -> str:
        """A line for each."""
        return "\n".join(_line(key, value) for key, value in self.items())
