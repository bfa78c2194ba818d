"""Modules that hold modules: in a row, in a list, by name."""

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, overload

from .describe import describe_list
from .module import Module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


class _Indexed(Module):
    """Modules under the names "0", "1", ...; `Sequential` may have other names."""

    def _items(self) -> list[Any]:
        return list(self._modules.values())

    def _name(self, index: Any) -> str:
        """The name of the item at `index`. Raises IndexError."""
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"index {position} is out of range for a {type(self).__name__} of {len(self)}")
        names: list[str] = list(self._modules)
        return names[position]

    def _refill(self, items: Iterable[Any]) -> None:
        self._modules.clear()
        self._modules.update({str(index): module for index, module in enumerate(items)})

    @overload
    def __getitem__(self, index: slice) -> Self: ...
    @overload
    def __getitem__(self, index: int) -> Any: ...
    def __getitem__(self, index: Any) -> Any:
        """The module at an index, or a container of the same class with those of a slice."""
        return self._slice(index) if isinstance(index, slice) else self._modules[self._name(index)]

    def _slice(self, index: slice) -> Any:
        return type(self)(self._items()[index])

    def __setitem__(self, index: int, module: Module) -> None:
        """Put another module at an index."""
        setattr(self, self._name(index), module)

    def __delitem__(self, index: int | slice) -> None:
        """Take out the modules of an index or a slice; those behind move up."""
        items = self._items()
        del items[index if isinstance(index, slice) else list(self._modules).index(self._name(index))]
        self._refill(items)

    def __len__(self) -> int:
        """How many modules there are."""
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        """The modules in order."""
        return iter(self._items())

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end. Raises TypeError for what is not iterable."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend() needs an iterable, but got {type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Add a module before an index. Raises TypeError for what is no Module."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        items = self._items()
        items.insert(index, module)
        self._refill(items)
        return self

    def pop(self, index: int = -1) -> Any:
        """Take out a module and return it."""
        module = self[index]
        del self[index]
        return module


class Sequential(_Indexed):
    """Modules called one after the other: `Sequential(a, b)` or `Sequential({'first': a, 'last': b})`."""

    def __init__(self, *args: Any) -> None:
        """Own the modules, under their numbers or the names of one dict."""
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for index, module in enumerate(args):
                self.add_module(str(index), module)

    def _slice(self, index: slice) -> Any:
        return type(self)(OrderedDict(list(self._modules.items())[index]))

    def __delitem__(self, index: int | slice) -> None:
        """Take out the modules of an index or a slice; if the names are numbers, those behind move up."""
        names = list(self._modules)
        for name in names[index] if isinstance(index, slice) else [self._name(index)]:
            del self._modules[name]
        if all(name.isdigit() for name in names):
            self._refill(self._items())

    def forward(self, input: Any) -> Any:
        """Pass `input` through all modules."""
        for module in self._modules.values():
            input = module(input)
        return input


class ModuleList(_Indexed):
    """A list of modules, without a `forward` of its own."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        """Own `modules`."""
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        """`extend`."""
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> "ModuleList":
        """A new list with the modules of both."""
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        """The modules by index, equal ones in a row as one line."""
        return describe_list(type(self).__name__, self)


class ModuleDict(Module):
    """Modules by name, in order, without a `forward` of its own."""

    def __init__(self, modules: Any = None) -> None:
        """Own `modules`, a mapping or an iterable of pairs."""
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        """The module called `key`."""
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        """Own `module` as `key`."""
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        """Take out the module called `key`."""
        del self._modules[key]

    def __len__(self) -> int:
        """How many modules there are."""
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        """Whether there is a module called `key`."""
        return key in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Any]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and modules."""
        return self._modules.items()

    def update(self, modules: Any) -> None:
        """Own more modules, from a mapping or an iterable of pairs. Raises TypeError for others."""
        pairs = modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules
        if not isinstance(pairs, Iterable):
            raise TypeError(f"ModuleDict.update() needs a mapping or pairs, but got {type(modules).__name__}")
        for key, module in pairs:
            self[key] = module

    def pop(self, key: str) -> Any:
        """Take out the module called `key` and return it."""
        return self._modules.pop(key)

    def clear(self) -> None:
        """Take out all."""
        self._modules.clear()
