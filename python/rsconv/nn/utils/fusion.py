"""Batch normalization in evaluation as part of the layer before it: the same function in fewer steps."""

import copy
from typing import Any

from ... import functions as f
from ...autograd import no_grad
from ...creation import ones_like, zeros_like
from ...errors import ArgumentError
from ...parameter import Parameter
from ...tensor import Tensor
from ..module import Module

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the convolution that equals a convolution followed by batch normalization.

    `conv_w` is (C, *), or with `transpose` (*, C, *); the others are (C,), biases 0 and scales 1 if None. The
    weight is scaled by `s = bn_w / sqrt(bn_rv + bn_eps)`, the bias is `(conv_b - bn_rm) * s + bn_b`.
    """
    with no_grad():
        shift = zeros_like(bn_rm) if conv_b is None else conv_b
        scale = (ones_like(bn_rm) if bn_w is None else bn_w) * f.rsqrt(bn_rv + bn_eps)
        shape = [1] * conv_w.ndim
        shape[1 if transpose else 0] = -1
        weight = (conv_w * scale.reshape(shape)).to(conv_w.dtype)
        bias = (shift - bn_rm) * scale
        bias = (bias if bn_b is None else bias + bn_b).to(conv_w.dtype if conv_b is None else conv_b.dtype)
    trained = conv_w.requires_grad
    return Parameter(weight, trained), Parameter(bias, trained if conv_b is None else conv_b.requires_grad)


def _fused(layer: Any, bn: Any, transpose: bool) -> Any:
    if layer.training or bn.training:
        raise ArgumentError(
            f"fusion is for evaluation, but {type(layer).__name__}.training={layer.training} and "
            f"{type(bn).__name__}.training={bn.training}; call eval() first"
        )
    if bn.running_mean is None or bn.running_var is None:
        raise ArgumentError(f"{type(bn).__name__} has no running statistics (track_running_stats=False)")
    fused = copy.deepcopy(layer)
    w, b = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    fused.weight, fused.bias = w, b
    return fused


def fuse_conv_bn_eval(conv: Module, bn: Module, transpose: bool = False) -> Any:
    """A copy of `conv` that computes `bn(conv(x))`; `transpose` says that it is a transposed convolution.

    Raises ArgumentError unless both are in evaluation and `bn` has running statistics, and for a transposed
    convolution of several groups, whose weight has no axis for all output channels.
    """
    if transpose and getattr(conv, "groups", 1) != 1:
        raise ArgumentError(
            f"a transposed convolution can be fused if groups=1, but got groups={getattr(conv, 'groups', 1)}"
        )
    return _fused(conv, bn, transpose)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """As `fuse_conv_bn_weights` for the weight (C, in_features) of a linear layer."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def fuse_linear_bn_eval(linear: Module, bn: Module) -> Any:
    """A copy of `linear` that computes `bn(linear(x))`. Raises as `fuse_conv_bn_eval`.

    ArgumentError, too, if `bn` has another number of features than `linear` has outputs, unless it has one.
    """
    outputs, features = linear.out_features, bn.num_features
    if features not in (outputs, 1):
        raise ArgumentError(
            f"fusion needs out_features={outputs} to equal num_features={features}, or num_features=1"
        )
    return _fused(linear, bn, False)
