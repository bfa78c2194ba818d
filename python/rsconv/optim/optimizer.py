"""What all optimizers share: groups of parameters and their options, state, and its dict."""

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..autograd import enable_grad, no_grad
from ..backends import backend_of
from ..conversion import host
from ..errors import ArgumentError, DeviceError, DtypeError, ShapeError
from ..tensor import Tensor
from .loading import packed, restored

__all__ = ["Optimizer", "number", "rewrite"]

Group = dict[str, Any]
Parameters = Iterable[Tensor] | Iterable[Group] | Iterable[tuple[str, Tensor]]


def number(value: Any) -> float:
    """An option as a float; it may be a Tensor or array of one element."""
    return float(value.item() if hasattr(value, "item") else value)


class Optimizer:
    """The base of optimizers.

    A class of its own has `_update`, which gives a parameter its next value; or it overrides `step`.

    `param_groups` is a list of dicts: a list of "params" and the options that hold for them. `state` maps a
    parameter to what the optimizer keeps of it. Both are PyTorch's, and so is `state_dict()`.
    """

    def __init__(self, params: Parameters, defaults: Group) -> None:
        """Optimize `params`: Tensors, `(name, Tensor)` pairs, or dicts of "params" and options of their own.

        Raises ArgumentError for no parameters, one that is there twice or is no leaf, and options out of
        range; TypeError for anything else but Tensors.
        """
        if isinstance(params, Tensor):
            raise TypeError(
                f"params must be an iterable of Tensors or dicts, but got a Tensor of shape {params.shape}; "
                "put it into a list"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._has_stepped = False
        given: list[Any] = list(params)
        if not given:
            raise ArgumentError("params is empty: there is nothing to optimize")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def _check(self, group: Group) -> None:
        """Raise ArgumentError for an option out of range, with its name and value."""

    def _update(self, param: Tensor, group: Group) -> None:
        """Give `param` its next value, by its gradient; called without recording gradients."""
        raise NotImplementedError(f"{type(self).__name__} has neither _update() nor a step() of its own")

    def add_param_group(self, param_group: Group) -> None:
        """Optimize further parameters, with options of their own; the others are the optimizer's defaults.

        Options that the optimizer does not know are kept, as PyTorch does; one that looks like a misspelling
        of a known one raises ArgumentError.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        if "params" not in param_group:
            raise ArgumentError(f"param_group has no 'params', only {sorted(param_group)}")
        for key in param_group.keys() - self.defaults.keys() - {"params", "param_names"}:
            near = difflib.get_close_matches(key, self.defaults, 1, 0.81)
            if near:
                raise ArgumentError(
                    f"{type(self).__name__} has no option {key!r} in a param_group: did you mean {near[0]!r}?"
                )
        params = param_group["params"]
        if isinstance(params, (set, frozenset)):
            raise TypeError("params must have an order, but got a set; pass a list")
        members = [params] if isinstance(params, Tensor) else list(params)
        group = {**self.defaults, **param_group}
        if members and all(isinstance(member, tuple) and len(member) == 2 for member in members):
            group["param_names"] = [name for name, _ in members]
            members = [member for _, member in members]
        group["params"] = members
        known = {id(param) for group in self.param_groups for param in group["params"]}
        for i, param in enumerate(members):
            if not isinstance(param, Tensor):
                raise TypeError(f"params must be Tensors, but params[{i}] is of type {type(param).__name__}")
            if not (param.is_leaf or param.retains_grad):
                raise ArgumentError(
                    f"params[{i}] of shape {param.shape} is no leaf: it is the result of an operation, which "
                    "an optimizer cannot change"
                )
            if id(param) in known:
                raise ArgumentError(f"params[{i}] of shape {param.shape} is optimized twice")
            known.add(id(param))
        self._check(group)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        with no_grad():
            for group in self.param_groups:
                for param in group["params"]:
                    if set_to_none:
                        param.grad = None
                    elif param.grad is not None:
                        param.grad = param.grad.detach()
                        param.grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, in place.

        `closure` computes the loss and its gradients anew; what it returns is returned.

        Raises DtypeError, ShapeError, DeviceError for a gradient that does not fit its parameter.
        """
        self._has_stepped = True
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                for param in group["params"]:
                    if param.grad is not None:
                        self._update(param, group)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """`{"state": .., "param_groups": ..}`, in which numbers in order of the groups stand for parameters.

        The Tensors in it are those of the optimizer, not copies.
        """
        return packed(self.state, self.param_groups)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a copy of what `state_dict()` gave, here or in PyTorch (a .pt file, by `rsconv.load`).

        State takes each parameter's dtype and device, but for the count of steps. Raises WeightsError if the
        groups or their parameters differ in number, or state in shape.
        """
        state, groups = restored(state_dict, self.param_groups)
        for group in groups:
            self._check(group)
        self.state = defaultdict(dict, state)
        self.param_groups = groups

    def __getstate__(self) -> dict[str, Any]:
        """What pickles keep; `state` refers to the parameters of the groups."""
        return {
            "defaults": self.defaults,
            "state": [(param, state) for param, state in self.state.items()],
            "param_groups": self.param_groups,
            "_has_stepped": self._has_stepped,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """From a pickle or a copy."""
        self.__dict__.update(state)
        self.state = defaultdict(dict, state["state"])

    def __repr__(self) -> str:
        """As PyTorch prints it: the options of each group."""
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])

    def _count(self, param: Tensor) -> float:
        """One more step of this parameter: `state["step"]`, a float32 on the CPU as PyTorch keeps it."""
        state = self.state[param]
        step = state.get("step")
        if step is None:
            step = state["step"] = Tensor._new(np.zeros((), np.float32))
        count = float(host(step)) + 1
        step._write(lambda array: array.fill(count))
        return count

    def _buffers(self, param: Tensor, *names: str) -> list[Tensor]:
        """State of the parameter's shape, dtype and layout by name, zeros at first."""
        state = self.state[param]
        for name in names:
            if state.get(name) is None:
                backend = backend_of(param._array)
                zeros = backend.copy(param._array)
                backend.assign(zeros, 0)
                state[name] = Tensor._new(zeros)
        return [state[name] for name in names]


def rewrite(op: str, param: Tensor, buffers: Sequence[Tensor], constants: Sequence[float]) -> None:
    """Rewrite a parameter and its state in place by an update of the table, beside the parameter's gradient.

    Raises DtypeError, ShapeError, DeviceError, ArgumentError for what cannot be written or does not fit.
    """
    grad: Any = param.grad
    _check_gradient(param, grad)
    tensors = [param, *buffers]

    def update() -> None:
        # Only now, as a write may move a Tensor to memory of its own.
        backend_of(param._array).update(op, [x._array for x in tensors], grad._array, constants)

    _while_written(tensors, update)


def _while_written(tensors: Sequence[Tensor], write: Callable[[], None]) -> None:
    """Call `write` within a write to each of the Tensors."""
    # A function within `rewrite` that calls itself would be a cycle, and keep the gradient alive.
    if tensors:
        tensors[0]._write(lambda _: _while_written(tensors[1:], write))
    else:
        write()


def _check_gradient(param: Tensor, grad: Any) -> None:
    if isinstance(grad, Tensor):
        own, other = param._array, grad._array
        fits = own.shape == other.shape and own.dtype == other.dtype and own.dtype.kind == "f"
        if fits and backend_of(own) is backend_of(other):
            return
    what = f"the gradient of a parameter of shape {param.shape}"
    if not isinstance(grad, Tensor):
        raise TypeError(f"{what} must be a Tensor, but is of type {type(grad).__name__}")
    if param.dtype.kind != "f":
        raise DtypeError(
            f"a parameter of shape {param.shape} is {param.dtype}, but optimizers take float16, float32 and "
            "float64"
        )
    if grad.dtype != param.dtype:
        raise DtypeError(f"{what} is {grad.dtype}, but the parameter is {param.dtype}")
    if grad.shape != param.shape:
        raise ShapeError(f"{what} has shape {grad.shape}")
    if backend_of(grad._array) is not backend_of(param._array):
        raise DeviceError(f"{what} is on {grad.device}, but the parameter on {param.device}")
