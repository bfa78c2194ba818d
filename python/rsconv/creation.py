"""New Tensors: PyTorch's factories. The default dtype is float32."""

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import arithmetic, random
from .arithmetic import cast_host
from .backends import Backend, select
from .device import device as Device
from .dtypes import Dtype, check_dtype, float32, int64
from .errors import ArgumentError, DtypeError
from .shaping import sizes_of
from .tensor import Tensor

__all__ = [
    "arange",
    "as_tensor",
    "bernoulli",
    "bernoulli_",
    "empty",
    "empty_like",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "normal",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "tensor",
    "zeros",
    "zeros_like",
]


def _backend(device: Any) -> Backend:
    return select() if device is None else Device(device)._backend


def _made(array: np.ndarray[Any, Any], device: Any, requires_grad: builtins.bool) -> Tensor:
    result = Tensor._new(_backend(device).upload(np.asarray(array)))
    result.requires_grad = requires_grad
    return result


def _whole(array: np.ndarray[Any, Any], dtype: Any, device: Any) -> np.ndarray[Any, Any]:
    """Numbers for which no dtype was asked, as the device has them."""
    return array if dtype is not None else arithmetic.narrowed(array, _backend(device).index_dtype)


def _filled(
    sizes: Sequence[Any], value: Any, dtype: Any, device: Any, requires_grad: builtins.bool
) -> Tensor:
    array = _backend(device).full(_shape(sizes), value, check_dtype(dtype or float32))
    result = Tensor._new(array)
    result.requires_grad = requires_grad
    return result


def _shape(sizes: Sequence[Any]) -> tuple[builtins.int, ...]:
    shape = sizes_of(tuple(sizes))
    if any(size < 0 for size in shape):
        raise ArgumentError(f"a Tensor cannot have negative sizes, but got {shape}")
    return shape


def tensor(data: Any, dtype: Any = None, device: Any = None, requires_grad: builtins.bool = False) -> Tensor:
    """A Tensor with a copy of `data`: an array, a Tensor, a number, or nested sequences of numbers.

    Arrays keep their dtype; Python floats become float32 and ints int64, unless `dtype` says otherwise. Where
    a function here says int64, that is int32 on a GPU, if the numbers fit.

    Raises DtypeError for what a Tensor cannot hold, ArgumentError for ragged sequences.
    """
    source = arithmetic.to_array(data.numpy() if isinstance(data, Tensor) else data)
    wanted = source.dtype.newbyteorder("=") if dtype is None else check_dtype(dtype)
    made = cast_host(source, wanted, copy=True)
    if not isinstance(data, (Tensor, np.ndarray, np.generic)):
        made = _whole(made, dtype, device)
    return _made(made, device, requires_grad)


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


def empty(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: builtins.bool = False,
    memory_format: Any = None,
) -> Tensor:
    """An uninitialised Tensor. `memory_format` is accepted and means nothing here."""
    result = Tensor._new(_backend(device).empty(_shape(size), check_dtype(dtype or float32)))
    result.requires_grad = requires_grad
    return result


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
    value = _whole(arithmetic.to_array(fill_value), dtype, device)
    wanted = value.dtype if dtype is None else check_dtype(dtype)
    return _filled((size,), cast_host(value, wanted).item(), wanted, device, requires_grad)


def _like(what: str, make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The factory of `what` in the shape of a Tensor, and in its dtype and on its device by default."""

    def like(
        input: Tensor,
        *args: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: builtins.bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        wanted, place = dtype or input.dtype, device or input.device
        return make(input.shape, *args, dtype=wanted, device=place, requires_grad=requires_grad)

    like.__name__ = like.__qualname__ = f"{make.__name__}_like"
    like.__doc__ = f"{what} of the shape of `input`, and its dtype and device unless others are given."
    return like


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


empty_like = _like("An uninitialised Tensor", empty)
zeros_like = _like("Zeros", zeros)
ones_like = _like("Ones", ones)
full_like = _like("One value, `fill_value`,", full)
rand_like = _like("Uniform draws from [0, 1)", rand)
randn_like = _like("Standard normal draws", randn)


def randint(
    low: builtins.int,
    high: Any = None,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """Whole numbers from `low` (0 in `randint(high, size)`) up to but without `high`: int64, or `dtype`.

    See `rsconv.manual_seed`.

    Raises ArgumentError without a size, or if there is no number to draw.
    """
    if size is None:
        low, high, size = 0, low, high
    if size is None or high <= low:
        raise ArgumentError(
            f"randint() needs low < high and a size, but got low={low}, high={high}, size={size}"
        )
    draws = random.generator().integers(low, high, _shape((size,)))
    return _made(_whole(draws.astype(check_dtype(dtype or int64)), dtype, device), device, requires_grad)


def randperm(n: builtins.int, dtype: Any = None, device: Any = None) -> Tensor:
    """The whole numbers from 0 to `n - 1` in an order drawn by chance: int64. See `rsconv.manual_seed`."""
    order = random.generator().permutation(n).astype(check_dtype(dtype or int64))
    return _made(_whole(order, dtype, device), device, False)


def normal(mean: Any, std: Any = 1.0, size: Any = None, dtype: Any = None, device: Any = None) -> Tensor:
    """Draws from the normal distribution: of `size`, or one for each element of the Tensors `mean` and `std`.

    Raises ArgumentError without a size if both are numbers.
    """
    given = [value for value in (mean, std) if isinstance(value, Tensor)]
    if size is None and not given:
        raise ArgumentError(f"normal() needs a size for numbers mean={mean}, std={std}")
    if size is None:
        size = np.broadcast_shapes(*(value.shape for value in given))
    place = device or (given[0].device if given else None)
    draws = randn(*_shape((size,)), dtype=dtype, device=place)
    result: Tensor = draws * std + mean
    return result


def bernoulli(input: Tensor, p: Any = None) -> Tensor:
    """1 with the probability that the element says (or `p`), else 0, in the dtype of `input`.

    Raises ArgumentError for a number `p` that is no probability.
    """
    chances = input if p is None else p
    if isinstance(chances, (builtins.int, builtins.float)) and not 0 <= chances <= 1:
        raise ArgumentError(f"bernoulli() needs a probability from 0 to 1, but got p={chances}")
    return (rand(input.shape, device=input.device) < chances).to(dtype=input.dtype)


def bernoulli_(input: Tensor, p: Any = 0.5) -> Tensor:
    """Write what `bernoulli` gives to `input`."""
    result: Tensor = input.copy_(bernoulli(input, p))
    return result


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
    numbers = np.arange(start, end, step).astype(wanted)
    return _made(_whole(numbers, dtype, device), device, requires_grad)


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
