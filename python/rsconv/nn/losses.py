"""Losses as modules: the functions of `rsconv.functional` with their arguments kept.

`reduction` is 'mean', 'sum' or 'none'; `size_average` and `reduce` are PyTorch's former ways to say it.
Shapes, dtypes and errors are those of the functions.
"""

from typing import Any

from .. import functional as F
from ..creation import as_tensor
from ..tensor import Tensor
from .module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "NLLLoss2d",
    "SmoothL1Loss",
]


def _reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


class _Loss(Module):
    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        """Keep the reduction, which is checked when there is an input."""
        super().__init__()
        self.reduction = _reduction(size_average, reduce, reduction)

    def _keep(self, name: str, weights: Any) -> None:
        """Weights as a buffer: moved with the module, and in its state dict."""
        self.register_buffer(name, None if weights is None else as_tensor(weights))


class _WeightedLoss(_Loss):
    weight: Tensor | None

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        """Keep `weight`, an array or None, as a buffer."""
        super().__init__(size_average, reduce, reduction)
        self._keep("weight", weight)


class L1Loss(_Loss):
    """The absolute difference."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Both of one shape."""
        loss: Tensor = F.l1_loss(input, target, reduction=self.reduction)
        return loss


class MSELoss(_Loss):
    """The squared difference."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Both of one shape."""
        loss: Tensor = F.mse_loss(input, target, reduction=self.reduction)
        return loss


class SmoothL1Loss(_Loss):
    """`L1Loss` whose corner, below `beta`, is a parabola."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        """Keep the arguments."""
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Both of one shape."""
        loss: Tensor = F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)
        return loss


class HuberLoss(_Loss):
    """Half the squared difference, a straight line above `delta`."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        """Keep the arguments."""
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Both of one shape."""
        loss: Tensor = F.huber_loss(input, target, self.reduction, self.delta)
        return loss


class KLDivLoss(_Loss):
    """The Kullback-Leibler divergence of log-probabilities from probabilities, or from their logarithms."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        """Keep the arguments; `reduction` may be 'batchmean', too."""
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Both of one shape."""
        loss: Tensor = F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
        return loss


class BCELoss(_WeightedLoss):
    """The binary cross entropy of probabilities; `weight` broadcasts to them."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Both of one shape, with values from 0 to 1."""
        loss: Tensor = F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)
        return loss


class BCEWithLogitsLoss(_Loss):
    """The binary cross entropy of logits; `weight` broadcasts, `pos_weight` is for positive targets."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Any = None,
    ) -> None:
        """Keep the weights, arrays or None, as buffers."""
        super().__init__(size_average, reduce, reduction)
        self._keep("weight", weight)
        self._keep("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Both of one shape, the target's values from 0 to 1."""
        loss: Tensor = F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
        return loss


class NLLLoss(_WeightedLoss):
    """The negative log-probability of each target class; `weight` has one number for each class."""

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        """Keep the arguments; targets of `ignore_index` do not count."""
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(N, C, *) or (C,), and classes (N, *) or ()."""
        loss: Tensor = F.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )
        return loss


class NLLLoss2d(NLLLoss):
    """`NLLLoss` under PyTorch's former name for images."""


class CrossEntropyLoss(_WeightedLoss):
    """The cross entropy of logits with classes or probabilities; `weight` has one number for each class."""

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        """Keep the arguments; targets of `ignore_index` do not count."""
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(N, C, *) or (C,), and classes (N, *) or () or probabilities of the shape of the input."""
        loss: Tensor = F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
        return loss
