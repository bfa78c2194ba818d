"""Attention, as products of matrices and softmax."""

import math

import numpy as np

from ..errors import ArgumentError
from ..shaping import transpose
from .activation import softmax
from .arrays import ArrayLike, Result, described
from .dropout import dropout
from .elementwise import add, mul, where
from .linear import matmul

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    attn_mask: ArrayLike = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Result:
    """`softmax(query @ key^T * scale) @ value` of (*, L, E), (*, S, E), (*, S, V); `scale` is 1 / sqrt(E).

    `attn_mask` broadcasts to (*, L, S): bools say which keys a query sees, numbers are added to the products.
    `is_causal` lets query i see the keys up to i. The matrix (*, L, S) is kept in memory. Source: Vaswani et
    al., 2017; behaviour of PyTorch's scaled_dot_product_attention.

    Raises ArgumentError for a mask beside `is_causal`, ShapeError and DtypeError as `matmul`.
    """
    _, (q, k, mask), _ = described(query=query, key=key, attn_mask=attn_mask)
    if is_causal and mask is not None:
        raise ArgumentError("scaled_dot_product_attention takes attn_mask or is_causal=True, but got both")
    scores = mul(
        matmul(query, transpose(key, -2, -1)), 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    )
    if is_causal:
        scores = where(np.tri(q.shape[-2], k.shape[-2], dtype=np.bool_), scores, -math.inf)
    elif mask is not None:
        scores = where(attn_mask, scores, -math.inf) if mask.dtype.kind == "b" else add(scores, attn_mask)
    return matmul(dropout(softmax(scores, -1), dropout_p, dropout_p > 0), value)
