"""Smooth activation layers: the functions of `rsconv.functional` with their arguments kept.

All take any shape and floating-point dtypes; formulas and errors are those of the functions. `inplace` writes
to the input, if that is no ndarray.
"""

from .. import functional as F
from ..tensor import Tensor
from .module import Module
from .piecewise_linear import InPlace

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "LogSigmoid",
    "Mish",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Tanh",
    "Tanhshrink",
]


class SiLU(InPlace):
    """`x * sigmoid(x)`, also known as swish."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.silu(input, self.inplace)
        return output


class Mish(InPlace):
    """`x * tanh(softplus(x))`."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.mish(input, self.inplace)
        return output


class SELU(InPlace):
    """`ELU` scaled so that activations keep mean 0 and variance 1."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.selu(input, self.inplace)
        return output


class ELU(InPlace):
    """`x` where positive, else `alpha * (exp(x) - 1)`."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        """Keep the arguments."""
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.elu(input, self.alpha, self.inplace)
        return output

    def extra_repr(self) -> str:
        """The arguments."""
        return self._with_inplace(f"alpha={self.alpha}")


class CELU(InPlace):
    """`x` where positive, else `alpha * (exp(x / alpha) - 1)`."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        """Keep the arguments."""
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.celu(input, self.alpha, self.inplace)
        return output

    def extra_repr(self) -> str:
        """The arguments."""
        return self._with_inplace(f"alpha={self.alpha}")


class Sigmoid(Module):
    """`1 / (1 + exp(-x))`."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.sigmoid(input)
        return output


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.tanh(input)
        return output


class LogSigmoid(Module):
    """`log(sigmoid(x))`, without overflow."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.logsigmoid(input)
        return output


class Softsign(Module):
    """`x / (1 + abs(x))`."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.softsign(input)
        return output


class Tanhshrink(Module):
    """`x - tanh(x)`."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.tanhshrink(input)
        return output


class Softplus(Module):
    """`log(1 + exp(beta * x)) / beta`, and `x` itself where `beta * x` is above `threshold`."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        """Keep the arguments."""
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.softplus(input, self.beta, self.threshold)
        return output

    def extra_repr(self) -> str:
        """The arguments."""
        return f"beta={self.beta}, threshold={self.threshold}"


class GELU(Module):
    """`x * Phi(x)` with the normal distribution's Phi, or its approximation by `approximate="tanh"`."""

    def __init__(self, approximate: str = "none") -> None:
        """Keep `approximate`, which is checked when there is an input."""
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        output: Tensor = F.gelu(input, self.approximate)
        return output

    def extra_repr(self) -> str:
        """The argument."""
        return f"approximate={self.approximate!r}"


class GLU(Module):
    """The first half of the input along `dim` times the sigmoid of the second."""

    def __init__(self, dim: int = -1) -> None:
        """Keep `dim`."""
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Halve the size along `dim`."""
        output: Tensor = F.glu(input, self.dim)
        return output

    def extra_repr(self) -> str:
        """The argument."""
        return f"dim={self.dim}"
