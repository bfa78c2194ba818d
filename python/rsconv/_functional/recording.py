"""Where automatic differentiation listens: every differentiable operator says here what it computed.

An operator is known by a name in `gradients.RULES`. Functions that only call other functions say nothing.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .arrays import Operands, Result

__all__ = ["Recorder", "node", "recorder", "recording"]

Recorder = Callable[[str, dict[str, Any], tuple[Result, ...], dict[str, Any]], None]
"""Called with the operator's name, its array arguments by name (as the caller gave them; numbers and None
too), its results, and its canonical arguments."""

recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)
"""Who listens to the calls of this thread; None if no gradient is wanted."""


def recording() -> bool:
    """Whether someone listens: what only a gradient needs (indices, statistics) is computed if so."""
    return recorder.get() is not None


def node(
    call: Operands,
    op: str,
    inputs: dict[str, Any],
    outputs: Any,
    saved: dict[str, Any] | None = None,
    **args: Any,
) -> Result:
    """What an operator returns: its backend arrays (one or a tuple) as results, told to who listens.

    `saved` are backend arrays that the gradient needs, by the names of arguments.
    """
    results = call.result(outputs)
    listener = recorder.get()
    if listener is not None:
        if saved is not None:
            args.update((name, call.result(array)) for name, array in saved.items())
        listener(op, inputs, results if isinstance(results, tuple) else (results,), args)
    return results
