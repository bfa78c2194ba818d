"""Initial values, written in place, under PyTorch's names. The random ones follow `rsconv.manual_seed`.

Every function returns the Tensor it filled.
"""

import math
from typing import Any

import numpy as np

from .. import random
from .._autograd.modes import no_grad
from ..errors import ArgumentError, ShapeError
from ..names import missing_attribute
from ..tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {"relu": math.sqrt(2.0), "tanh": 5.0 / 3, "selu": 3.0 / 4}
_GAINS |= dict.fromkeys(("linear", "sigmoid"), 1.0)
_GAINS |= {f"conv{'_transpose' * transposed}{rank}d": 1.0 for transposed in (0, 1) for rank in (1, 2, 3)}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much initial values grow to make up for a nonlinearity; `param` is leaky_relu's slope.

    Raises ArgumentError for an unknown nonlinearity.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else float(param)
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        names = ", ".join(sorted([*_GAINS, "leaky_relu"]))
        raise ArgumentError(f"nonlinearity must be one of {names}, but got {nonlinearity!r}")
    return _GAINS[nonlinearity]


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Draws from the uniform distribution over [a, b)."""
    return tensor.uniform_(a, b)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Draws from the normal distribution."""
    return tensor.normal_(mean, std)


@no_grad()
def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0
) -> Tensor:
    """Draws from the normal distribution, those outside [a, b] drawn again.

    Raises ArgumentError if hardly anything of the distribution lies in [a, b].
    """
    if not a < b or mean < a - 2 * std or mean > b + 2 * std:
        raise ArgumentError(f"[a, b] = [{a}, {b}] must not be empty or far from mean={mean} with std={std}")
    draws = random.normal(tensor.shape, mean, std)
    while (outside := (draws < a) | (draws > b)).any():
        draws[outside] = random.normal((int(outside.sum()),), mean, std)
    return tensor.copy_(draws)


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """One value everywhere."""
    return tensor.fill_(val)


@no_grad()
def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return tensor.fill_(1)


@no_grad()
def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return tensor.zero_()


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """Ones on the diagonal of a matrix of zeros. Raises ShapeError for other than 2 dimensions."""
    if tensor.ndim != 2:
        raise ShapeError(f"eye_() needs a Tensor of 2 dimensions, but got shape {tensor.shape}")
    return tensor.copy_(np.eye(tensor.shape[0], tensor.shape[1]))


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution weight that passes its input channels on unchanged, as many as there are outputs.

    Raises ShapeError unless it has 3 to 5 dimensions of which the first is divisible by `groups`.
    """
    shape = tensor.shape
    if tensor.ndim not in (3, 4, 5) or shape[0] % groups:
        raise ShapeError(
            f"dirac_() needs a weight of 3 to 5 dimensions, the first divisible by groups={groups}, but got "
            f"shape {shape}"
        )
    values = np.zeros(shape)
    outputs = shape[0] // groups
    center = tuple(k // 2 for k in shape[2:])
    for group in range(groups):
        for channel in range(min(outputs, shape[1])):
            values[(group * outputs + channel, channel, *center)] = 1
    return tensor.copy_(values)


@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01) -> Tensor:
    """A matrix of draws from N(0, std), of which a part `sparsity` of each column is zero.

    Source: Martens, 2010. Raises ShapeError for other than 2 dimensions, ArgumentError unless
    `0 <= sparsity <= 1`.
    """
    if tensor.ndim != 2:
        raise ShapeError(f"sparse_() needs a Tensor of 2 dimensions, but got shape {tensor.shape}")
    if not 0 <= sparsity <= 1:
        raise ArgumentError(f"sparsity must be from 0 to 1, but got sparsity={sparsity}")
    rows, columns = tensor.shape
    values = random.normal((rows, columns), 0.0, std)
    zeros = math.ceil(sparsity * rows)
    for column in range(columns):
        values[random.generator().permutation(rows)[:zeros], column] = 0
    return tensor.copy_(values)


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output is connected to, and the reverse: shape[1] or shape[0], times taps."""
    if tensor.ndim < 2:
        raise ShapeError(
            f"fan in and fan out need a Tensor of at least 2 dimensions, but got shape {tensor.shape}"
        )
    taps = math.prod(tensor.shape[2:])
    return tensor.shape[1] * taps, tensor.shape[0] * taps


def _fan(tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"mode must be 'fan_in' or 'fan_out', but got {mode!r}")
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


@no_grad()
def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """U(-b, b) with b = gain * sqrt(6 / (fan_in + fan_out)). Source: Glorot and Bengio, 2010."""
    bound = gain * math.sqrt(6.0 / max(sum(_calculate_fan_in_and_fan_out(tensor)), 1))
    return tensor.uniform_(-bound, bound)


@no_grad()
def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """N(0, s) with s = gain * sqrt(2 / (fan_in + fan_out)). Source: Glorot and Bengio, 2010."""
    return tensor.normal_(0, gain * math.sqrt(2.0 / max(sum(_calculate_fan_in_and_fan_out(tensor)), 1)))


@no_grad()
def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """U(-b, b) with b = gain * sqrt(3 / fan); `a` is leaky_relu's slope. Source: He et al., 2015."""
    bound = math.sqrt(3.0) * calculate_gain(nonlinearity, a) / math.sqrt(max(_fan(tensor, mode), 1))
    return tensor.uniform_(-bound, bound)


@no_grad()
def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """N(0, s) with s = gain / sqrt(fan); `a` is leaky_relu's slope. Source: He et al., 2015."""
    return tensor.normal_(0, calculate_gain(nonlinearity, a) / math.sqrt(max(_fan(tensor, mode), 1)))


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1) -> Tensor:
    """A (semi-)orthogonal matrix, all dimensions but the first as one. Source: Saxe et al., 2013.

    Raises ShapeError for less than 2 dimensions.
    """
    if tensor.ndim < 2:
        raise ShapeError(
            f"orthogonal_() needs a Tensor of at least 2 dimensions, but got shape {tensor.shape}"
        )
    if not tensor.numel():
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    q, r = np.linalg.qr(random.normal((max(rows, columns), min(rows, columns))))
    # Without the signs of R's diagonal the distribution would not be uniform.
    q = q * np.sign(np.diag(r))
    values: Any = q if rows >= columns else q.T
    return tensor.copy_((gain * values).reshape(tensor.shape))


# PyTorch's former names, which old model code still calls.
uniform, normal, constant, eye, dirac, orthogonal = uniform_, normal_, constant_, eye_, dirac_, orthogonal_
xavier_uniform, xavier_normal = xavier_uniform_, xavier_normal_
kaiming_uniform, kaiming_normal = kaiming_uniform_, kaiming_normal_


def __getattr__(name: str) -> Any:
    raise missing_attribute(f"module {__name__!r}", name, __all__)
