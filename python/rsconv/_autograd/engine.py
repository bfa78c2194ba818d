"""The pass backwards: gradients flow from results to leaves, each node once, the newest first.

A node's gradient is complete when its turn comes, because whatever uses its result is newer. So one heap
orders the pass, without recursion and without counting; sums are formed in that order, the same in every run.
"""

import heapq
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .._functional import elementwise as e
from .._functional.gradients import gradients
from ..backends import backend_of
from ..errors import GradientError
from ..tensor import Tensor
from . import modes
from .function import FunctionNode, Part
from .graph import Leaf, Node, Saved, leaf_of

__all__ = ["node_of", "run", "unpacked"]


# Steps between complex numbers, whose gradients are not zero there.
_NOT_HOLOMORPHIC = ("sign",)
# Whose rules are adjoint maps, conjugation included.
_ADJOINT = ("conv", "conv_input_grad", "conv_weight_grad", "conv_with_borders", "conv_tbc")


class _Cell:
    """A gradient on its way: the only holder of its Tensor, unless someone else has that, too."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def holders(self) -> tuple[int, int]:
        """References to the Tensor, and to its storage, which each Tensor over the same memory has."""
        return sys.getrefcount(self.value), sys.getrefcount(self.value._storage)

    def owned(self) -> bool:
        """Whether the memory may be written to or given away: nobody else can see it."""
        own, storage = self.holders()
        return (
            own <= _ALONE[0]
            and storage <= _ALONE[1]
            and not self.value._storage.exposed
            and self.value.is_contiguous()
        )

    def add(self, other: "Tensor", keep_graph: bool) -> None:
        """Add another gradient of the same result."""
        if keep_graph or not self.owned():
            self.value = e.add(self.value, other)
        else:
            self.value += other


_ALONE = _Cell(Tensor._new(np.zeros(1))).holders()


def node_of(tensor: Tensor) -> "Node | Leaf":
    """What records where a Tensor that requires gradients comes from."""
    node: Node | Leaf = tensor._node or leaf_of(tensor)
    return node


def unpacked(saved: Any, node: Any, op: str, create_graph: bool) -> Any:
    """What a rule sees of an argument or a result: a Tensor for saved memory."""
    if not isinstance(saved, Saved):
        return saved
    if saved.storage.version != saved.version:
        raise GradientError(
            f"a Tensor of shape {saved.array.shape} and dtype {saved.array.dtype} that {op!r} needs for its "
            f"gradient was written to in place: it is at version {saved.storage.version}, not "
            f"{saved.version} as then; write to a clone() instead, or use the out-of-place operator"
        )
    tensor = object.__new__(Tensor)
    tensor._set(saved.array, saved.storage)
    if create_graph and node is not None:
        tensor._node, tensor._requires_grad = node, True
    return tensor


def _gradients_of(node: Node, grad: Tensor, names: set[str], create_graph: bool) -> dict[str, Tensor]:
    """The gradients of the named arguments of a call."""
    if node.inputs is None:
        raise GradientError(
            f"the graph is gone: the gradients of {node.op!r} were computed before, and what they need was "
            "dropped then; pass retain_graph=True to the first backward() to go through it a second time"
        )
    parents = dict(node.edges)
    inputs = {name: unpacked(x, parents.get(name), node.op, create_graph) for name, x in node.inputs.items()}
    outputs = tuple(
        [unpacked(y, node if i == 0 else None, node.op, create_graph) for i, y in enumerate(node.outputs)]
    )
    if grad.dtype.kind == "c" or any(_dtype(node.inputs[name]).kind == "c" for name in names):
        # PyTorch's gradient of a function that is complex differentiable: the rule's, conjugated. See there,
        # "Autograd for Complex Numbers".
        if node.op in _NOT_HOLOMORPHIC:
            raise GradientError(f"{node.op!r} has no gradient of complex numbers here")
        turned: Callable[[Any], Any] = _same if node.op in _ADJOINT else e.conj
        found = gradients(node.op, turned(grad), inputs, outputs, node.args, names)
        found = {name: turned(gradient) for name, gradient in found.items()}
    else:
        found = gradients(node.op, grad, inputs, outputs, node.args, names)
    for name in names:
        if name not in found:
            # Piecewise constant: an exact zero, as in PyTorch.
            found[name] = _zeros(grad, node.inputs[name])
    return found


def _same(x: Any) -> Any:
    return x


def _dtype(x: Any) -> Any:
    return x.array.dtype if isinstance(x, Saved) else x.dtype


def _zeros(grad: Tensor, like: Any) -> Tensor:
    shape = like.array.shape if isinstance(like, Saved) else like.shape
    return Tensor._new(backend_of(grad._array).full(shape, 0, _dtype(like).newbyteorder("=")))


def _hooked(hooks: dict[int, Any] | None, grad: Tensor) -> Tensor:
    for hook in tuple(hooks.values()) if hooks else ():
        changed = hook(grad)
        if changed is not None:
            if not isinstance(changed, Tensor) or changed.shape != grad.shape:
                raise GradientError(
                    f"a hook of a gradient of shape {grad.shape} returned {_what(changed)}; it must return "
                    "None or a Tensor of that shape"
                )
            grad = changed
    return grad


def _what(x: Any) -> str:
    return f"a Tensor of shape {x.shape}" if isinstance(x, Tensor) else f"a {type(x).__name__}"


def _accumulate(tensor: Tensor, cell: _Cell, create_graph: bool) -> None:
    """Add a gradient to `tensor.grad`; the first one becomes it, unless someone else can see its memory."""
    old = tensor._grad
    if old is None:
        if create_graph or cell.owned():
            tensor._grad = cell.value
        else:
            tensor._grad = Tensor._new(_dense(cell.value._array))
    elif create_graph or old._requires_grad:
        tensor._grad = e.add(old, cell.value)
    else:
        old += cell.value


def _dense(array: Any) -> Any:
    return backend_of(array).copy(array)


def _reaching(roots: Sequence[Any], targets: set[Any]) -> set[Any]:
    """The nodes from which a target can be reached, targets included."""
    found: dict[int, Any] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node.sequence not in found:
            found[node.sequence] = node
            stack.extend(parent for _, parent in node.edges)
    reaching = set(targets)
    for _, node in sorted(found.items()):
        if any(parent in reaching for _, parent in node.edges):
            reaching.add(node)
    return reaching


def run(
    roots: Sequence[tuple[Any, Tensor]],
    retain_graph: bool,
    create_graph: bool,
    targets: Sequence[Any] | None = None,
) -> dict[Any, Tensor]:
    """Send gradients from `roots` back; those of leaves are accumulated, or if there are `targets`, theirs
    are returned."""
    with modes.set_grad_enabled(create_graph):
        return _run(roots, retain_graph, create_graph, targets)


def _run(
    roots: Sequence[tuple[Any, Tensor]],
    retain_graph: bool,
    create_graph: bool,
    targets: Sequence[Any] | None,
) -> dict[Any, Tensor]:
    ends = None if targets is None else set(targets)
    useful = None if ends is None else _reaching([node for node, _ in roots], ends)
    captured: dict[Any, Tensor] = {}
    pending: dict[Any, _Cell] = {}
    heap: list[tuple[int, Any]] = []

    def give(node: Any, grad: Any) -> None:
        cell = pending.get(node)
        if isinstance(node, FunctionNode):
            if cell is None:
                pending[node] = cell = _Cell([None] * node.count)
                heapq.heappush(heap, (-node.sequence, node))
            node.take(cell.value, grad)
        elif cell is None:
            pending[node] = _Cell(grad)
            heapq.heappush(heap, (-node.sequence, node))
        else:
            cell.add(grad, create_graph)

    for node, grad in roots:
        give(node, grad)
    while heap:
        _, node = heapq.heappop(heap)
        cell = pending.pop(node)
        if node.hooks:
            cell.value = _hooked(node.hooks, cell.value)
        if ends is not None and node in ends:
            captured[node] = cell.value
        if isinstance(node, Leaf):
            tensor = node.tensor()
            if ends is None and tensor is not None:
                _accumulate(tensor, cell, create_graph)
            continue
        if node.retains is not None:
            tensor = node.retains()
            if tensor is not None:
                tensor._grad = cell.value
        names = {name for name, parent in node.edges if useful is None or parent in useful}
        if names:
            for parent, outward in _outward(node, cell, names, create_graph):
                give(parent, outward)
            # Its last reference here would keep it from being given away.
            outward = None
        if not retain_graph:
            node.release()
    return captured


def _outward(node: Any, cell: _Cell, names: set[str], create_graph: bool) -> "Iterator[tuple[Any, Any]]":
    """The nodes of a call's arguments, each with its gradient."""
    if isinstance(node, FunctionNode):
        found = node.gradients(cell.value)
    elif isinstance(node, Part):
        found = {"input": (node.index, cell.value)}
    else:
        found = _gradients_of(node, cell.value, names, create_graph)
        if modes.anomaly.get():
            _search(node, found)
    cell.value = None
    # One holder each, so that gradients are owned by whom they are given to.
    for name, parent in node.edges:
        if name in names:
            yield parent, found.pop(name)


def _search(node: Node, found: dict[str, Tensor]) -> None:
    for name, gradient in found.items():
        if bool(e.isnan(gradient).any().item()):
            raise GradientError(
                f"the gradient of {name!r} of {node.op!r}, shape {gradient.shape}, has NaN{_called(node)}"
            )


def _called(node: Node) -> str:
    if node.where is None:
        return "; record inside of detect_anomaly() to see where it was called"
    own = __name__.partition(".")[0]
    frame = next((f for f in reversed(node.where) if f"/{own}/" not in f.filename.replace("\\", "/")), None)
    return "" if frame is None else f"; it was called in {frame.filename}:{frame.lineno}: {frame.line}"
