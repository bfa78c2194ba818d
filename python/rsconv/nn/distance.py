"""How alike vectors are."""

from .. import functional as F
from ..tensor import Tensor
from .module import Module

__all__ = ["CosineSimilarity"]


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
