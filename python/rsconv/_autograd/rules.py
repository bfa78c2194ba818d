"""The table of gradient rules, and how one is entered."""

from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ["RULES", "Gradients", "Rule", "rule"]

Gradients: TypeAlias = dict[str, Callable[[], Any]]
"""For each array argument that the operator depends on smoothly, by name: what computes its gradient."""
Compute: TypeAlias = Callable[[Any, dict[str, Any], tuple[Any, ...], dict[str, Any]], Gradients]
"""`compute(grad_output, inputs, outputs, args)`: see `rsconv._functional.gradients`."""


class Rule:
    """How an operator's gradients are computed, and which arrays each of them reads.

    `reads` has, by the name of an argument, the names of the arguments and results ("output", "output1" for
    the second) whose elements its gradient needs. Of all others a rule only sees shape and dtype, so that a
    name left out is an error at once, never a wrong gradient.
    """

    __slots__ = ("compute", "reads")

    def __init__(self, compute: Compute, reads: dict[str, tuple[str, ...]]) -> None:
        """See the class."""
        self.compute, self.reads = compute, reads


RULES: dict[str, Rule] = {}
"""The rule of every differentiable operator, by the name under which it is recorded."""


def rule(*ops: str, **reads: str) -> Callable[[Compute], Compute]:
    """Enter a rule for operators of these names: `@rule("mul", input="other", other="input")`."""

    def enter(function: Compute) -> Compute:
        for op in ops:
            assert op not in RULES, op
            RULES[op] = Rule(function, {name: tuple(read.split()) for name, read in reads.items()})
        return function

    return enter
