"""Gradients: a rule for each differentiable operator, written with functions of this package.

So gradients are differentiable, too. A rule gets the gradient of the operator's first result, its array
arguments by name, its results and its canonical arguments, as `recording.node` tells them; it gives a
function for each argument's gradient, so that only those wanted are computed. A gradient may be larger than
its argument where that was broadcast: `gradients` sums it.
"""

from typing import Any

import numpy as np

from ..._autograd.rules import RULES, Gradients, Rule
from ..arrays import Result
from ..elementwise import astype
from ..reductions import sum as sum_over
from . import activations, convolution, elementwise, layout, matrices, normalization, reductions, windows

__all__ = ["RULES", "Gradients", "Rule", "gradients", "sum_to"]

# Their rules are in the table once they are imported.
_FAMILIES = (activations, convolution, elementwise, layout, matrices, normalization, reductions, windows)


def gradients(
    op: str,
    grad_output: Result,
    inputs: dict[str, Any],
    outputs: tuple[Result, ...],
    args: dict[str, Any],
    wanted: Any = None,
) -> dict[str, Result]:
    """The gradients of an operator's array arguments that are `wanted` (None: all that have one).

    An argument that the result does not depend on smoothly, such as that of `floor`, has none: it is zero.
    Nor have whole numbers and Python's numbers.

    Raises KeyError for an operator without a rule.
    """
    found = RULES[op].compute(grad_output, inputs, outputs, args)
    names = [name for name in found if wanted is None or name in wanted]
    return {
        name: _fitted(found[name](), inputs[name])
        for name in names
        if getattr(inputs[name], "dtype", np.dtype(bool)).kind in "fc"
    }


def _fitted(gradient: Result, array: Any) -> Result:
    """A gradient in the shape and dtype of its argument, which may have been broadcast or promoted."""
    gradient = sum_to(gradient, array.shape)
    return gradient if gradient.dtype == array.dtype else astype(gradient, array.dtype)


def sum_to(gradient: Result, shape: tuple[int, ...]) -> Result:
    """The gradient of an argument that was broadcast from `shape`."""
    extra = gradient.ndim - len(shape)
    if extra:
        gradient = sum_over(gradient, tuple(range(extra)))
    repeated = tuple(
        axis for axis, (size, own) in enumerate(zip(gradient.shape, shape, strict=True)) if own == 1 != size
    )
    return sum_over(gradient, repeated, keepdim=True) if repeated else gradient
