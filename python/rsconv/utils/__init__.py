"""Modules under the names that PyTorch's `torch.utils` has: `checkpoint`, `data`."""

import importlib
from typing import Any

from ..names import missing_attribute

__all__ = ["checkpoint", "data"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f".{name}", __name__)
    raise missing_attribute(f"module {__name__!r}", name, __all__)
