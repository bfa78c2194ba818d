"""Losses: how far predictions are from targets, as compositions of other functions.

`reduction` is 'mean', 'sum' or 'none' (ArgumentError otherwise); `size_average` and `reduce` are PyTorch's
former ways to say it. Floating-point dtypes; input and target of one dtype and shape but where said.
"""

from typing import Any

import numpy as np

from .. import arithmetic
from ..errors import ArgumentError, DtypeError, ShapeError
from ..tensor import Tensor
from . import elementwise as e
from . import reductions as r
from .activation import log_softmax, logsigmoid
from .arrays import ArrayLike, Result, operands
from .composed import composed
from .indexing import gather, index_beside, index_select

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]


def _tensor(array: Any) -> Tensor:
    """A Tensor over an array that nobody writes to."""
    return Tensor._new(array)


def _reduction(size_average: Any, reduce: Any, reduction: str) -> str:
    if size_average is not None or reduce is not None:
        mean = True if size_average is None else size_average
        return ("mean" if mean else "sum") if reduce is None or reduce else "none"
    if reduction not in ("none", "mean", "sum"):
        raise ArgumentError(f"reduction must be 'none', 'mean' or 'sum', but got reduction={reduction!r}")
    return reduction


def _reduced(losses: Result, reduction: str) -> Result:
    return losses if reduction == "none" else r.mean(losses) if reduction == "mean" else r.sum(losses)


def _check_pair(name: str, input: Tensor, target: ArrayLike, weight: ArrayLike = None) -> Tensor:
    """`target` beside `input`, of its shape, as a Tensor."""
    call = operands(input=input, target=target, weight=weight)
    x, t = call.arrays[:2]
    if x.shape != t.shape:
        raise ShapeError(
            f"{name} needs a target of the size of input, but got target of size {list(t.shape)} and input "
            "of size "
            f"{list(x.shape)}"
        )
    if x.dtype.kind != "f":
        raise DtypeError(f"{name} needs a floating-point input, but got {x.dtype}")
    if t.dtype != x.dtype:
        t = arithmetic.cast(t, x.dtype) if t.dtype.kind in "biu" else t
        if t.dtype != x.dtype:
            raise DtypeError(
                f"input type ({x.dtype}) and target type ({t.dtype}) should be the same for {name}"
            )
        return _tensor(t)
    return target if isinstance(target, Tensor) else _tensor(t)


@composed
def mse_loss(
    input: ArrayLike,
    target: ArrayLike,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: ArrayLike = None,
) -> Result:
    """The squared difference, times `weight` if given. Behaviour of PyTorch's mse_loss.

    >>> mse_loss([1.0, 2.0], [0.0, 4.0])
    array(2.5)
    """
    t = _check_pair("mse_loss", input, target, weight)
    return _weighted(e.square(e.sub(input, t)), weight, _reduction(size_average, reduce, reduction))


@composed
def l1_loss(
    input: ArrayLike,
    target: ArrayLike,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: ArrayLike = None,
) -> Result:
    """The absolute difference, times `weight` if given. Behaviour of PyTorch's l1_loss."""
    t = _check_pair("l1_loss", input, target, weight)
    return _weighted(e.abs(e.sub(input, t)), weight, _reduction(size_average, reduce, reduction))


