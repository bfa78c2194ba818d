"""What every operator returns: results, recorded where gradients are wanted."""

from typing import Any

from .._autograd.graph import record, wanted
from ..errors import GradientError
from .arrays import Operands, Result

__all__ = ["check_unrecorded", "node"]


def node(
    call: Operands,
    op: str,
    inputs: dict[str, Any],
    outputs: Any,
    saved: dict[str, Any] | None = None,
    **args: Any,
) -> Result:
    """An operator's backend arrays (one or a tuple) as results, recorded if gradients are wanted.

    `saved` are backend arrays that the gradient needs, by the names of arguments.
    """
    results = call.result(outputs)
    if call.tensor and wanted(inputs):
        if saved is not None:
            args.update((name, call.result(array)) for name, array in saved.items())
        record(op, inputs, results if isinstance(results, tuple) else (results,), args)
    return results


def check_unrecorded(out: Any, **inputs: Any) -> None:
    """Raise GradientError where gradients are wanted of a call that writes to `out`."""
    if out is not None and wanted(inputs):
        name = next(name for name, x in inputs.items() if getattr(x, "_requires_grad", False))
        raise GradientError(
            f"out= has no gradient, but {name} requires grad; call inside of `with rsconv.no_grad():`, or "
            "without out="
        )
