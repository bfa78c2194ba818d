"""Convolutions as their definition says, for tests: one loop over the taps, float64 or exact integers.

Written from the definition alone. A tap links elements `o` of the short side (the output of a direct
convolution, the input of a transposed one) with elements `i = o * stride + tap * dilation - low` of the long
side. Integers are computed modulo 2**64, of which every narrower wrap-around is a remainder.
"""

import itertools
import math

import numpy as np


def widen(array):
    """The array in the type that the oracle computes in."""
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def links(long_size, short_size, kernel, stride, pads, dilation):
    """For every tap: its index, the slices of the long side and those of the short side that it joins."""
    for tap in itertools.product(*map(range, kernel)):
        long, short = [], []
        for size, count, t, s, (low, _), d in zip(
            long_size, short_size, tap, stride, pads, dilation, strict=True
        ):
            inside = [o for o in range(count) if 0 <= o * s + t * d - low < size]
            if not inside:
                break
            first, last = inside[0], inside[-1]
            start = first * s + t * d - low
            long.append(slice(start, last * s + t * d - low + 1, s))
            short.append(slice(first, last + 1))
        else:
            yield tap, tuple(long), tuple(short)


def output_size(size, kernel, stride, pads, dilation, output_padding, transposed):
    """Spatial sizes of the output."""
    out = []
    for n, k, s, (low, high), d, extra in zip(
        size, kernel, stride, pads, dilation, output_padding, strict=True
    ):
        if transposed:
            out.append((n - 1) * s - low - high + d * (k - 1) + extra + 1)
        else:
            out.append((n + low + high - d * (k - 1) - 1) // s + 1)
    return tuple(out)


def _grouped(array, groups):
    """(N, groups, channels of a group, *size) in the oracle's type."""
    n, channels, *size = array.shape
    return widen(array).reshape(n, groups, channels // groups, *size)


def _taps(weight, groups):
    """(*kernel, groups, short channels of a group, long channels of a group)."""
    short, long, *kernel = weight.shape
    split = widen(weight).reshape(groups, short // groups, long, *kernel)
    return np.moveaxis(split, (0, 1, 2), (-3, -2, -1))


def _flat(array):
    return array.reshape(*array.shape[:3], math.prod(array.shape[3:]))


def _mix(matrix, array):
    """A matrix for each group times the channels, at every position."""
    n, groups, _, *size = array.shape
    return (matrix @ _flat(array)).reshape(n, groups, matrix.shape[-2], *size)


def gather(long, weight, short_size, stride, pads, dilation, groups):
    """Short side from the long side: a direct convolution."""
    long, taps = _grouped(long, groups), _taps(weight, groups)
    out = np.zeros((long.shape[0], groups, taps.shape[-2], *short_size), long.dtype)
    for tap, i, o in links(long.shape[3:], short_size, weight.shape[2:], stride, pads, dilation):
        out[(..., *o)] += _mix(taps[tap], long[(..., *i)])
    return out.reshape(out.shape[0], out.shape[1] * out.shape[2], *short_size)


def scatter(short, weight, long_size, stride, pads, dilation, groups):
    """Long side from the short side: a transposed convolution, or the input gradient of a direct one."""
    short, taps = _grouped(short, groups), _taps(weight, groups)
    out = np.zeros((short.shape[0], groups, taps.shape[-1], *long_size), short.dtype)
    for tap, i, o in links(long_size, short.shape[3:], weight.shape[2:], stride, pads, dilation):
        out[(..., *i)] += _mix(taps[tap].swapaxes(-2, -1), short[(..., *o)])
    return out.reshape(out.shape[0], out.shape[1] * out.shape[2], *long_size)


def correlate(long, short, kernel, stride, pads, dilation, groups):
    """Weight gradient."""
    long, short = _grouped(long, groups), _grouped(short, groups)
    out = np.zeros((*kernel, groups, short.shape[2], long.shape[2]), long.dtype)
    for tap, i, o in links(long.shape[3:], short.shape[3:], kernel, stride, pads, dilation):
        columns, rows = _flat(long[(..., *i)]), _flat(short[(..., *o)])
        out[tap] = (rows @ columns.swapaxes(-2, -1)).sum(0)
    split = np.moveaxis(out, (-3, -2, -1), (0, 1, 2))
    return split.reshape(split.shape[0] * split.shape[1], *split.shape[2:])
