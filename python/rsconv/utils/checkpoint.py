"""`torch.utils.checkpoint` for model code: the calls run, and keep what gradients need of them."""

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ArgumentError

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    context_fn: Any = None,
    determinism_check: str = "default",
    debug: bool = False,
    **kwargs: Any,
) -> Any:
    """`function(*args, **kwargs)`. The other arguments are PyTorch's and mean nothing here."""
    return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Sequence[Callable[..., Any]],
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:
    """All `functions` one after the other. Raises ArgumentError without a segment."""
    if segments < 1:
        raise ArgumentError(f"checkpoint_sequential needs at least one segment, but got segments={segments}")
    for function in functions:
        input = function(input)
    return input
