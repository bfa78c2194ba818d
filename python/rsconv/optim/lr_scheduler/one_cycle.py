"""The one-cycle policy."""

import math
from typing import Any

from ...errors import ArgumentError
from ..optimizer import Optimizer, number
from .scheduler import LRScheduler, check_optimizer, for_each_group, whole_number

__all__ = ["OneCycleLR"]

# Of a phase: its last step, and the options of a group between which rate and momentum go.
_Phase = dict[str, Any]


def _phase(end_step: float, start_lr: str, end_lr: str, start_momentum: str, end_momentum: str) -> _Phase:
    return {
        "end_step": end_step,
        "start_lr": start_lr,
        "end_lr": end_lr,
        "start_momentum": start_momentum,
        "end_momentum": end_momentum,
    }


class OneCycleLR(LRScheduler):
    """Up to `max_lr` and down again over a whole training, the momentum (Adam's first beta) the other way.

    Starts at `max_lr / div_factor`, ends at that over `final_div_factor`; `three_phase` goes down as it came
    up before it goes to the end. Step it after every batch.

    Source: torch.optim.lr_scheduler.OneCycleLR; Smith and Topin, "Super-convergence: very fast training of
    neural networks using large learning rates" (2018).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        """`total_steps`, or `epochs` of `steps_per_epoch`; rates and momenta for all groups, or lists.

        Raises ArgumentError for no number of steps, values out of range, and an optimizer without momentum.
        """
        check_optimizer(optimizer)
        if total_steps is not None:
            self.total_steps = whole_number("total_steps", total_steps)
        elif epochs is not None and steps_per_epoch is not None:
            self.total_steps = whole_number("epochs", epochs) * whole_number(
                "steps_per_epoch", steps_per_epoch
            )
        else:
            raise ArgumentError(
                "OneCycleLR needs total_steps, or epochs and steps_per_epoch, but got total_steps=None, "
                f"epochs={epochs}, steps_per_epoch={steps_per_epoch}"
            )
        if not 0 <= pct_start <= 1:
            raise ArgumentError(f"pct_start must be from 0 to 1, but got pct_start={pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(f"anneal_strategy must be 'cos' or 'linear', but got {anneal_strategy!r}")
        up, last = float(pct_start * self.total_steps) - 1, self.total_steps - 1
        first = _phase(up, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        self._schedule_phases = [first]
        if three_phase:
            down = 2 * float(pct_start * self.total_steps) - 2
            self._schedule_phases += [
                _phase(down, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                _phase(last, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self._schedule_phases.append(_phase(last, "max_lr", "min_lr", "base_momentum", "max_momentum"))
        self._anneal_func_type = anneal_strategy
        self.cycle_momentum = cycle_momentum
        self.use_beta1 = "betas" in optimizer.defaults
        if cycle_momentum and not self.use_beta1 and "momentum" not in optimizer.defaults:
            raise ArgumentError(
                "cycle_momentum=True needs an optimizer with momentum or betas, but "
                f"{type(optimizer).__name__} has neither"
            )
        highest = for_each_group("max_lr", max_lr, optimizer)
        momenta = [
            for_each_group("max_momentum", max_momentum, optimizer),
            for_each_group("base_momentum", base_momentum, optimizer),
        ]
        if last_epoch == -1:
            for i, group in enumerate(optimizer.param_groups):
                group["initial_lr"] = highest[i] / div_factor
                group["max_lr"] = highest[i]
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if cycle_momentum:
                    group["max_momentum"], group["base_momentum"] = momenta[0][i], momenta[1][i]
                    self._set_momentum(group, momenta[0][i])
        super().__init__(optimizer, last_epoch)

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value

    def get_lr(self) -> list[float]:
        """The rates of this step; momenta are set, too. Raises ArgumentError after the last step."""
        step = self.last_epoch
        if step > self.total_steps:
            raise ArgumentError(f"step {step} is beyond the total_steps={self.total_steps} of OneCycleLR")
        start: float = 0
        for phase in self._schedule_phases:
            end = phase["end_step"]
            if step <= end or phase is self._schedule_phases[-1]:
                break
            start = end
        # A phase of no length is at its end.
        share = (step - start) / (end - start) if end != start else 1.0
        values = []
        for group in self.optimizer.param_groups:
            values.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], share))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, self._between(*ends, share))
        return values

    def _between(self, start: Any, end: Any, share: float) -> float:
        first, last = number(start), number(end)
        if self._anneal_func_type == "linear":
            return first + (last - first) * share
        return last + (first - last) / 2 * (1 + math.cos(math.pi * share))
