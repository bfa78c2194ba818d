"""Operators of a user's own: `Function`, in PyTorch's form."""

from typing import Any

from ..errors import GradientError
from ..tensor import Tensor
from . import modes
from .graph import Leaf, Node, Saved, _sequence, leaf_of

__all__ = ["Function", "FunctionNode", "Part"]


class Context:
    """What `forward` leaves for `backward`: saved Tensors, and any attributes."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        """`needs_input_grad` says for each argument whether a gradient is wanted."""
        self.needs_input_grad = needs_input_grad
        self._to_save: tuple[Any, ...] = ()
        self._saved: list[tuple[Any, Any]] | None = []
        self._plain: list[Any] = []
        self._materialize = True
        self._name = ""

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep Tensors (or None) for `backward`, which finds them in `saved_tensors`."""
        self._to_save = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """These results require no gradients."""
        self._plain.extend(tensors)

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` sees zeros (True, the default) or None for a result without a gradient."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved. Raises GradientError if it was written to since, or dropped after a backward."""
        from .engine import unpacked

        if self._saved is None:
            raise GradientError(
                f"the graph is gone: what {self._name!r} saved was dropped by the first backward(); pass it "
                "retain_graph=True to go through the same graph a second time"
            )
        return tuple(unpacked(saved, node, self._name, modes.enabled.get()) for saved, node in self._saved)


class FunctionNode(Node):
    """One call of a Function. Gradients of its results come by way of a `Part` for each."""

    __slots__ = ("context", "count", "function", "shapes")

    def __init__(self, function: Any, context: Context, args: tuple[Any, ...], results: list[Any]) -> None:
        """Link the arguments that require gradients."""
        self.op, self.function, self.context = function.__name__, function, context
        self.edges = tuple(
            (str(i), x._node or leaf_of(x)) for i, x in enumerate(args) if getattr(x, "_requires_grad", False)
        )
        self.sequence = next(_sequence)
        self.hooks = self.retains = self.where = None
        self.count = len(results)
        self.shapes = [y._alias().detach_() if isinstance(y, Tensor) else None for y in results]
        self.shapes = [None if y is None else (y.shape, y.dtype, y.device) for y in self.shapes]

    def take(self, values: list[Any], grad: tuple[int, Tensor]) -> None:
        """Note the gradient of one result."""
        values[grad[0]] = grad[1]

    def gradients(self, values: list[Any]) -> dict[str, Any]:
        """Those of the arguments that require them, by `Function.backward`."""
        from .. import creation

        if self.context._materialize:
            for i, described in enumerate(self.shapes):
                if values[i] is None and described is not None and described[1].kind in "fc":
                    shape, dtype, device = described
                    values[i] = creation.zeros(shape, dtype=dtype, device=device)
        found = self.function.backward(self.context, *values)
        found = found if isinstance(found, tuple) else (found,)
        expected = len(self.context.needs_input_grad)
        if len(found) < expected or any(g is not None for g in found[expected:]):
            raise GradientError(
                f"{self.op}.backward() returned {len(found)} gradients for {expected} arguments of forward()"
            )
        return {name: self._checked(found[int(name)], int(name)) for name, _ in self.edges}

    def _checked(self, grad: Any, place: int) -> Any:
        shape, dtype, device = self.context._inputs[place]  # type: ignore[attr-defined]
        if grad is None:
            from .. import creation

            return creation.zeros(shape, dtype=dtype, device=device)
        if not isinstance(grad, Tensor) or grad.shape != shape:
            got = f"of shape {grad.shape}" if isinstance(grad, Tensor) else f"a {type(grad).__name__}"
            raise GradientError(
                f"{self.op}.backward() returned a gradient {got} for argument {place} of shape {shape}"
            )
        return grad if grad.dtype == dtype else grad.to(dtype=dtype)

    def release(self) -> None:
        """Drop what was saved."""
        if self.context._saved:
            self.context._saved = None

    def name(self) -> str:
        """As PyTorch names it."""
        return f"{self.op}Backward"


class Part:
    """One result of a Function."""

    __slots__ = ("__weakref__", "edges", "hooks", "index", "op", "retains", "sequence")

    def __init__(self, node: FunctionNode, index: int) -> None:
        """Result `index` of a call."""
        self.op, self.index = node.op, index
        self.edges: tuple[tuple[str, Any], ...] = (("input", node),)
        self.sequence = next(_sequence)
        self.hooks: dict[int, Any] | None = None
        self.retains: Any = None

    def release(self) -> None:
        """It keeps nothing."""

    def name(self) -> str:
        """That of the call."""
        name: str = self.edges[0][1].name()
        return name

    def __repr__(self) -> str:
        """Its name."""
        return f"<{self.name()}>"


class Function:
    """An operator with a gradient of its own: subclass it, define `forward(ctx, ...)` and `backward(ctx,
    *grads)`, both static, and call it by `apply`.

    `forward` records nothing; `backward` returns a gradient, or None, for each argument of `forward`. What
    `backward` computes with operators of the package is differentiable. Behaviour of PyTorch's
    autograd.Function; `ctx.mark_dirty` is not there: return a new Tensor.
    """

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute the result, or a tuple of them."""
        raise NotImplementedError("a Function defines forward(ctx, ...)")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The gradients of all arguments, from those of the results."""
        raise NotImplementedError("a Function defines backward(ctx, *grads)")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run `forward`, recorded if an argument requires gradients."""
        needs = tuple(bool(getattr(x, "_requires_grad", False)) for x in args)
        context = Context(needs)
        context._name = cls.__name__
        context._inputs = [  # type: ignore[attr-defined]
            (x.shape, x.dtype, x.device) if isinstance(x, Tensor) else None for x in args
        ]
        with modes.no_grad():
            given = cls.forward(context, *args)
        if not (modes.enabled.get() and any(needs)):
            return given
        several = isinstance(given, (tuple, list))
        # An argument that is returned as it is becomes a result of this call.
        results = [
            y.detach() if isinstance(y, Tensor) and (y._requires_grad or any(y is x for x in args)) else y
            for y in (given if several else (given,))
        ]
        node = FunctionNode(cls, context, args, results)
        parts: dict[int, Any] = {}
        for i, (y, original) in enumerate(zip(results, given if several else (given,), strict=True)):
            plain = any(original is x for x in context._plain)
            if isinstance(y, Tensor) and y.dtype.kind in "fc" and not plain:
                parts[id(original)] = y._node = Part(node, i)
                y._requires_grad = True
        origins: dict[int, Node | Leaf | Part] = {
            id(x): x._node or leaf_of(x) for x in args if getattr(x, "_requires_grad", False)
        }
        origins |= parts
        context._saved = [
            (Saved(x) if isinstance(x, Tensor) else x, origins.get(id(x))) for x in context._to_save
        ]
        context._to_save = ()
        return tuple(results) if several else results[0]
