"""`torch.fx` for model code: nothing is traced."""

from typing import Any

from .names import missing_attribute

__all__ = ["wrap"]


def wrap(fn_or_name: Any) -> Any:
    """The function, or its name, itself."""
    return fn_or_name


def __getattr__(name: str) -> Any:
    raise missing_attribute(f"module {__name__!r}", name, __all__)
