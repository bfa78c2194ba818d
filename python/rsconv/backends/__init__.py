"""The operators that every device implements, and the choice of a device for a call.

One protocol, `Backend`, is implemented by a module or an object for each device. An operator is a function of
canonical arguments: `rsconv._functional` has checked the shapes and dtypes, computed the sizes (by a
`Geometry`, `Windows` or `Taps`), promoted and broadcast what PyTorch promotes and broadcasts. A backend never
checks again, but raises DtypeError for a dtype that its device lacks. Its arrays are its own (ndarrays on the
CPU); it gives new arrays and never writes to its inputs, except in `assign`, `index_assign` and `update`.

Gradients are operators beside their forward operator where one pass over memory computes them, and
compositions in `rsconv._functional` else.
"""

import os
from collections.abc import Callable, Hashable, Sequence
from contextvars import ContextVar
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from .._core import Geometry
from . import cpu
from .taps import Taps
from .windows import Windows

__all__ = [
    "Array",
    "Backend",
    "Geometry",
    "Pads",
    "Taps",
    "Windows",
    "backend_of",
    "current",
    "named",
    "select",
]

Array = Any
"""A backend's own array: it has `shape`, `dtype` (NumPy's), `ndim` and `size`."""
Pads = tuple[tuple[int, int], ...]
"""`(low, high)` for each axis of an array; negative values crop."""
Operand = Any
"""An array, or a Python number that takes the dtype of the arrays beside it."""


