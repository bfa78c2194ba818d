"""What the operators compute, for tests: from their definitions, in float64 NumPy, without regard to "
"speed."""

import itertools
import math

import numpy as np
from window_oracles import adaptive_windows

erf = np.vectorize(math.erf, otypes=[np.float64])


# Activations.


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def softplus(x, beta=1.0, threshold=20.0):
    return np.where(x * beta > threshold, x, np.logaddexp(0, x * beta) / beta)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def gelu(x, approximate="none"):
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


ACTIVATIONS = {
    "relu": lambda input: np.where(input > 0, input, 0),
    "relu6": lambda input: np.clip(input, 0, 6),
    "leaky_relu": lambda input, negative_slope=0.01: np.where(input > 0, input, input * negative_slope),
    "elu": lambda input, alpha=1.0: elu(input, alpha),
    "selu": lambda input: 1.0507009873554805 * elu(input, 1.6732632423543772),
    "celu": lambda input, alpha=1.0: np.where(
        input > 0, input, alpha * np.expm1(np.minimum(input, 0) / alpha)
    ),
    "gelu": lambda input, approximate="none": gelu(input, approximate),
    "silu": lambda input: input * sigmoid(input),
    "mish": lambda input: input * np.tanh(softplus(input)),
    "hardswish": lambda input: input * np.clip(input + 3, 0, 6) / 6,
    "hardsigmoid": lambda input: np.clip(input + 3, 0, 6) / 6,
    "hardtanh": lambda input, min_val=-1.0, max_val=1.0: np.clip(input, min_val, max_val),
    "softplus": lambda input, beta=1.0, threshold=20.0: softplus(input, beta, threshold),
    "softsign": lambda input: input / (1 + np.abs(input)),
    "logsigmoid": lambda input: -np.logaddexp(0, -input),
    "sigmoid": lambda input: sigmoid(input),
    "tanh": lambda input: np.tanh(input),
    "tanhshrink": lambda input: input - np.tanh(input),
    "hardshrink": lambda input, lambd=0.5: np.where(np.abs(input) > lambd, input, 0),
    "softshrink": lambda input, lambd=0.5: np.sign(input) * np.maximum(np.abs(input) - lambd, 0),
    "threshold": lambda input, threshold, value: np.where(input > threshold, input, value),
}


def prelu(input, weight):
    slopes = weight.reshape(-1, *(1,) * max(input.ndim - 2, 0))
    return np.where(input > 0, input, input * slopes)


def glu(input, dim=-1):
    a, b = np.split(input, 2, dim)
    return a * sigmoid(b)


def log_softmax(input, dim):
    top = input.max(dim, keepdims=True)
    return input - top - np.log(np.exp(input - top).sum(dim, keepdims=True))


def softmax(input, dim):
    return np.exp(log_softmax(input, dim))


def softmin(input, dim):
    return softmax(-input, dim)


# Elementwise functions.

UNARY = {
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "square": np.square,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "round": np.rint,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "erf": erf,
    "sin": np.sin,
    "cos": np.cos,
}
BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.true_divide,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "pow": np.power,
}
COMPARISONS = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}


# Normalization.


def normalized(x, axes, weight, bias, shape, eps):
    mean = x.mean(axes, keepdims=True)
    var = ((x - mean) ** 2).mean(axes, keepdims=True)
    y = (x - mean) / np.sqrt(var + eps)
    return affine(y, weight, bias, shape)


def affine(y, weight, bias, shape):
    if weight is not None:
        y = y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def batch_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, training=False, eps=1e-5, **_
):
    shape = (1, -1, *(1,) * (input.ndim - 2))
    if training:
        return normalized(input, (0, *range(2, input.ndim)), weight, bias, shape, eps)
    y = (input - running_mean.reshape(shape)) / np.sqrt(running_var.reshape(shape) + eps)
    return affine(y, weight, bias, shape)


def instance_norm(input, weight=None, bias=None, eps=1e-5):
    axes, shape = tuple(range(2, input.ndim)), (1, -1, *(1,) * (input.ndim - 2))
    return normalized(input, axes, weight, bias, shape, eps)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    split = input.reshape(input.shape[0], num_groups, -1)
    y = normalized(split, (2,), None, None, (), eps).reshape(input.shape)
    return affine(y, weight, bias, (1, -1, *(1,) * (input.ndim - 2)))


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    axes = tuple(range(-len(normalized_shape), 0))
    return normalized(input, axes, weight, bias, normalized_shape, eps)


# Matrices, layout, indexing.


def linear(input, weight, bias=None):
    y = np.einsum("...i,oi->...o", input, weight)
    return y if bias is None else y + bias


