"""Weight and spectral normalization as parametrizations, under the names of PyTorch's module."""

from collections.abc import Mapping
from typing import Any, TypeVar

from ...errors import ArgumentError
from ...tensor import Tensor
from ..module import Module
from . import spectral_norm as spectral
from .parametrize import register_parametrization
from .weight_norm import norm_except_dim, weight_of

__all__ = ["spectral_norm", "weight_norm"]

_Layer = TypeVar("_Layer", bound=Module)


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_of(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: _Layer, name: str = "weight", dim: int | None = 0) -> _Layer:
    """Make the Parameter `name` of `module` the product of `original0`, its lengths, and a direction.

    Lengths are those of the slices of `original1` along `dim`, or of all if None. State dicts of the older
    `utils.weight_norm` can be loaded, too. `parametrize.remove_parametrizations` undoes it. Returns `module`.

    Raises ArgumentError if `module` has no such Parameter.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict: Any, prefix: str, metadata: Mapping[str, Any], *lists: Any) -> None:
        for old, new in (("g", "original0"), ("v", "original1")):
            key = f"{prefix}{name}_{old}"
            if key in state_dict:
                state_dict[f"{prefix}parametrizations.{name}.{new}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, steps: int, dim: int, eps: float) -> None:
        super().__init__()
        self.n_power_iterations = steps
        self.dim = dim
        self.eps = eps
        u, v = spectral.start(weight, dim, eps)
        # The first estimate shall be a good one, for there may be no training.
        spectral.step(spectral.as_matrix(weight.detach(), dim), u, v, 15, eps)
        self.register_buffer("_u", u)
        self.register_buffer("_v", v)

    def forward(self, weight: Tensor) -> Tensor:
        matrix = spectral.as_matrix(weight, self.dim)
        if self.training:
            spectral.step(matrix.detach(), self._u, self._v, self.n_power_iterations, self.eps)
        return spectral.divided(weight, matrix, self._u, self._v)

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: _Layer,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> _Layer:
    """Make the Parameter `name` of `module` its `original` divided by the largest singular value of it.

    See `utils.spectral_norm` for the arguments. Returns `module`.

    Raises ArgumentError if `module` has no such Parameter, or for less than one iteration.
    """
    if n_power_iterations < 1:
        raise ArgumentError(
            f"n_power_iterations must be positive, but got n_power_iterations={n_power_iterations}"
        )
    weight = module._parameters.get(name)
    if weight is None:
        raise ArgumentError(f"{type(module).__name__} has no Parameter {name!r} to parametrize")
    axis = spectral.axis_of_outputs(module, dim)
    register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, axis, eps))
    return module
