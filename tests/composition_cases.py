"""Cases of functions that are made of others: layout, norms, sums up to an element. Part of `op_cases`."""

import numpy as np
import scipy.special
from op_case import ALL_FLOATS, FLOATS, WHOLE, Array, Case, one


def _norm(input, p=2, dim=None, keepdim=False):
    p = 2 if p == "fro" else p
    axes = tuple(range(input.ndim)) if dim is None else dim
    if p in (np.inf, -np.inf):
        return (np.max if p > 0 else np.min)(np.abs(input), axis=axes, keepdims=keepdim)
    if p == 0:
        return np.sum(input != 0, axis=axes, keepdims=keepdim).astype(np.float64)
    return np.sum(np.abs(input) ** p, axis=axes, keepdims=keepdim) ** (1 / p)


def _normalize(input, p=2, dim=1):
    return input / np.maximum(_norm(input, p, dim, True), 1e-12)


def _attention(query, key, value, attn_mask=None, is_causal=False, scale=None):
    scores = query @ np.swapaxes(key, -2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = np.tri(*scores.shape[-2:], dtype=bool)
    if attn_mask is not None:
        masked = np.where(attn_mask, scores, -np.inf) if attn_mask.dtype == bool else scores + attn_mask
        scores = masked
    return scipy.special.softmax(scores, -1) @ value


def _layout():
    x = (2, 3, 4)
    yield one("roll", x, lambda input, shifts: np.roll(input, shifts), args={"shifts": 5}, linear=True)
    for shifts, dims in ((1, 1), ((-2, 3), (0, 2))):
        oracle = lambda input, shifts, dims: np.roll(input, shifts, dims)  # noqa: E731
        yield one(
            "roll", x, oracle, args={"shifts": shifts, "dims": dims}, dtypes=(*FLOATS, *WHOLE), linear=True
        )
    yield one("tile", (3, 2), lambda input, dims: np.tile(input, dims), args={"dims": (2, 2, 3)}, linear=True)
    yield one("tile", x, lambda input, dims: np.tile(input, dims), args={"dims": (2,)}, linear=True)
    for repeats, dim in ((3, 1), (2, None), ((0, 2, 1), 1)):
        oracle = lambda input, repeats, dim: np.repeat(input, repeats, dim)  # noqa: E731
        yield one("repeat_interleave", x, oracle, args={"repeats": repeats, "dim": dim}, linear=True)
    for name, oracle in (("tril", np.tril), ("triu", np.triu)):
        for diagonal in (0, 1, -2):
            yield one(
                name,
                (2, 4, 3),
                lambda input, diagonal, f=oracle: f(input, diagonal),
                args={"diagonal": diagonal},
                dtypes=(*ALL_FLOATS, "int32"),
                linear=True,
            )
    yield one(
        "broadcast_to",
        (3, 1),
        lambda input, size: np.broadcast_to(input, size),
        args={"size": (2, 3, 4)},
        linear=True,
    )
    for name in ("hstack", "vstack"):
        for shapes in (((2, 3), (2, 3)), ((3,), (3,))):
            parts = {f"x{i}": Array(shape) for i, shape in enumerate(shapes)}
            yield Case(name, parts, getattr(np, name), listed=True)
    classes = {"tensor": Array((2, 3), "index 4")}
    yield Case(
        "one_hot",
        classes,
        lambda tensor, num_classes: np.eye(num_classes)[tensor],
        {"num_classes": 5},
        gradient=False,
    )
    arrays = {"input": Array((3,)), "vec2": Array((4,))}
    yield Case("outer", arrays, lambda input, vec2: np.outer(input, vec2))
    for mask in ((2, 3, 4), (3, 1)):
        arrays = {"input": Array(x), "mask": Array(mask, "bool")}
        oracle = lambda input, mask, value: np.where(mask, value, input)  # noqa: E731
        yield Case("masked_fill", arrays, oracle, {"value": -2.5}, ALL_FLOATS)


def _elementwise():
    yield one("log2", (3, 4), lambda input: np.log2(input), "positive", dtypes=ALL_FLOATS)
    yield one("log10", (3, 4), lambda input: np.log10(input), "positive", dtypes=ALL_FLOATS)
    arrays = {"input": Array((3, 4)), "end": Array((4,)), "weight": Array((3, 1))}
    yield Case("lerp", arrays, lambda input, end, weight: input + weight * (end - input))
    arrays = {"input": Array((3, 4)), "tensor1": Array((4,)), "tensor2": Array((3, 1), "positive")}
    for name, f in (("addcmul", np.multiply), ("addcdiv", np.divide)):
        oracle = lambda input, tensor1, tensor2, value, f=f: input + value * f(tensor1, tensor2)  # noqa: E731
        yield Case(name, arrays, oracle, {"value": 0.5})
    yield one("exp2", (3, 4), lambda input: np.exp2(input), dtypes=ALL_FLOATS)
    yield one("tan", (3, 4), lambda input: np.tan(input), "unit")
    yield one("clamp_min", (3, 4), lambda input, min: np.maximum(input, min), "away", args={"min": 0.75})
    yield one("clamp_max", (3, 4), lambda input, max: np.minimum(input, max), "away", args={"max": 0.75})
    yield one("nan_to_num", (3, 4), lambda input: np.nan_to_num(input))
    arrays = {"input": Array((3, 4), "whole"), "other": Array((4,), "whole")}
    yield Case("isclose", arrays, lambda input, other: np.isclose(input, other), gradient=False)


def _reductions():
    for dim, keepdim in ((1, False), ((0, 2), True), (-1, True)):
        oracle = lambda input, dim, keepdim: scipy.special.logsumexp(input, dim, keepdims=keepdim)  # noqa: E731
        yield one("logsumexp", (3, 4, 5), oracle, args={"dim": dim, "keepdim": keepdim}, terms=16)
    for args in ({}, {"p": 1, "dim": 1}, {"p": 3, "dim": (0, 2), "keepdim": True}, {"p": "fro", "dim": -1}):
        yield one("norm", (3, 4, 5), _norm, "away", args=args, terms=64)
    for p in (np.inf, -np.inf, 0):
        yield one("norm", (3, 4), _norm, "away", args={"p": p, "dim": 1}, gradient=p != 0)
    for args in ({}, {"p": 1.0, "dim": -1}):
        yield one("normalize", (3, 4, 2), _normalize, "away", args=args, terms=16)
    arrays = {"x1": Array((3, 4, 2), "away"), "x2": Array((3, 4, 2), "away")}
    yield Case(
        "cosine_similarity",
        arrays,
        lambda x1, x2: np.sum(x1 * x2, 1) / (_norm(x1, 2, 1) * _norm(x2, 2, 1)),
        terms=32,
    )
    for shape, dim in (((7,), 0), ((3, 5, 4), 1), ((2, 1), -1), ((33, 2), 0)):
        settings = {"args": {"dim": dim}, "dtypes": (*FLOATS, "int64"), "linear": True, "terms": 32}
        yield one("cumsum", shape, lambda input, dim: np.cumsum(input, dim), **settings)
    for n, dim in ((1, -1), (2, 0), (0, 1)):
        settings = {"args": {"n": n, "dim": dim}, "dtypes": (*FLOATS, "int64"), "linear": True}
        if n:
            yield one("diff", (4, 3), lambda input, n, dim: np.diff(input, n, dim), **settings)
    arrays = {"x1": Array((3, 4)), "x2": Array((3, 4))}
    yield Case("pairwise_distance", arrays, lambda x1, x2: _norm(x1 - x2 + 1e-6, 2, -1), terms=16)
    yield one("count_nonzero", (3, 4), lambda input: np.sum(input != 0), gradient=False)


def _products():
    arrays = {"input": Array((5,)), "tensor": Array((5,))}
    yield Case("dot", arrays, lambda input, tensor: input @ tensor, terms=20)
    arrays = {"input": Array((3, 5)), "vec": Array((5,))}
    yield Case("mv", arrays, lambda input, vec: input @ vec, terms=20)
    arrays = {"input": Array((3, 1)), "batch1": Array((2, 3, 4)), "batch2": Array((2, 4, 5))}
    oracle = lambda input, batch1, batch2, beta, alpha: beta * input + alpha * batch1 @ batch2  # noqa: E731
    yield Case("baddbmm", arrays, oracle, {"beta": 0.5, "alpha": 2.0}, terms=20)
    x = {"query": Array((2, 3, 5, 4)), "key": Array((2, 3, 6, 4)), "value": Array((2, 3, 6, 7))}
    for args in ({}, {"is_causal": True}, {"scale": 0.7}):
        yield Case("scaled_dot_product_attention", x, _attention, args, terms=64)
    for mask in (Array((5, 6)), Array((2, 1, 1, 6), "bool")):
        masked = {**x, "attn_mask": mask}
        yield Case("scaled_dot_product_attention", masked, _attention, terms=64)
    arrays = {"input": Array((5,)), "mat1": Array((3, 4)), "mat2": Array((4, 5))}
    oracle = lambda input, mat1, mat2, beta=1, alpha=1: beta * input + alpha * mat1 @ mat2  # noqa: E731
    yield Case("addmm", arrays, oracle, terms=20)
    yield Case("addmm", arrays, oracle, {"beta": 0.5, "alpha": 2.0}, terms=20)


CASES = [*_layout(), *_elementwise(), *_reductions(), *_products()]
