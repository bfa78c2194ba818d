"""Activation layers made of straight lines: the functions of `rsconv.functional` with their arguments kept.

All take any shape; formulas, dtypes and errors are those of the functions. `inplace` writes to the input, if
that is no ndarray.
"""

from .. import functional as F
from ..tensor import Tensor
from .module import Module

__all__ = [
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "Softshrink",
    "Threshold",
]


class InPlace(Module):
    """A function without arguments but `inplace`."""

    def __init__(self, inplace: bool = False) -> None:
        """Keep `inplace`."""
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """`inplace=True`, if it is."""
        return "inplace=True" if self.inplace else ""

    def _with_inplace(self, text: str) -> str:
        return f"{text}, inplace=True" if self.inplace else text


class ReLU(InPlace):
    """`max(x, 0)`, element by element, of any real dtype; a nan stays."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape and real dtype."""
        output: Tensor = F.relu(input, self.inplace)
        return output


class Hardswish(Module):
    """`x * relu6(x + 3) / 6`."""

    def __init__(self, inplace: bool = False) -> None:
        """Keep `inplace`."""
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.hardswish(input, self.inplace)
        return output


class Hardsigmoid(Module):
    """`relu6(x + 3) / 6`."""

    def __init__(self, inplace: bool = False) -> None:
        """Keep `inplace`."""
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.hardsigmoid(input, self.inplace)
        return output


class LeakyReLU(InPlace):
    """`x` where positive, else `negative_slope * x`."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        """Keep the arguments."""
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.leaky_relu(input, self.negative_slope, self.inplace)
        return output

    def extra_repr(self) -> str:
        """The arguments."""
        return self._with_inplace(f"negative_slope={self.negative_slope}")


class RReLU(InPlace):
    """`x` where positive, else `slope * x`, in training with slopes drawn from U(lower, upper)."""

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        """Keep the arguments."""
        super().__init__(inplace)
        self.lower = lower
        self.upper = upper

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.rrelu(input, self.lower, self.upper, self.training, self.inplace)
        return output

    def extra_repr(self) -> str:
        """The arguments."""
        return self._with_inplace(f"lower={self.lower}, upper={self.upper}")


class Hardtanh(InPlace):
    """`x`, but not less than `min_val` and not more than `max_val`."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        """Keep the arguments."""
        super().__init__(inplace)
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, input: Tensor) -> Tensor:
        """Any shape and real dtype."""
        output: Tensor = F.hardtanh(input, self.min_val, self.max_val, self.inplace)
        return output

    def extra_repr(self) -> str:
        """The arguments."""
        return self._with_inplace(f"min_val={self.min_val}, max_val={self.max_val}")


class ReLU6(Hardtanh):
    """`min(max(x, 0), 6)`."""

    def __init__(self, inplace: bool = False) -> None:
        """Keep `inplace`."""
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        """`inplace=True`, if it is."""
        return "inplace=True" if self.inplace else ""


class Threshold(InPlace):
    """`x` where it is above `threshold`, else `value`."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        """Keep the arguments."""
        super().__init__(inplace)
        self.threshold = threshold
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Any shape and real dtype."""
        output: Tensor = F.threshold(input, self.threshold, self.value, self.inplace)
        return output

    def extra_repr(self) -> str:
        """The arguments."""
        return self._with_inplace(f"threshold={self.threshold}, value={self.value}")


class _Shrink(Module):
    def __init__(self, lambd: float = 0.5) -> None:
        """Keep `lambd`."""
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        """The value of `lambd`."""
        return str(self.lambd)


class Hardshrink(_Shrink):
    """`x`, but 0 where it is within `lambd` of 0."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.hardshrink(input, self.lambd)
        return output


class Softshrink(_Shrink):
    """`x` moved by `lambd` towards 0, at most to it."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.softshrink(input, self.lambd)
        return output
