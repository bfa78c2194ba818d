"""Parametrizations: a Parameter of a module as a function of others, computed whenever it is asked for.

The originals lie in `module.parametrizations.NAME`, as `original` or `original0`, `original1`, ...; the
module gets a class of its own, `ParametrizedNAME`, in which the name is a property.
"""

from typing import Any

from ...autograd import no_grad
from ...errors import ArgumentError
from ...parameter import Parameter
from ...tensor import Tensor
from ..container import ModuleDict, ModuleList
from ..describe import describe
from ..module import Module

__all__ = [
    "ParametrizationList",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
]


class ParametrizationList(ModuleList):
    """The functions whose composition gives a Parameter, and what the first takes."""

    def __init__(self, modules: list[Module], original: Tensor) -> None:
        """Let the `right_inverse` of the functions, the last one first, say what gives `original`."""
        super().__init__(modules)
        value: Any = original.detach()
        with no_grad():
            for module in reversed(modules):
                inverse = getattr(module, "right_inverse", None)
                value = value if inverse is None else inverse(value)
        self.is_tensor = isinstance(value, Tensor)
        self.ntensors = 1 if self.is_tensor else len(value)
        trained = original.requires_grad
        for name, part in zip(self._originals(), [value] if self.is_tensor else value, strict=True):
            self.register_parameter(name, Parameter(part.detach(), trained))

    def _originals(self) -> list[str]:
        return ["original"] if self.is_tensor else [f"original{index}" for index in range(self.ntensors)]

    def forward(self) -> Any:
        """The Parameter's value."""
        value, *rest = (getattr(self, name) for name in self._originals())
        for index, module in enumerate(self):
            value = module(value, *rest) if index == 0 else module(value)
        return value

    __repr__ = describe


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether `module` has parametrizations, or one of the Parameter `tensor_name`."""
    found = module._modules.get("parametrizations")
    return isinstance(found, ModuleDict) and (tensor_name in found if tensor_name else len(found) > 0)


def _property(name: str) -> Any:
    return property(lambda module: module.parametrizations[name]())


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let `module.tensor_name` be `parametrization(original)`; another one takes what the last one gives.

    If `parametrization` has a method `right_inverse`, it says what original, a Tensor or several, gives the
    present value. `unsafe` has no effect: shapes are not compared. Returns `module`.

    Raises ArgumentError if `module` has no such Parameter.
    """
    if is_parametrized(module, tensor_name):
        known: Any = module.parametrizations[tensor_name]
        value = known()
        functions, trained = [*known, parametrization], known._parameters[known._originals()[0]].requires_grad
        module.parametrizations[tensor_name] = ParametrizationList(
            functions, value.detach().requires_grad_(trained)
        )
        return module
    original = module._parameters.get(tensor_name)
    if original is None:
        raise ArgumentError(f"{type(module).__name__} has no Parameter {tensor_name!r} to parametrize")
    functions_list = ParametrizationList([parametrization], original)
    if not is_parametrized(module):
        kind = type(module)
        # A copy of the class shall be found by no name, so that it cannot shadow one.
        module.__class__ = type(f"Parametrized{kind.__name__}", (kind,), {"__module__": kind.__module__})
        module.add_module("parametrizations", ModuleDict())
    delattr(module, tensor_name)
    module.parametrizations[tensor_name] = functions_list
    setattr(type(module), tensor_name, _property(tensor_name))
    return module


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make `tensor_name` a Parameter with its present value again, or with its original if not to be left.

    Raises ArgumentError if it has no parametrization, or several originals and shall not be left as it is.
    """
    if not is_parametrized(module, tensor_name):
        raise ArgumentError(f"{type(module).__name__} has no parametrization of {tensor_name!r}")
    known: Any = module.parametrizations[tensor_name]
    if not leave_parametrized and not known.is_tensor:
        raise ArgumentError(
            f"{tensor_name!r} has {known.ntensors} originals, so that it can only be left parametrized"
        )
    first = known._parameters[known._originals()[0]]
    with no_grad():
        value = known() if leave_parametrized else first
    del module.parametrizations[tensor_name]
    delattr(type(module), tensor_name)
    if not len(module.parametrizations):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    module.register_parameter(tensor_name, Parameter(value.detach(), first.requires_grad))
    return module
