"""Rules of reductions."""

import math
from typing import Any

import numpy as np

from ... import shaping
from ..._autograd.rules import Gradients, rule
from ...tensor import Tensor
from .. import elementwise as e
from .. import reductions as r
from ..arrays import Result
from ..indexing import scatter_sum


def expanded(x: Result, shape: tuple[int, ...]) -> Result:
    """A read-only view with axes of size 1 repeated."""
    return x.expand(shape) if isinstance(x, Tensor) else np.broadcast_to(x, shape)


def _kept(y: Any, shape: tuple[int, ...], args: dict[str, Any]) -> Result:
    """A reduction's result, or its gradient, with the reduced axes of size 1."""
    sizes = [1 if axis in args["axes"] else size for axis, size in enumerate(shape)]
    return shaping.reshape(y, sizes)


def _spread(grad: Any, shape: tuple[int, ...], args: dict[str, Any]) -> Result:
    return expanded(_kept(grad, shape, args), shape)


@rule("sum")
def sum(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Every term's is the sum's."""
    return {"input": lambda: _spread(grad, inputs["input"].shape, args)}


@rule("mean")
def mean(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Every term's is that of the mean, divided by their number."""
    shape = inputs["input"].shape
    count = math.prod(shape[axis] for axis in args["axes"])
    return {"input": lambda: _spread(e.div(grad, max(count, 1)), shape, args)}


@rule("prod", input="input")
def prod(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """The product of the other factors, which is zero but at a single zero."""
    x = inputs["input"]

    def of_input() -> Result:
        zero = e.eq(x, 0.0)
        axes = args["axes"]
        others, zeros = e.where(zero, 1.0, x), e.astype(zero, x.dtype)
        product = r.prod(others, axes, keepdim=True) if axes else others
        count = r.sum(zeros, axes, keepdim=True) if axes else zeros
        alone = e.where(e.eq(count, zeros), e.div(product, others), 0.0)
        return e.mul(_kept(grad, x.shape, args), alone)

    return {"input": of_input}


@rule("amax", "amin", input="input output")
def extremum(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Equal ones share it."""
    x = inputs["input"]

    def of_input() -> Result:
        chosen = e.where(e.eq(x, _kept(outputs[0], x.shape, args)), _kept(grad, x.shape, args), 0.0)
        hits = e.astype(e.eq(x, _kept(outputs[0], x.shape, args)), x.dtype)
        return e.div(chosen, r.sum(hits, args["axes"], keepdim=True)) if args["axes"] else chosen

    return {"input": of_input}


@rule("choice", input="output1")
def choice(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """To the element at the index."""
    shape = inputs["input"].shape

    def of_input() -> Result:
        if not args["axes"]:
            return grad
        index = _kept(outputs[1], shape, args)
        return scatter_sum(_kept(grad, shape, args), args["axes"][0], index, shape)

    return {"input": of_input}


@rule("var", input="input")
def var(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """`2 (x - mean) / (count - correction)`."""
    x = inputs["input"]
    return {"input": lambda: e.mul(_deviations(x, args), _kept(grad, x.shape, args))}


@rule("std", input="input output")
def std(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """That of the variance, divided by twice the deviation."""
    x = inputs["input"]
    return {
        "input": lambda: e.mul(
            _deviations(x, args), _kept(e.div(grad, e.mul(outputs[0], 2.0)), x.shape, args)
        )
    }


def _deviations(x: Any, args: dict[str, Any]) -> Result:
    axes = args["axes"]
    center = r.mean(x, axes, keepdim=True) if axes else x
    count = math.prod(x.shape[axis] for axis in axes)
    return e.mul(e.sub(x, center), 2 / max(count - args["correction"], 1e-300))
