"""How a module prints: PyTorch's layout, children indented by two, equal list items in a row as one."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .module import Module

__all__ = ["describe", "describe_list"]


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _layout(name: str, extra: list[str], children: list[str]) -> str:
    if len(extra) == 1 and not children:
        return f"{name}({extra[0]})"
    lines = "".join(f"\n  {line}" for line in [*extra, *children])
    return f"{name}({lines}\n)" if lines else f"{name}()"


def describe(module: "Module") -> str:
    """The class, its `extra_repr()` and its children by name."""
    extra = module.extra_repr()
    children = [f"({name}): {_indented(repr(child))}" for name, child in module._modules.items()]
    return _layout(type(module).__name__, extra.split("\n") if extra else [], children)


def describe_list(name: str, modules: Iterable["Module"]) -> str:
    """The items by index; `(0-2): 3 x ReLU()` for equal ones in a row."""
    runs: list[tuple[int, int, str]] = []
    for index, text in enumerate(map(repr, modules)):
        if runs and runs[-1][2] == text:
            runs[-1] = (runs[-1][0], index, text)
        else:
            runs.append((index, index, text))
    children = [
        f"({first}): {_indented(text)}"
        if first == last
        else f"({first}-{last}): {last - first + 1} x {_indented(text)}"
        for first, last, text in runs
    ]
    return _layout(name, [], children)
