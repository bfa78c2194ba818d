"""Rules of normalization, by statistics of the input itself and by others."""

import functools
from typing import Any

from ... import shaping
from ..._autograd.rules import Gradients, rule
from .. import elementwise as e
from .. import reductions as r
from ..arrays import Result


@rule("norm", input="input weight", weight="input")
def norm(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """With `xhat` the normalized input and g the gradient times the weight, `rstd * (g - mean(g) - xhat *
    mean(g * xhat))`; the weight's is the sum of `grad * xhat`, the bias's that of `grad`."""
    w = inputs["weight"]
    g = shaping.reshape(grad, args["split"])
    axes, shape = args["axes"], args["shape"]

    @functools.cache
    def parts() -> tuple[Result, Result]:
        """The normalized input, and rstd."""
        x = shaping.reshape(inputs["input"], args["split"])
        mean, rstd = args["mean"], args["rstd"]
        if getattr(x, "_requires_grad", False):
            # Whoever differentiates this wants to see how they depend on the input.
            mean = r.mean(x, axes, keepdim=True)
            rstd = e.rsqrt(e.add(r.var(x, axes, correction=0, keepdim=True), args["eps"]))
        return e.mul(e.sub(x, mean), rstd), rstd

    def of_input() -> Result:
        normalized, rstd = parts()
        scaled = g if w is None else e.mul(g, shaping.reshape(w, shape))
        a = r.mean(scaled, axes, keepdim=True)
        b = r.mean(e.mul(scaled, normalized), axes, keepdim=True)
        found = e.mul(rstd, e.sub(e.sub(scaled, a), e.mul(normalized, b)))
        return shaping.reshape(found, inputs["input"].shape)

    return {
        "input": of_input,
        "weight": lambda: _of_parameter(e.mul(g, parts()[0]), shape, w),
        "bias": lambda: _of_parameter(g, shape, inputs["bias"]),
    }


def _of_parameter(terms: Any, shape: tuple[int, ...], parameter: Any) -> Result:
    """The sum of `terms` over all axes along which a parameter was repeated, in the parameter's shape."""
    axes = tuple(axis for axis, size in enumerate(shape) if size == 1 and terms.shape[axis] != 1)
    total = r.sum(terms, axes) if axes else terms
    return shaping.reshape(total, parameter.shape)


@rule(
    "frozen_norm", input="weight var", weight="input mean var", mean="weight var", var="input mean var weight"
)
def frozen_norm(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """A scale and a shift that do not depend on the input."""
    x, w, shape = inputs["input"], inputs["weight"], args["shape"]

    @functools.cache
    def rstd() -> Result:
        return e.rsqrt(e.add(shaping.reshape(inputs["var"], shape), args["eps"]))

    def centered() -> Result:
        return e.sub(x, shaping.reshape(inputs["mean"], shape))

    def scale() -> Result:
        return rstd() if w is None else e.mul(rstd(), shaping.reshape(w, shape))

    def of_var() -> Result:
        steep = e.mul(e.mul(scale(), e.square(rstd())), -0.5)
        return _of_parameter(e.mul(e.mul(grad, centered()), steep), shape, inputs["var"])

    return {
        "input": lambda: e.mul(grad, scale()),
        "weight": lambda: _of_parameter(e.mul(grad, e.mul(centered(), rstd())), shape, w),
        "bias": lambda: _of_parameter(grad, shape, inputs["bias"]),
        "mean": lambda: _of_parameter(e.neg(e.mul(grad, scale())), shape, inputs["mean"]),
        "var": of_var,
    }
