"""Gradients of convolutions on arrays, without a tape. Behaviour of PyTorch's nn.grad.

Shapes are those of `rsconv.functional.conv{1,2,3}d`; `stride`, `padding`, `dilation` and `groups` are what
that call got. All arrays of a call have one dtype, and the gradient has it too. Of complex arrays it is the
adjoint map: the weight, or the input, enters as its conjugate. The result is a Tensor if any array argument
is one.

Raises ShapeError, ArgumentError or DtypeError, as the convolution does, with the names and values at fault.
"""

from collections.abc import Sequence
from typing import Any

from .._functional.arrays import ArrayLike, Result, operands
from ..backends import Geometry
from ..names import missing_attribute

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]


def conv1d_input(
    input_size: int | Sequence[int],
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Result:
    """Gradient of conv1d with respect to an input of shape `input_size` (N, C_in, L) or (C_in, L)."""
    return _input_grad(1, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv1d_weight(
    input: ArrayLike,
    weight_size: int | Sequence[int],
    grad_output: ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Result:
    """Gradient of conv1d with respect to a weight of shape `weight_size` (C_out, C_in // groups, K)."""
    return _weight_grad(1, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv2d_input(
    input_size: int | Sequence[int],
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Result:
    """Gradient of conv2d with respect to an input of shape `input_size` (N, C_in, H, W) or (C_in, H, W)."""
    return _input_grad(2, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv2d_weight(
    input: ArrayLike,
    weight_size: int | Sequence[int],
    grad_output: ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Result:
    """Gradient of conv2d with respect to a weight of shape `weight_size` (C_out, C_in // groups, KH, KW)."""
    return _weight_grad(2, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv3d_input(
    input_size: int | Sequence[int],
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Result:
    """Gradient of conv3d with respect to an input of shape `input_size` (N, C_in, D, H, W)."""
    return _input_grad(3, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv3d_weight(
    input: ArrayLike,
    weight_size: int | Sequence[int],
    grad_output: ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Result:
    """Gradient of conv3d with respect to a weight of shape (C_out, C_in // groups, KD, KH, KW)."""
    return _weight_grad(3, input, weight_size, grad_output, stride, padding, dilation, groups)


def as_shape(size: int | Sequence[int]) -> tuple[int, ...]:
    """A shape as PyTorch's `expand` takes it: an integer is a shape of one dimension."""
    return (size,) if isinstance(size, int) else tuple(size)


def _input_grad(
    rank: int, size: Any, weight: Any, grad_output: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Result:
    call = operands(weight=weight, grad_output=grad_output)
    w, grad = call.arrays
    geometry = Geometry(rank, as_shape(size), w.shape, None, stride, padding, 0, groups, dilation)
    return call.result(call.backend.conv_input_grad(geometry, w, grad))


def _weight_grad(
    rank: int, input: Any, size: Any, grad_output: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Result:
    call = operands(input=input, grad_output=grad_output)
    x, grad = call.arrays
    geometry = Geometry(rank, x.shape, as_shape(size), None, stride, padding, 0, groups, dilation)
    return call.result(call.backend.conv_weight_grad(geometry, x, grad))


def __getattr__(name: str) -> Any:
    raise missing_attribute(f"module {__name__!r}", name, __all__)
