"""Lower rates when a metric stops to improve."""

import math
from collections.abc import Mapping
from typing import Any

from ...errors import ArgumentError
from ..optimizer import Optimizer, number
from .scheduler import LRScheduler, check_optimizer, for_each_group, rates, set_rates

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """Times `factor` once a metric has not improved by `threshold` for more than `patience` steps.

    After that, `cooldown` steps do not count. A NaN is no improvement.

    Source: torch.optim.lr_scheduler.ReduceLROnPlateau.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Any = 0,
        eps: float = 1e-8,
    ) -> None:
        """`mode`: "min" or "max" is better. `threshold_mode`: "rel", a share of the best, or "abs". Rates end
        at `min_lr`, a number or a list for groups; changes below `eps` are not made.

        Raises ArgumentError for a factor of 1 or more, and other modes.
        """
        check_optimizer(optimizer)
        if not factor < 1:
            raise ArgumentError(f"factor must be less than 1, but got factor={factor}")
        if mode not in ("min", "max"):
            raise ArgumentError(f"mode must be 'min' or 'max', but got mode={mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ArgumentError(
                f"threshold_mode must be 'rel' or 'abs', but got threshold_mode={threshold_mode!r}"
            )
        self.optimizer = optimizer
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.min_lrs = for_each_group("min_lr", min_lr, optimizer)
        self.last_epoch = 0
        self._last_lr = rates(optimizer)
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = 0

    @property
    def in_cooldown(self) -> bool:
        """Whether steps do not count now."""
        return self.cooldown_counter > 0

    def _improves(self, value: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "abs":
            return sign * value > sign * self.best + self.threshold
        return sign * value > sign * (self.best * (1 + sign * self.threshold))

    def step(self, metrics: Any, epoch: Any = None) -> None:  # type: ignore[override]
        """Take note of the metric, a number or Tensor of one element, and lower the rates if it is time."""
        value = number(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._improves(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = rates(self.optimizer)

    def _reduce(self) -> None:
        now = rates(self.optimizer)
        if len(now) != len(self.min_lrs):
            raise ArgumentError(
                f"the optimizer has {len(now)} groups, but had {len(self.min_lrs)} when this scheduler was "
                "made; give min_lrs one value for each"
            )
        lower = [max(lr * self.factor, least) for lr, least in zip(now, self.min_lrs, strict=True)]
        pairs = zip(now, lower, strict=True)
        set_rates(self.optimizer, [new if lr - new > self.eps else lr for lr, new in pairs])

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict()` gave."""
        self.__dict__.update(state_dict)
