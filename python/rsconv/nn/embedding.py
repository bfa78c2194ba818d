"""`Embedding`: a table of vectors, one for each index."""

from typing import Any, Self

from .. import functional as F
from ..autograd import no_grad
from ..creation import empty
from ..errors import ArgumentError, ShapeError
from ..parameter import Parameter
from ..tensor import Tensor
from . import init
from .module import Module

__all__ = ["Embedding"]


class Embedding(Module):
    """The rows of `weight` (num_embeddings, embedding_dim) that whole numbers name.

    The row `padding_idx` starts as zeros and gets no gradient.
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Draw the rows from N(0, 1), or take them from `_weight`.

        `norm_type` and `sparse` have no effect: gradients are dense. Raises ArgumentError for a `padding_idx`
        out of range, and for `max_norm` and `scale_grad_by_freq`, which are not supported, ShapeError for a
        `_weight` of another shape.
        """
        super().__init__()
        if max_norm is not None or scale_grad_by_freq:
            raise ArgumentError(
                f"Embedding does not support max_norm={max_norm}, scale_grad_by_freq={scale_grad_by_freq}"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ArgumentError(
                f"padding_idx must be within num_embeddings={num_embeddings}, but got "
                f"padding_idx={padding_idx}"
            )
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        if _weight is not None and _weight.shape != (num_embeddings, embedding_dim):
            raise ShapeError(
                f"expected weight of size {[num_embeddings, embedding_dim]}, but got {list(_weight.shape)}"
            )
        given = (
            empty(num_embeddings, embedding_dim, dtype=dtype, device=device) if _weight is None else _weight
        )
        self.weight = Parameter(given, requires_grad=not _freeze)
        if _weight is None:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the rows from N(0, 1), zeros for `padding_idx`."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        """Indices of any shape (*) to (*, embedding_dim). Raises IndexError for one out of range."""
        output: Tensor = F.embedding(input, self.weight, self.padding_idx)
        return output

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Self:
        """A table of the rows of `embeddings`, not to be trained if `freeze`."""
        if embeddings.ndim != 2:
            raise ShapeError(f"expected embeddings of 2 dimensions, but got size {list(embeddings.shape)}")
        rows, columns = embeddings.shape
        return cls(rows, columns, padding_idx, _weight=embeddings, _freeze=freeze)

    def extra_repr(self) -> str:
        """The arguments."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
