"""Stochastic gradient descent."""

from typing import Any

from ..errors import ArgumentError
from ..tensor import Tensor
from .checks import check_at_least_zero, refuse_differentiable
from .optimizer import Optimizer, Parameters, number, rewrite

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent with momentum, Nesterov's too, and weight decay.

    `g = grad + weight_decay * p; b = momentum * b + (1 - dampening) * g; p = p - lr * b`, where b is g in the
    first step; Nesterov's takes `g + momentum * b` in b's place. `maximize` turns the gradient's sign.

    Source: torch.optim.SGD; Sutskever et al., "On the importance of initialization and momentum in deep
    learning" (2013).
    """

    def __init__(
        self,
        params: Parameters,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        """Optimize `params`; `foreach` and `fused` are accepted without effect.

        Raises ArgumentError for values below 0, and for `nesterov` without momentum or with dampening.
        """
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        check_at_least_zero(group, "lr", "momentum", "weight_decay")
        refuse_differentiable(group)
        momentum, dampening = group["momentum"], group["dampening"]
        if group["nesterov"] and (number(momentum) == 0 or number(dampening) != 0):
            raise ArgumentError(
                "nesterov needs a momentum above 0 and no dampening, but got "
                f"momentum={momentum}, dampening={dampening}"
            )

    def _update(self, param: Tensor, group: dict[str, Any]) -> None:
        momentum = number(group["momentum"])
        common = (-number(group["lr"]), number(group["weight_decay"]), -1.0 if group["maximize"] else 1.0)
        if momentum == 0:
            rewrite("sgd", param, (), common)
            return
        first = self.state[param].get("momentum_buffer") is None
        # The buffer begins as the gradient itself.
        keep, weight = (0.0, 1.0) if first else (momentum, 1 - number(group["dampening"]))
        ahead = momentum if group["nesterov"] else 0.0
        buffers = self._buffers(param, "momentum_buffer")
        rewrite("sgd_momentum", param, buffers, (*common, keep, weight, ahead))
