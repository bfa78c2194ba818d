"""Rules of the activation functions, which have a fused gradient each, and the second derivatives."""

import math
from collections.abc import Callable
from typing import Any

from ... import shaping
from ..._autograd.rules import Gradients, rule
from .. import elementwise as e
from ..activation import sigmoid, softplus, tanh
from ..arrays import Result, operands
from ..joining import cat, narrow
from ..recording import node
from ..reductions import sum as sum_over

Second = Callable[..., Result]

# Those whose second derivative is zero almost everywhere.
_PIECEWISE_LINEAR = (
    *("relu", "relu6", "leaky_relu", "hardtanh", "clamp", "hardsigmoid", "hardshrink", "softshrink"),
    "threshold",
)
_SELU = 1.0507009873554805 * 1.6732632423543772
_GELU = math.sqrt(2 / math.pi)
_CUBE = 0.044715


# Those whose slope is computed from their result, so that they can be computed in place.
_BY_RESULT = ("relu", "sigmoid", "tanh")


def activation_grad(op: str, x: Any, grad: Any, params: tuple[float, ...]) -> Result:
    """`grad` times the derivative of an activation at `x`; of those `_BY_RESULT` where the result is `x`."""
    call = operands(input=x, grad=grad)
    y = call.backend.elementwise(f"{op}_grad", call.arrays, params)
    return node(call, f"{op}_grad", {"input": x, "grad": grad}, y, params=params)


def _activation(op: str, second: Second | None) -> None:
    """Rules for `op` and for its gradient.

    `second(x, *params)` is the derivative of the slope by what it is computed from, None for zero.
    """

    where = "output" if op in _BY_RESULT else "input"

    @rule(op, input=where)
    def first_rule(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
        at = outputs[0] if where == "output" else inputs["input"]
        return {"input": lambda: activation_grad(op, at, grad, args["params"])}

    @rule(f"{op}_grad", grad="input", input="input grad")
    def second_rule(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
        x, params = inputs["input"], args["params"]
        found: Gradients = {"grad": lambda: activation_grad(op, x, grad, params)}
        if second is not None:
            found["input"] = lambda: e.mul(e.mul(grad, inputs["grad"]), second(x, *params))
        return found


def _bump(s: Any) -> Result:
    """s * (1 - s), the derivative of the sigmoid."""
    return e.mul(s, e.sub(1.0, s))


def _tanhshrink(x: Any) -> Result:
    t = tanh(x)
    return e.mul(e.mul(t, 2.0), e.sub(1.0, e.square(t)))


def _silu(x: Any) -> Result:
    s = sigmoid(x)
    return e.mul(_bump(s), e.add(2.0, e.mul(x, e.sub(1.0, e.mul(s, 2.0)))))


def _mish(x: Any) -> Result:
    s, w = sigmoid(x), tanh(softplus(x))
    slope = e.sub(1.0, e.square(w))
    inner = e.sub(_bump(s), e.mul(e.mul(w, e.square(s)), 2.0))
    return e.mul(slope, e.add(e.mul(s, 2.0), e.mul(x, inner)))


def _gelu(x: Any) -> Result:
    density = e.mul(e.exp(e.mul(e.square(x), -0.5)), 1 / math.sqrt(2 * math.pi))
    return e.mul(density, e.sub(2.0, e.square(x)))


def _gelu_tanh(x: Any) -> Result:
    square = e.square(x)
    t = tanh(e.mul(e.mul(x, e.add(1.0, e.mul(square, _CUBE))), _GELU))
    first = e.mul(e.add(1.0, e.mul(square, 3 * _CUBE)), _GELU)
    curve = e.sub(e.mul(x, 6 * _CUBE * _GELU), e.mul(e.mul(t, e.square(first)), 2.0))
    return e.mul(e.sub(1.0, e.square(t)), e.add(first, e.mul(e.mul(x, 0.5), curve)))


def _softsign(x: Any) -> Result:
    return e.mul(e.sign(x), e.mul(e.pow(e.add(1.0, e.abs(x)), -3.0), -2.0))


def _softplus(x: Any, beta: float, threshold: float) -> Result:
    scaled = e.mul(x, beta)
    return e.where(e.gt(scaled, threshold), 0.0, e.mul(_bump(sigmoid(scaled)), beta))


def _below_zero(x: Any, value: Result) -> Result:
    return e.where(e.gt(x, 0.0), 0.0, value)


for _op in _PIECEWISE_LINEAR:
    _activation(_op, None)
_activation("sigmoid", lambda y: e.sub(1.0, e.mul(y, 2.0)))
_activation("tanh", lambda y: e.mul(y, -2.0))
_activation("tanhshrink", _tanhshrink)
_activation("silu", _silu)
_activation("mish", _mish)
_activation("gelu", _gelu)
_activation("gelu_tanh", _gelu_tanh)
_activation("softsign", _softsign)
_activation("softplus", _softplus)
_activation("logsigmoid", lambda x: e.neg(_bump(sigmoid(x))))
_activation("hardswish", lambda x: e.where(e.lt(e.abs(x), 3.0), 1 / 3, 0.0))
_activation("elu", lambda x, alpha: _below_zero(x, e.mul(e.exp(x), alpha)))
_activation("selu", lambda x: _below_zero(x, e.mul(e.exp(x), _SELU)))
_activation("celu", lambda x, alpha: _below_zero(x, e.mul(e.exp(e.div(x, alpha)), 1 / alpha)))


@rule("prelu", input="input weight", weight="input")
def prelu(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """The slope where the input is negative; the weight's adds up over all but the channels."""
    x, w = inputs["input"], inputs["weight"]

    def of_input() -> Result:
        slopes = shaping.reshape(w, w.shape[0] if w.ndim else 1, *(1,) * max(x.ndim - 2, 0))
        return e.where(e.gt(x, 0.0), grad, e.mul(grad, slopes))

    def of_weight() -> Result:
        terms = e.where(e.gt(x, 0.0), 0.0, e.mul(grad, x))
        channels = (1,) if x.ndim > 1 and w.ndim and w.shape[0] > 1 else ()
        over = tuple(axis for axis in range(x.ndim) if axis not in channels)
        total = sum_over(terms, over) if over else terms
        return shaping.reshape(total, *w.shape) if w.ndim else shaping.reshape(total, ())

    return {"input": of_input, "weight": of_weight}


@rule("glu", input="input")
def glu(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Of a * sigmoid(b): the gate for a, and a times the gate's derivative for b."""

    def of_input() -> Result:
        x, axis = inputs["input"], args["axis"]
        half = x.shape[axis] // 2
        a, b = narrow(x, axis, 0, half), narrow(x, axis, half, half)
        gate = sigmoid(b)
        return cat([e.mul(grad, gate), e.mul(e.mul(grad, a), _bump(gate))], axis)

    return {"input": of_input}


@rule("softmax", input="output")
def softmax(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """`y * (grad - sum(grad * y))` along the axis."""
    (y,), axis = outputs, args["axis"]

    def of_input() -> Result:
        product = e.mul(grad, y)
        return e.sub(product, e.mul(y, sum_over(product, axis, keepdim=True)))

    return {"input": of_input}


@rule("log_softmax", input="output")
def log_softmax(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """`grad - exp(y) * sum(grad)` along the axis."""
    (y,), axis = outputs, args["axis"]
    return {"input": lambda: e.sub(grad, e.mul(e.exp(y), sum_over(grad, axis, keepdim=True)))}
