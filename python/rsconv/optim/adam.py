"""Adam and AdamW."""

import math
from collections.abc import Mapping
from typing import Any

from ..tensor import Tensor
from .checks import check_at_least_zero, check_fraction, refuse_differentiable
from .optimizer import Optimizer, Parameters, number, rewrite

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam: steps by running means of the gradient and of its square, whose start from zero is corrected.

    `amsgrad` divides by the largest mean of squares so far. `weight_decay` adds to the gradient, or with
    `decoupled_weight_decay` shrinks the parameter as AdamW does. State of float16 parameters is float16, as
    in PyTorch: squares below 6e-8 vanish.

    Source: torch.optim.Adam; Kingma and Ba, "Adam: a method for stochastic optimization" (2015); Reddi, Kale
    and Kumar, "On the convergence of Adam and beyond" (2018).
    """

    def __init__(
        self,
        params: Parameters,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        """Optimize `params`; `foreach`, `capturable` and `fused` are accepted without effect.

        Raises ArgumentError for values below 0, and for `betas` outside of [0, 1).
        """
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        check_at_least_zero(group, "lr", "eps", "weight_decay")
        check_fraction(group, "betas")
        refuse_differentiable(group)

    def _update(self, param: Tensor, group: dict[str, Any]) -> None:
        names = ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else [])]
        buffers = self._buffers(param, *names)
        step = self._count(param)
        lr, decay = number(group["lr"]), number(group["weight_decay"])
        beta1, beta2 = map(number, group["betas"])
        decoupled = group["decoupled_weight_decay"]
        constants = (
            -(lr / (1 - beta1**step)),
            0.0 if decoupled else decay,
            -1.0 if group["maximize"] else 1.0,
            1 - lr * decay if decoupled else 1.0,
            1 - beta1,
            beta2,
            1 - beta2,
            math.sqrt(1 - beta2**step),
            number(group["eps"]),
        )
        rewrite("adam_amsgrad" if group["amsgrad"] else "adam", param, buffers, constants)


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter: `p = p * (1 - lr * weight_decay)` before each step.

    Source: torch.optim.AdamW; Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).
    """

    def __init__(
        self,
        params: Parameters,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        """As for Adam."""
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As for every optimizer; state of an Adam is taken with AdamW's weight decay."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