@composed
def smooth_l1_loss(
    input: ArrayLike,
    target: ArrayLike,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Result:
    """`d^2 / (2 beta)` where the difference d is below `beta`, else `d - beta / 2`.

    ArgumentError for a negative `beta`. Source: Girshick, 2015; behaviour of PyTorch's smooth_l1_loss.
    """
    if beta < 0:
        raise ArgumentError(f"smooth_l1_loss does not support negative values for beta, but got beta={beta}")
    t = _check_pair("smooth_l1_loss", input, target)
    reduction = _reduction(size_average, reduce, reduction)
    d = e.sub(input, t)
    if beta == 0:
        return _reduced(e.abs(d), reduction)
    near = e.lt(e.abs(d), beta)
    return _reduced(e.where(near, e.mul(e.square(d), 0.5 / beta), e.sub(e.abs(d), 0.5 * beta)), reduction)


@composed
def huber_loss(
    input: ArrayLike, target: ArrayLike, reduction: str = "mean", delta: float = 1.0, weight: ArrayLike = None
) -> Result:
    """`d^2 / 2` where the difference d is at most `delta`, else `delta * (d - delta / 2)`.

    ArgumentError for a `delta` that is not positive. Source: Huber, 1964; behaviour of PyTorch's huber_loss.
    """
    if delta <= 0:
        raise ArgumentError(
            f"huber_loss does not support non-positive values for delta, but got delta={delta}"
        )
    t = _check_pair("huber_loss", input, target, weight)
    d = e.sub(input, t)
    far = e.mul(e.sub(e.abs(d), 0.5 * delta), delta)
    losses = e.where(e.le(e.abs(d), delta), e.mul(e.square(d), 0.5), far)
    return _weighted(losses, weight, _reduction(None, None, reduction))


@composed
def kl_div(
    input: ArrayLike,
    target: ArrayLike,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Result:
    """`target * (log(target) - input)`, the Kullback-Leibler divergence of log-probabilities `input`.

    `target` holds probabilities, or with `log_target` their logarithms. `reduction` may be 'batchmean', too:
    the sum divided by the size of the batch. Behaviour of PyTorch's kl_div.
    """
    t = _check_pair("kl_div", input, target)
    batch = reduction == "batchmean"
    reduction = "sum" if batch else _reduction(size_average, reduce, reduction)
    if log_target:
        losses = e.mul(e.exp(t), e.sub(t, input))
    else:
        # 0 log 0 is 0.
        entropy = e.where(e.gt(t, 0), e.mul(t, e.log(e.where(e.gt(t, 0), t, 1.0))), 0.0)
        losses = e.sub(entropy, e.mul(t, input))
    total = _reduced(losses, reduction)
    return e.div(total, input.shape[0] if batch and input.ndim else 1) if batch else total


def _weighted(losses: Result, weight: ArrayLike, reduction: str) -> Result:
    if weight is None:
        return _reduced(losses, reduction)
    weighted = e.mul(losses, weight)
    return e.div(r.sum(weighted), r.sum(weight)) if reduction == "mean" else _reduced(weighted, reduction)


@composed
def binary_cross_entropy(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Result:
    """`-(target * log(input) + (1 - target) * log(1 - input))`, times `weight` if given.

    `input` holds probabilities; logarithms are at least -100. Behaviour of PyTorch's binary_cross_entropy.

    Raises ArgumentError if `input`, where it is in host memory, leaves [0, 1].
    """
    t = _check_pair("binary_cross_entropy", input, target, weight)
    _check_probabilities(input)
    log_p, log_q = e.clamp(e.log(input), min=-100.0), e.clamp(e.log1p(e.neg(input)), min=-100.0)
    losses = e.neg(e.add(e.mul(t, log_p), e.mul(e.sub(1.0, t), log_q)))
    reduction = _reduction(size_average, reduce, reduction)
    return _reduced(losses if weight is None else e.mul(losses, weight), reduction)


def _check_probabilities(input: Tensor) -> None:
    array = input._array
    if str(input.device) == "cpu" and array.size and not (array.min() >= 0 and array.max() <= 1):
        raise ArgumentError(
            "all elements of input should be between 0 and 1, but got values from "
            f"{array.min()} to {array.max()}"
        )


@composed
def binary_cross_entropy_with_logits(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: ArrayLike = None,
) -> Result:
    """`binary_cross_entropy(sigmoid(input), target)` without overflow, times `weight` if given.

    `pos_weight`, which broadcasts, weighs the positive part. Behaviour of PyTorch's
    binary_cross_entropy_with_logits.
    """
    t = _check_pair("binary_cross_entropy_with_logits", input, target, weight)
    log_p, log_q = logsigmoid(input), logsigmoid(e.neg(input))
    positive = t if pos_weight is None else e.mul(t, pos_weight)
    losses = e.neg(e.add(e.mul(positive, log_p), e.mul(e.sub(1.0, t), log_q)))
    reduction = _reduction(size_average, reduce, reduction)
    return _reduced(losses if weight is None else e.mul(losses, weight), reduction)


@composed
def nll_loss(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Result:
    """`-weight[target] * input[target]` for log-probabilities `input` (N, C, *), targets (N, *).

    Both may lack the batch: (C,) and (). Targets are classes from 0 to C - 1; those of `ignore_index` count
    nothing. `weight` (C,) is 1 if None;
    'mean' divides by the sum of the weights that count. Behaviour of PyTorch's nll_loss.

    >>> nll_loss([[-1.0, -2.0], [-3.0, -4.0]], [0, 1])
    array(2.5)

    Raises ShapeError for shapes that do not fit, IndexError for a target that is no class, DtypeError for
    targets that are not whole numbers.
    """
    reduction = _reduction(size_average, reduce, reduction)
    return _nll("nll_loss", input, target, weight, ignore_index, reduction, 0.0)


@composed
def cross_entropy(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Result:
    """`nll_loss(log_softmax(input, 1), target)` for scores `input` (N, C, *) or (C,).

    `target` holds classes as there, or probabilities in the shape and dtype of `input`, whose mean divides by
    N and the positions. `label_smoothing` mixes the targets with as much of the uniform distribution.
    Behaviour of PyTorch's cross_entropy.

    >>> round(cross_entropy([[0.0, 0.0]], [1]).item(), 4)
    0.6931

    Raises as `nll_loss`, and ArgumentError unless `0 <= label_smoothing <= 1`.
    """
    reduction = _reduction(size_average, reduce, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"label_smoothing must be between 0.0 and 1.0, but got {label_smoothing=}")
    if not input.ndim:
        raise ShapeError("cross_entropy expects input (N, C, *) or (C,), but got input of size []")
    log_p = log_softmax(input, 1 if input.ndim > 1 else 0)
    if (target if isinstance(target, Tensor) else np.asarray(target)).dtype.kind == "f":
        return _soft_targets(log_p, target, weight, reduction, label_smoothing)
    return _nll("cross_entropy", log_p, target, weight, ignore_index, reduction, label_smoothing)


def _soft_targets(
    log_p: Tensor, target: ArrayLike, weight: ArrayLike, reduction: str, smoothing: float
) -> Result:
    t = _check_pair("cross_entropy", log_p, target)
    axis = 1 if log_p.ndim > 1 else 0
    classes = log_p.shape[axis]
    if smoothing:
        t = e.add(e.mul(t, 1 - smoothing), smoothing / classes)
    terms = e.mul(log_p, t)
    if weight is not None:
        terms = e.mul(terms, _class_weights("cross_entropy", weight, log_p, axis))
    losses = e.neg(r.sum(terms, axis))
    if reduction == "mean":
        return e.div(r.sum(losses), max(log_p._array.size // max(classes, 1), 1))
    return _reduced(losses, reduction)


def _class_weights(name: str, weight: ArrayLike, input: Tensor, axis: int) -> Tensor:
    """`weight` (C,) in the shape (C, 1, ..), so that it broadcasts to `input`."""
    w = operands(input=input, weight=weight).arrays[1]
    classes = input.shape[axis]
    if w.shape != (classes,):
        raise ShapeError(
            f"weight tensor should be defined either for all {classes} classes or no classes, but got weight "
            "of size "
            f"{list(w.shape)} for {name}"
        )
    if w.dtype != input.dtype:
        raise DtypeError(
            f"input type ({input.dtype}) and weight type ({w.dtype}) should be the same for {name}"
        )
    tensor = weight if isinstance(weight, Tensor) else _tensor(w)
    return tensor.reshape(classes, *(1,) * (input.ndim - axis - 1))


def _nll(
    name: str,
    log_p: Tensor,
    target: ArrayLike,
    weight: ArrayLike,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Result:
    if not log_p.ndim:
        raise ShapeError(f"{name} expects input (N, C, *) or (C,), but got input of size []")
    if log_p.dtype.kind != "f":
        raise DtypeError(f"{name} needs a floating-point input, but got {log_p.dtype}")
    axis = 1 if log_p.ndim > 1 else 0
    classes = log_p.shape[axis]
    t = _targets(name, log_p, target, classes, ignore_index)
    counted = e.ne(t, ignore_index)
    places = e.where(counted, t, 0)
    weights = e.astype(counted, log_p.dtype)
    per_class = None if weight is None else _class_weights(name, weight, log_p, axis)
    if per_class is not None:
        chosen = index_select(per_class.reshape(classes), 0, places.reshape(-1)).reshape(places.shape)
        weights = e.mul(weights, chosen)
    losses = e.neg(e.mul(gather(log_p, axis, places), weights))
    if smoothing:
        spread = log_p if per_class is None else e.mul(log_p, per_class)
        uniform = e.neg(e.where(counted, r.sum(spread, axis, keepdim=True), 0.0))
        losses = e.add(e.mul(losses, 1 - smoothing), e.mul(uniform, smoothing / classes))
    if reduction == "mean":
        return e.div(r.sum(losses), r.sum(weights))
    return r.sum(losses, axis) if reduction == "none" else r.sum(losses)


def _targets(name: str, log_p: Tensor, target: ArrayLike, classes: int, ignore_index: int) -> Tensor:
    """Classes in the shape (N, 1, *), checked where they are in host memory."""
    axis = 1 if log_p.ndim > 1 else 0
    expected = (*log_p.shape[:axis], *log_p.shape[axis + 1 :])
    call, t = index_beside(name, target, "target", input=log_p)
    if t.shape != expected:
        raise ShapeError(
            f"{name} expects target of size {list(expected)} for input of size {list(log_p.shape)}, but got "
            f"target of size {list(t.shape)}"
        )
    known = t if isinstance(t, np.ndarray) else np.asarray(() if isinstance(target, Tensor) else target)
    if known.size:
        bad = known[(known != ignore_index) & ((known < 0) | (known >= classes))]
        if bad.size:
            raise IndexError(f"Target {bad[0]} is out of bounds for {classes} classes in {name}")
    return _tensor(call.backend.reshape(t, (*expected[:axis], 1, *expected[axis:])))
