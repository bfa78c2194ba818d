"""The operators that every device implements, and the choice of a device for a call.

An operator is a function of canonical arguments: shapes are checked and sizes computed by its `Geometry` (or,
for layout operators, by `rsconv._functional`) before a backend sees them. Each has its gradients beside
it, written as operators of their own. A backend is a module; its arrays are its own (ndarrays on the
CPU).
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .._core import Geometry
from . import cpu

__all__ = ["Array", "Backend", "Geometry", "Pads", "select"]

Array = NDArray[Any]
Pads = tuple[tuple[int, int], ...]
"""`(low, high)` for each axis of an array; negative values crop."""


class Backend(Protocol):
    """One device's operators. `w` of `conv` may be what `pack` or `packed` returned."""

    name: str

    def conv(
        self, geometry: Geometry, x: Array, w: Any, b: Array | None = None, out: Array | None = None
    ) -> Array:
        """Run the convolution `geometry`, transposed or not."""

    def conv_input_grad(self, geometry: Geometry, w: Array, grad_output: Array) -> Array:
        """Gradient of `conv` with respect to `x`."""

    def conv_weight_grad(self, geometry: Geometry, x: Array, grad_output: Array) -> Array:
        """Gradient of `conv` with respect to `w`."""

    def explain(self, geometry: Geometry, dtype: np.dtype[Any], which: str) -> dict[str, Any]:
        """The plan of a pass, 'forward', 'input_grad' or 'weight_grad', without running it."""

    def pack(self, geometry: Geometry, w: Array) -> Any:
        """Lay a weight out as the kernel of `geometry` reads it."""

    def conv_of(self, weight: Any) -> Callable[..., Array]:
        """`conv` for what `pack` returned: the shortest way to its kernel."""

    def packed(self, geometry: Geometry, w: Array, kept: dict[Geometry, Any]) -> Any:
        """`pack`, looked up in `kept`, a dict that holds for the present contents of `w` only."""

    def pad(self, x: Array, pads: Pads, mode: str, value: Any = 0) -> Array:
        """Extend every axis; mode is 'constant', 'reflect', 'replicate' or 'circular'."""

    def pad_grad(self, grad_output: Array, pads: Pads, mode: str) -> Array:
        """Gradient of `pad`: what a border was copied from receives that border's gradient."""

    def unfold(self, geometry: Geometry, x: Array) -> Array:
        """Columns `(N, C * prod(k), L)` of the windows of `geometry`."""

    def fold(self, geometry: Geometry, columns: Array) -> Array:
        """Sum columns back into an array of the input shape of `geometry`: the gradient of `unfold`."""


def select() -> Backend:
    """The backend that runs the current call."""
    return cpu
