"""Rules of the convolution family: every pass has the two others as its gradients."""

from typing import Any

from ... import shaping
from ..._autograd.rules import Gradients, rule
from .. import reductions as r
from ..arrays import Result
from ..conv import convolution, input_grad, weight_grad
from ..pad import padded, padded_grad


def _bias(grad: Any, rank: int) -> Result:
    """The sum over all axes but the channels."""
    return r.sum(grad, tuple(axis for axis in range(grad.ndim) if axis != grad.ndim - rank - 1))


@rule("conv", input="weight", weight="input")
def conv(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Of the input: the transposed convolution; of the weight: the correlation of input and gradient."""
    geometry = args["geometry"]
    return {
        "input": lambda: input_grad(geometry, inputs["weight"], grad),
        "weight": lambda: weight_grad(geometry, inputs["input"], grad),
        "bias": lambda: _bias(grad, geometry.rank),
    }


@rule("conv_input_grad", weight="grad_output", grad_output="weight")
def conv_input_grad(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """It is linear in the weight and in the output's gradient."""
    geometry = args["geometry"]
    return {
        "weight": lambda: weight_grad(geometry, grad, inputs["grad_output"]),
        "grad_output": lambda: convolution(geometry, grad, inputs["weight"]),
    }


@rule("conv_weight_grad", input="grad_output", grad_output="input")
def conv_weight_grad(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """It is linear in the input and in the output's gradient."""
    geometry = args["geometry"]
    return {
        "input": lambda: input_grad(geometry, grad, inputs["grad_output"]),
        "grad_output": lambda: convolution(geometry, inputs["input"], grad),
    }


@rule("conv_with_borders", input="weight", weight="input")
def conv_with_borders(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """A convolution of the padded input, or a transposed one whose borders are added back."""
    geometry, pads, mode = args["geometry"], args["pads"], args["mode"]
    bare, x, w = geometry.without_padding(), inputs["input"], inputs["weight"]
    if geometry.transposed:
        return {
            "input": lambda: input_grad(bare, w, padded(grad, pads, mode)),
            "weight": lambda: weight_grad(bare, x, padded(grad, pads, mode)),
            "bias": lambda: _bias(grad, geometry.rank),
        }
    return {
        "input": lambda: padded_grad(input_grad(bare, w, grad), pads, mode),
        "weight": lambda: weight_grad(bare, padded(x, pads, mode), grad),
        "bias": lambda: _bias(grad, geometry.rank),
    }


@rule("conv_tbc", input="weight", weight="input")
def conv_tbc(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """That of `conv1d`, with the axes in its order."""
    geometry = args["geometry"]

    def of_input() -> Result:
        g = shaping.permute(grad, 1, 2, 0)
        return shaping.permute(input_grad(geometry, shaping.permute(inputs["weight"], 2, 1, 0), g), 2, 0, 1)

    def of_weight() -> Result:
        g = shaping.permute(grad, 1, 2, 0)
        return shaping.permute(weight_grad(geometry, shaping.permute(inputs["input"], 1, 2, 0), g), 2, 1, 0)

    return {"input": of_input, "weight": of_weight, "bias": lambda: r.sum(grad, (0, 1))}
