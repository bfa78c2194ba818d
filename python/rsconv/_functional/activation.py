"""Activation functions: of each element, in the shape of `input` and, but where said, in its dtype.

Floating-point dtypes; whole numbers give float32, and stay whole in relu, relu6 and hardtanh. Those with
`inplace` write to `input`, which must be a Tensor, and return it; ArgumentError for anything else. Formulas
are PyTorch's.
"""

from typing import Any

from .. import arithmetic
from .._autograd.writes import in_place
from ..backends import Array, backend_of
from ..errors import ArgumentError, DtypeError, ShapeError
from ..tensor import Tensor
from .arrays import ArrayLike, Result, operands
from .elementwise import astype, clamp, unary
from .joining import span
from .plans import planned
from .recording import node

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]


def _activation(op: str, input: ArrayLike, params: tuple[float, ...], inplace: bool) -> Result:
    if not inplace:
        return unary(op, input, params)
    if not isinstance(input, Tensor):
        raise ArgumentError(
            f"inplace=True is for Tensors, but got input of type {type(input).__name__}, which is never "
            "written to"
        )
    if input.dtype.kind != "f":
        raise DtypeError(f"{op} in place needs a floating-point Tensor, but got {input.dtype}")

    def change(target: Array) -> None:
        backend_of(target).assign(target, arithmetic.unary(op, target, params))

    return in_place(input, op, {"input": input}, change, params=params)


def relu(input: ArrayLike, inplace: bool = False) -> Result:
    """`max(input, 0)`, element by element, in the shape and dtype of `input`; a NaN stays.

    `inplace` writes to `input`, which must be a Tensor, and returns it. Behaviour of PyTorch's relu.

    >>> relu([-1.5, 0.0, 2.5])
    array([0. , 0. , 2.5])

    Raises DtypeError for bools and complex numbers, ArgumentError for `inplace` on anything but a Tensor.
    """
    if inplace and isinstance(input, Tensor):
        return input.relu_()
    return _activation("relu", input, (), inplace)


def relu6(input: ArrayLike, inplace: bool = False) -> Result:
    """`min(max(input, 0), 6)`. Behaviour of PyTorch's relu6."""
    return _activation("relu6", input, (), inplace)


def leaky_relu(input: ArrayLike, negative_slope: float = 0.01, inplace: bool = False) -> Result:
    """`input` where it is positive, else `negative_slope * input`. Behaviour of PyTorch's leaky_relu.

    >>> leaky_relu([-2.0, 2.0], 0.25)
    array([-0.5,  2. ])
    """
    return _activation("leaky_relu", input, (float(negative_slope),), inplace)


def elu(input: ArrayLike, alpha: float = 1.0, inplace: bool = False) -> Result:
    """`input` where it is positive, else `alpha * (exp(input) - 1)`. Behaviour of PyTorch's elu."""
    return _activation("elu", input, (float(alpha),), inplace)


def selu(input: ArrayLike, inplace: bool = False) -> Result:
    """`scale * elu(input, alpha)` with the constants that keep mean and variance (Klambauer et al., 2017).

    Behaviour of PyTorch's selu.
    """
    return _activation("selu", input, (), inplace)


def celu(input: ArrayLike, alpha: float = 1.0, inplace: bool = False) -> Result:
    """`max(0, input) + min(0, alpha * (exp(input / alpha) - 1))`. Behaviour of PyTorch's celu.

    ArgumentError for `alpha` of 0.
    """
    if not alpha:
        raise ArgumentError(f"alpha must not be zero for celu, but got alpha={alpha}")
    return _activation("celu", input, (float(alpha),), inplace)


def gelu(input: ArrayLike, approximate: str = "none") -> Result:
    """`input * P(X <= input)` for X of the standard normal distribution (Hendrycks and Gimpel, 2016).

    `approximate='tanh'` is their approximation by a hyperbolic tangent. Behaviour of PyTorch's gelu.

    Raises ArgumentError for another approximation than 'none' and 'tanh'.
    """
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"approximate must be 'none' or 'tanh', but got approximate={approximate!r}")
    return unary("gelu" if approximate == "none" else "gelu_tanh", input)


