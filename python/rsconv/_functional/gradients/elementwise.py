"""Rules of arithmetic, of real numbers; the pass backwards conjugates complex ones."""

import math
from collections.abc import Callable
from typing import Any

from ... import conversion
from ..._autograd.rules import Gradients, rule
from .. import elementwise as e
from ..arrays import Result


@rule("add")
def add(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Both terms' are the sum's."""
    return {"input": lambda: grad, "other": lambda: grad}


@rule("cast", "clone")
def cast(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """The result's, which `gradients` casts back."""
    return {"input": lambda: grad}


@rule("transfer")
def transfer(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Back to the device it came from."""
    return {"input": lambda: conversion.on(grad, args["backend"])}


@rule("copy")
def copy(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """To what was written; what was overwritten has none."""
    if "device" in args:
        return {"source": lambda: conversion.on(grad, args["device"])}
    return {"source": lambda: grad}


@rule("sub")
def sub(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """The second term's is negative."""
    return {"input": lambda: grad, "other": lambda: e.neg(grad)}


@rule("mul", input="other", other="input")
def mul(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Each factor's holds the other."""
    a, b = inputs["input"], inputs["other"]
    return {"input": lambda: e.mul(grad, b), "other": lambda: e.mul(grad, a)}


@rule("div", input="other", other="input other")
def div(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """`1 / other` and `-input / other^2`."""
    a, b = inputs["input"], inputs["other"]
    return {"input": lambda: e.div(grad, b), "other": lambda: e.neg(e.mul(e.div(grad, b), e.div(a, b)))}


@rule("remainder", other="input other")
def remainder(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """`input - floor(input / other) * other`, whose floor is constant almost everywhere."""
    a, b = inputs["input"], inputs["other"]
    return {"input": lambda: grad, "other": lambda: e.neg(e.mul(grad, e.floor_divide(a, b)))}


@rule("pow", input="input exponent", exponent="input exponent output")
def pow(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """0 for a power of 0, and for the exponent of 0 where the power stays 0 or 1."""
    (y,), x, p = outputs, inputs["input"], inputs["exponent"]

    def of_input() -> Result:
        if isinstance(p, (bool, int, float)):
            return e.mul(grad, e.mul(e.pow(x, p - 1), p)) if p else e.mul(grad, 0.0)
        factor = e.mul(e.pow(x, e.sub(p, 1.0)), p)
        return e.mul(grad, e.where(e.eq(p, 0.0), 0.0, factor))

    def of_exponent() -> Result:
        if isinstance(x, (bool, int, float)):
            if x == 0:
                return e.mul(grad, e.where(e.ge(p, 0.0), 0.0, e.mul(y, -math.inf)))
            return e.mul(grad, e.mul(y, math.log(x) if x > 0 else math.nan))
        zero = e.logical_and(e.eq(x, 0.0), e.ge(p, 0.0))
        return e.mul(grad, e.where(zero, 0.0, e.mul(y, e.log(x))))

    return {"input": of_input, "exponent": of_exponent}


def _extremum(op: str, wins: Callable[[Any, Any], Result]) -> None:
    """To the one that was chosen, half to each of equals; to no NaN."""

    @rule(op, input="input other", other="input other")
    def extremum(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
        a, b = inputs["input"], inputs["other"]

        def share(own: Any, other: Any) -> Result:
            return e.where(e.eq(own, other), e.mul(grad, 0.5), e.where(wins(own, other), grad, 0.0))

        return {"input": lambda: share(a, b), "other": lambda: share(b, a)}


_extremum("maximum", e.gt)
_extremum("minimum", e.lt)


@rule("where", input="condition", other="condition")
def where(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """To the one that was chosen."""
    condition = inputs["condition"]
    return {
        "input": lambda: e.where(condition, grad, 0.0),
        "other": lambda: e.where(condition, 0.0, grad),
    }


@rule("sign", "floor", "ceil", "round", "trunc", "floor_divide")
def step(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Zero almost everywhere."""
    return {}


def _unary(op: str, reads: str, derivative: Callable[[Any, Any, Any], Result]) -> None:
    """A rule from `derivative(grad, x, y)`, `grad` times that of y = op(x), and which of x and y it reads."""

    @rule(op, input=reads)
    def unary(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
        return {"input": lambda: derivative(grad, inputs["input"], outputs[0])}


_unary("neg", "", lambda g, x, y: e.neg(g))
_unary("abs", "input", lambda g, x, y: e.mul(g, e.conj(e.sign(x))))
_unary("conj", "", lambda g, x, y: e.conj(g))
_unary("square", "input", lambda g, x, y: e.mul(e.mul(g, x), 2.0))
_unary("sqrt", "output", lambda g, x, y: e.div(e.mul(g, 0.5), y))
_unary("rsqrt", "input output", lambda g, x, y: e.mul(e.mul(g, -0.5), e.div(y, x)))
_unary("reciprocal", "output", lambda g, x, y: e.neg(e.mul(g, e.square(y))))
_unary("exp", "output", lambda g, x, y: e.mul(g, y))
_unary("expm1", "output", lambda g, x, y: e.mul(g, e.add(y, 1.0)))
_unary("log", "input", lambda g, x, y: e.div(g, x))
_unary("log1p", "input", lambda g, x, y: e.div(g, e.add(x, 1.0)))
_unary("erf", "input", lambda g, x, y: e.mul(e.mul(g, 2 / math.sqrt(math.pi)), e.exp(e.neg(e.square(x)))))
_unary("sin", "input", lambda g, x, y: e.mul(g, e.cos(x)))
_unary("cos", "input", lambda g, x, y: e.neg(e.mul(g, e.sin(x))))
