"""What operators record: a node for each result, linked to the nodes of its arguments.

A node keeps what its rule reads and no more, as arrays with the versions that they had: it holds no Tensor,
so that results and nodes never hold each other. Nodes are numbered as they are made; every edge leads from a
higher to a lower number, which is all the order that the pass backwards needs.
"""

import itertools
import traceback
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from . import modes
from .rules import RULES, Rule

if TYPE_CHECKING:
    from ..storage import Storage
    from ..tensor import Tensor

__all__ = ["Described", "Leaf", "Node", "Saved", "leaf_of", "record", "told", "wanted"]

_sequence = itertools.count()
_Result = TypeVar("_Result")


class Described:
    """Shape and dtype of an array whose elements no gradient reads."""

    __slots__ = ("dtype", "shape")

    def __init__(self, x: Any) -> None:
        """Those of `x`, a Tensor or what np.asarray takes."""
        if not hasattr(x, "dtype"):
            x = np.asarray(x)
        self.shape: tuple[int, ...] = x.shape
        self.dtype: np.dtype[Any] = x.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)


class Saved:
    """The memory of a Tensor, and the version that it was saved at."""

    __slots__ = ("array", "storage", "version")

    def __init__(self, tensor: "Tensor") -> None:
        """What `tensor` holds now."""
        self.array = tensor._array
        self.storage: Storage = tensor._storage
        self.version = self.storage.version


class Leaf:
    """Where gradients end: a Tensor that requires them and that no operator made."""

    __slots__ = ("__weakref__", "hooks", "sequence", "tensor")
    edges: tuple[tuple[str, Any], ...] = ()

    def __init__(self, tensor: "Tensor") -> None:
        """The leaf of `tensor`, which does not keep it alive."""
        self.tensor = weakref.ref(tensor)
        self.sequence = next(_sequence)
        self.hooks: dict[int, Any] | None = None

    def name(self) -> str:
        """PyTorch's name of it."""
        return "AccumulateGrad"

    @property
    def next_functions(self) -> tuple[Any, ...]:
        """None: it is the end."""
        return ()

    def __repr__(self) -> str:
        """Its name."""
        return "<AccumulateGrad>"


class Node:
    """One call of an operator. `edges` are its arguments that require gradients, each with its node."""

    __slots__ = (
        *("__weakref__", "args", "edges", "hooks", "inputs", "kept", "op"),
        *("outputs", "retains", "rule", "sequence", "where"),
    )

    def __init__(
        self, op: str, rule: Rule, inputs: dict[str, Any], outputs: tuple[Any, ...], args: dict[str, Any]
    ) -> None:
        """Keep what the rule reads for the arguments that require gradients."""
        self.op, self.rule, self.args = op, rule, args
        self.hooks: dict[int, Any] | None = None
        self.retains: Any = None
        self.edges: tuple[tuple[str, Any], ...] = tuple(
            [
                (name, x._node or leaf_of(x))
                for name, x in inputs.items()
                if getattr(x, "_requires_grad", False)
            ]
        )
        # After its leaves.
        self.sequence = next(_sequence)
        reads = rule.reads
        needed = {read for name, _ in self.edges for read in reads.get(name, ())} if reads else ()
        self.inputs: dict[str, Any] | None = {
            name: _kept(x) if name in needed else _described(x) for name, x in inputs.items()
        }
        self.outputs: tuple[Any, ...] = tuple(
            [
                Saved(y) if ("output" if i == 0 else f"output{i}") in needed else Described(y)
                for i, y in enumerate(outputs)
                if y is not None
            ]
        )
        self.kept = bool(needed) or any(hasattr(x, "_storage") for x in args.values())
        self.where = traceback.extract_stack() if modes.anomaly.get() else None

    def release(self) -> None:
        """Drop what was kept: the gradients were computed."""
        if self.kept:
            self.inputs, self.outputs, self.args = None, (), {}

    def name(self) -> str:
        """In PyTorch's form: `MulBackward0`."""
        return "".join(part.capitalize() for part in self.op.split("_")) + "Backward0"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes of the arguments that require gradients."""
        return tuple((parent, 0) for _, parent in self.edges)

    def __repr__(self) -> str:
        """Its name."""
        return f"<{self.name()}>"


def leaf_of(tensor: "Tensor") -> Leaf:
    """The leaf of a Tensor that requires gradients and was made by no operator."""
    leaf = tensor._node = Leaf(tensor)
    return leaf


def _described(x: Any) -> Any:
    return x if x is None or isinstance(x, (bool, int, float, complex)) else Described(x)


def _kept(x: Any) -> Any:
    if hasattr(x, "_storage"):
        return Saved(x)
    # The caller may write to his array before the gradients are computed.
    return x.copy() if isinstance(x, np.ndarray) else list(x) if isinstance(x, list) else x


def wanted(inputs: dict[str, Any]) -> bool:
    """Whether a call is recorded: an argument requires gradients, and nothing says not to."""
    for x in inputs.values():
        if getattr(x, "_requires_grad", False):
            return modes.enabled.get()
    return False


def record(op: str, inputs: dict[str, Any], outputs: tuple[Any, ...], args: dict[str, Any]) -> None:
    """Make the first of an operator's results require gradients; nothing for a result that has none."""
    y = outputs[0]
    rule = RULES.get(op)
    if rule is not None and y.dtype.kind in "fc":
        y._node, y._requires_grad = Node(op, rule, inputs, outputs, args), True


def told(op: str, inputs: dict[str, Any], result: _Result, **args: Any) -> _Result:
    """An operator's one result, recorded if gradients are wanted."""
    for x in inputs.values():
        if getattr(x, "_requires_grad", False):
            if modes.enabled.get():
                record(op, inputs, (result,), args)
            break
    return result
