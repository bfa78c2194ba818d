"""Pooling, padding, windows as columns and convolutions by them, from their definitions: see `op_oracles`."""

import itertools
import math

import numpy as np

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
        starts_inside = ceil_mode and start < size and last < size + padding + stride - 1
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


def whole_avg_pool(rank):
    """Of whole numbers: small ones, so that float64 quotients round as exact ones do."""
    pool = avg_pool(rank)
    return lambda input, **args: np.trunc(pool(input.astype(np.float64), **args)).astype(input.dtype)


def adaptive(rank, kind):
    def pool(input, output_size, return_indices=False):
        sizes = input.shape[-rank:]
        wanted = (output_size,) * rank if isinstance(output_size, int) else output_size
        axes = [adaptive_windows(n, n if o is None else o) for n, o in zip(sizes, wanted, strict=True)]
        if kind == "max":
            return largest(input, axes, return_indices)
        return pooled(input, axes, lambda block, _: block.mean(tuple(range(-rank, 0))))

    return pool


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
