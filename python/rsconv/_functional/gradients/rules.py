"""The table of gradient rules, and how one is written down."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ...tensor import Tensor
from ..arrays import Result

__all__ = ["RULES", "Gradients", "Rule", "expanded", "rule"]

Gradients: TypeAlias = dict[str, Callable[[], Result]]
"""For each array argument that the operator depends on smoothly, by name: what computes its gradient."""
Rule: TypeAlias = Callable[[Result, dict[str, Any], tuple[Result, ...], dict[str, Any]], Gradients]
"""`rule(grad_output, inputs, outputs, args)`: see `gradients`."""

RULES: dict[str, Rule] = {}
"""The rule of every differentiable operator, by the name that it tells `recording.node`."""


def rule(*ops: str) -> Callable[[Rule], Rule]:
    """Enter a rule for operators of these names."""

    def enter(function: Rule) -> Rule:
        for op in ops:
            assert op not in RULES, op
            RULES[op] = function
        return function

    return enter


def expanded(x: Result, shape: tuple[int, ...]) -> Result:
    """A read-only view with axes of size 1 repeated."""
    return x.expand(shape) if isinstance(x, Tensor) else np.broadcast_to(x, shape)
