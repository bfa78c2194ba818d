"""New Tensors: PyTorch's factories. The default dtype is float32."""

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import arithmetic, random
from .arithmetic import cast_host
from .backends import select
from .device import device as Device
from .dtypes import Dtype, check_dtype, float32, int64
from .errors import ArgumentError, DtypeError
from .shaping import sizes_of
from .tensor import Tensor

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "empty_like",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randn",
    "randn_like",
    "tensor",
    "zeros",
    "zeros_like",
]


def _made(array: np.ndarray[Any, Any], device: Any, requires_grad: builtins.bool) -> Tensor:
    backend = select() if device is None else Device(device)._backend
    return Tensor._new(backend.upload(array)).requires_grad_(requires_grad)


def _filled(
    sizes: Sequence[Any], value: Any, dtype: Any, device: Any, requires_grad: builtins.bool
) -> Tensor:
    backend = select() if device is None else Device(device)._backend
    array = backend.full(_shape(sizes), value, check_dtype(dtype or float32))
    return Tensor._new(array).requires_grad_(requires_grad)


def _shape(sizes: Sequence[Any]) -> tuple[builtins.int, ...]:
    shape = sizes_of(tuple(sizes))
    if any(size < 0 for size in shape):
        raise ArgumentError(f"a Tensor cannot have negative sizes, but got {shape}")
    return shape


def tensor(data: Any, dtype: Any = None, device: Any = None, requires_grad: builtins.bool = False) -> Tensor:
    """A Tensor with a copy of `data`: an array, a Tensor, a number, or nested sequences of numbers.

    Arrays keep their dtype; Python floats become float32 and ints int64, unless `dtype` says otherwise.

    Raises DtypeError for what a Tensor cannot hold, ArgumentError for ragged sequences.
    """
    source = arithmetic.to_array(data.numpy() if isinstance(data, Tensor) else data)
    wanted = source.dtype.newbyteorder("=") if dtype is None else check_dtype(dtype)
    return _made(cast_host(source, wanted, copy=True), device, requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a Tensor, over the same memory where dtype and kind of `data` allow it."""
    if not isinstance(data, Tensor):
        data = from_numpy(data) if isinstance(data, np.ndarray) else tensor(data)
        device = device or select().name
    result: Tensor = data.to(dtype=dtype, device=device)
    return result


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A Tensor over the memory of `array`: each sees what is written to the other.

    Raises TypeError for anything but an ndarray, DtypeError for a dtype that a Tensor cannot hold.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy() expects an ndarray, but got {type(array).__name__}")
    return Tensor._from_array(array)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: builtins.bool = False) -> Tensor:
    """An uninitialised Tensor."""
    return _made(np.empty(_shape(size), check_dtype(dtype or float32)), device, requires_grad)


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: builtins.bool = False) -> Tensor:
    """A Tensor of zeros."""
    return _filled(size, 0, dtype, device, requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: builtins.bool = False) -> Tensor:
    """A Tensor of ones."""
    return _filled(size, 1, dtype, device, requires_grad)


def full(
    size: Sequence[builtins.int],
    fill_value: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """A Tensor of one value, in the dtype that `tensor(fill_value)` has."""
    value = arithmetic.to_array(fill_value)
    wanted = value.dtype if dtype is None else check_dtype(dtype)
    return _filled((size,), cast_host(value, wanted).item(), wanted, device, requires_grad)


def empty_like(input: Tensor, dtype: Any = None) -> Tensor:
    """An uninitialised Tensor of the shape and dtype of `input`."""
    return empty(input.shape, dtype=dtype or input.dtype, device=input.device)


def zeros_like(input: Tensor, dtype: Any = None) -> Tensor:
    """Zeros of the shape and dtype of `input`."""
    return zeros(input.shape, dtype=dtype or input.dtype, device=input.device)


def ones_like(input: Tensor, dtype: Any = None) -> Tensor:
    """Ones of the shape and dtype of `input`."""
    return ones(input.shape, dtype=dtype or input.dtype, device=input.device)


def full_like(input: Tensor, fill_value: Any, dtype: Any = None) -> Tensor:
    """One value in the shape and dtype of `input`."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype, device=input.device)


def rand_like(input: Tensor, dtype: Any = None) -> Tensor:
    """Uniform draws from [0, 1) in the shape and dtype of `input`."""
    return rand(input.shape, dtype=dtype or input.dtype, device=input.device)


def randn_like(input: Tensor, dtype: Any = None) -> Tensor:
    """Standard normal draws in the shape and dtype of `input`."""
    return randn(input.shape, dtype=dtype or input.dtype, device=input.device)


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    dtype: Any = None,
    device: Any = None,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """`start, start + step, ...` up to but without `end`; `arange(n)` counts from 0. Of ints it is int64.

    Raises ArgumentError for a step of zero, or one that leads away from `end`.
    """
    if end is None:
        start, end = 0, start
    if step == 0 or (end - start) * step < 0:
        raise ArgumentError(f"arange() cannot step from {start} to {end} by step={step}")
    whole = all(isinstance(value, (int, np.integer)) for value in (start, end, step))
    wanted = check_dtype(dtype or (int64 if whole else float32))
    return _made(np.arange(start, end, step).astype(wanted), device, requires_grad)


def linspace(
    start: Any,
    end: Any,
    steps: builtins.int,
    dtype: Any = None,
    device: Any = None,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """`steps` values evenly from `start` to `end`, both included."""
    return _made(np.linspace(start, end, steps).astype(check_dtype(dtype or float32)), device, requires_grad)


def eye(n: builtins.int, m: builtins.int | None = None, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones on the diagonal of an `n` x `m` (or `n` x `n`) Tensor of zeros."""
    return _made(np.eye(n, m, dtype=check_dtype(dtype or float32)), device, False)


def _floating(dtype: Any) -> Dtype:
    wanted = check_dtype(dtype or float32)
    if wanted.kind != "f":
        raise DtypeError(f"random draws need a floating-point dtype, but got {wanted}")
    return wanted


def rand(*size: Any, dtype: Any = None, device: Any = None, requires_grad: builtins.bool = False) -> Tensor:
    """Draws from the uniform distribution over [0, 1). See `rsconv.manual_seed`."""
    return _made(random.uniform(_shape(size), dtype=_floating(dtype)), device, requires_grad)


def randn(*size: Any, dtype: Any = None, device: Any = None, requires_grad: builtins.bool = False) -> Tensor:
    """Draws from the standard normal distribution. See `rsconv.manual_seed`."""
    return _made(random.normal(_shape(size)).astype(_floating(dtype)), device, requires_grad)
