"""Cases and float64 oracles of functions made of others, which only layers of older networks call."""

import itertools
import math

import numpy as np
import window_oracles as w
from op_case import ALL_FLOATS, Array, Case, one


def lp_pool(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """Of positive elements."""
    rank = input.ndim - 2
    means = w.avg_pool(rank)(input**norm_type, kernel_size, stride, ceil_mode=ceil_mode)
    return (means * math.prod(w.each(kernel_size, rank))) ** (1 / norm_type)


def max_unpool(rank):
    def unpool(input, indices, kernel_size, stride=None, padding=0, output_size=None):
        """Every element where its index says; the mean of those with one index."""
        settings = zip(
            input.shape[-rank:],
            w.each(kernel_size, rank),
            w.each(kernel_size if stride is None else stride, rank),
            w.each(padding, rank),
            strict=True,
        )
        sizes = output_size or [(n - 1) * step + k - 2 * p for n, k, step, p in settings]
        out = np.zeros((*input.shape[:-rank], math.prod(sizes)))
        for place in np.ndindex(input.shape[:-rank]):
            for i in np.unique(indices[place]):
                out[(*place, i)] = input[place][indices[place] == i].mean()
        return out.reshape(*input.shape[:-rank], *sizes)

    return unpool


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    sums = np.zeros_like(input)
    for c, other in itertools.product(range(input.shape[1]), repeat=2):
        if -(size // 2) <= other - c <= (size - 1) // 2:
            sums[:, c] += input[:, other] ** 2
    return input / (k + alpha * sums / size) ** beta


def rms_norm(input, normalized_shape, weight=None, eps=None):
    axes = tuple(range(-len(normalized_shape), 0))
    y = input / np.sqrt((input**2).mean(axes, keepdims=True) + eps)
    return y if weight is None else y * weight


def embedding(input, weight, padding_idx=None):
    return weight[input]


def cases():
    for rank in (1, 2, 3):
        shape = (2, 3, *(7, 6, 5)[:rank])
        for args in ({"norm_type": 2, "kernel_size": 3, "stride": 2}, {"norm_type": 3.0, "kernel_size": 2}):
            yield one(f"lp_pool{rank}d", shape, lp_pool, "positive", args=args, terms=32)
        inner = (2, 3, *(3, 2, 2)[:rank])
        arrays = {"input": Array(inner), "indices": Array(inner, "index 6")}
        for args in (
            {"kernel_size": 2},
            {"kernel_size": 3, "stride": 2, "padding": 1, "output_size": (6, 4, 4)[:rank]},
        ):
            yield Case(f"max_unpool{rank}d", arrays, max_unpool(rank), args, terms=16)
    for shape in ((2, 5, 7), (2, 4, 3, 5), (1, 3, 2, 2, 3)):
        args = {"size": 3, "alpha": 0.5, "beta": 0.6, "k": 1.5}
        yield one("local_response_norm", shape, local_response_norm, args=args, terms=32)
    args = {"size": 2}
    yield one("local_response_norm", (2, 5, 3), local_response_norm, args=args, dtypes=ALL_FLOATS, terms=32)
    x = {"input": Array((3, 4, 5))}
    yield Case("rms_norm", x, rms_norm, {"normalized_shape": (5,), "eps": 0.1}, ALL_FLOATS, terms=32)
    weighted = {**x, "weight": Array((4, 5))}
    args = {"normalized_shape": (4, 5), "eps": 1e-5}
    yield Case("rms_norm", weighted, rms_norm, args, ALL_FLOATS, terms=32)
    rows = {"input": Array((3, 4), "index 5"), "weight": Array((5, 6))}
    yield Case("embedding", rows, embedding, dtypes=ALL_FLOATS)
