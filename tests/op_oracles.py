"""What the operators compute, for tests: from their definitions, in float64 NumPy, without regard to "
"speed."""

import itertools
import math

import numpy as np

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


# Pooling: every window by itself.


def each(value, rank):
    return (value,) * rank if isinstance(value, int) else tuple(value)


def windows(size, kernel, stride, padding, dilation, ceil_mode):
    """For every output along an axis: where its window starts, and the elements of it that exist."""
    found = []
    for i in itertools.count():
        start = i * stride - padding
        last = start + dilation * (kernel - 1)
        fits = last < size + padding
        starts_inside = ceil_mode and start < size and last < size + padding + stride
        if not (fits or starts_inside):
            return found
        found.append((start, [j for j in range(start, last + 1, dilation) if 0 <= j < size]))


def adaptive_windows(size, outputs):
    return [(0, list(range(i * size // outputs, -((-(i + 1) * size) // outputs)))) for i in range(outputs)]


def pooled(x, axes, reduce):
    """`reduce(block, starts)` over every product of windows of the last axes."""
    rank = len(axes)
    shape = x.shape[:-rank]
    results = [
        reduce(x[(..., *np.ix_(*(taps for _, taps in windows)))], windows)
        for windows in itertools.product(*axes)
    ]
    out = np.stack(results, -1) if results else np.zeros((*shape, 0))
    return out.reshape(*shape, *map(len, axes))


def max_pool(rank):
    def pool(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        kernel = each(kernel_size, rank)
        settings = zip(
            input.shape[-rank:],
            kernel,
            kernel if stride is None else each(stride, rank),
            each(padding, rank),
            each(dilation, rank),
            strict=True,
        )
        return largest(input, [windows(*axis, ceil_mode) for axis in settings], return_indices)

    return pool


def largest(x, axes, return_indices):
    rank = len(axes)
    tail = tuple(range(-rank, 0))
    values = pooled(x, axes, lambda block, _: block.max(tail))
    if not return_indices:
        return values
    places = np.arange(math.prod(x.shape[-rank:])).reshape(x.shape[-rank:])

    def where(block, windows):
        at = places[np.ix_(*(taps for _, taps in windows))].reshape(-1)
        return at[block.reshape(*block.shape[:-rank], -1).argmax(-1)]

    return values, pooled(x, axes, where).astype(np.int64)


def avg_pool(rank):
    def pool(
        input,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    ):
        kernel, pads = each(kernel_size, rank), each(padding, rank)
        strides = kernel if stride is None else each(stride, rank)
        sizes = input.shape[-rank:]
        axes = [
            windows(n, k, s, p, 1, ceil_mode) for n, k, s, p in zip(sizes, kernel, strides, pads, strict=True)
        ]

        def mean(block, chosen):
            divisor = divisor_override or math.prod(
                min(start + k, n + p) - start if count_include_pad else len(taps)
                for (start, taps), k, n, p in zip(chosen, kernel, sizes, pads, strict=True)
            )
            return block.sum(tuple(range(-rank, 0))) / divisor

        return pooled(input, axes, mean)

    return pool


def adaptive(rank, kind):
    def pool(input, output_size, return_indices=False):
        sizes = input.shape[-rank:]
        wanted = (output_size,) * rank if isinstance(output_size, int) else output_size
        axes = [adaptive_windows(n, n if o is None else o) for n, o in zip(sizes, wanted, strict=True)]
        if kind == "max":
            return largest(input, axes, return_indices)
        return pooled(input, axes, lambda block, _: block.mean(tuple(range(-rank, 0))))

    return pool


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


# Padding, windows as columns, convolutions by them.

NUMPY_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(input, pad, mode="constant", value=0.0):
    """Crop by the negative ones, then `numpy.pad`."""
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    pairs = [(0, 0)] * (input.ndim - len(pairs)) + pairs
    crop = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(input.shape, pairs, strict=True))
    grown = [(max(a, 0), max(b, 0)) for a, b in pairs]
    fill = {"constant_values": value} if mode == "constant" else {}
    return np.pad(input[crop], grown, NUMPY_MODES[mode], **fill)


def positions(size, kernel, stride, padding, dilation):
    """The index, along a padded axis, of every tap of every window: (taps, windows)."""
    count = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    return np.arange(kernel)[:, None] * dilation + np.arange(count) * stride


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    rank = len(kernel_size)
    settings = [each(value, rank) for value in (stride, padding, dilation)]
    flat = [p for padding in settings[1][::-1] for p in (padding, padding)]
    x = pad(input, flat)
    axes = [positions(*axis) for axis in zip(input.shape[-rank:], kernel_size, *settings, strict=True)]
    # Each axis becomes taps and windows; then all taps come before all windows.
    for axis, index in enumerate(axes):
        x = np.take(x, index, input.ndim - rank + 2 * axis)
    lead = input.ndim - rank
    order = (*range(lead), *range(lead, x.ndim, 2), *range(lead + 1, x.ndim, 2))
    taps = math.prod(kernel_size) * input.shape[lead - 1]
    return x.transpose(order).reshape(*input.shape[: lead - 1], taps, -1)


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The transposed matrix of `unfold`."""
    channels = input.shape[-2] // math.prod(kernel_size)
    size = channels * math.prod(output_size)
    basis = np.eye(size).reshape(size, channels, *output_size)
    matrix = unfold(basis, kernel_size, dilation, padding, stride).reshape(size, -1)
    columns = input.reshape(*input.shape[:-2], -1)
    return (columns @ matrix.T).reshape(*input.shape[:-2], channels, *output_size)


def conv(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"):
    """Products of the weight with the columns of the padded input, group by group."""
    rank = weight.ndim - 2
    pads = [p for low in each(padding, rank)[::-1] for p in (low, low)]
    x = pad(input, pads, "constant" if padding_mode == "zeros" else padding_mode)
    windows = zip(x.shape[2:], weight.shape[2:], each(stride, rank), each(dilation, rank), strict=True)
    sizes = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in windows]
    parts = []
    for share, w in zip(np.split(x, groups, 1), np.split(weight, groups), strict=True):
        columns = unfold(share, weight.shape[2:], dilation, 0, stride)
        parts.append(np.einsum("ok,nkl->nol", w.reshape(len(w), -1), columns))
    y = np.concatenate(parts, 1).reshape(len(x), -1, *sizes)
    return y if bias is None else y + bias.reshape(-1, *(1,) * rank)


def conv_tbc(input, weight, bias, pad=0):
    return conv(input.transpose(1, 2, 0), weight.transpose(2, 1, 0), bias, padding=pad).transpose(2, 0, 1)


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
