"""`torch.jit` for model code: there is no compiler, so the decorators change nothing.

`script` and `trace` give their argument back; `is_scripting()` and `is_tracing()` are False.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from .names import missing_attribute

__all__ = [
    "Final",
    "annotate",
    "export",
    "ignore",
    "interface",
    "is_scripting",
    "is_tracing",
    "isinstance",
    "script",
    "script_if_tracing",
    "script_method",
    "trace",
    "unused",
]

_Anything = TypeVar("_Anything")
_isinstance = isinstance


def is_scripting() -> bool:
    """False."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def annotate(the_type: Any, the_value: _Anything) -> _Anything:
    """The value."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Python's isinstance, of a class without type arguments."""
    return _isinstance(obj, getattr(target_type, "__origin__", target_type))


def script(obj: _Anything, *args: Any, **kwargs: Any) -> _Anything:
    """The function, module or class itself."""
    return obj


def trace(func: _Anything, *args: Any, **kwargs: Any) -> _Anything:
    """The function or module itself."""
    return func


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A decorator, with or without arguments, that changes nothing."""
    return drop if callable(drop) else _same


def _same(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function or class itself."""
    return function


export = interface = script_if_tracing = script_method = unused = _same


def __getattr__(name: str) -> Any:
    raise missing_attribute(f"module {__name__!r}", name, __all__)
