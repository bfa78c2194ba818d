"""Spectral normalization: a weight divided by its largest singular value.

The value is estimated by the power method, a step with each forward in training. Source: Miyato et al., 2018.
"""

from typing import Any, TypeVar

from ... import functions as f
from ...autograd import no_grad
from ...creation import randn
from ...errors import ArgumentError
from ...parameter import Parameter
from ...tensor import Tensor
from ..conv import _ConvTranspose
from ..module import Module
from ..parameter import UninitializedParameter

__all__ = [
    "as_matrix",
    "axis_of_outputs",
    "divided",
    "remove_spectral_norm",
    "spectral_norm",
    "start",
    "step",
]

_Layer = TypeVar("_Layer", bound=Module)


def axis_of_outputs(module: Module, dim: int | None) -> int:
    """`dim`, or if None that of the layer's outputs."""
    return (1 if isinstance(module, _ConvTranspose) else 0) if dim is None else dim


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The slices of `weight` along `dim` as rows."""
    order = (dim, *(axis for axis in range(weight.ndim) if axis != dim))
    return weight.permute(*order).reshape(weight.shape[dim], -1)


def _unit(vector: Tensor, eps: float) -> Tensor:
    unit: Tensor = vector / f.clamp(f.sqrt(f.sum(f.square(vector))), min=eps)
    return unit


def start(weight: Tensor, dim: int, eps: float) -> tuple[Tensor, Tensor]:
    """Random left and right vectors of length 1."""
    matrix = as_matrix(weight.detach(), dim)
    left, right = (_unit(randn(size, dtype=weight.dtype, device=weight.device), eps) for size in matrix.shape)
    return left, right


def step(matrix: Tensor, u: Tensor, v: Tensor, steps: int, eps: float) -> None:
    """Bring `u` and `v` nearer to the singular vectors of the largest singular value, in place.

    `matrix` does not require gradients.
    """
    for _ in range(steps):
        v.copy_(_unit(f.matmul(matrix.t(), u), eps))
        u.copy_(_unit(f.matmul(matrix, v), eps))


def divided(weight: Tensor, matrix: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """`weight` divided by `u @ matrix @ v`; the vectors count as constants."""
    # Copies, for the next step writes to them.
    quotient: Tensor = weight / f.sum(u.detach().clone() * f.matmul(matrix, v.detach().clone()))
    return quotient


class _SpectralNorm:
    """The forward pre-hook that computes the weight anew."""

    def __init__(self, name: str, steps: int, eps: float, dim: int) -> None:
        self.name = name
        self.steps = steps
        self.eps = eps
        self.dim = dim

    def weight(self, module: Module, steps: int) -> Tensor:
        original, u, v = (getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v"))
        matrix = as_matrix(original, self.dim)
        step(matrix.detach(), u, v, steps, self.eps)
        return divided(original, matrix, u, v)

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.weight(module, self.steps if module.training else 0))


def _hook_of(module: Module, name: str) -> tuple[int, _SpectralNorm] | None:
    for key, (hook, *_) in module._forward_pre_hooks.items():
        if isinstance(hook, _SpectralNorm) and hook.name == name:
            return key, hook
    return None


def spectral_norm(
    module: _Layer,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> _Layer:
    """Replace the Parameter `name` of `module` by `name_orig`, with the buffers `name_u` and `name_v`.

    `name` becomes a Tensor computed before each forward: `name_orig` divided by its largest singular value as
    a matrix whose rows are its slices along `dim`, by default that of the outputs. Returns `module`.

    Raises ArgumentError for a second one on the same Parameter, one without a shape yet, or less than one
    iteration.
    """
    if _hook_of(module, name) is not None:
        raise ArgumentError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    if n_power_iterations < 1:
        raise ArgumentError(
            f"n_power_iterations must be positive, but got n_power_iterations={n_power_iterations}"
        )
    weight = getattr(module, name)
    if isinstance(weight, UninitializedParameter):
        raise ArgumentError(
            f"spectral_norm needs the shape of {name!r}, which is uninitialized; run a forward first"
        )
    hook = _SpectralNorm(name, n_power_iterations, eps, axis_of_outputs(module, dim))
    u, v = start(weight, hook.dim, eps)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    setattr(module, name, weight.detach())
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: _Layer, name: str = "weight") -> _Layer:
    """Make `name` a Parameter with its present value again. Raises ArgumentError if it was not normalized."""
    found = _hook_of(module, name)
    if found is None:
        raise ArgumentError(f"spectral_norm of {name!r} not found in {module!r}")
    key, hook = found
    with no_grad():
        weight = hook.weight(module, 0)
    for gone in (name, f"{name}_orig", f"{name}_u", f"{name}_v"):
        delattr(module, gone)
    setattr(module, name, Parameter(weight.detach()))
    del module._forward_pre_hooks[key]
    return module
