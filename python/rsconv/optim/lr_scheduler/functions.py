"""Rates by functions of the user's."""

import types
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .scheduler import LRScheduler, check_optimizer

__all__ = ["LambdaLR"]

Function = Callable[[int], float]


class LambdaLR(LRScheduler):
    """The first rate times a function of the step's number. Source: torch.optim.lr_scheduler.LambdaLR."""

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Function | list[Function], last_epoch: int = -1
    ) -> None:
        """One function for all groups, or a list of one for each.

        Raises ArgumentError for another number of them, TypeError for what cannot be called.
        """
        check_optimizer(optimizer)
        count = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * count
        if len(self.lr_lambdas) != count:
            raise ArgumentError(
                f"lr_lambda must be one function or {count}, one for each group, but got "
                f"{len(self.lr_lambdas)}"
            )
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"lr_lambda must be a function, but got {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The first rates times the functions' values."""
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [lr * function(self.last_epoch) for lr, function in pairs]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and plain functions; of objects that are called, their attributes."""
        return super().state_dict() | {
            "lr_lambdas": [
                None if isinstance(function, types.FunctionType) else dict(getattr(function, "__dict__", {}))
                for function in self.lr_lambdas
            ]
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict()` gave; plain functions stay."""
        functions = self.lr_lambdas
        super().load_state_dict(state_dict)
        self.lr_lambdas = functions
        for function, attributes in zip(functions, state_dict["lr_lambdas"], strict=True):
            if attributes:
                function.__dict__.update(attributes)
