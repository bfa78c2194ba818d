"""The half of a Tensor that gradients concern: flags, `grad`, `backward`, hooks. Behaviour of PyTorch's."""

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ._autograd.graph import Leaf, leaf_of
from .backends import backend_of
from .errors import DtypeError, GradientError

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["Differentiable", "HookHandle"]


class HookHandle:
    """What removes a hook."""

    __slots__ = ("_hooks", "_key")

    def __init__(self, hooks: dict[int, Any], key: int) -> None:
        """Entry `key` of `hooks`."""
        self._hooks, self._key = hooks, key

    def remove(self) -> None:
        """Take the hook off; nothing if it is off already."""
        self._hooks.pop(self._key, None)


class Differentiable:
    """Tensor's flags and methods of gradients.

    `_node` is what recorded the Tensor: the node of the operator that made it, the `Leaf` of one that the
    user made and that an operator used, or None. `_view` says of which Tensor it is a view.
    """

    __slots__ = ("_grad", "_node", "_requires_grad", "_view")

    _requires_grad: bool
    _grad: "Tensor | None"
    _node: Any
    _view: Any

    def _forget(self, requires_grad: bool) -> None:
        """Begin as a leaf without a gradient."""
        self._requires_grad, self._grad, self._node, self._view = requires_grad, None, None, None

    @property
    def requires_grad(self) -> bool:
        """Whether gradients with respect to this tensor are wanted: set by the user for leaves, true for
        recorded results. Setting it raises DtypeError, unless floating-point or complex, and GradientError if
        it is switched off for a result."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        tensor: Any = self
        if wanted and tensor.dtype.kind not in "fc":
            raise DtypeError(
                f"only floating-point and complex Tensors can require gradients, but this is {tensor.dtype}"
            )
        if not wanted and not self.is_leaf:
            raise GradientError(
                f"requires_grad of a result (of {self._node.op!r}, shape {tensor.shape}) cannot be switched "
                "off; use detach() for a Tensor that gradients do not flow through"
            )
        self._requires_grad = bool(wanted)

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operator made it: then `backward` fills its `grad`, if it requires one."""
        return self._node is None or type(self._node) is Leaf

    @property
    def grad_fn(self) -> Any:
        """The recorded operator that made it, None for leaves. It has `name()` and `next_functions`."""
        return None if self.is_leaf else self._node

    @property
    def grad(self) -> "Tensor | None":
        """The gradient that `backward` accumulated, None before. Setting it to one of another shape, dtype or
        device raises GradientError."""
        return self._grad

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        tensor: Any = self
        if value is not None:
            if not isinstance(value, Differentiable):
                raise TypeError(f"grad must be a Tensor or None, but got {type(value).__name__}")
            for what in ("shape", "dtype", "device"):
                own, other = getattr(tensor, what), getattr(value, what)
                if own != other:
                    raise GradientError(
                        f"grad of a Tensor of {what} {own} must have that {what}, but got {what} {other}"
                    )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def retains_grad(self) -> bool:
        """Whether `backward` fills `grad` of this result, which is no leaf."""
        return not self.is_leaf and self._node.retains is not None

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Set `requires_grad` and return the tensor."""
        self.requires_grad = requires_grad
        return self

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: "Tensor | Sequence[Tensor] | None" = None,
    ) -> None:
        """Add the gradients of this tensor to `grad` of all leaves (or only `inputs`) that it depends on.

        `gradient` is that of some final number with respect to this tensor, 1 if it has a single element.
        What the graph holds is dropped on the way unless `retain_graph`, whose default is `create_graph`:
        then the gradients can be differentiated again.

        Raises GradientError if nothing was recorded, for more than one element without `gradient`, for a
        graph that was used before, for saved contents that were written to since, and for a `gradient` that
        does not fit.
        """
        from .autograd import backward

        tensor: Any = self
        backward(tensor, gradient, retain_graph, create_graph, inputs=inputs)

    def register_hook(self, hook: Callable[["Tensor"], Any]) -> HookHandle:
        """Have `hook(gradient)` called with each gradient of this tensor, which the hook may replace by what
        it returns. The handle has `remove()`. Raises GradientError if no gradient is required."""
        if not self._requires_grad:
            raise GradientError("cannot register a hook on a Tensor that does not require grad")
        node = self._node or leaf_of(self)  # type: ignore[arg-type]
        if node.hooks is None:
            node.hooks = {}
        key = max(node.hooks, default=-1) + 1
        node.hooks[key] = hook
        return HookHandle(node.hooks, key)

    def retain_grad(self) -> None:
        """Have `backward` fill `grad` although this is a result. Raises GradientError if no gradient is
        required."""
        if not self._requires_grad:
            raise GradientError("cannot retain_grad on a Tensor that has requires_grad=False")
        if not self.is_leaf:
            self._node.retains = weakref.ref(self)

    def detach(self) -> "Tensor":
        """A view of everything, without gradients."""
        tensor: Any = self
        result: Tensor = tensor._derive(tensor._array)
        return result

    def detach_(self) -> Any:
        """Forget what was recorded: from now on a leaf that requires no gradient.

        Raises GradientError for a view, whose base would still know it.
        """
        if self._view is not None and not self.is_leaf:
            raise GradientError("cannot detach views in place; use detach() instead")
        self._node, self._requires_grad = None, False
        return self

    def _alias(self, copy: bool = False) -> Any:
        """Another Tensor of the same graph over the same memory, or over a copy of it."""
        tensor: Any = self
        array = tensor._array
        result = tensor._new(backend_of(array).copy(array)) if copy else tensor._derive(array)
        if self._requires_grad:
            result._node, result._requires_grad = self._node or leaf_of(tensor), True
        return result
