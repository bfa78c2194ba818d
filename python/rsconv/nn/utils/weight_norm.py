"""Weight normalization: a weight as the product of its direction and its length.

Source: Salimans and Kingma, 2016.
"""

from typing import Any, TypeVar

from ... import functions as f
from ...autograd import no_grad
from ...errors import ArgumentError
from ...parameter import Parameter
from ...tensor import Tensor
from ..module import Module
from ..parameter import UninitializedParameter

__all__ = ["norm_except_dim", "remove_weight_norm", "weight_norm", "weight_of"]

_Layer = TypeVar("_Layer", bound=Module)


def norm_except_dim(v: Tensor, dim: int | None) -> Tensor:
    """The 2-norm over all dimensions but `dim`, which have size 1; a 0-d Tensor over all if None or -1."""
    if dim is None or dim == -1:
        return f.sqrt(f.sum(f.square(v)))  # type: ignore[no-any-return]
    axes = tuple(axis for axis in range(v.ndim) if axis != dim % v.ndim)
    squares = f.square(v)
    return f.sqrt(f.sum(squares, axes, keepdim=True) if axes else squares)  # type: ignore[no-any-return]


def weight_of(g: Tensor, v: Tensor, dim: int | None) -> Tensor:
    """`v` scaled to the length `g`."""
    return v * (g / norm_except_dim(v, dim))


class _WeightNorm:
    """The forward pre-hook that computes the weight anew."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = dim

    def weight(self, module: Module) -> Tensor:
        return weight_of(getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v"), self.dim)

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.weight(module))


def _hook_of(module: Module, name: str) -> tuple[int, _WeightNorm] | None:
    for key, (hook, *_) in module._forward_pre_hooks.items():
        if isinstance(hook, _WeightNorm) and hook.name == name:
            return key, hook
    return None


def weight_norm(module: _Layer, name: str = "weight", dim: int | None = 0) -> _Layer:
    """Replace the Parameter `name` of `module` by `name_g`, its lengths, and `name_v`, its direction.

    Lengths are those of the slices along `dim`, or of all if None. `name` becomes a Tensor computed before
    each forward. See `parametrizations.weight_norm` for the newer form. Returns `module`.

    Raises ArgumentError for a second one on the same Parameter, or one without a shape yet.
    """
    if _hook_of(module, name) is not None:
        raise ArgumentError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    weight = getattr(module, name)
    if isinstance(weight, UninitializedParameter):
        raise ArgumentError(
            f"weight_norm needs the shape of {name!r}, which is uninitialized; run a forward first"
        )
    hook = _WeightNorm(name, dim)
    delattr(module, name)
    with no_grad():
        module.register_parameter(f"{name}_g", Parameter(norm_except_dim(weight.detach(), dim)))
        module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    hook(module, ())
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: _Layer, name: str = "weight") -> _Layer:
    """Make `name` a Parameter with its present value again. Raises ArgumentError if it was not normalized."""
    found = _hook_of(module, name)
    if found is None:
        raise ArgumentError(f"weight_norm of {name!r} not found in {module!r}")
    key, hook = found
    with no_grad():
        weight = hook.weight(module)
    for gone in (name, f"{name}_g", f"{name}_v"):
        delattr(module, gone)
    setattr(module, name, Parameter(weight.detach()))
    del module._forward_pre_hooks[key]
    return module
