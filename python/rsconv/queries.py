"""Questions about Tensors, and what model code asserts of them; `clone` and `detach` as functions."""

from typing import Any

import numpy as np

from .arithmetic import to_array
from .errors import ShapeError
from .size import Size
from .tensor import Tensor

__all__ = [
    "broadcast_shapes",
    "clone",
    "detach",
    "is_complex",
    "is_floating_point",
    "is_tensor",
    "numel",
]


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Any) -> bool:
    """Whether the dtype of an array is float16, float32 or float64."""
    return _dtype(input).kind == "f"


def is_complex(input: Any) -> bool:
    """Whether the dtype of an array is complex64 or complex128."""
    return _dtype(input).kind == "c"


def _dtype(input: Any) -> np.dtype[Any]:
    return input.dtype if isinstance(input, Tensor) else to_array(input).dtype


def numel(input: Any) -> int:
    """The number of elements of an array."""
    return input.numel() if isinstance(input, Tensor) else int(np.size(input))


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that arrays of these shapes broadcast to. Raises ShapeError, naming them, if they do not."""
    try:
        return Size(np.broadcast_shapes(*shapes))
    except ValueError:
        raise ShapeError(f"shapes {' and '.join(map(str, shapes))} do not broadcast") from None


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy with memory of its own."""
    return input.clone()


def detach(input: Tensor) -> Tensor:
    """A view of everything, without gradients."""
    return input.detach()


def _assert(condition: Any, message: str) -> None:
    """Raise AssertionError with `message` unless `condition`."""
    if not condition:
        raise AssertionError(message)