def silu(input: ArrayLike, inplace: bool = False) -> Result:
    """`input * sigmoid(input)`, also called swish. Behaviour of PyTorch's silu."""
    return _activation("silu", input, (), inplace)


def mish(input: ArrayLike, inplace: bool = False) -> Result:
    """`input * tanh(softplus(input))` (Misra, 2019). Behaviour of PyTorch's mish."""
    return _activation("mish", input, (), inplace)


def hardswish(input: ArrayLike, inplace: bool = False) -> Result:
    """`input * relu6(input + 3) / 6` (Howard et al., 2019). Behaviour of PyTorch's hardswish."""
    return _activation("hardswish", input, (), inplace)


def hardsigmoid(input: ArrayLike, inplace: bool = False) -> Result:
    """`relu6(input + 3) / 6`. Behaviour of PyTorch's hardsigmoid."""
    return _activation("hardsigmoid", input, (), inplace)


def hardtanh(input: ArrayLike, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Result:
    """`input` clamped to `min_val` and `max_val`. Behaviour of PyTorch's hardtanh.

    ArgumentError if `min_val` is greater than `max_val`.
    """
    if min_val > max_val:
        raise ArgumentError(
            f"hardtanh needs min_val <= max_val, but got min_val={min_val}, max_val={max_val}"
        )
    call = operands(input=input)
    if not inplace and call.arrays[0].dtype.kind in "iu":
        return clamp(input, int(min_val), int(max_val))
    return _activation("hardtanh", input, (float(min_val), float(max_val)), inplace)


def softplus(input: ArrayLike, beta: float = 1.0, threshold: float = 20.0) -> Result:
    """`log(1 + exp(beta * input)) / beta`, and `input` where `beta * input` exceeds `threshold`.

    Behaviour of PyTorch's softplus.
    """
    return unary("softplus", input, (float(beta), float(threshold)))


def softsign(input: ArrayLike) -> Result:
    """`input / (1 + abs(input))`. Behaviour of PyTorch's softsign.

    >>> softsign([-1.0, 3.0])
    array([-0.5 ,  0.75])
    """
    return unary("softsign", input)


def logsigmoid(input: ArrayLike) -> Result:
    """`log(sigmoid(input))`, without overflow. Behaviour of PyTorch's logsigmoid."""
    return unary("logsigmoid", input)


def sigmoid(input: ArrayLike) -> Result:
    """`1 / (1 + exp(-input))`. Behaviour of PyTorch's sigmoid."""
    return unary("sigmoid", input)


def tanh(input: ArrayLike) -> Result:
    """The hyperbolic tangent. Behaviour of PyTorch's tanh."""
    return unary("tanh", input)


def tanhshrink(input: ArrayLike) -> Result:
    """`input - tanh(input)`. Behaviour of PyTorch's tanhshrink."""
    return unary("tanhshrink", input)


def hardshrink(input: ArrayLike, lambd: float = 0.5) -> Result:
    """`input` where its absolute value exceeds `lambd`, else 0. Behaviour of PyTorch's hardshrink.

    >>> hardshrink([-1.0, 0.25, 2.0])
    array([-1.,  0.,  2.])
    """
    return unary("hardshrink", input, (float(lambd),))


def softshrink(input: ArrayLike, lambd: float = 0.5) -> Result:
    """`input` moved towards zero by `lambd`, and 0 within that distance. Behaviour of PyTorch's softshrink.

    ArgumentError for a negative `lambd`.
    """
    if lambd < 0:
        raise ArgumentError(f"lambda must be greater or equal to 0, but got lambd={lambd}")
    return unary("softshrink", input, (float(lambd),))


def threshold(input: ArrayLike, threshold: float, value: float, inplace: bool = False) -> Result:
    """`input` where it exceeds `threshold`, else `value`. Behaviour of PyTorch's threshold."""
    return _activation("threshold", input, (float(threshold), float(value)), inplace)


def prelu(input: ArrayLike, weight: ArrayLike) -> Result:
    """`input` where it is positive, else `weight * input`; `weight` has one element, or one for each channel.

    Channels are dimension 1 of `input` (a 1-D one has just one channel). Behaviour of PyTorch's prelu.

    >>> prelu([[-1.0, -1.0]], [0.5, 0.25])
    array([[-0.5 , -0.25]])

    Raises ShapeError for a weight of another size, DtypeError if the dtypes differ.
    """
    call = operands(input=input, weight=weight)
    x, w = call.arrays
    if x.dtype != w.dtype:
        raise DtypeError(f"input type ({x.dtype}) and weight type ({w.dtype}) should be the same for prelu")
    channels = x.shape[1] if x.ndim > 1 else 1
    if w.ndim > 1 or w.size not in (1, channels):
        raise ShapeError(
            f"prelu needs a weight of one element or one for each of {channels} channels, but got input of "
            "size "
            f"{list(x.shape)} and weight of size {list(w.shape)}"
        )
    slopes = call.backend.reshape(w, (w.size, *(1,) * max(x.ndim - 2, 0)))
    y = call.backend.elementwise("prelu", (x, slopes))
    return node(call, "prelu", {"input": input, "weight": weight}, y)


def glu(input: ArrayLike, dim: int = -1) -> Result:
    """The first half of `input` along `dim` times the sigmoid of the second. Behaviour of PyTorch's glu.

    >>> glu([2.0, 4.0, 0.0, 0.0])
    array([1., 2.])

    Raises ShapeError if the size along `dim` is odd, IndexError for a dimension out of range.
    """
    call = operands(input=input)
    x = call.arrays[0]
    if x.dtype.kind != "f":
        raise DtypeError(f"glu needs a floating-point input, but got {x.dtype}")
    if not x.ndim:
        raise ShapeError("glu does not support 0-dimensional arrays")
    axis = arithmetic.normalize_dim(dim, x.ndim)
    if x.shape[axis] % 2:
        raise ShapeError(
            f"Halving dimension must be even, but dimension {axis} is size {x.shape[axis]} (input of size "
            f"{list(x.shape)})"
        )
    half = x.shape[axis] // 2
    a, b = (call.backend.slice(x, span(x.shape, axis, start, start + half)) for start in (0, half))
    y = call.backend.elementwise("mul", (a, call.backend.elementwise("sigmoid", (b,))))
    return node(call, "glu", {"input": input}, y, axis=axis)


def softmax(input: ArrayLike, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Result:
    """`exp(input)` divided by its sum along `dim`, without overflow. Behaviour of PyTorch's softmax.

    Without `dim` it is 0 for input of 0, 1 or 3 dimensions, else 1, as PyTorch had it. `dtype` casts first.
    On the CPU float32 results below `exp(-87)` are 0.

    >>> softmax([0.0, 0.0], 0)
    array([0.5, 0.5])

    Raises DtypeError unless the dtype is floating-point, IndexError for a dimension out of range.
    """
    return _softmax("softmax", input, dim, dtype, False)


def log_softmax(input: ArrayLike, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Result:
    """The logarithm of `softmax`, without overflow. Behaviour of PyTorch's log_softmax."""
    return _softmax("log_softmax", input, dim, dtype, True)


def softmin(input: ArrayLike, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Result:
    """`softmax(-input)`. Behaviour of PyTorch's softmin."""
    return softmax(unary("neg", input), dim, _stacklevel, dtype)


@planned
def _softmax(name: str, input: ArrayLike, dim: int | None, dtype: Any, log: bool) -> Result:
    input = input if dtype is None else astype(input, dtype)
    call = operands(input=input)
    x = call.arrays[0]
    if x.dtype.kind != "f":
        raise DtypeError(f"{name} needs a floating-point dtype, but got {x.dtype}")
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
    axis = arithmetic.normalize_dim(dim, x.ndim)
    if not x.ndim:
        return call.result(call.backend.full((), 0 if log else 1, x.dtype))
    y = call.backend.softmax(x, axis, log)
    return node(call, name, {"input": input}, y, axis=axis)
