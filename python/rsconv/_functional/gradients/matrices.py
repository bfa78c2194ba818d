"""Rules of products of matrices."""

import math
from typing import Any

from ... import shaping
from ..._autograd.rules import Gradients, rule
from .. import elementwise as e
from ..arrays import Result
from ..linear import matmul as product


def _transposed(x: Any) -> Result:
    return shaping.transpose(x, -1, -2)


@rule("matmul", input="other", other="input")
def matmul(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """`grad @ other.T` and `input.T @ grad`, with rows and columns where the arguments are vectors."""
    a, b = inputs["input"], inputs["other"]

    def of_input() -> Result:
        if b.ndim == 1:
            # Each row of `a` met the same vector.
            return e.mul(shaping.unsqueeze(grad, -1), b) if a.ndim > 1 else e.mul(grad, b)
        rows = shaping.unsqueeze(grad, -2) if a.ndim == 1 else grad
        found = product(rows, _transposed(b))
        return shaping.squeeze(found, -2) if a.ndim == 1 else found

    def of_other() -> Result:
        if a.ndim == 1:
            return (
                e.mul(shaping.unsqueeze(a, -1), shaping.unsqueeze(grad, -2)) if b.ndim > 1 else e.mul(grad, a)
            )
        columns = shaping.unsqueeze(grad, -1) if b.ndim == 1 else grad
        found = product(_transposed(a), columns)
        return shaping.squeeze(found, -1) if b.ndim == 1 else found

    return {"input": of_input, "other": of_other}


@rule("linear", input="weight", weight="input")
def linear(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """`grad @ weight`, and with all leading axes as one, `grad.T @ input`; the bias's is the sum."""
    x, w = inputs["input"], inputs["weight"]

    def of_weight() -> Result:
        rows = math.prod(x.shape[:-1])
        flat = shaping.reshape(grad, rows, w.shape[0])
        return product(_transposed(flat), shaping.reshape(x, rows, w.shape[1]))

    return {"input": lambda: product(grad, w), "weight": of_weight, "bias": lambda: grad}
