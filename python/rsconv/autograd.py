"""Gradients: `backward` and `grad`, whether operators record, and operators of one's own. As PyTorch's."""

from collections.abc import Sequence
from typing import Any

from . import creation
from ._autograd.engine import node_of, run
from ._autograd.function import Function
from ._autograd.modes import (
    anomaly,
    detect_anomaly,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)
from ._functional.elementwise import isnan
from .backends import backend_of
from .errors import ArgumentError, DeviceError, GradientError
from .tensor import Tensor

__all__ = [
    "Function",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of the sum of `tensors`, each times its `grad_tensors`, to `grad` of all leaves.

    See `Tensor.backward`; with `inputs` only theirs. Behaviour of PyTorch's autograd.backward.
    """
    outputs = _listed("tensors", tensors)
    roots = _roots(outputs, grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        run(roots, keep, create_graph)
        return
    wanted = _listed("inputs", inputs)
    if not wanted:
        raise ArgumentError("inputs of backward() cannot be empty")
    nodes = [_target(x, "inputs", i) for i, x in enumerate(wanted)]
    found = run(roots, keep, create_graph, nodes)
    for x, node in zip(wanted, nodes, strict=True):
        gradient = found.get(node)
        if gradient is not None:
            with set_grad_enabled(create_graph):
                x._grad = gradient.clone() if x._grad is None else x._grad + gradient


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of the sum of `outputs`, each times its `grad_outputs`, with respect to `inputs`.

    `grad` of no Tensor changes. With `create_graph` the results can be differentiated again. An input that
    the outputs do not depend on gets None with `allow_unused`, zeros with `materialize_grads`, else it raises
    GradientError. Behaviour of PyTorch's autograd.grad.
    """
    wanted = _listed("inputs", inputs)
    nodes = [_target(x, "inputs", i) for i, x in enumerate(wanted)]
    roots = _roots(_listed("outputs", outputs), grad_outputs)
    found = run(roots, create_graph if retain_graph is None else retain_graph, create_graph, nodes)
    results = []
    for i, (x, node) in enumerate(zip(wanted, nodes, strict=True)):
        gradient = found.get(node)
        if gradient is None and materialize_grads:
            gradient = creation.zeros_like(x)
        elif gradient is None and not allow_unused:
            raise GradientError(
                f"the outputs do not depend on inputs[{i}], a Tensor of shape {x.shape}; pass "
                "allow_unused=True if that is meant, for None as its gradient"
            )
        results.append(gradient)
    return tuple(results)


def _listed(name: str, given: Any) -> list[Tensor]:
    found = [given] if isinstance(given, Tensor) else list(given)
    for i, x in enumerate(found):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}[{i}] must be a Tensor, but got {type(x).__name__}")
    return found


def _target(x: Tensor, name: str, i: int) -> Any:
    if not x._requires_grad:
        raise GradientError(f"{name}[{i}], a Tensor of shape {x.shape}, does not require grad")
    return node_of(x)


def _roots(outputs: list[Tensor], given: Any) -> list[tuple[Any, Tensor]]:
    """The nodes of the outputs, each with its gradient, checked."""
    if given is None:
        given = [None] * len(outputs)
    elif not isinstance(given, (list, tuple)) or (len(outputs) == 1 and not _are_arrays(given)):
        given = [given]
    if len(given) != len(outputs):
        raise ArgumentError(f"got {len(given)} gradients for {len(outputs)} outputs")
    roots = []
    for i, (y, gradient) in enumerate(zip(outputs, given, strict=True)):
        if not y._requires_grad:
            raise GradientError(
                f"output {i}, a Tensor of shape {y.shape}, does not require grad: it depends on no Tensor "
                "with requires_grad=True, or was computed inside of no_grad()"
            )
        if anomaly.get() and bool(isnan(y.detach()).any().item()):
            raise GradientError(
                f"output {i}, a Tensor of shape {y.shape} made by {getattr(y.grad_fn, 'op', None)!r}, has NaN"
            )
        roots.append((node_of(y), _upstream(y, gradient)))
    return roots


def _are_arrays(given: Sequence[Any]) -> bool:
    return all(x is None or isinstance(x, Tensor) or hasattr(x, "__array__") for x in given)


def _upstream(y: Tensor, gradient: Any) -> Tensor:
    if gradient is None:
        if y.numel() != 1:
            raise GradientError(
                f"grad can be implicitly created only for scalar outputs, but this one has shape {y.shape}; "
                "pass gradient=, or take the sum() or mean() first"
            )
        if y.dtype.kind == "c":
            raise GradientError(f"grad can be implicitly created only for real outputs, but got {y.dtype}")
        return creation.ones_like(y)
    if not isinstance(gradient, Tensor):
        gradient = creation.tensor(gradient, dtype=y.dtype, device=y.device)
    if backend_of(gradient._array) is not backend_of(y._array):
        raise DeviceError(
            f"the gradient is on {gradient.device} and the output on {y.device}; move it, for instance by "
            f'to("{y.device}")'
        )
    if gradient.shape != y.shape:
        raise GradientError(f"the gradient has shape {gradient.shape} and the output shape {y.shape}")
    if (gradient.dtype.kind == "c") != (y.dtype.kind == "c"):
        raise GradientError(f"the gradient has dtype {gradient.dtype} and the output {y.dtype}")
    cast: Tensor = gradient.to(dtype=y.dtype)
    return cast
