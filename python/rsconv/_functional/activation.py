"""Activation functions."""

from .. import arithmetic
from ..errors import ArgumentError
from ..tensor import Tensor
from .arrays import ArrayLike, Result, operands


def relu(input: ArrayLike, inplace: bool = False) -> Result:
    """`max(input, 0)`, element by element, in the shape and dtype of `input`; a NaN stays.

    `inplace` writes to `input`, which must be a Tensor, and returns it. Behaviour of PyTorch's relu.

    >>> relu([-1.5, 0.0, 2.5])
    array([0. , 0. , 2.5])

    Raises DtypeError for bools and complex numbers, ArgumentError for `inplace` on anything but a Tensor.
    """
    if inplace:
        if not isinstance(input, Tensor):
            raise ArgumentError(
                f"inplace=True is for Tensors, but got input of type {type(input).__name__}, which is never "
                "written to"
            )
        return input.relu_()
    call = operands(input=input)
    return call.result(arithmetic.unary("relu", call.arrays[0]))
