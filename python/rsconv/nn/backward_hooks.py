"""Where backward hooks of a module listen: at its inputs and outputs, which pass through as they are."""

from typing import TYPE_CHECKING, Any

from ..autograd import Function, is_grad_enabled
from ..tensor import Tensor

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Crossing"]


class _Border(Function):
    """The identity of Tensors; their gradients go through a function."""

    @staticmethod
    def forward(ctx: Any, change: Any, *tensors: Tensor) -> Any:
        ctx.change = change
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None, *ctx.change(grads)


def _replaced(hook: Any, given: tuple[Any, ...], new: Any) -> tuple[Any, ...]:
    if new is None:
        return given
    grads: tuple[Any, ...] = new if isinstance(new, tuple) else (new,)
    if len(grads) != len(given):
        name = getattr(hook, "__name__", repr(hook))
        raise RuntimeError(
            f"backward hook {name} returned {len(grads)} gradients, but there are {len(given)}"
        )
    return grads


class Crossing:
    """One call of a module that has backward hooks."""

    def __init__(self, module: "Module") -> None:
        """Nothing has passed yet."""
        self._module = module
        self._places: list[int] = []
        self._count = 0
        self._grad_output: tuple[Any, ...] = ()

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, those that require gradients by way of a border."""
        self._count = len(args)
        if not is_grad_enabled():
            return args
        self._places = [i for i, arg in enumerate(args) if isinstance(arg, Tensor) and arg.requires_grad]
        passed = list(args)
        if self._places:
            for i, tensor in zip(
                self._places, _Border.apply(self._at_inputs, *(args[i] for i in self._places)), strict=True
            ):
                passed[i] = tensor
        return tuple(passed)

    def outputs(self, result: Any) -> Any:
        """The result, a Tensor or a tuple or list, whose Tensors go by way of a border."""
        items = list(result) if isinstance(result, (tuple, list)) else [result]
        places = [i for i, item in enumerate(items) if isinstance(item, Tensor)]
        if not is_grad_enabled() or not any(items[i].requires_grad for i in places):
            return result
        for i, tensor in zip(
            places, _Border.apply(self._at_outputs, *(items[i] for i in places)), strict=True
        ):
            items[i] = tensor
        if isinstance(result, tuple):
            return type(result)(*items) if hasattr(result, "_fields") else tuple(items)
        return items if isinstance(result, list) else items[0]

    def _at_outputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook, *_ in list(self._module._backward_pre_hooks.values()):
            grads = _replaced(hook, grads, hook(self._module, grads))
        self._grad_output = grads
        if not self._places:
            # No gradient will reach the inputs.
            self._call((None,) * self._count)
        return grads

    def _at_inputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        all_grads: list[Any] = [None] * self._count
        for i, grad in zip(self._places, grads, strict=True):
            all_grads[i] = grad
        found = self._call(tuple(all_grads))
        return tuple(found[i] for i in self._places)

    def _call(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook, *_ in list(self._module._backward_hooks.values()):
            changed = hook(self._module, grad_input, self._grad_output)
            grad_input = _replaced(hook, grad_input, changed)
        return grad_input
