"""Rules of normalization, by statistics of the input itself and by others."""

import functools
import math
from typing import Any

from ... import arithmetic, shaping
from ..._autograd.modes import is_grad_enabled
from ..._autograd.rules import Gradients, rule
from .. import elementwise as e
from .. import reductions as r
from ..arrays import Result, operands


@rule("norm", input="input weight", weight="input")
def norm(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """With `xhat` the normalized input and g the gradient times the weight, `rstd * (g - mean(g) - xhat *
    mean(g * xhat))`; the weight's is the sum of `grad * xhat`, the bias's that of `grad`."""
    if is_grad_enabled():
        return _differentiable(grad, inputs, args)
    call = operands(grad=grad, input=_array_or_none(inputs["input"]), weight=_array_or_none(inputs["weight"]))
    backend, (g, x, w) = call.backend, call.arrays
    axes, shape, split = args["axes"], args["shape"], args["split"]
    mean, rstd = args["mean"]._array, args["rstd"]._array
    g = arithmetic.cast(backend.reshape(g, split), rstd.dtype)
    count = math.prod(split[axis] for axis in axes)
    # A weight that is the same for all elements of a mean is a factor of that mean.
    apart = inputs["weight"] is None or all(shape[axis] == 1 for axis in axes)

    def times(a: Any, b: Any) -> Any:
        return backend.elementwise("mul", (a, b))

    def average(terms: Any) -> Any:
        return backend.reduce("mean", terms, axes)

    @functools.cache
    def normalized() -> Any:
        seen = arithmetic.cast(backend.reshape(x, split), rstd.dtype)
        return backend.elementwise("normalize", (seen, mean, rstd, 1.0, 0.0))

    @functools.cache
    def factor() -> Any:
        return arithmetic.cast(backend.reshape(w, shape), rstd.dtype)

    @functools.cache
    def mean_of_grad() -> Any:
        return average(g)

    @functools.cache
    def mean_of_product() -> Any:
        return average(times(g, normalized()))

    def of_input() -> Result:
        if apart:
            scale = rstd if w is None else times(rstd, factor())
            operand = (g, normalized(), scale, mean_of_grad(), mean_of_product())
        else:
            scaled = times(g, factor())
            operand = (scaled, normalized(), rstd, average(scaled), average(times(scaled, normalized())))
        return call.result(backend.reshape(backend.elementwise("normalize_grad", operand), grad.shape))

    def summed(mean: Any, terms: Any, parameter: Any) -> Result:
        total = times(mean(), float(count)) if apart else terms()
        return _of_parameter(call.result(total), shape, parameter)

    return {
        "input": of_input,
        "weight": lambda: summed(mean_of_product, lambda: times(g, normalized()), inputs["weight"]),
        "bias": lambda: summed(mean_of_grad, lambda: g, inputs["bias"]),
    }


def _array_or_none(x: Any) -> Any:
    """What is there of an argument: elements were kept only where a gradient reads them."""
    return x if hasattr(x, "_storage") or hasattr(x, "__array__") else None


def _differentiable(grad: Result, inputs: dict[str, Any], args: dict[str, Any]) -> Gradients:
    """The same of functions that have gradients, in which mean and rstd depend on the input."""
    w = inputs["weight"]
    g = shaping.reshape(grad, args["split"])
    axes, shape = args["axes"], args["shape"]

    @functools.cache
    def parts() -> tuple[Result, Result]:
        """The normalized input, and rstd."""
        x = shaping.reshape(inputs["input"], args["split"])
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
