"""Rules of pooling, resampling, padding, unfolding and folding."""

from typing import Any

from ..._autograd.rules import Gradients, rule
from .. import pooling
from ..arrays import Result, operands
from ..fold import columns_of, windows_of
from ..pad import padded, padded_grad


@rule("max_pool", input="output1")
def max_pool(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """To the element that the index names."""
    return {"input": lambda: pooling.max_pool_grad(grad, outputs[1], args["windows"])}


@rule("max_pool_grad")
def max_pool_grad(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """From the element that the index names."""
    return {"grad_output": lambda: pooling.picked(grad, args["indices"], args["windows"])}


@rule("max_pool_picked")
def max_pool_picked(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """To the element that the index names."""
    return {"input": lambda: pooling.max_pool_grad(grad, args["indices"], args["windows"])}


@rule("resample")
def resample(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """The transposed taps."""
    taps = [None if table is None else table.transposed() for table in args["taps"]]
    return {"input": lambda: pooling.resample(operands(input=grad), grad, taps)}


@rule("pad")
def pad(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Every border's goes to what it was copied from."""
    return {"input": lambda: padded_grad(grad, args["pads"], args["mode"])}


@rule("pad_grad")
def pad_grad(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """A padding again; what was constant has none."""
    return {"grad_output": lambda: padded(grad, args["pads"], args["mode"])}


@rule("unfold")
def unfold(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Columns add up where they come from."""
    return {"input": lambda: windows_of(grad, args["geometry"])}


@rule("fold")
def fold(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Every column gets what its window got."""
    return {"input": lambda: columns_of(grad, args["geometry"])}
