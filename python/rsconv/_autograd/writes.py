"""Writes to Tensors that gradients flow through.

An in-place operator is recorded as its operator of the old contents, whose result is the Tensor itself from
then on. If the Tensor is a view, what it looks at (its base) gets a node that puts the new part into the old
whole, and every other view of that base is derived from it again.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import GradientError
from . import modes
from .graph import Leaf, record
from .rules import RULES

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["View", "check_writable", "in_place", "set_view"]

Step = Callable[[Any], Any]


class View:
    """That a Tensor looks at the memory of `base`, and the operators that lead from there to it."""

    __slots__ = ("base", "steps")

    def __init__(self, base: "Tensor", steps: tuple[Step, ...]) -> None:
        """See the class."""
        self.base, self.steps = base, steps

    def of(self, whole: Any) -> Any:
        """The same view of another Tensor of the base's shape."""
        for step in self.steps:
            whole = step(whole)
        return whole

    def clear(self, whole: Any) -> None:
        """Write zeros to the view of another Tensor of the base's shape."""
        self.of(whole).zero_()


def set_view(result: "Tensor", input: "Tensor", step: Step) -> None:
    """Note that `result` is `step(input)` over the same memory."""
    view = input._view
    result._view = View(input, (step,)) if view is None else View(view.base, (*view.steps, step))
    result._storage.note_view(result)


def check_writable(tensor: "Tensor") -> None:
    """Raise GradientError for a leaf that requires gradients, or a view of one, where operators record."""
    if not modes.enabled.get():
        return
    base = tensor if tensor._view is None else tensor._view.base
    if base._requires_grad and (base._node is None or isinstance(base._node, Leaf)):
        what = "a leaf Tensor" if base is tensor else f"a view of shape {tensor.shape} of a leaf Tensor"
        raise GradientError(
            f"{what} of shape {base.shape} that requires grad is being written to in place; write inside of "
            "`with rsconv.no_grad():`, or to its detach(), which gradients do not see"
        )


def in_place(
    target: "Tensor",
    op: str,
    inputs: dict[str, Any],
    change: Callable[[Any], object],
    **args: Any,
) -> "Tensor":
    """Have `change` write to the target's array, recorded as operator `op` of `inputs`, `target` among them.

    Old contents that a gradient reads are copied first. Raises GradientError for a leaf.
    """
    check_writable(target)
    if not (modes.enabled.get() and any(getattr(x, "_requires_grad", False) for x in inputs.values())):
        return target._store(change)
    reads = RULES[op].reads
    needed = {
        read
        for name, x in inputs.items()
        if getattr(x, "_requires_grad", False)
        for read in reads.get(name, ())
    }
    given = {
        name: x._alias(copy=name in needed) if getattr(x, "_storage", None) is target._storage else x
        for name, x in inputs.items()
    }
    target._store(change)
    result = target._alias()
    result._node, result._requires_grad = None, False
    record(op, given, (result,), args)
    if result._requires_grad:
        _rebase(target, result)
    return target


def _rebase(target: "Tensor", result: "Tensor") -> None:
    """Let `target` be `result`, the same memory after a write, for its base and all views, too."""
    view = target._view
    if view is None:
        base = target
        base._node, base._requires_grad = result._node, True
    else:
        base = view.base
        old, whole = base._alias(), base._alias()
        whole._node, whole._requires_grad = None, False
        record("put", {"input": old, "value": result}, (whole,), {"part": view.of, "clear": view.clear})
        base._node, base._requires_grad = whole._node, True
    with modes.enable_grad():
        for other in base._storage.views():
            if other._view is not None and other._view.base is base:
                again = other._view.of(base)
                other._node, other._requires_grad = again._node, again._requires_grad
