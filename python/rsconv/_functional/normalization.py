"""Normalization by the mean and variance of a batch, of groups of channels, of instances or of last axes.

`y = (x - mean) / sqrt(var + eps) * weight + bias`; `var` is the mean squared deviation. float16 is computed
in float32, its statistics and parameters may be float32; otherwise all arrays have one floating-point dtype.
"""

import math
from collections.abc import Sequence
from typing import Any

from .. import arithmetic
from ..backends import Array, backend_of
from ..dtypes import Dtype, float16, float32
from ..errors import ArgumentError, DtypeError, ShapeError
from ..shaping import sizes_of
from ..tensor import Tensor
from .arrays import ArrayLike, Operands, Result, operands
from .plans import planned
from .recording import node

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm"]

Shape = tuple[int, ...]


@planned
def batch_norm(
    input: ArrayLike,
    running_mean: ArrayLike,
    running_var: ArrayLike,
    weight: ArrayLike = None,
    bias: ArrayLike = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Result:
    """Normalize each channel of `input` (N, C, *) by its mean and variance over all else.

    `running_mean` and `running_var` (C,) are these statistics; in training they are taken from the batch
    instead, and the running ones, Tensors or None, move towards them in place: `running = (1 - momentum) *
    running + momentum * batch`, with the variance of n values divided by n - 1. `weight` and `bias` (C,) are
    1 and 0 if None. Source: Ioffe and Szegedy, 2015; behaviour of PyTorch's batch_norm.

    >>> batch_norm([[1.0, 5.0], [3.0, 5.0]], None, None, training=True, eps=0.0)[:, 0]
    array([-1.,  1.])

    Raises ShapeError for sizes that do not match the channels and for a single value per channel in training,
    ArgumentError for running statistics that are missing, or that cannot be written to, DtypeError for dtypes
    that differ or are not floating-point.
    """
    call = operands(input=input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    x, mean, var, w, b = call.arrays
    if x.ndim < 2:
        raise ShapeError(f"batch_norm expects input (N, C, *), but got input of size {list(x.shape)}")
    channels = x.shape[1]
    _check_parameters("batch_norm", x, channels, running_mean=mean, running_var=var, weight=w, bias=b)
    shape = (1, channels, *(1,) * (x.ndim - 2))
    if not training:
        if mean is None or var is None:
            raise ArgumentError("Expected running_mean and running_var to be defined when training=False")
        inputs = {"input": input, "weight": weight, "bias": bias, "mean": running_mean, "var": running_var}
        return _frozen(call, inputs, x, mean, var, w, b, shape, eps)
    count = x.size // channels if channels else 0
    if count == 1:
        raise ShapeError(
            f"Expected more than 1 value per channel when training, got input size {list(x.shape)}"
        )
    axes = (0, *range(2, x.ndim))
    inputs = {"input": input, "weight": weight, "bias": bias}
    y, moments = _normalized(call, inputs, x, w, b, x.shape, axes, shape, eps)
    _track(running_mean, running_var, moments, momentum, count)
    return y


@planned
def instance_norm(
    input: ArrayLike,
    running_mean: ArrayLike = None,
    running_var: ArrayLike = None,
    weight: ArrayLike = None,
    bias: ArrayLike = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Result:
    """Normalize each channel of each element of the batch `input` (N, C, *S) by its mean and variance over S.

    Running statistics, Tensors or None, move towards the batch's mean of those in place; with
    `use_input_stats` false they are used instead, as `batch_norm` does in evaluation. Source: Ulyanov et al.,
    2016; behaviour of PyTorch's instance_norm.

    Raises as `batch_norm`, and ShapeError for a single value to normalize.
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    call = operands(input=input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    x, mean, var, w, b = call.arrays
    if x.ndim < 3:
        raise ShapeError(f"instance_norm expects input (N, C, *S), but got input of size {list(x.shape)}")
    channels = x.shape[1]
    _check_parameters("instance_norm", x, channels, running_mean=mean, running_var=var, weight=w, bias=b)
    count = math.prod(x.shape[2:])
    if count == 1:
        raise ShapeError(
            f"Expected more than 1 spatial element when training, got input size {list(x.shape)}"
        )
    axes = tuple(range(2, x.ndim))
    inputs = {"input": input, "weight": weight, "bias": bias}
    shape = (1, channels, *(1,) * len(axes))
    y, moments = _normalized(call, inputs, x, w, b, x.shape, axes, shape, eps)
    if running_mean is not None or running_var is not None:
        batch = tuple(call.backend.reduce("mean", moment, (0,)) for moment in moments)
        _track(running_mean, running_var, batch, momentum, count)
    return y


@planned
def group_norm(
    input: ArrayLike, num_groups: int, weight: ArrayLike = None, bias: ArrayLike = None, eps: float = 1e-5
) -> Result:
    """Normalize each of `num_groups` groups of channels of `input` (N, C, *) by its mean and variance.

    `weight` and `bias` (C,) are 1 and 0 if None. Source: Wu and He, 2018; behaviour of PyTorch's group_norm.

    Raises ArgumentError unless `num_groups` divides the channels, ShapeError for sizes that do not match
    them, DtypeError for dtypes that differ or are not floating-point.
    """
    call = operands(input=input, weight=weight, bias=bias)
    x, w, b = call.arrays
    if x.ndim < 2:
        raise ShapeError(f"group_norm expects input (N, C, *), but got input of size {list(x.shape)}")
    channels = x.shape[1]
    if num_groups < 1 or channels % num_groups:
        raise ArgumentError(
            "Expected number of channels in input to be divisible by num_groups, but got input of size "
            f"{list(x.shape)} and num_groups={num_groups}"
        )
    _check_parameters("group_norm", x, channels, weight=w, bias=b)
    split = (x.shape[0], num_groups, channels // num_groups, *x.shape[2:])
    axes = tuple(range(2, len(split)))
    inputs = {"input": input, "weight": weight, "bias": bias}
    shape = (1, *split[1:3], *(1,) * (x.ndim - 2))
    return _normalized(call, inputs, x, w, b, split, axes, shape, eps)[0]


@planned
def layer_norm(
    input: ArrayLike,
    normalized_shape: Sequence[int],
    weight: ArrayLike = None,
    bias: ArrayLike = None,
    eps: float = 1e-5,
) -> Result:
    """Normalize the last axes of `input`, whose sizes are `normalized_shape`, by their mean and variance.

    `weight` and `bias` have that shape, and are 1 and 0 if None. Source: Ba et al., 2016; behaviour of
    PyTorch's layer_norm.

    >>> layer_norm([[1.0, 3.0], [5.0, 9.0]], (2,), eps=0.0)
    array([[-1.,  1.],
           [-1.,  1.]])

    Raises ShapeError for shapes that do not match, DtypeError for dtypes that differ or are not
    floating-point.
    """
    call = operands(input=input, weight=weight, bias=bias)
    x, w, b = call.arrays
    sizes = sizes_of((normalized_shape,))
    if not sizes or x.shape[-len(sizes) :] != sizes:
        raise ShapeError(
            f"Given normalized_shape={list(sizes)}, expected input with shape [*, "
            f"{', '.join(map(str, sizes))}], but got input of size {list(x.shape)}"
        )
    for name, parameter in (("weight", w), ("bias", b)):
        if parameter is not None and parameter.shape != sizes:
            raise ShapeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(parameter.shape)} and normalized_shape={list(sizes)}"
            )
    _check_dtypes("layer_norm", x, weight=w, bias=b)
    axes = tuple(range(x.ndim - len(sizes), x.ndim))
    inputs = {"input": input, "weight": weight, "bias": bias}
    shape = (*(1,) * (x.ndim - len(sizes)), *sizes)
    return _normalized(call, inputs, x, w, b, x.shape, axes, shape, eps)[0]


def _normalized(
    call: Operands,
    inputs: dict[str, Any],
    x: Array,
    w: Array | None,
    b: Array | None,
    split: Shape,
    axes: tuple[int, ...],
    shape: Shape,
    eps: float,
) -> tuple[Result, tuple[Array, Array]]:
    """`x`, seen in the shape `split`, normalized over `axes`; parameters are seen in `shape`."""
    backend, wide = call.backend, _wide(x.dtype)
    seen = arithmetic.cast(backend.reshape(x, split), wide)
    mean, var = backend.moments(seen, axes)
    rstd = _rstd(backend, var, eps)
    weight, bias = _seen(backend, w, shape, wide, 1), _seen(backend, b, shape, wide, 0)
    y = backend.elementwise("normalize", (seen, mean, rstd, weight, bias))
    y = backend.reshape(arithmetic.cast(y, x.dtype), x.shape)
    saved = {"mean": mean, "rstd": rstd}
    result = node(call, "norm", inputs, y, saved, split=split, axes=axes, shape=shape, eps=eps)
    return result, (mean, var)


def _frozen(
    call: Operands,
    inputs: dict[str, Any],
    x: Array,
    mean: Array,
    var: Array,
    w: Array | None,
    b: Array | None,
    shape: Shape,
    eps: float,
) -> Result:
    """`x` normalized by statistics that do not depend on it."""
    backend, wide = call.backend, _wide(x.dtype)
    center = _seen(backend, mean, shape, wide, 0)
    rstd = _rstd(backend, _seen(backend, var, shape, wide, 1), eps)
    weight, bias = _seen(backend, w, shape, wide, 1), _seen(backend, b, shape, wide, 0)
    y = backend.elementwise("normalize", (arithmetic.cast(x, wide), center, rstd, weight, bias))
    return node(call, "frozen_norm", inputs, arithmetic.cast(y, x.dtype), shape=shape, eps=eps)


def _rstd(backend: Any, var: Array, eps: float) -> Array:
    return backend.elementwise("rsqrt", (backend.elementwise("add", (var, float(eps))),))


def _seen(backend: Any, parameter: Array | None, shape: Shape, dtype: Dtype, default: float) -> Any:
    if parameter is None:
        return float(default)
    return arithmetic.cast(backend.reshape(parameter, shape), dtype)


def _wide(dtype: Dtype) -> Dtype:
    return float32 if dtype == float16 else dtype.newbyteorder("=")


def _check_parameters(name: str, x: Array, channels: int, **parameters: Array | None) -> None:
    for parameter, array in parameters.items():
        if array is not None and array.shape != (channels,):
            raise ShapeError(
                f"{parameter} should contain {channels} elements, one for each channel, but got {parameter} "
                "of "
                f"size {list(array.shape)} (input of size {list(x.shape)})"
            )
    _check_dtypes(name, x, **parameters)


def _check_dtypes(name: str, x: Array, **parameters: Array | None) -> None:
    if x.dtype.kind != "f":
        raise DtypeError(f"{name} needs a floating-point input, but got {x.dtype}")
    for parameter, array in parameters.items():
        if array is not None and array.dtype not in (x.dtype, _wide(x.dtype)):
            raise DtypeError(
                f"input type ({x.dtype}) and {parameter} type ({array.dtype}) should be the same for {name}"
            )


def _track(
    running_mean: ArrayLike, running_var: ArrayLike, moments: tuple[Array, ...], momentum: float, count: int
) -> None:
    """Move running statistics towards those of a batch of `count` values."""
    unbiased = count / (count - 1) if count > 1 else math.nan
    for name, running, batch, scale in (
        ("running_mean", running_mean, moments[0], 1.0),
        ("running_var", running_var, moments[1], unbiased),
    ):
        if running is None:
            continue
        if not isinstance(running, Tensor):
            raise ArgumentError(
                f"{name} must be a Tensor to be updated in training, but got {type(running).__name__}, which "
                "is "
                "never written to"
            )

        def change(target: Array, batch: Array = batch, scale: float = scale) -> None:
            backend = backend_of(target)
            new = backend.reshape(arithmetic.cast(batch, target.dtype), target.shape)
            old = backend.elementwise("mul", (target, 1 - momentum))
            moved = backend.elementwise("multiply_add", (new, momentum * scale, old))
            backend.assign(target, moved)

        running._write(change)
