"""What a call would run: algorithm, kernel, tile, threads and memory, without running it."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import functional as F
from ._functional.arrays import described
from ._functional.conv import check_padding_mode
from .backends import Geometry
from .backends.checks import same_dtype
from .errors import ArgumentError
from .nn import grad

__all__ = ["Explanation", "explain"]

_FORWARD = {
    F.conv1d: (1, False),
    F.conv2d: (2, False),
    F.conv3d: (3, False),
    F.conv_transpose1d: (1, True),
    F.conv_transpose2d: (2, True),
    F.conv_transpose3d: (3, True),
}
_INPUT_GRAD = {grad.conv1d_input: 1, grad.conv2d_input: 2, grad.conv3d_input: 3}
_WEIGHT_GRAD = {grad.conv1d_weight: 1, grad.conv2d_weight: 2, grad.conv3d_weight: 3}


@dataclass(frozen=True)
class Explanation:
    """The plan of one call. `str` gives one line for each field."""

    function: str
    device: str
    dtype: str
    input_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    algorithm: str
    kernel: str
    tile: Any
    threads: int
    tasks: int
    scratch_bytes: int
    packed_bytes: int
    reason: str

    def __str__(self) -> str:
        """A table for people."""
        shapes = f"{self.input_shape} * {self.weight_shape} -> {self.output_shape}"
        rows = {
            "algorithm": self.algorithm,
            "kernel": self.kernel,
            "tile": self.tile,
            "threads": f"{self.threads} for {self.tasks} tasks",
            "scratch": f"{self.scratch_bytes:,} bytes",
            "packed weight": f"{self.packed_bytes:,} bytes",
            "reason": self.reason,
        }
        head = f"{self.function} on {self.device}, {self.dtype}: {shapes}"
        return "\n".join([head, *(f"  {name:<14}{value}" for name, value in rows.items())])


def explain(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
    """Say what `function(*args, **kwargs)` would run, without running it.

    >>> import numpy as np
    >>> plan = explain(F.conv2d, np.ones((1, 3, 8, 8)), np.ones((4, 3, 3, 3)), padding=1)
    >>> plan.dtype, plan.output_shape
    ('float64', (1, 4, 8, 8))

    `function` is a convolution of `rsconv.functional` (but conv_tbc) or a gradient of `rsconv.nn.grad`; the
    arguments are checked as it checks them. Raises ArgumentError for any other function, and what the call
    itself would raise.
    """
    known: list[Any] = [*_FORWARD, *_INPUT_GRAD, *_WEIGHT_GRAD]
    if function not in known:
        names = ", ".join(f.__name__ for f in known)
        raise ArgumentError(f"explain knows {names}, but got {getattr(function, '__name__', function)!r}")
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    call = bound.arguments
    note = ""
    if function in _FORWARD:
        rank, transposed = _FORWARD[function]
        backend, (x, w, b), _ = described(input=call["input"], weight=call["weight"], bias=call["bias"])
        same_dtype(input=x, weight=w, bias=b)
        which, dtype, shapes = "forward", x.dtype, (x.shape, w.shape, None if b is None else b.shape)
    elif function in _INPUT_GRAD:
        rank, transposed, which = _INPUT_GRAD[function], False, "input_grad"
        backend, (w, g), _ = described(weight=call["weight"], grad_output=call["grad_output"])
        same_dtype(weight=w, grad_output=g)
        dtype, shapes = w.dtype, (grad.as_shape(call["input_size"]), w.shape, None)
    else:
        rank, transposed, which = _WEIGHT_GRAD[function], False, "weight_grad"
        backend, (x, g), _ = described(input=call["input"], grad_output=call["grad_output"])
        same_dtype(input=x, grad_output=g)
        dtype, shapes = x.dtype, (x.shape, grad.as_shape(call["weight_size"]), None)
    geometry = Geometry(
        rank,
        *shapes,
        call["stride"],
        call["padding"],
        call.get("output_padding", 0),
        call["groups"],
        call["dilation"],
        transposed,
    )
    output_shape = geometry.output_shape
    if (padding_mode := call.get("padding_mode", "zeros")) != "zeros":
        check_padding_mode(rank, transposed, padding_mode)
        geometry = geometry.without_padding()
        note = f"; {'its borders are added' if transposed else 'the input is padded first'}: {padding_mode=}"
    plan = backend.explain(geometry, dtype, which)
    return Explanation(
        function=function.__name__,
        device=backend.name,
        dtype=dtype.name,
        input_shape=tuple(shapes[0]),
        weight_shape=tuple(shapes[1]),
        output_shape=output_shape,
        **{**plan, "reason": plan["reason"] + note},
    )
