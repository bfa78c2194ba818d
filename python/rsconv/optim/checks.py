"""What optimizers demand of their options."""

from typing import Any

from ..errors import ArgumentError
from .optimizer import number

__all__ = ["check_at_least_zero", "check_fraction", "refuse_differentiable"]


def check_at_least_zero(group: dict[str, Any], *names: str) -> None:
    """Raise ArgumentError for options that are less than zero or NaN."""
    for name in names:
        if not number(group[name]) >= 0:
            raise ArgumentError(f"{name} must be at least 0, but got {name}={group[name]}")


def check_fraction(group: dict[str, Any], name: str) -> None:
    """Raise ArgumentError unless the option is two numbers from 0 to below 1."""
    values = group[name]
    if not isinstance(values, (tuple, list)) or len(values) != 2:
        raise ArgumentError(f"{name} must be two numbers, but got {name}={values!r}")
    for i, value in enumerate(values):
        if not 0 <= number(value) < 1:
            raise ArgumentError(f"{name}[{i}] must be at least 0 and less than 1, but got {name}={values}")


def refuse_differentiable(group: dict[str, Any]) -> None:
    """Raise ArgumentError: steps are never recorded."""
    if group["differentiable"]:
        raise ArgumentError("differentiable=True is not supported: steps of optimizers have no gradients")
