"""Convolutions on the CPU.

Complex ones are composed of real passes here. Their gradients are the adjoint maps, as in PyTorch:
the input gradient uses the conjugate of `w`, the weight gradient the conjugate of `x`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ..._core import Geometry, PackedWeight
from ..checks import check_out, same_dtype

__all__ = ["conv", "conv_input_grad", "conv_of", "conv_weight_grad", "explain", "pack"]

Array = NDArray[Any]

# Array dtype characters of complex64 and complex128.
_COMPLEX = "FD"


class _ComplexWeight(NamedTuple):
    real: PackedWeight
    imag: PackedWeight
    dtype: np.dtype[Any]


def conv(geometry: Geometry, x: Array, w: Any, b: Array | None = None, out: Array | None = None) -> Array:
    """Run the convolution `geometry`; `w` is an ndarray or what `pack` returned."""
    if (x.dtype.char in _COMPLEX and type(w) is not PackedWeight) or type(w) is _ComplexWeight:
        return _complex_conv(geometry, x, w, b, out)
    return _core.conv(geometry, x, w, b, out)


def conv_input_grad(geometry: Geometry, w: Array, grad_output: Array) -> Array:
    """Gradient of `conv` with respect to `x`."""
    if w.dtype.char in _COMPLEX or grad_output.dtype.char in _COMPLEX:
        same_dtype(weight=w, grad_output=grad_output)
        return _complex(lambda a, g: _core.conv_input_grad(geometry, a, g), w, grad_output, conjugate=True)
    return _core.conv_input_grad(geometry, w, grad_output)


def conv_weight_grad(geometry: Geometry, x: Array, grad_output: Array) -> Array:
    """Gradient of `conv` with respect to `w`."""
    if x.dtype.char in _COMPLEX or grad_output.dtype.char in _COMPLEX:
        same_dtype(input=x, grad_output=grad_output)
        return _complex(lambda a, g: _core.conv_weight_grad(geometry, a, g), x, grad_output, conjugate=True)
    return _core.conv_weight_grad(geometry, x, grad_output)


def explain(geometry: Geometry, dtype: np.dtype[Any], which: str) -> dict[str, Any]:
    """The core's plan of a pass: 'forward', 'input_grad' or 'weight_grad'."""
    if dtype.char not in _COMPLEX:
        return _core.explain(geometry, dtype.name, which)
    real = "float32" if dtype.char == "F" else "float64"
    plan = _core.explain(geometry, real, which)
    plan["reason"] = f"{dtype.name} as four {real} passes; {plan['reason']}"
    return plan


def pack(geometry: Geometry, w: Array) -> PackedWeight | _ComplexWeight:
    """Lay a weight out as the kernel of `geometry` reads it."""
    if w.dtype.char in _COMPLEX:
        return _ComplexWeight(PackedWeight(geometry, w.real), PackedWeight(geometry, w.imag), w.dtype)
    return PackedWeight(geometry, w)


def conv_of(weight: PackedWeight | _ComplexWeight) -> Callable[..., Array]:
    """`conv` for this packed weight, without what tells weights apart."""
    return _complex_conv if type(weight) is _ComplexWeight else _core.conv


def _complex_conv(
    geometry: Geometry, x: Array, w: Any, b: Array | None = None, out: Array | None = None
) -> Array:
    same_dtype(input=x, weight=w, bias=b)
    if out is not None:
        weight = None if type(w) is _ComplexWeight else w
        check_out(out, geometry.output_shape, x.dtype, input=x, weight=weight, bias=b)
    y = _complex(lambda a, p: _core.conv(geometry, a, p), x, w, conjugate=False)
    if b is not None:
        y += b.reshape(-1, *(1,) * geometry.rank)
    if out is None:
        return y
    out[...] = y
    return out


def _complex(run: Callable[[Any, Any], Array], a: Any, b: Any, *, conjugate: bool) -> Array:
    """The bilinear real map `run`, extended to complex `a` (or its conjugate) and `b`."""
    rr, ii = run(a.real, b.real), run(a.imag, b.imag)
    ri, ir = run(a.real, b.imag), run(a.imag, b.real)
    y = np.empty(rr.shape, np.complex64 if rr.dtype == np.float32 else np.complex128)
    y.real, y.imag = (rr + ii, ri - ir) if conjugate else (rr - ii, ri + ir)
    return y
