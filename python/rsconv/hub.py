"""`torch.hub` for model code that names it: nothing is downloaded."""

from typing import Any, NoReturn

from .errors import ArgumentError
from .names import missing_attribute

__all__ = ["load_state_dict_from_url"]


def load_state_dict_from_url(url: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Raise ArgumentError, which says how to get the weights."""
    raise ArgumentError(
        f"rsconv downloads nothing: fetch {url} yourself and pass the file to rsconv.load(), "
        "which reads .pt, .pth and .safetensors"
    )


def __getattr__(name: str) -> Any:
    raise missing_attribute(f"module {__name__!r}", name, __all__)
