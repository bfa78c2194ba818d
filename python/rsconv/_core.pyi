"""The compiled core: geometry, plans and CPU kernels. `rsconv.backends.cpu` is its only caller."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np

__version__: str

@final
class Geometry:
    """One convolution's shapes, validated: every output size, pad and tap range is computed here.

    `stride`, `dilation`, `output_padding` are an int or one int per spatial dimension (a 1-tuple is
    broadcast). `padding` is that, or one `(low, high)` pair per dimension, or `"valid"`, `"same"`,
    `"same_upper"`, `"same_lower"`, and `"causal"` in 1-D.
    """

    def __new__(
        cls,
        rank: int,
        input_shape: tuple[int, ...],
        weight_shape: tuple[int, ...],
        bias_shape: tuple[int, ...] | None = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
        transposed: bool = False,
    ) -> Geometry: ...
    @property
    def rank(self) -> int: ...
    @property
    def transposed(self) -> bool: ...
    @property
    def batched(self) -> bool: ...
    @property
    def groups(self) -> int: ...
    @property
    def in_channels(self) -> int: ...
    @property
    def out_channels(self) -> int: ...
    @property
    def stride(self) -> tuple[int, ...]: ...
    @property
    def padding(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def dilation(self) -> tuple[int, ...]: ...
    @property
    def output_padding(self) -> tuple[int, ...]: ...
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def weight_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...
    def without_padding(self) -> Geometry:
        """The same convolution over an input that already holds its padding (of any mode)."""

@final
class PackedWeight:
    """A weight in the layout that one geometry's kernel reads; `conv` takes it in the weight's place."""

    def __new__(cls, geometry: Geometry, w: np.ndarray[Any, Any]) -> PackedWeight: ...
    @property
    def nbytes(self) -> int: ...

def conv(
    geometry: Geometry,
    x: np.ndarray[Any, Any],
    w: np.ndarray[Any, Any] | PackedWeight,
    b: np.ndarray[Any, Any] | None = None,
    out: np.ndarray[Any, Any] | None = None,
) -> np.ndarray[Any, Any]: ...
def conv_input_grad(
    geometry: Geometry,
    w: np.ndarray[Any, Any],
    grad_output: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any] | None = None,
) -> np.ndarray[Any, Any]: ...
def conv_weight_grad(
    geometry: Geometry,
    x: np.ndarray[Any, Any],
    grad_output: np.ndarray[Any, Any],
    out: np.ndarray[Any, Any] | None = None,
) -> np.ndarray[Any, Any]: ...

@final
class TapTable:
    """A table of taps (`backends.taps.Taps`) as the kernels read it."""

    def __new__(
        cls,
        size: int,
        offsets: np.ndarray[Any, Any],
        indices: np.ndarray[Any, Any],
        weights: np.ndarray[Any, Any] | None = None,
    ) -> TapTable: ...

def resample(x: np.ndarray[Any, Any], tables: Sequence[TapTable | None]) -> np.ndarray[Any, Any]: ...
def select(x: np.ndarray[Any, Any], tables: Sequence[TapTable | None]) -> np.ndarray[Any, Any]: ...
def max_pool(
    x: np.ndarray[Any, Any], windows: Sequence[tuple[int, int, int, int, int, int, bool]], indices: bool
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]: ...
def max_pool_grad(
    grad_output: np.ndarray[Any, Any],
    indices: np.ndarray[Any, Any],
    windows: Sequence[tuple[int, int, int, int, int, int, bool]],
) -> np.ndarray[Any, Any]: ...
def products(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]: ...
def gather(
    x: np.ndarray[Any, Any], axis: int, index: np.ndarray[Any, Any], places: int
) -> np.ndarray[Any, Any]: ...
def scatter_add(
    src: np.ndarray[Any, Any], axis: int, index: np.ndarray[Any, Any], size: int
) -> np.ndarray[Any, Any]: ...
def dropout(x: np.ndarray[Any, Any], p: float, seed: int, offset: int) -> np.ndarray[Any, Any]: ...
def explain(geometry: Geometry, dtype: str, which: str = "forward") -> dict[str, Any]: ...
def elementwise(
    op: str, operands: Sequence[np.ndarray[Any, Any] | float], params: Sequence[float]
) -> np.ndarray[Any, Any]: ...
def reduce(op: str, x: np.ndarray[Any, Any], axes: Sequence[int]) -> np.ndarray[Any, Any]: ...
def arg_reduce(op: str, x: np.ndarray[Any, Any], axis: int) -> np.ndarray[Any, Any]: ...
def update(
    op: str, arrays: Sequence[np.ndarray[Any, Any]], grad: np.ndarray[Any, Any], params: Sequence[float]
) -> None: ...
def softmax(x: np.ndarray[Any, Any], axis: int, log: bool) -> np.ndarray[Any, Any]: ...
def moments(
    x: np.ndarray[Any, Any], axes: Sequence[int]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]: ...
def set_num_threads(threads: int) -> None: ...
def get_num_threads() -> int: ...
def info() -> dict[str, Any]: ...
def peak_gflops(threads: int = 1) -> float: ...
def _panic(threads: int) -> None: ...
def render_shader(name: str) -> str:
    """The WGSL text of a shader variant, with the entry point `main`. ArgumentError if there is none."""

def shader_variants() -> list[str]:
    """The names of all shader variants."""

def expressions() -> dict[str, tuple[int, int, bool]]:
    """Every elementwise expression by name: its operands, its constants, and whether it gives a bool."""

def gpu_weight_grad_plan(
    geometry: Geometry,
    samples: int,
    half: bool,
    x: tuple[tuple[int, ...], bool],
    grad_output: tuple[tuple[int, ...], bool],
    room: int,
) -> tuple[str, list[int], list[int], int, int, list[int], int]:
    """How the GPU computes a weight gradient: `src/gpu/weight_grad.rs`."""

def gpu_matmul_plan(
    batch: int,
    sizes: tuple[int, int, int],
    half: bool,
    b: tuple[tuple[int, ...], bool],
    a: tuple[tuple[int, ...], bool],
    room: int,
) -> tuple[str, list[int], list[int], int, int, list[int], int]:
    """How the GPU multiplies `batch` pairs of matrices of `sizes` m, k, n."""

def gpu_conv_plan(
    geometry: Geometry,
    which: str,
    *,
    f16: bool,
    adapter_class: str,
    max_binding: int,
    max_products: int,
    force: str = "",
) -> dict[str, Any]:
    """The dispatches of a convolution's pass on a GPU, for `rsconv.backends.gpu.conv`."""
