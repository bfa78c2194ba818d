"""Where automatic differentiation listens: every differentiable operator says here what it computed.

An operator is known by a name in `gradients.RULES`. Functions that only call other functions say nothing.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

__all__ = ["Recorder", "recorder", "recording", "told"]

Recorder = Callable[[str, dict[str, Any], tuple[Any, ...], dict[str, Any]], None]
"""Called with the operator's name, its array arguments by name (as the caller gave them; numbers and None
too), its results, and its canonical arguments."""

recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)
"""Who listens to the calls of this thread; None if no gradient is wanted."""

_Result = TypeVar("_Result")


def recording() -> bool:
    """Whether someone listens: what only a gradient needs (indices, statistics) is computed if so."""
    return recorder.get() is not None


def told(op: str, inputs: dict[str, Any], result: _Result, **args: Any) -> _Result:
    """An operator's one result, told to who listens."""
    listener = recorder.get()
    if listener is not None:
        listener(op, inputs, (result,), args)
    return result
