"""The convolution family. See `rsconv.functional` for what its functions have in common."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from .._autograd.graph import record, wanted
from ..backends import Backend, Geometry, Pads, select
from ..backends.checks import check_out, same_dtype
from ..errors import ArgumentError, DtypeError, ShapeError
from ..tensor import Tensor
from .arrays import ArrayLike, Result, check_out_kind, operands, stored
from .pad import check_reach
from .plans import by_plan, has_plans
from .recording import check_unrecorded, node

ndarray = np.ndarray
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
TRANSPOSED_PADDING_MODES = ("zeros", "circular")
# Of one weight, packed; and as many calls that need one of them.
_GEOMETRIES_KEPT = 4


def conv1d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    out: Any = None,
) -> Result:
    """Correlate `input` (N, C_in, L) or (C_in, L) with `weight` (C_out, C_in // groups, K).

    Returns (N, C_out, L_out) or (C_out, L_out) with `L_out = (L + pads - dilation * (K - 1) - 1) // stride +
    1`, plus `bias` (C_out,). `padding='causal'` puts all of `dilation * (K - 1)` before the first element.
    Behaviour of PyTorch's conv1d.

    >>> import numpy as np
    >>> conv1d(np.float32([[1, 2, 3, 4]]), np.float32([[[1, -1]]]), stride=2)
    array([[-1., -1.]], dtype=float32)
    >>> conv1d(np.float32([[1, 2, 3, 4]]), np.float32([[[1, 1]]]), padding="causal")
    array([[1., 3., 5., 7.]], dtype=float32)
    """
    return convolve(1, False, input, weight, bias, stride, padding, 0, dilation, groups, padding_mode, out)


def conv2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    out: Any = None,
) -> Result:
    """Correlate `input` (N, C_in, H, W) or (C_in, H, W) with `weight` (C_out, C_in // groups, KH, KW).

    Returns (N, C_out, H_out, W_out) or (C_out, H_out, W_out), plus `bias` (C_out,); sizes as for `conv1d`.
    Behaviour of PyTorch's conv2d.

    >>> import numpy as np
    >>> x, w = np.ones((1, 3, 8, 8), np.float32), np.ones((4, 3, 3, 3), np.float32)
    >>> conv2d(x, w, stride=2, padding=1).shape
    (1, 4, 4, 4)
    >>> conv2d(x, w, padding=((2, 0), (1, 1)), padding_mode="circular").max().item()
    27.0
    """
    return convolve(2, False, input, weight, bias, stride, padding, 0, dilation, groups, padding_mode, out)


def conv3d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    out: Any = None,
) -> Result:
    """Correlate `input` (N, C_in, D, H, W) or (C_in, D, H, W) with `weight` (C_out, C_in // groups, KD, KH,
    KW).

    Returns (N, C_out, D_out, H_out, W_out) or the same without N, plus `bias` (C_out,); sizes as for
    `conv1d`. Behaviour of PyTorch's conv3d.
    """
    return convolve(3, False, input, weight, bias, stride, padding, 0, dilation, groups, padding_mode, out)


def conv_transpose1d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    padding_mode: str = "zeros",
    out: Any = None,
) -> Result:
    """Transposed convolution of `input` (N, C_in, L) or (C_in, L) by `weight` (C_in, C_out // groups, K).

    Returns (N, C_out, L_out) or (C_out, L_out), plus `bias` (C_out,), with `L_out = (L - 1) * stride - pads +
    dilation * (K - 1) + output_padding + 1`: `padding` crops the full result. It is the adjoint (not the
    inverse) of `conv1d` with the same arguments. Behaviour of PyTorch's conv_transpose1d.

    With `padding_mode='circular'` it is the adjoint of the circular `conv1d`: the borders that `padding`
    would crop off are added onto the opposite side. `L_out` is the same. ArgumentError if a border is longer
    than `L_out`, so that it would wrap more than once.

    >>> import numpy as np
    >>> conv_transpose1d(np.float32([[1, 2]]), np.float32([[[1, 10, 100]]]), stride=2)
    array([[  1.,  10., 102.,  20., 200.]], dtype=float32)
    """
    return convolve(
        1, True, input, weight, bias, stride, padding, output_padding, dilation, groups, padding_mode, out
    )


def conv_transpose2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    padding_mode: str = "zeros",
    out: Any = None,
) -> Result:
    """Transposed convolution of `input` (N, C_in, H, W) or (C_in, H, W) by `weight` (C_in, C_out // groups,
    KH, KW).

    Returns (N, C_out, H_out, W_out) or (C_out, H_out, W_out), plus `bias` (C_out,); sizes and circular
    padding as for `conv_transpose1d`. Behaviour of PyTorch's conv_transpose2d.
    """
    return convolve(
        2, True, input, weight, bias, stride, padding, output_padding, dilation, groups, padding_mode, out
    )


def conv_transpose3d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    padding_mode: str = "zeros",
    out: Any = None,
) -> Result:
    """Transposed convolution of `input` (N, C_in, D, H, W) by `weight` (C_in, C_out // groups, KD, KH, KW).

    Returns (N, C_out, D_out, H_out, W_out), plus `bias` (C_out,); N may be left out of both. Sizes and
    circular padding as for `conv_transpose1d`. Behaviour of PyTorch's conv_transpose3d.
    """
    return convolve(
        3, True, input, weight, bias, stride, padding, output_padding, dilation, groups, padding_mode, out
    )


def conv_tbc(
    input: ArrayLike, weight: ArrayLike, bias: ArrayLike, pad: int = 0, *, out: Any = None
) -> Result:
    """Correlate a sequence `input` (T, B, C_in) with `weight` (K, C_in, C_out).

    Returns (T + 2 * pad - K + 1, B, C_out), plus `bias` (C_out,), which may be None. Behaviour of PyTorch's
    conv_tbc: `conv1d` with the axes in the order time, batch, channels.
    """
    call = operands(input=input, weight=weight, bias=bias)
    backend, (x, w, b) = call.backend, call.arrays
    check_out_kind(out, backend)
    check_unrecorded(out, input=input, weight=weight, bias=bias)
    if x.ndim != 3 or w.ndim != 3 or x.shape[2] != w.shape[1]:
        raise ShapeError(
            "conv_tbc expects input (time, batch, in_channels) and weight (kernel, in_channels, "
            f"out_channels), but got input of size {list(x.shape)} and weight of size {list(w.shape)}"
        )
    if b is not None and b.shape != w.shape[2:]:
        raise ShapeError(
            f"Given weight of size {list(w.shape)}, expected bias to be 1-dimensional with {w.shape[2]} "
            f"elements, but got bias of size {list(b.shape)} instead"
        )
    x, w = backend.permute(x, (1, 2, 0)), backend.permute(w, (2, 1, 0))
    geometry = Geometry(1, x.shape, w.shape, None if b is None else b.shape, 1, pad)
    batch, channels, length = geometry.output_shape

    def run(target: Any) -> Any:
        if target is not None:
            check_out(target, (length, batch, channels), x.dtype, input=x, weight=w, bias=b)
        y = backend.permute(backend.conv(geometry, x, w, b), (2, 0, 1))
        return backend.contiguous(y) if target is None else stored(backend, y, target)

    if isinstance(out, Tensor):
        return out._write(run)
    y = run(out)
    if out is None:
        inputs = {"input": input, "weight": weight, "bias": bias}
        return node(call, "conv_tbc", inputs, y, geometry=geometry)
    return Tensor._from_array(out) if call.tensor else out


def convolve(
    rank: int,
    transposed: bool,
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: int,
    padding_mode: str,
    out: Any,
) -> Result:
    """Run any member of the family but conv_tbc, by plan where there is one."""
    args = (
        *(rank, transposed, input, weight, bias),
        *(stride, padding, output_padding, dilation, groups, padding_mode, out),
    )
    if type(input) is ndarray or out is not None:
        return _convolve(*args)
    if type(input) is Tensor and has_plans(input, (input, weight, bias)):
        w = weight
        if isinstance(weight, Tensor):
            w = weight._array
            if padding_mode == "zeros" and weight._storage.protected:
                w = _known(weight._packed, (input._array.shape, *args[5:-1]))
        if w is not None:
            b = bias._array if isinstance(bias, Tensor) else bias
            return by_plan(_convolve, args, {}, input, (rank, transposed, input._array, w, b, *args[5:]))
    return _convolve(*args)


def _convolve(
    rank: int,
    transposed: bool,
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: int,
    padding_mode: str,
    out: Any,
) -> Result:
    """Run any member of the family; ndarrays go the shortest way, for small calls are common."""
    if (
        type(input) is ndarray
        and type(weight) is ndarray
        and (bias is None or type(bias) is ndarray)
        and (out is None or type(out) is ndarray)
    ):
        backend, tensor = select(), False
        x, w, b = (
            backend.upload(input),
            backend.upload(weight),
            None if bias is None else backend.upload(bias),
        )
    else:
        call = operands(input=input, weight=weight, bias=bias)
        backend, (x, w, b), tensor = call.backend, call.arrays, call.tensor
        check_out_kind(out, backend)
        check_unrecorded(out, input=input, weight=weight, bias=bias)
    geometry = Geometry(
        rank,
        x.shape,
        w.shape,
        None if b is None else b.shape,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
        transposed,
    )
    run: Callable[[Any], Any]
    if padding_mode != "zeros":
        check_padding_mode(rank, transposed, padding_mode)
        run = partial(_with_borders, backend, geometry, x, w, b, padding_mode)
    else:
        packed = w
        if tensor and isinstance(weight, Tensor) and weight._storage.protected:
            # Contents that only the API can change: packed once, until it does.
            call_of = x.shape, stride, padding, output_padding, dilation, groups, padding_mode
            packed = _packed(backend, geometry, weight, call_of)
        run = partial(backend.conv, geometry, x, packed, b)
    try:
        if isinstance(out, Tensor):
            return out._write(run)
        if out is None or isinstance(x, ndarray):
            y = run(out)
        else:
            # A host array for what another device computes.
            check_out(out, geometry.output_shape, x.dtype)
            y = stored(backend, run(None), out)
    except DtypeError:
        # A type that differs may be one that is not supported, too: say both.
        same_dtype(input=x, weight=w, bias=b)
        raise
    wrapped = tensor and (Tensor._new(y) if out is None else Tensor._from_array(out))
    result = wrapped if tensor else backend.download(y) if out is None else y
    if not tensor:
        return result
    inputs = {"input": input, "weight": weight, "bias": bias}
    if wanted(inputs):
        if padding_mode == "zeros":
            record("conv", inputs, (result,), {"geometry": geometry})
        else:
            args = {"geometry": geometry, "pads": _border(geometry), "mode": padding_mode}
            record("conv_with_borders", inputs, (result,), args)
    return result


def _known(kept: dict[Any, Any], call_of: tuple[Any, ...]) -> Any:
    """The packed weight of a call with the same arguments before, or None."""
    try:
        return kept.get(call_of)
    except TypeError:
        # Lists among them.
        return None


def _packed(backend: Backend, geometry: Geometry, weight: Tensor, call_of: tuple[Any, ...]) -> Any:
    """The packed weight, kept for the last few geometries, and on a GPU for the last calls, too."""
    # Fetched before the weight is read: see `Storage.packed_of`.
    kept = weight._packed
    found = kept.get(geometry)
    if found is None:
        found = backend.pack(geometry, weight._array)
        _keep(kept, geometry, found, _GEOMETRIES_KEPT)
    if not isinstance(weight._array, ndarray):
        with suppress(TypeError):
            _keep(kept, call_of, found, 2 * _GEOMETRIES_KEPT)
    return found


def _keep(kept: dict[Any, Any], key: Any, packed: Any, most: int) -> None:
    """Keep `packed` for `key`, and at most `most` in all: the newest."""
    kept.pop(key, None)
    for old in list(kept)[: 1 - most]:
        kept.pop(old, None)
    kept[key] = packed


def convolution(geometry: Geometry, input: ArrayLike, weight: ArrayLike) -> Result:
    """The convolution of a geometry."""
    call = operands(input=input, weight=weight)
    y = call.backend.conv(geometry, *call.arrays)
    return node(call, "conv", {"input": input, "weight": weight, "bias": None}, y, geometry=geometry)


def input_grad(geometry: Geometry, weight: ArrayLike, grad_output: ArrayLike) -> Result:
    """The gradient of a convolution with respect to its input."""
    call = operands(weight=weight, grad_output=grad_output)
    y = call.backend.conv_input_grad(geometry, *call.arrays)
    inputs = {"weight": weight, "grad_output": grad_output}
    return node(call, "conv_input_grad", inputs, y, geometry=geometry)


def weight_grad(geometry: Geometry, input: ArrayLike, grad_output: ArrayLike) -> Result:
    """The gradient of a convolution with respect to its weight."""
    call = operands(input=input, grad_output=grad_output)
    y = call.backend.conv_weight_grad(geometry, *call.arrays)
    inputs = {"input": input, "grad_output": grad_output}
    return node(call, "conv_weight_grad", inputs, y, geometry=geometry)


def check_padding_mode(rank: int, transposed: bool, padding_mode: str) -> None:
    """Raise ArgumentError for a padding mode that the operator does not have."""
    allowed = TRANSPOSED_PADDING_MODES if transposed else PADDING_MODES
    if padding_mode not in allowed:
        raise ArgumentError(
            f"padding_mode must be one of {', '.join(map(repr, allowed))} for "
            f"conv{'_transpose' if transposed else ''}{rank}d, but got padding_mode={padding_mode!r}"
        )


def _border(geometry: Geometry) -> Pads:
    return ((0, 0),) * (len(geometry.input_shape) - geometry.rank) + geometry.padding


def _with_borders(backend: Backend, geometry: Geometry, x: Any, w: Any, b: Any, mode: str, out: Any) -> Any:
    pads = _border(geometry)
    check_reach(geometry.output_shape if geometry.transposed else geometry.input_shape, pads, mode)
    same_dtype(input=x, weight=w, bias=b)
    if out is not None:
        check_out(out, geometry.output_shape, x.dtype, input=x, weight=w, bias=b)
    bare = geometry.without_padding()
    if not geometry.transposed:
        return backend.conv(bare, backend.pad(x, pads, mode), w, b, out)
    y = backend.pad_grad(backend.conv(bare, x, w), pads, mode)
    if b is not None:
        y = backend.elementwise("add", (y, backend.reshape(b, (*b.shape, *(1,) * geometry.rank))))
    return stored(backend, y, out)
