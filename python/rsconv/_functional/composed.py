"""Functions made of other functions, which see Tensors only."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..errors import ArgumentError
from ..tensor import Tensor
from .arrays import Result, operands

__all__ = ["composed"]


def composed(function: Callable[..., Result]) -> Callable[..., Result]:
    """Bring the first argument from the host to the call's device once, and the result back.

    If another argument is a Tensor, the first goes to its device and the result stays there.
    `inplace=True` is refused for what is no Tensor, by ArgumentError.
    """

    signature = inspect.signature(function)
    first = next(iter(signature.parameters))

    @functools.wraps(function)
    def compute(*args: Any, **kwargs: Any) -> Result:
        if first in kwargs:
            input = kwargs.pop(first)
        elif args:
            input, args = args[0], args[1:]
        else:
            # The function says what is missing.
            return function(**kwargs)
        if isinstance(input, Tensor):
            return function(input, *args, **kwargs)
        if signature.bind(input, *args, **kwargs).arguments.get("inplace"):
            raise ArgumentError(
                f"inplace=True is for Tensors, but got input of type {type(input).__name__}, which is never "
                "written to"
            )
        others = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        call = operands(**{first: input}, **({"other": others[0]} if others else {}))
        result = function(Tensor._new(call.arrays[0]), *args, **kwargs)
        return call.result(result._array) if not others else result

    return compute
