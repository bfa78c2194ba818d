"""Schedulers that multiply the rates of all groups by the same factor."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .scheduler import LRScheduler, rates, whole_number

__all__ = ["ConstantLR", "ExponentialLR", "LinearLR", "MultiStepLR", "PolynomialLR", "StepLR"]


class _FactorLR(LRScheduler):
    """Rates are multiplied by `_next()` in each step; by `_whole()` in all steps so far."""

    def _next(self) -> float:
        raise NotImplementedError

    def _whole(self) -> float:
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        """The rates now, times the factor of this step."""
        factor = self._next()
        return [lr * factor for lr in rates(self.optimizer)]

    def _get_closed_form_lr(self) -> list[float]:
        factor = self._whole()
        return [lr * factor for lr in self.base_lrs]


class StepLR(_FactorLR):
    """Times `gamma` every `step_size` steps. Source: torch.optim.lr_scheduler.StepLR."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        """Raises ArgumentError unless `step_size` is at least 1."""
        self.step_size = whole_number("step_size", step_size)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self) -> float:
        return self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else 1.0

    def _whole(self) -> float:
        return self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(_FactorLR):
    """Times `gamma` at each milestone. Source: torch.optim.lr_scheduler.MultiStepLR."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        """Milestones that are there twice count twice."""
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self) -> float:
        return self.gamma ** self.milestones[self.last_epoch]

    def _whole(self) -> float:
        return self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch)


class ExponentialLR(_FactorLR):
    """Times `gamma` in every step. Source: torch.optim.lr_scheduler.ExponentialLR."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        """The first step has the rate of the optimizer."""
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self) -> float:
        return 1.0 if self._is_initial else self.gamma

    def _whole(self) -> float:
        return float(self.gamma**self.last_epoch)


class ConstantLR(_FactorLR):
    """Times `factor` during `total_iters` steps. Source: torch.optim.lr_scheduler.ConstantLR."""

    def __init__(
        self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        """Raises ArgumentError unless `factor` is above 0, to be undone, and at most 1."""
        if not 0 < factor <= 1:
            raise ArgumentError(f"factor must be above 0 and at most 1, but got factor={factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _next(self) -> float:
        if self.last_epoch == 0:
            return self.factor
        return 1 / self.factor if self.last_epoch == self.total_iters else 1.0

    def _whole(self) -> float:
        return 1.0 if self.last_epoch >= self.total_iters else self.factor


class LinearLR(_FactorLR):
    """Times a factor that goes from `start_factor` to `end_factor` in `total_iters` steps.

    Source: torch.optim.lr_scheduler.LinearLR.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        """Raises ArgumentError unless `start_factor` is above 0, `end_factor` not below, both at most 1."""
        if not 0 < start_factor <= 1:
            raise ArgumentError(
                f"start_factor must be above 0 and at most 1, but got start_factor={start_factor}"
            )
        if not 0 <= end_factor <= 1:
            raise ArgumentError(f"end_factor must be from 0 to 1, but got end_factor={end_factor}")
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = whole_number("total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def _next(self) -> float:
        if self.last_epoch == 0:
            return self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return 1.0
        span = self.end_factor - self.start_factor
        return 1 + span / (self.total_iters * self.start_factor + (self.last_epoch - 1) * span)

    def _whole(self) -> float:
        share = min(self.total_iters, self.last_epoch) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * share


class PolynomialLR(_FactorLR):
    """To zero in `total_iters` steps, as `(1 - t / total_iters) ** power`.

    Source: torch.optim.lr_scheduler.PolynomialLR.
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        """Raises ArgumentError unless `total_iters` is at least 1."""
        self.total_iters = whole_number("total_iters", total_iters)
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _next(self) -> float:
        if self._is_initial or self.last_epoch > self.total_iters:
            return 1.0
        left, before = (1 - t / self.total_iters for t in (self.last_epoch, self.last_epoch - 1))
        return float((left / before) ** self.power)

    def _whole(self) -> float:
        return float((1 - min(self.total_iters, self.last_epoch) / self.total_iters) ** self.power)
