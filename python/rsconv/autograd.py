"""Whether operations record gradients. None do yet: these contexts let code written for PyTorch run."""

import contextlib
from collections.abc import Callable
from typing import Any

__all__ = ["enable_grad", "inference_mode", "no_grad"]


class _GradMode(contextlib.ContextDecorator):
    """A context manager, and a decorator with or without parentheses, that changes nothing."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """The context, or `function` decorated with it."""
        context = super().__new__(cls)
        return context(function) if callable(function) else context

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, *error: object) -> None:
        """End."""


class no_grad(_GradMode):
    """Do not record gradients in this context or function."""


class enable_grad(_GradMode):
    """Record gradients in this context or function, within `no_grad`."""


class inference_mode(_GradMode):
    """As `no_grad`."""
