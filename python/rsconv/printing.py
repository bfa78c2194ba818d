"""How a Tensor prints: as PyTorch does, four decimals and the middle of large ones left out."""

from typing import Any

import numpy as np

from .dtypes import bool_, complex64, float32, int64

__all__ = ["tensor_repr"]

_UNSAID = (bool_, int64, float32, complex64)
# Beyond these bounds PyTorch switches to exponents for the whole tensor.
_LARGEST, _SMALLEST, _LARGEST_RATIO = 1e8, 1e-4, 1000.0


def _float_options(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    magnitude = np.abs(array[np.isfinite(array) & (array != 0)].astype(np.float64))
    if magnitude.size == 0:
        return {"floatmode": "maxprec", "precision": 4}
    largest, smallest = magnitude.max(), magnitude.min()
    whole = bool(np.all(magnitude == np.floor(magnitude)))
    ratio = largest / smallest
    exponents = (
        largest > _LARGEST or ratio > _LARGEST_RATIO
        if whole
        else (largest > _LARGEST or smallest < _SMALLEST or ratio > _LARGEST_RATIO)
    )
    if exponents:
        return {"formatter": {"float_kind": lambda value: f"{value:.4e}"}}
    return {"floatmode": "maxprec" if whole else "fixed", "precision": 4, "suppress_small": True}


def tensor_repr(array: np.ndarray[Any, Any], requires_grad: bool, device: str, function: str = "") -> str:
    """`tensor([[1., 2.]], dtype=..., requires_grad=True)`; defaults and the CPU are left out.

    `function` is what recorded it, shown instead of `requires_grad`.
    """
    options: dict[str, Any] = _float_options(array) if array.dtype.kind == "f" else {"precision": 4}
    prefix = "tensor("
    body = np.array2string(array, separator=", ", prefix=prefix, max_line_width=80, threshold=1000, **options)
    extras = []
    if array.size == 0:
        body = "[]"
        if array.shape != (0,):
            extras.append(f"size={array.shape}")
    if array.dtype not in _UNSAID or (array.size == 0 and array.dtype != float32):
        extras.append(f"dtype={array.dtype}")
    if device != "cpu":
        extras.insert(0, f"device={device!r}")
    if function:
        extras.append(f"grad_fn={function}")
    elif requires_grad:
        extras.append("requires_grad=True")
    return prefix + ", ".join([body, *extras]) + ")"
