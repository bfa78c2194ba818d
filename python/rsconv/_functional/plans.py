"""Functions of Tensors by plan: a device may remember what a call did, and do it again for other arrays.

This skips the checks and the arithmetic of shapes that a call of the same signature went through before.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from .._autograd import modes
from ..backends import backend_of
from ..tensor import Tensor

__all__ = ["by_plan", "has_plans", "planned"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def planned(function: _Function) -> _Function:
    """`function` by plan where its arguments are Tensors, and numbers, strings or tuples of such.

    It must be a function of the contents of its Tensors by way of operators alone: no random numbers, nothing
    that is kept for later calls. A call that writes to its arguments, or returns views of them, has no plan.
    Nor has one whose gradient is wanted.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for arg in args:
            if isinstance(arg, Tensor):
                if has_plans(arg, (*args, *kwargs.values()) if kwargs else args):
                    arrays = [x._array if isinstance(x, Tensor) else x for x in args]
                    return by_plan(function, args, kwargs, arg, arrays)
                break
            if type(arg) is np.ndarray:
                break
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def has_plans(one: Tensor, args: Iterable[Any]) -> bool:
    """Whether a call may have a plan: its Tensor `one` is on a device that keeps plans, and no gradient is
    wanted."""
    if type(one._array) is np.ndarray:
        return False
    if modes.enabled.get():
        for x in args:
            if getattr(x, "_requires_grad", False):
                return False
    return True


def by_plan(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    one: Tensor,
    arrays: Sequence[Any],
) -> Any:
    """`function` of the arguments, among them `one`, by the plan for `arrays`: `args` with arrays of the
    device in place of Tensors."""
    computed = []
    given = kwargs

    def run() -> Any:
        result = function(*args, **given)
        computed.append(result)
        return _arrays(result)

    if kwargs:
        kwargs = {name: arg._array if isinstance(arg, Tensor) else arg for name, arg in kwargs.items()}
    result = backend_of(one._array).by_plan(function, arrays, kwargs, run)
    if computed:
        return computed[0]
    return Tensor._new(result) if type(result) is not tuple else _tensors(result)


def _arrays(result: Any) -> Any:
    if type(result) is Tensor:
        return result._array
    return tuple(map(_arrays, result)) if type(result) is tuple else result


def _tensors(result: Any) -> Any:
    if type(result) is tuple:
        return tuple(map(_tensors, result))
    return None if result is None else Tensor._new(result)
