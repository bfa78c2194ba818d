"""RMSprop."""

from typing import Any

from ..tensor import Tensor
from .checks import check_at_least_zero, refuse_differentiable
from .optimizer import Optimizer, Parameters, number, rewrite

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Gradient descent divided by the root of a running mean of squares, or of a variance if `centered`.

    A variance that rounding makes negative counts as zero, where PyTorch's root gives NaN.

    Source: torch.optim.RMSprop; Hinton, "Neural networks for machine learning", lecture 6 (2012); `centered`:
    Graves, "Generating sequences with recurrent neural networks" (2013).
    """

    def __init__(
        self,
        params: Parameters,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        """Optimize `params`; `foreach` and `capturable` are accepted without effect.

        Raises ArgumentError for values below 0.
        """
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        check_at_least_zero(group, "lr", "eps", "momentum", "weight_decay", "alpha")
        refuse_differentiable(group)

    def _update(self, param: Tensor, group: dict[str, Any]) -> None:
        momentum, alpha = number(group["momentum"]), number(group["alpha"])
        op, names = "rmsprop", ["square_avg"]
        if group["centered"]:
            op += "_centered"
            names.append("grad_avg")
        if momentum > 0:
            op += "_momentum"
            names.append("momentum_buffer")
        buffers = self._buffers(param, *names)
        self._count(param)
        constants = (
            -number(group["lr"]),
            number(group["weight_decay"]),
            -1.0 if group["maximize"] else 1.0,
            alpha,
            1 - alpha,
            number(group["eps"]),
            *([momentum] if momentum > 0 else []),
        )
        rewrite(op, param, buffers, constants)
