"""What lazy layers share: members without a shape until the first forward, or a state dict that has them."""

from typing import Any, ClassVar

from ..tensor import Tensor
from .module import Module
from .parameter import UninitializedBuffer, UninitializedParameter

__all__ = ["Lazy"]


class Lazy(Module):
    """A layer that takes a size from its first input, and is of the class `_plain` from then on."""

    _plain: ClassVar[type[Module]]

    def has_uninitialized_params(self) -> bool:
        """Whether the layer has still to see an input or a state dict."""
        members = (*self._parameters.values(), *self._buffers.values())
        return any(isinstance(member, (UninitializedBuffer, UninitializedParameter)) for member in members)

    def reset_parameters(self) -> None:
        """Draw the initial values, if their shapes are known."""
        if not self.has_uninitialized_params():
            super().reset_parameters()  # type: ignore[misc]

    def _initialize(self, input: Tensor) -> None:
        """Note the size that `input` has, and `_materialize` the members. Raises ShapeError."""
        raise NotImplementedError

    def _materialize(self, **shapes: tuple[int, ...]) -> None:
        """Give the members that still have none their shapes, and draw all initial values if any had none."""
        if self.has_uninitialized_params():
            for name, shape in shapes.items():
                member = getattr(self, name)
                if isinstance(member, (UninitializedBuffer, UninitializedParameter)):
                    member.materialize(shape)
            self.reset_parameters()

    def forward(self, input: Tensor, *args: Any, **kwargs: Any) -> Any:
        """As the plain layer."""
        self._initialize(input)
        self.__class__ = self._plain  # type: ignore[assignment]
        return self.forward(input, *args, **kwargs)
