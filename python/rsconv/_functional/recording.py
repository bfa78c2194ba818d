"""What every operator returns: results, which it tells to automatic differentiation."""

from typing import Any

from .arrays import Operands, Result
from .recorder import recorder

__all__ = ["node"]


def node(
    call: Operands,
    op: str,
    inputs: dict[str, Any],
    outputs: Any,
    saved: dict[str, Any] | None = None,
    **args: Any,
) -> Result:
    """An operator's backend arrays (one or a tuple) as results, told to who listens.

    `saved` are backend arrays that the gradient needs, by the names of arguments.
    """
    results = call.result(outputs)
    listener = recorder.get()
    if listener is not None:
        if saved is not None:
            args.update((name, call.result(array)) for name, array in saved.items())
        listener(op, inputs, results if isinstance(results, tuple) else (results,), args)
    return results