def pixel_shuffle(input, upscale_factor):
    r = upscale_factor
    *lead, channels, height, width = input.shape
    out = np.zeros((*lead, channels // r**2, height * r, width * r), input.dtype)
    for i, j in itertools.product(range(r), range(r)):
        out[..., i::r, j::r] = input[..., i * r + j :: r * r, :, :]
    return out


def pixel_unshuffle(input, downscale_factor):
    r = downscale_factor
    *lead, channels, height, width = input.shape
    out = np.zeros((*lead, channels * r**2, height // r, width // r), input.dtype)
    for i, j in itertools.product(range(r), range(r)):
        out[..., i * r + j :: r * r, :, :] = input[..., i::r, j::r]
    return out


def channel_shuffle(input, groups):
    each = input.shape[1] // groups
    order = [g * each + c for c in range(each) for g in range(groups)]
    return input[:, order]


def gather(input, dim, index):
    out = np.zeros(index.shape, input.dtype)
    for at in np.ndindex(index.shape):
        source = list(at)
        source[dim] = index[at]
        out[at] = input[tuple(source)]
    return out


def scatter_add(input, dim, index, src):
    out = input.copy()
    for at in np.ndindex(index.shape):
        target = list(at)
        target[dim] = index[at]
        out[tuple(target)] += src[at]
    return out


def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None, **_):
    """Axis by axis: every output is the sum of weighted elements."""
    rank = input.ndim - 2
    scales = each_number(scale_factor, rank)
    sizes = each_number(size, rank) if size is not None else None
    y = input
    for axis in range(rank):
        n = input.shape[axis + 2]
        scale = scales[axis] if scales else None
        outputs = sizes[axis] if sizes else math.floor(n * scale)
        rows = np.zeros((outputs, n))
        for i in range(outputs):
            for j, weight in taps(mode, i, n, outputs, scale, align_corners):
                rows[i, min(max(j, 0), n - 1)] += weight
        y = np.moveaxis(np.tensordot(rows, y, (1, axis + 2)), 0, axis + 2)
    return y


def each_number(value, rank):
    if value is None:
        return None
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank


def taps(mode, i, n, outputs, scale, align_corners):
    step = 1 / scale if scale else n / outputs
    if mode == "nearest":
        return [(math.floor(np.float32(i) * np.float32(step)), 1)]
    if mode == "nearest-exact":
        return [(math.floor((i + 0.5) * step), 1)]
    if mode == "area":
        _, window = adaptive_windows(n, outputs)[i]
        return [(j, 1 / len(window)) for j in window]
    at = i * (n - 1) / (outputs - 1) if align_corners and outputs > 1 else 0.0
    if not align_corners:
        at = (i + 0.5) * step - 0.5
    if mode == "bicubic":
        first = math.floor(at)
        return [(first + k, cubic(at - first - k)) for k in range(-1, 3)]
    at = max(at, 0)
    first = math.floor(at)
    return [(first, 1 - (at - first)), (first + 1, at - first)]


def cubic(x, a=-0.75):
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


# Losses.


def reduced(losses, reduction):
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


def nll_loss(input, target, weight=None, ignore_index=-100, reduction="mean"):
    return class_loss(input, target, weight, ignore_index, reduction, 0.0)


def cross_entropy(input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    axis = 1 if input.ndim > 1 else 0
    log_p = log_softmax(input, axis)
    classes = input.shape[axis]
    if target.dtype.kind == "f":
        mixed = target * (1 - label_smoothing) + label_smoothing / classes
        w = np.ones(classes) if weight is None else weight
        losses = -(log_p * mixed * w.reshape(-1, *(1,) * (input.ndim - axis - 1))).sum(axis)
        return losses.sum() / max(losses.size, 1) if reduction == "mean" else reduced(losses, reduction)
    return class_loss(log_p, target, weight, ignore_index, reduction, label_smoothing)


def class_loss(log_p, target, weight, ignore_index, reduction, smoothing):
    axis = 1 if log_p.ndim > 1 else 0
    classes = log_p.shape[axis]
    w = np.ones(classes) if weight is None else weight
    losses, total = np.zeros(target.shape), 0.0
    for at in np.ndindex(target.shape):
        label = int(target[at])
        if label == ignore_index:
            continue
        row = np.moveaxis(log_p, axis, -1)[at]
        losses[at] = -(1 - smoothing) * w[label] * row[label] - smoothing / classes * (w * row).sum()
        total += w[label]
    return losses.sum() / total if reduction == "mean" else reduced(losses, reduction)


def mse_loss(input, target, reduction="mean"):
    return reduced((input - target) ** 2, reduction)


def l1_loss(input, target, reduction="mean"):
    return reduced(np.abs(input - target), reduction)


def smooth_l1_loss(input, target, reduction="mean", beta=1.0):
    d = np.abs(input - target)
    return reduced(np.where(d < beta, d**2 / (2 * beta or 1), d - beta / 2), reduction)


def huber_loss(input, target, reduction="mean", delta=1.0):
    d = np.abs(input - target)
    return reduced(np.where(d <= delta, d**2 / 2, delta * (d - delta / 2)), reduction)


def kl_div(input, target, reduction="mean", log_target=False):
    p = np.exp(target) if log_target else target
    losses = p * (np.log(p) - input)
    return losses.sum() / input.shape[0] if reduction == "batchmean" else reduced(losses, reduction)


def binary_cross_entropy(input, target, weight=None, reduction="mean"):
    losses = -(target * np.log(input) + (1 - target) * np.log(1 - input))
    return reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(input, target, weight=None, reduction="mean", pos_weight=None):
    p = sigmoid(input)
    positive = 1.0 if pos_weight is None else pos_weight
    losses = -(positive * target * np.log(p) + (1 - target) * np.log(1 - p))
    return reduced(losses if weight is None else losses * weight, reduction)
