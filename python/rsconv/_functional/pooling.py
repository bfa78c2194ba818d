"""Pooling: the largest or the mean element of each window.

Common to the functions here: `input` is (N, C, *S) or (C, *S) with 1 to 3 sizes in S. `kernel_size`, `stride`
(default: `kernel_size`), `padding` (at most half the window) and `dilation` are integers, or one for each
dimension. Outputs have `(S + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1` elements along a
dimension, rounded down, or up with `ceil_mode` unless the last window would start in the padding.

All raise ShapeError for an input of the wrong rank or one that leaves no output, ArgumentError for arguments
out of range.
"""

import functools
import math
from typing import Any

import numpy as np

from .._autograd.graph import wanted as recorded
from ..backends import Array, Windows
from ..backends.taps import average_taps
from ..backends.windows import adaptive_window, pool_window
from ..errors import ArgumentError, DtypeError, ShapeError
from ..tensor import Tensor
from .arrays import ArrayLike, Operands, Result, operands
from .elementwise import div
from .plans import planned
from .recording import node
from .sizes import check_rank, each


def max_pool1d(
    input: ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Result:
    """The largest element of each window of `input` (N, C, L) or (C, L); padding never wins, NaN does.

    Real dtypes. With `return_indices`, also where it stands along L (int64), the first of equals. Behaviour
    of PyTorch's max_pool1d. Sizes and errors: see `rsconv._functional.pooling`.

    >>> max_pool1d([[1.0, 3.0, 2.0, 5.0, 4.0]], 2)
    array([[3., 5.]])
    >>> max_pool1d([[1.0, 3.0, 2.0, 5.0, 4.0]], 2, ceil_mode=True, return_indices=True)
    (array([[3., 5., 4.]]), array([[1, 3, 4]]))
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Result:
    """The largest element of each window of `input` (N, C, H, W) or (C, H, W), as `max_pool1d`.

    Indices count through the plane H * W. Behaviour of PyTorch's max_pool2d.
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Result:
    """The largest element of each window of `input` (N, C, D, H, W) or (C, D, H, W), as `max_pool1d`.

    Indices count through the volume D * H * W. Behaviour of PyTorch's max_pool3d.
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(
    input: ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Result:
    """The mean of each window of `input` (N, C, L) or (C, L) of a real dtype.

    Padding holds zeros, which count as elements unless `count_include_pad` is false; what `ceil_mode` adds
    beyond the padding never counts. Means of whole numbers are rounded towards zero; their sums are int64
    (int32 on a GPU). Behaviour of PyTorch's avg_pool1d. Sizes and errors: see `rsconv._functional.pooling`;
    DtypeError for bools and complex numbers.

    >>> avg_pool1d([[1.0, 3.0, 2.0, 6.0]], 2)
    array([[2., 4.]])
    >>> avg_pool1d([[1.0, 3.0, 2.0, 6.0]], 3, 2, 1, count_include_pad=False)
    array([[2.        , 3.66666667]])
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Result:
    """The mean of each window of `input` (N, C, H, W) or (C, H, W), as `avg_pool1d`.

    `divisor_override` replaces the number of elements. Behaviour of PyTorch's avg_pool2d.
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Result:
    """The mean of each window of `input` (N, C, D, H, W) or (C, D, H, W), as `avg_pool1d`.

    `divisor_override` replaces the number of elements. Behaviour of PyTorch's avg_pool3d.
    """
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def adaptive_max_pool1d(input: ArrayLike, output_size: Any, return_indices: bool = False) -> Result:
    """The largest element of each of `output_size` windows of `input` (N, C, L) or (C, L).

    Window i runs from `floor(i * L / output_size)` to `ceil((i + 1) * L / output_size)`. Dtypes and indices
    as for `max_pool1d`. Behaviour of PyTorch's adaptive_max_pool1d.

    >>> adaptive_max_pool1d([[1.0, 3.0, 2.0, 5.0, 4.0]], 2)
    array([[3., 5.]])

    Raises ShapeError for an input of the wrong rank or without elements, ArgumentError for an output size
    that is not positive.
    """
    return _adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: ArrayLike, output_size: Any, return_indices: bool = False) -> Result:
    """The largest element of each window of `input` (N, C, H, W) or (C, H, W), as `adaptive_max_pool1d`.

    `output_size` is one integer or (OH, OW); None keeps a size. Behaviour of PyTorch's adaptive_max_pool2d.
    """
    return _adaptive_max_pool(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: ArrayLike, output_size: Any, return_indices: bool = False) -> Result:
    """The largest element of each window of `input` (N, C, D, H, W) or (C, D, H, W).

    As `adaptive_max_pool2d`, with three sizes. Behaviour of PyTorch's adaptive_max_pool3d.
    """
    return _adaptive_max_pool(3, input, output_size, return_indices)


def adaptive_avg_pool1d(input: ArrayLike, output_size: Any) -> Result:
    """The mean of each of `output_size` windows of `input` (N, C, L) or (C, L) of a floating-point dtype.

    Windows as for `adaptive_max_pool1d`; 1 gives the mean of everything. Behaviour of PyTorch's
    adaptive_avg_pool1d.

    >>> adaptive_avg_pool1d([[1.0, 3.0, 2.0, 6.0]], 1)
    array([[3.]])

    Raises ShapeError for an input of the wrong rank or without elements, ArgumentError for an output size
    that is not positive, DtypeError for whole and complex numbers.
    """
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: ArrayLike, output_size: Any) -> Result:
    """The mean of each window of `input` (N, C, H, W) or (C, H, W), as `adaptive_avg_pool1d`.

    `output_size` is one integer or (OH, OW); None keeps a size. Behaviour of PyTorch's adaptive_avg_pool2d.
    """
    return _adaptive_avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input: ArrayLike, output_size: Any) -> Result:
    """The mean of each window of `input` (N, C, D, H, W) or (C, D, H, W), as `adaptive_avg_pool2d`.

    Behaviour of PyTorch's adaptive_avg_pool3d.
    """
    return _adaptive_avg_pool(3, input, output_size)


@planned
def _max_pool(
    rank: int,
    input: ArrayLike,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil: bool,
    wanted: bool,
) -> Result:
    call = operands(input=input)
    name = f"max_pool{rank}d"
    _check_real(name, call.arrays[0])
    windows = regular(name, call.arrays[0].shape, rank, kernel, stride, padding, dilation, ceil)
    return _largest(call, input, windows, wanted)


def _adaptive_max_pool(rank: int, input: ArrayLike, output_size: Any, wanted: bool) -> Result:
    call = operands(input=input)
    name = f"adaptive_max_pool{rank}d"
    _check_real(name, call.arrays[0])
    return _largest(call, input, adaptive(name, call.arrays[0].shape, rank, output_size), wanted)


def _largest(call: Operands, input: ArrayLike, windows: Windows, wanted: bool) -> Result:
    found = call.backend.max_pool(call.arrays[0], windows, wanted or recorded({"input": input}))
    results = node(call, "max_pool", {"input": input}, found, windows=windows)
    return results if wanted else results[0]


def max_pool_grad(grad_output: ArrayLike, indices: ArrayLike, windows: Windows) -> Result:
    """The gradient of max pooling: each output's goes to the element that its index names."""
    call = operands(grad_output=grad_output, indices=indices)
    y = call.backend.max_pool_grad(call.arrays[0], call.arrays[1], windows)
    return node(call, "max_pool_grad", {"grad_output": grad_output}, y, indices=indices, windows=windows)


def picked(input: ArrayLike, indices: ArrayLike, windows: Windows) -> Result:
    """The element of the plane that each index names: the gradient of `max_pool_grad`."""
    call = operands(input=input, indices=indices)
    x, at = call.arrays
    backend, rank = call.backend, len(windows)
    plane = backend.reshape(x, (*x.shape[:-rank], math.prod(x.shape[-rank:])))
    places = backend.reshape(at, (*plane.shape[:-1], math.prod(at.shape[-rank:])))
    y = backend.reshape(backend.gather(plane, plane.ndim - 1, places), at.shape)
    return node(call, "max_pool_picked", {"input": input}, y, indices=indices, windows=windows)


@planned
def _avg_pool(
    rank: int,
    input: ArrayLike,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil: bool,
    count_pad: bool,
    divisor: Any,
) -> Result:
    call = operands(input=input)
    name = f"avg_pool{rank}d"
    if divisor == 0:
        raise ArgumentError(f"divisor must be not zero, but got divisor_override={divisor}")
    _check_real(name, call.arrays[0])
    windows = regular(name, call.arrays[0].shape, rank, kernel, stride, padding, 1, ceil)
    if call.arrays[0].dtype.kind != "f":
        return call.result(_whole_means(call, windows, count_pad, divisor))
    if divisor is None:
        taps = [average_taps(window, None, count_pad) for window in windows]
    else:
        taps = [average_taps(window, divisor=1 if axis else divisor) for axis, window in enumerate(windows)]
    return resample(call, input, taps)


def _whole_means(call: Operands, windows: Windows, count_pad: bool, divisor: Any) -> Array:
    """Means of whole numbers, rounded towards zero: every step is exact."""
    backend, (x,) = call.backend, call.arrays
    rank = len(windows)
    wide = x.dtype if x.dtype == np.uint64 else backend.index_dtype
    sums = x if x.dtype == wide else backend.copy(x, wide)
    counts = np.ones((1,) * rank, wide)
    for axis, window in enumerate(windows, start=x.ndim - rank):
        reach = (window.outputs - 1) * window.stride + 1
        pads = [(0, 0)] * x.ndim
        # A negative pad crops what no window sees.
        pads[axis] = (window.low, reach + window.kernel - 1 - window.size - window.low)
        padded = backend.pad(sums, tuple(pads), "constant")
        index = [slice(None)] * x.ndim
        parts = []
        for tap in range(window.kernel):
            index[axis] = slice(tap, tap + reach, window.stride)
            parts.append(backend.slice(padded, tuple(index)))
        sums = functools.reduce(lambda a, b: backend.elementwise("add", (a, b)), parts)
        first = np.arange(window.outputs) * window.stride - window.low
        last = np.minimum(first + window.kernel, window.size + (window.low if count_pad else 0))
        inside = last - (first if count_pad else np.maximum(first, 0))
        counts = counts * np.maximum(inside, 1).astype(wide).reshape(-1, *(1,) * (x.ndim - 1 - axis))
    by = backend.upload(counts if divisor is None else np.full((1,) * rank, divisor, wide))
    means = div(Tensor._new(sums), Tensor._new(by), rounding_mode="trunc")._array
    return means if x.dtype == wide else backend.copy(means, x.dtype)


def _adaptive_avg_pool(rank: int, input: ArrayLike, output_size: Any) -> Result:
    call = operands(input=input)
    name = f"adaptive_avg_pool{rank}d"
    _check_floating(name, call.arrays[0])
    windows = adaptive(name, call.arrays[0].shape, rank, output_size)
    return resample(call, input, [average_taps(window) for window in windows])


def resample(call: Operands, input: ArrayLike, taps: Any) -> Result:
    """Sum weighted taps along the last axes of the call's one array."""
    return node(call, "resample", {"input": input}, call.backend.resample(call.arrays[0], taps), taps=taps)


def regular(
    name: str,
    shape: tuple[int, ...],
    rank: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Windows:
    """The windows of a pooling, checked."""
    check_rank(name, rank, shape)
    kernel = each("kernel_size", kernel_size, rank)
    # An empty sequence is no stride, too, as in PyTorch.
    given = stride is not None and np.size(stride)
    strides = each("stride", stride, rank) if given else kernel
    pads, dilations = each("padding", padding, rank, 0), each("dilation", dilation, rank)
    for k, p, d in zip(kernel, pads, dilations, strict=True):
        if p > (d * (k - 1) + 1) // 2:
            raise ArgumentError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                f"dilation={d}"
            )
    axes = zip(shape[-rank:], kernel, strides, pads, dilations, strict=True)
    windows = tuple(pool_window(*axis, ceil_mode) for axis in axes)
    outputs = [window.outputs for window in windows]
    if min(outputs) < 1 or min(shape[-rank - 1 :]) < 1:
        before, after = ("x".join(map(str, (shape[-rank - 1], *sizes))) for sizes in (shape[-rank:], outputs))
        raise ShapeError(
            f"Given input size: ({before}). Calculated output size: ({after}). Output size is too small "
            f"({name} with kernel_size={kernel}, stride={strides}, padding={pads}, dilation={dilations})"
        )
    return windows


def adaptive(name: str, shape: tuple[int, ...], rank: int, output_size: Any) -> Windows:
    """The windows of an adaptive pooling, checked."""
    check_rank(name, rank, shape)
    given = output_size
    if isinstance(output_size, (tuple, list)) and len(output_size) == rank:
        given = [size if n is None else n for n, size in zip(output_size, shape[-rank:], strict=True)]
    elif output_size is None:
        given = shape[-rank:]
    if min(shape[-rank - 1 :]) < 1:
        raise ShapeError(
            f"{name} expects input with elements in all dimensions but the batch, but got input of size: "
            f"{list(shape)}"
        )
    outputs = each("output_size", given, rank)
    return tuple(adaptive_window(n, o) for n, o in zip(shape[-rank:], outputs, strict=True))


def _check_real(name: str, x: Array) -> None:
    if x.dtype.kind not in "iuf":
        raise DtypeError(f"{name} is not defined for {x.dtype.name}")


def _check_floating(name: str, x: Array) -> None:
    if x.dtype.kind != "f":
        raise DtypeError(f"{name} needs a floating-point input, but got {x.dtype.name}")
