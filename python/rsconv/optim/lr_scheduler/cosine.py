"""Cosine annealing, without and with restarts."""

import math
from typing import Any

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .scheduler import LRScheduler, rates, set_rates, whole_number

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(LRScheduler):
    """From the first rate to `eta_min` in `T_max` steps and back, along a cosine.

    Source: torch.optim.lr_scheduler.CosineAnnealingLR; Loshchilov and Hutter, "SGDR: stochastic gradient
    descent with warm restarts" (2017).
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        """Raises ArgumentError unless `T_max` is at least 1."""
        self.T_max = whole_number("T_max", T_max)
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates now, scaled as the cosine falls or rises in this step."""
        now, low, period = rates(self.optimizer), self.eta_min, self.T_max
        if self._is_initial:
            return now
        if self._step_count == 1 and self.last_epoch > 0:
            return self._get_closed_form_lr()
        if (self.last_epoch - 1 - period) % (2 * period) == 0:
            # The cosine was at its lowest, from which no factor leads away.
            rise = (1 - math.cos(math.pi / period)) / 2
            return [lr + (base - low) * rise for base, lr in zip(self.base_lrs, now, strict=True)]
        this, before = (1 + math.cos(math.pi * t / period) for t in (self.last_epoch, self.last_epoch - 1))
        return [this / before * (lr - low) + low for lr in now]

    def _get_closed_form_lr(self) -> list[float]:
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """From the first rate to `eta_min` along a cosine, again and again: in `T_0` steps, then `T_mult` times.

    `step(epoch)` takes fractions, such as `epoch + batch / batches`.

    Source: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts; Loshchilov and Hutter (2017).
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        """Raises ArgumentError unless `T_0` and `T_mult` are at least 1."""
        self.T_0 = self.T_i = whole_number("T_0", T_0)
        self.T_mult = whole_number("T_mult", T_mult)
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at `T_cur` of the present `T_i` steps."""
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def step(self, epoch: Any = None) -> None:
        """Set the rates of the next step, or of `epoch`. Raises ArgumentError for one below 0."""
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            epoch = 0 if epoch is None else epoch
            if not epoch >= 0:
                raise ArgumentError(f"epoch must be at least 0, but got epoch={epoch}")
            self.T_i, self.T_cur = self.T_0, epoch
            # By steps, as a logarithm may be off by one at a restart.
            while self.T_mult > 1 and self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
            self.T_cur %= self.T_i
        self.last_epoch = math.floor(epoch)
        set_rates(self.optimizer, self.get_lr())
        self._last_lr = rates(self.optimizer)