class Backend(Protocol):
    """One device's operators. Axes are not negative and not repeated; shapes have no -1."""

    name: str
    hardware: str
    """What the device calls itself: the adapter's name of a GPU, "cpu"."""
    index_dtype: np.dtype[Any]
    """The dtype of indices and of sums of whole numbers: int64 on the CPU, int32 on a GPU."""

    # To and from host memory.

    def upload(self, array: NDArray[Any]) -> Array:
        """A host array on this device."""

    def download(self, x: Array) -> NDArray[Any]:
        """An array of this device as a base ndarray."""

    def full(self, shape: tuple[int, ...], value: Any, dtype: np.dtype[Any]) -> Array:
        """A new array of one value."""

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """A new array of arbitrary contents."""

    def by_plan(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        run: Callable[[], Any] | None = None,
    ) -> Any:
        """`function` of the arguments, some of them arrays; the device may remember what it did, and do that
        again for arguments that differ in the contents of arrays only.

        It computes new arrays of them (one, None, or a tuple) by operators alone. `run`, if given, does so in
        its place.
        """

    # Layout. Views of the same memory where strides allow it.

    def reshape(self, x: Array, shape: tuple[int, ...]) -> Array:
        """The elements in C order in another shape; a view where possible, else a copy."""

    def permute(self, x: Array, axes: tuple[int, ...]) -> Array:
        """A view with axis `axes[i]` at place i."""

    def slice(self, x: Array, index: tuple[slice, ...]) -> Array:
        """A view: one slice for each axis, as `slice.indices` gives them (a stop of -1 with a negative step
        is None)."""

    def expand(self, x: Array, shape: tuple[int, ...]) -> Array:
        """A read-only view with axes of size 1 repeated and new ones in front."""

    def strides(self, x: Array) -> tuple[int, ...]:
        """The steps between neighbours along each axis, in elements."""

    def identity(self, x: Array) -> Hashable:
        """What tells `x` from other views while its memory lives: where it starts, shape, strides, dtype."""

    def index(self, x: Array, index: tuple[Any, ...]) -> Array:
        """NumPy's indexing by ints, slices, None, one ellipsis, and arrays of this device (bool masks or
        indices, which are checked). A view without arrays among them, else a copy."""

    def index_assign(self, target: Array, index: tuple[Any, ...], value: Operand) -> None:
        """Write `value`, broadcast and cast, where `index` selects; ShapeError if it does not fit."""

    def copy(self, x: Array, dtype: np.dtype[Any] | None = None) -> Array:
        """A new array without gaps, cast to `dtype` if given (floats truncate, complex numbers lose their
        imaginary part, bool is "not zero")."""

    def contiguous(self, x: Array) -> Array:
        """`x` if its elements lie in C order without gaps, else such a copy."""

    def assign(self, target: Array, value: Operand) -> None:
        """Write `value`, broadcast and cast, to `target`, a view that overlaps itself nowhere."""

    def concatenate(self, arrays: Sequence[Array], axis: int) -> Array:
        """Arrays of one dtype, that agree in all other axes, one after the other."""

    # Elementwise work, reductions, matrices.

    def elementwise(self, op: str, operands: Sequence[Operand], params: Sequence[float] = ()) -> Array:
        """Apply an expression of the table (`src/expr/table.rs`) to operands that broadcast.

        The arrays share one dtype (`where`: after its bool condition). The result has it too, or is bool for
        comparisons and predicates. `params` are the expression's constants, such as a slope.
        """

    def update(self, op: str, arrays: Sequence[Array], grad: Array, params: Sequence[float]) -> None:
        """Rewrite floating-point `arrays` in place by an update of the table (`src/expr/updates.rs`).

        `grad` has their shape and dtype. The arrays lie apart from each other and none overlaps itself.
        `params` are the update's constants, computed in float64.
        """

    def reduce(self, op: str, x: Array, axes: tuple[int, ...]) -> Array:
        """Reduce over `axes`, which stay with size 1: 'sum', 'mean', 'prod', 'max', 'min', 'any', 'all'.

        float16 accumulates in float32. 'max' and 'min' give NaN if there is one. 'any' and 'all' give bool.
        """

    def arg_reduce(self, op: str, x: Array, axis: int) -> Array:
        """Where the first 'max' or 'min' (or the first NaN) stands along `axis`, which stays with size 1.

        int64 on the CPU, int32 on a GPU, as all indices.
        """

    def moments(self, x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
        """Mean and variance (mean squared deviation, in two passes or Welford's) over `axes`, which stay with
        size 1. float16 gives float32."""

    def softmax(self, x: Array, axis: int, log: bool) -> Array:
        """exp(x - max) / sum along `axis`, or its logarithm."""

    def matmul(self, a: Array, b: Array) -> Array:
        """(B, M, K) by (B, K, N) to (B, M, N), in any strides; B of size 1 may be expanded."""

    # Convolutions. `w` of `conv` may be what `pack` returned.

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

    def unfold(self, geometry: Geometry, x: Array) -> Array:
        """Columns `(N, C * prod(k), L)` of the windows of `geometry`."""

    def fold(self, geometry: Geometry, columns: Array) -> Array:
        """Sum columns back into an array of the input shape of `geometry`: the gradient of `unfold`."""

    # Windows and taps along the last axes.

    def max_pool(self, x: Array, windows: Windows, indices: bool) -> tuple[Array, Array | None]:
        """The largest element of each window over the last `len(windows)` axes; NaN wins.

        With `indices`, also where it stands: its position in the flattened plane of these axes, the first of
        equals. A window without elements (dilation can step over a short axis) gives -inf, or the smallest
        integer, and index -1, which `max_pool_grad` passes over.
        """

    def max_pool_grad(self, grad_output: Array, indices: Array, windows: Windows) -> Array:
        """Gradient of `max_pool`: every output's gradient goes to the element its index names."""

    def resample(self, x: Array, taps: Sequence[Taps | None]) -> Array:
        """Along each of the last `len(taps)` axes, sum `weight * element` over that axis's taps (None keeps
        the axis): average pooling, interpolation, and their gradients by transposed taps.

        All floating-point dtypes; others only if every tap table is a selection (one tap of weight 1).
        """

    def pad(self, x: Array, pads: Pads, mode: str, value: Any = 0) -> Array:
        """Extend every axis; mode is 'constant', 'reflect', 'replicate' or 'circular'."""

    def pad_grad(self, grad_output: Array, pads: Pads, mode: str) -> Array:
        """Gradient of `pad`: what a border was copied from receives that border's gradient."""

    # Indices, which are int64 or int32 and inside of the axis.

    def gather(self, x: Array, axis: int, index: Array) -> Array:
        """`y[.., i, ..] = x[.., index[.., i, ..], ..]`; the shape of `index` (maybe an expanded view) is the
        result's and agrees with that of `x` outside of `axis`."""

    def scatter_add(self, src: Array, axis: int, index: Array, size: int) -> Array:
        """The gradient of `gather` for an axis of `size`: sums of `src` where indices agree, in order."""

    # Random numbers.

    def dropout(self, x: Array, p: float, seed: int, offset: int) -> Array:
        """Zero each element with probability `p`, scale the others by 1 / (1 - p).

        The element at C-order place i is kept if word i % 4 of Philox4x32-10, counter (low 64 bits: i // 4,
        high 64 bits: `offset`), key `seed`, is at least p * 2^32: the same stream on every device.
        """


# A module implements the protocol; that type checkers compare only where all of it is there.
_CPU: Backend = cast(Backend, cpu)

current: ContextVar[Backend | None] = ContextVar("current", default=None)
"""That of the innermost `with device(...)`: where host arrays are computed and factories put results."""


def select() -> Backend:
    """The backend that runs a call whose arrays are all host arrays.

    That of the innermost `with device(...)`, else what RSCONV_DEVICE names, else the CPU.
    """
    return current.get() or _default()


def _default() -> Backend:
    name = os.environ.get("RSCONV_DEVICE")
    return named(name) if name else _CPU


def backend_of(x: Array) -> Backend:
    """The backend whose array `x` is."""
    if isinstance(x, np.ndarray):
        return _CPU
    backend: Backend = x.runtime.backend
    return backend


def named(name: str) -> Backend:
    """The backend of a device: "cpu", "gpu", "gpu:1", or part of a GPU's name.

    Raises DeviceError, with the names there are, for one that is not available.
    """
    if name in ("cpu", "cpu:0"):
        return _CPU
    from . import gpu

    return gpu.open(name)
