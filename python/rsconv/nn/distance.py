"""How alike vectors are, or how far apart."""

from .. import functional as F
from ..tensor import Tensor
from .module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    """The cosine of the angle between the vectors along `dim`, whose lengths count as `eps` at least."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        """Keep the arguments."""
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Two inputs whose shapes broadcast; the result lacks the dimension."""
        cosine: Tensor = F.cosine_similarity(x1, x2, self.dim, self.eps)
        return cosine


class PairwiseDistance(Module):
    """The p-norm of the difference of vectors along the last dimension, with `eps` added to each element."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        """Keep the arguments."""
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Two inputs whose shapes broadcast; the result lacks the dimension, or has size 1 with `keepdim`."""
        distance: Tensor = F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
        return distance
