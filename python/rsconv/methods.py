"""Methods of Tensor that are the package's functions: `x.softmax(dim)` is `softmax(x, dim)`.

The functions are made of Tensors, so the class cannot name them; the package attaches them when it is there.
"""

from collections.abc import Callable
from typing import Any

from . import creation, functions, shaping
from ._autograd.graph import wanted
from ._autograd.writes import View, check_writable
from ._functional import repeating
from .device import CPU
from .errors import no_cuda
from .tensor import Tensor

__all__ = ["attach"]

_FUNCTIONS = [
    "absolute",
    "addcdiv",
    "addcmul",
    "addmm",
    "allclose",
    "argsort",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "bmm",
    "broadcast_to",
    "chunk",
    "clamp",
    "clip",
    "baddbmm",
    "clamp_max",
    "clamp_min",
    "diff",
    "exp2",
    "mv",
    "tan",
    "count_nonzero",
    "cumsum",
    "div",
    "divide",
    "dot",
    "equal",
    "expm1",
    "flip",
    "floor_divide",
    "gather",
    "index_add",
    "index_select",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "lerp",
    "log10",
    "log1p",
    "log2",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "masked_fill",
    "maximum",
    "minimum",
    "mm",
    "multiply",
    "nan_to_num",
    "narrow",
    "negative",
    "norm",
    "outer",
    "prelu",
    "remainder",
    "repeat_interleave",
    "roll",
    "scatter",
    "scatter_add",
    "softmax",
    "sort",
    "split",
    "subtract",
    "tile",
    "topk",
    "tril",
    "triu",
    "true_divide",
    "trunc",
    "unbind",
]
_SHAPES = ("movedim", "ravel", "select", "unflatten")
# `f_` writes what `f` gives.
_IN_PLACE = [
    "abs",
    "addcdiv",
    "addcmul",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "exp",
    "floor",
    "index_add",
    "lerp",
    "log",
    "masked_fill",
    "neg",
    "reciprocal",
    "round",
    "rsqrt",
    "scatter",
    "scatter_add",
    "sigmoid",
    "sqrt",
    "square",
    "tanh",
    "trunc",
]


def _in_place(function: Callable[..., Any], name: str) -> Callable[..., Tensor]:
    def write(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        # A gradient may need what is overwritten.
        source = input.clone() if wanted({"input": input}) else input
        return input.copy_(function(source, *args, **kwargs))

    write.__name__ = write.__qualname__ = f"{name}_"
    write.__doc__ = f"Write what `{name}` gives to the tensor, and return it."
    return write


def _view_in_place(function: Callable[..., Tensor], undo: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`function`, a view, as what its input is from then on; `undo(whole, shape, *args)` leads back."""

    def change(input: Tensor, *args: Any) -> Tensor:
        check_writable(input)
        shape, result = input.shape, function(input, *args)
        if input._view is None:
            # Views of the input are views of what it was.
            for other in input._storage.views():
                if other is not result and other._view is not None and other._view.base is input:
                    other._view = View(input, (lambda whole: undo(whole, shape, *args), *other._view.steps))
        else:
            input._view = result._view
        input._array = result._array
        if result._requires_grad:
            input._node, input._requires_grad = result._node, True
        return input

    change.__name__ = change.__qualname__ = f"{function.__name__}_"
    change.__doc__ = f"Make the tensor what `{function.__name__}` gives, over the same memory, and return it."
    return change


def _in_shape(whole: Tensor, shape: tuple[int, ...], *args: Any) -> Tensor:
    return whole.reshape(shape)


def _exchanged(whole: Tensor, shape: tuple[int, ...], dim0: int, dim1: int) -> Tensor:
    return whole.transpose(dim0, dim1)


def _where(input: Tensor, condition: Any, other: Any) -> Any:
    """The tensor where `condition` is true, `other` elsewhere."""
    return functions.where(condition, input, other)


def _repeat(input: Tensor, *sizes: Any) -> Any:
    """The tensor so many times along each dimension. See `rsconv.tile`; ShapeError for too few numbers."""
    return repeating.repeat(input, *sizes)


def _reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor in the shape of `other`."""
    return input.reshape(other.shape)


def _type(input: Tensor, dtype: Any = None) -> Any:
    """The tensor in another dtype; without one, the name of its own."""
    return str(input.dtype) if dtype is None else input.to(dtype=dtype)


def _cuda(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Raise DeviceError: there is no CUDA here."""
    raise no_cuda()


def _new_zeros(input: Tensor, *size: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Tensor:
    """Zeros of a shape, in this tensor's dtype and on its device unless others are given."""
    return creation.zeros(*size, dtype=dtype or input.dtype, device=device or input.device, **kwargs)


def _new_ones(input: Tensor, *size: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Tensor:
    """Ones of a shape, as `new_zeros`."""
    return creation.ones(*size, dtype=dtype or input.dtype, device=device or input.device, **kwargs)


def _new_empty(input: Tensor, *size: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Tensor:
    """An uninitialised tensor of a shape, as `new_zeros`."""
    return creation.empty(*size, dtype=dtype or input.dtype, device=device or input.device, **kwargs)


def _new_full(
    input: Tensor, size: Any, fill_value: Any, dtype: Any = None, device: Any = None, **kwargs: Any
) -> Tensor:
    """One value in a shape, as `new_zeros`."""
    wanted = dtype or input.dtype
    return creation.full(size, fill_value, dtype=wanted, device=device or input.device, **kwargs)


def _new_tensor(input: Tensor, data: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Tensor:
    """A copy of `data`, as `new_zeros`."""
    return creation.tensor(data, dtype=dtype or input.dtype, device=device or input.device, **kwargs)


def _is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex64 or complex128."""
    return input.dtype.kind == "c"


def _element_size(input: Tensor) -> int:
    """The bytes of one element."""
    return input.dtype.itemsize


def attach() -> None:
    """Give Tensor its methods that are functions, where it has none of that name."""
    methods: dict[str, Any] = {name: getattr(functions, name) for name in _FUNCTIONS}
    methods |= {name: getattr(shaping, name) for name in _SHAPES}
    for name in _IN_PLACE:
        methods[f"{name}_"] = _in_place(getattr(functions, name), name)
    for name in ("squeeze", "unsqueeze"):
        methods[f"{name}_"] = _view_in_place(getattr(shaping, name), _in_shape)
    methods |= {
        "t_": _view_in_place(shaping.t, lambda whole, shape: whole.t()),
        "transpose_": _view_in_place(shaping.transpose, _exchanged),
        "bernoulli": creation.bernoulli,
        "bernoulli_": creation.bernoulli_,
        "cuda": _cuda,
        "element_size": _element_size,
        "is_complex": _is_complex,
        "is_cuda": property(lambda self: False, doc="False: there is no CUDA here."),
        "is_cpu": property(lambda self: self.device == CPU, doc="Whether the tensor is on the CPU."),
        "mT": property(lambda self: self.transpose(-2, -1), doc="The last two dimensions exchanged."),
        "moveaxis": shaping.movedim,
        "ndimension": Tensor.dim,
        "nelement": Tensor.numel,
        "new_empty": _new_empty,
        "new_full": _new_full,
        "new_ones": _new_ones,
        "new_tensor": _new_tensor,
        "new_zeros": _new_zeros,
        "repeat": _repeat,
        "reshape_as": _reshape_as,
        "swapaxes": shaping.transpose,
        "swapdims": shaping.transpose,
        "type": _type,
        "where": _where,
    }
    for name, method in methods.items():
        if name not in vars(Tensor):
            setattr(Tensor, name, method)
