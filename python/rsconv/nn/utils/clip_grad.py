"""Limits for gradients, applied in place between `backward()` and an optimizer's step."""

import math
from collections.abc import Iterable

from ... import functions as f
from ...creation import tensor
from ...errors import ArgumentError
from ...tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_", "get_total_norm"]


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    return [parameter.grad.detach() for parameter in given if parameter.grad is not None]


def _norm(values: Tensor, norm_type: float) -> Tensor:
    size = f.abs(values)
    if norm_type == math.inf:
        return f.amax(size)  # type: ignore[no-any-return]
    if norm_type == 2:
        return f.sqrt(f.sum(f.square(size)))  # type: ignore[no-any-return]
    return f.pow(f.sum(f.pow(size, norm_type)), 1 / norm_type)  # type: ignore[no-any-return]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """The norm of all elements of all `tensors` as one vector, on the device of the first of them.

    `norm_type` is the p of the p-norm, or infinity. Raises ArgumentError unless it is positive, and with
    `error_if_nonfinite` if the norm is infinite or nan.
    """
    power = float(norm_type)
    if not power > 0:
        raise ArgumentError(f"norm_type must be positive, but got norm_type={norm_type}")
    given = [tensors.detach()] if isinstance(tensors, Tensor) else [t.detach() for t in tensors]
    norms = [_norm(values, power) for values in given if values.numel()]
    if not norms:
        return tensor(0.0)
    total = _norm(f.stack([norm.to(norms[0].device) for norm in norms]), power)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise ArgumentError(
            f"the total norm of order {power} of the gradients is {total.item()}, so they cannot be clipped; "
            "error_if_nonfinite=False scales them all the same"
        )
    return total


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients by one factor so that their norm as one vector is at most `max_norm`.

    Returns the norm that they had. The factor is `max_norm / (norm + 1e-6)`, as in PyTorch; `foreach` has no
    effect. Raises as `get_total_norm`.
    """
    gradients = _gradients(parameters)
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    factor: Tensor = f.clamp(float(max_norm) / (total + 1e-6), max=1.0)
    for gradient in gradients:
        gradient *= factor.to(device=gradient.device, dtype=gradient.dtype)
    return total


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit each element of all gradients to [-clip_value, clip_value]; `foreach` has no effect."""
    limit = float(clip_value)
    for gradient in _gradients(parameters):
        gradient.copy_(f.clamp(gradient, -limit, limit))
