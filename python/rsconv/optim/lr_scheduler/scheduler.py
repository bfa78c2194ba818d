"""What all schedulers share."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import ArgumentError, WeightsError
from ...tensor import Tensor
from ..optimizer import Optimizer, number

__all__ = ["LRScheduler", "check_optimizer", "for_each_group", "rates", "set_rates", "whole_number"]


def check_optimizer(optimizer: object) -> None:
    """Raise TypeError for anything else but an Optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be an Optimizer, but got {type(optimizer).__name__}")


def whole_number(name: str, value: Any, least: int = 1) -> int:
    """`value`, an int of at least `least`. Raises ArgumentError."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise ArgumentError(f"{name} must be a whole number of at least {least}, but got {name}={value!r}")
    return int(value)


def rates(optimizer: Optimizer, key: str = "lr") -> list[float]:
    """An option of every group."""
    return [number(group[key]) for group in optimizer.param_groups]


def set_rates(optimizer: Optimizer, values: Iterable[float]) -> None:
    """Give every group its learning rate; one that is a Tensor stays the same Tensor."""
    for group, value in zip(optimizer.param_groups, values, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(value)
        else:
            group["lr"] = value


def for_each_group(name: str, value: Any, optimizer: Optimizer) -> list[float]:
    """One value for each group, or one for all. Raises ArgumentError for another number of them."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [number(value)] * count
    if len(value) != count:
        raise ArgumentError(
            f"{name} must be one number or {count}, one for each group, but got {name}={value}"
        )
    return [number(one) for one in value]


class LRScheduler:
    """The base of schedulers. A class of its own has `get_lr`, which gives the rate of every group.

    `last_epoch` counts steps from 0; `base_lrs` are the rates that the optimizer began with, which the groups
    keep as "initial_lr".
    """

    last_epoch: int

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        """Take charge of the rates of `optimizer`, from step `last_epoch + 1` on.

        Raises TypeError for no Optimizer, ArgumentError for groups without an "initial_lr" to resume from.
        """
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", number(group["lr"]))
            elif "initial_lr" not in group:
                raise ArgumentError(
                    f"param_groups[{i}] has no 'initial_lr' to resume from at last_epoch={last_epoch}: load "
                    "the optimizer's state_dict first"
                )
        self.base_lrs = rates(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[float]:
        """The rates of step `last_epoch`, from those of the groups now; `step` calls it."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr()")

    def _get_closed_form_lr(self) -> list[float]:
        """The rates of step `last_epoch`, from `base_lrs`."""
        return self.get_lr()

    def get_last_lr(self) -> list[float]:
        """The rates that the last step set."""
        return self._last_lr

    def step(self, epoch: Any = None) -> None:
        """Set the rates of the next step; with `epoch`, those of that one.

        Warns (UserWarning) if the optimizer has not made a step before, whose rate would be left out.
        """
        optimizer = self.optimizer
        counts = type(optimizer).step is Optimizer.step
        if self._step_count == 1 and counts and not optimizer._has_stepped:
            warnings.warn(
                "scheduler.step() was called before optimizer.step(): the first learning rate is not used",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        if epoch is None:
            self.last_epoch += 1
            values = self.get_lr()
        else:
            self.last_epoch = epoch
            values = self._get_closed_form_lr()
        set_rates(self.optimizer, values)
        self._last_lr = rates(self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict()` gave. Raises WeightsError if it is of another number of groups."""
        base = state_dict.get("base_lrs")
        if base is not None and len(base) != len(self.optimizer.param_groups):
            raise WeightsError(
                f"the state has {len(base)} learning rates, but the optimizer has "
                f"{len(self.optimizer.param_groups)} groups"
            )
        self.__dict__.update(state_dict)
