"""Schedulers made of others: one after the other, or all at once."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler, rates, set_rates

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composed(LRScheduler):
    _schedulers: list[LRScheduler]

    def _take(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        name = type(self).__name__
        if not schedulers:
            raise ArgumentError(f"{name} needs at least one scheduler, but got schedulers={schedulers!r}")
        for i, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"schedulers[{i}] of {name} is a {type(scheduler).__name__}, not a scheduler")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ArgumentError(
                    f"schedulers[{i}] of {name} is a ReduceLROnPlateau, whose steps need a metric"
                )
            optimizer = scheduler.optimizer if optimizer is None else optimizer
            if scheduler.optimizer is not optimizer:
                raise ArgumentError(
                    f"schedulers[{i}] of {name}, {type(scheduler).__name__}, belongs to another optimizer"
                )
        assert optimizer is not None
        self.optimizer = optimizer
        self._schedulers = list(schedulers)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, with the state of each scheduler."""
        return super().state_dict() | {"_schedulers": [one.state_dict() for one in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict()` gave."""
        states = state_dict["_schedulers"]
        for scheduler, state in zip(self._schedulers, states, strict=True):
            scheduler.load_state_dict(state)
        self.__dict__.update({key: value for key, value in state_dict.items() if key != "_schedulers"})


class SequentialLR(_Composed):
    """One scheduler after the other: the next one begins, at its step 0, at each milestone.

    Source: torch.optim.lr_scheduler.SequentialLR.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        """Raises ArgumentError for no schedulers, those of another optimizer, ReduceLROnPlateau, and unless
        there is one milestone less than schedulers."""
        self._take(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"{len(schedulers)} schedulers need {len(schedulers) - 1} milestones, but got "
                f"{list(milestones)}"
            )
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        # All have made their first step; but for one, that shall not have been.
        set_rates(optimizer, rates(optimizer, "initial_lr"))
        for scheduler in self._schedulers:
            _undo(scheduler)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self, epoch: None = None) -> None:
        """Step the scheduler whose turn it is."""
        self.last_epoch += 1
        turn = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[turn]
        if turn > 0 and self._milestones[turn - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


def _undo(scheduler: LRScheduler) -> None:
    if isinstance(scheduler, _Composed):
        for one in scheduler._schedulers:
            _undo(one)
    else:
        scheduler.last_epoch -= 1


class ChainedScheduler(_Composed):
    """All schedulers in every step; their factors multiply.

    Source: torch.optim.lr_scheduler.ChainedScheduler.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        """Raises ArgumentError for no schedulers, those of another optimizer, and ReduceLROnPlateau."""
        self._take(schedulers, optimizer)
        self._last_lr = rates(self.optimizer)

    def step(self, epoch: None = None) -> None:
        """Step every scheduler."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = rates(self.optimizer)
