"""Activations that write to their input, a Tensor: what `inplace=True` does, under names of their own.

All return the input and raise ArgumentError for anything but a Tensor. Behaviour of PyTorch's functions.
"""

from ..tensor import Tensor
from . import activation as a
from .alpha_dropout import rrelu

__all__ = ["celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_"]


def relu_(input: Tensor) -> Tensor:
    """`relu` in place."""
    output: Tensor = a.relu(input, inplace=True)
    return output


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu` in place."""
    output: Tensor = a.leaky_relu(input, negative_slope, inplace=True)
    return output


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu` in place."""
    output: Tensor = a.elu(input, alpha, inplace=True)
    return output


def selu_(input: Tensor) -> Tensor:
    """`selu` in place."""
    output: Tensor = a.selu(input, inplace=True)
    return output


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu` in place."""
    output: Tensor = a.celu(input, alpha, inplace=True)
    return output


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh` in place."""
    output: Tensor = a.hardtanh(input, min_val, max_val, inplace=True)
    return output


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold` in place."""
    output: Tensor = a.threshold(input, threshold, value, inplace=True)
    return output


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """`rrelu` in place."""
    output: Tensor = rrelu(input, lower, upper, training, inplace=True)
    return output
