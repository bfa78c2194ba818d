"""Products of matrices."""

from .. import arithmetic
from ..errors import DtypeError, ShapeError
from .arrays import ArrayLike, Result, operands
from .elementwise import add, mul
from .plans import planned
from .recording import node

__all__ = ["addmm", "baddbmm", "bmm", "dot", "linear", "matmul", "mm", "mv"]


@planned
def linear(input: ArrayLike, weight: ArrayLike, bias: ArrayLike = None) -> Result:
    """`input @ weight.T + bias` for `input` (*, in_features), `weight` (out_features, in_features).

    `bias` is (out_features,) or None; the result is (*, out_features). All have one dtype; float16
    accumulates in float32. Behaviour of PyTorch's linear.

    >>> linear([1.0, 2.0], [[1.0, 1.0], [1.0, -1.0]], [0.5, 0.0])
    array([ 3.5, -1. ])

    Raises ShapeError for sizes that do not fit, DtypeError for dtypes that differ.
    """
    call = operands(input=input, weight=weight, bias=bias)
    x, w, b = call.arrays
    if not x.ndim or w.ndim != 2 or x.shape[-1] != w.shape[1]:
        raise ShapeError(
            "linear expects input (*, in_features) and weight (out_features, in_features), but got input of "
            "size "
            f"{list(x.shape)} and weight of size {list(w.shape)}"
        )
    if b is not None and b.shape != w.shape[:1]:
        raise ShapeError(
            f"Given weight of size {list(w.shape)}, expected bias to be 1-dimensional with {w.shape[0]} "
            "elements, "
            f"but got bias of size {list(b.shape)} instead"
        )
    for name, parameter in (("weight", w), ("bias", b)):
        if parameter is not None and parameter.dtype != x.dtype:
            raise DtypeError(f"input type ({x.dtype}) and {name} type ({parameter.dtype}) should be the same")
    y = arithmetic.matmul(x, call.backend.permute(w, (1, 0)))
    if b is not None:
        y = call.backend.elementwise("add", (y, b))
    return node(call, "linear", {"input": input, "weight": weight, "bias": bias}, y)


def matmul(input: ArrayLike, other: ArrayLike) -> Result:
    """The matrix product over the last two axes, batched over the others, which broadcast.

    A 1-D `input` is a row and a 1-D `other` a column, whose axis the result lacks. One dtype; float16
    accumulates in float32. Behaviour of PyTorch's matmul.

    >>> matmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    array([3., 7.])

    Raises ShapeError for sizes that do not fit, DtypeError for dtypes that differ.
    """
    call = operands(input=input, other=other)
    return node(call, "matmul", {"input": input, "other": other}, arithmetic.matmul(*call.arrays))


def dot(input: ArrayLike, tensor: ArrayLike) -> Result:
    """The inner product of two 1-D arrays of one size. Raises as `matmul`. Behaviour of PyTorch's dot."""
    call = operands(input=input, tensor=tensor)
    a, b = call.arrays
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(
            f"dot expects two 1-dimensional arrays, but got sizes {list(a.shape)} and {list(b.shape)}"
        )
    return node(call, "matmul", {"input": input, "other": tensor}, arithmetic.matmul(a, b))


def addmm(input: ArrayLike, mat1: ArrayLike, mat2: ArrayLike, *, beta: float = 1, alpha: float = 1) -> Result:
    """`beta * input + alpha * (mat1 @ mat2)` of matrices; `input` broadcasts.

    Behaviour of PyTorch's addmm.
    """
    product = mm(mat1, mat2)
    return add(input if beta == 1 else mul(input, beta), product, alpha=alpha)


def baddbmm(
    input: ArrayLike, batch1: ArrayLike, batch2: ArrayLike, *, beta: float = 1, alpha: float = 1
) -> Result:
    """As `addmm`, of batches of matrices. Behaviour of PyTorch's baddbmm."""
    product = bmm(batch1, batch2)
    return add(input if beta == 1 else mul(input, beta), product, alpha=alpha)


def mv(input: ArrayLike, vec: ArrayLike) -> Result:
    """The product of a matrix and a 1-D array. Raises as `matmul`. Behaviour of PyTorch's mv."""
    call = operands(input=input, vec=vec)
    a, b = call.arrays
    if a.ndim != 2 or b.ndim != 1:
        raise ShapeError(
            f"mv expects a matrix and a 1-D array, but got sizes {list(a.shape)} and {list(b.shape)}"
        )
    return node(call, "matmul", {"input": input, "other": vec}, arithmetic.matmul(a, b))


def mm(input: ArrayLike, mat2: ArrayLike) -> Result:
    """The product of two matrices, (M, K) and (K, N). Raises as `matmul`. Behaviour of PyTorch's mm."""
    return _product("mm", 2, input, mat2)


def bmm(input: ArrayLike, mat2: ArrayLike) -> Result:
    """The products of a batch of matrices, (B, M, K) and (B, K, N), without broadcasting.

    Raises as `matmul`. Behaviour of PyTorch's bmm.
    """
    return _product("bmm", 3, input, mat2)


def _product(name: str, ndim: int, input: ArrayLike, mat2: ArrayLike) -> Result:
    call = operands(input=input, mat2=mat2)
    a, b = call.arrays
    if a.ndim != ndim or b.ndim != ndim or a.shape[:-2] != b.shape[:-2]:
        raise ShapeError(
            f"{name} expects two {ndim}-dimensional arrays of one batch size, but got input of size "
            f"{list(a.shape)} "
            f"and mat2 of size {list(b.shape)}"
        )
    return node(call, "matmul", {"input": input, "other": mat2}, arithmetic.matmul(a, b))
