"""Windows to columns and back."""

import math
import operator
from typing import Any

from ..backends import Geometry
from ..errors import ArgumentError, ShapeError
from .arrays import ArrayLike, Result, operands
from .recording import node


def unfold(
    input: ArrayLike, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Result:
    """Copy the windows that a convolution sees into columns: (N, C, *S) to (N, C * prod(kernel_size), L).

    Windows are in row-major order along L; N may be left out. `kernel_size` of 1 to 3 integers gives the
    number of spatial dimensions; a single integer means two (for 3-D and 4-D input, as in PyTorch, whose
    unfold this extends), one for 2-D and three for 5-D input. `padding` may be all that a convolution takes.
    Any dtype.

    >>> unfold([[1, 2, 3, 4]], (2,))
    array([[1, 2, 3],
           [2, 3, 4]])

    Raises ShapeError if the input does not have that many dimensions or is smaller than a window, and
    ArgumentError for a kernel size, dilation, padding or stride out of range.
    """
    call = operands(input=input)
    (x,) = call.arrays
    rank = _rank("unfold", kernel_size, {2: 1, 3: 2, 4: 2, 5: 3}.get(x.ndim, 2))
    if x.ndim not in (rank + 1, rank + 2):
        raise ShapeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to unfold with "
            f"kernel_size={kernel_size}, but got input of size: {list(x.shape)}"
        )
    kernel = _sizes("kernel_size", kernel_size, rank)
    geometry = Geometry(
        rank, x.shape, (1, x.shape[-rank - 1], *kernel), None, stride, padding, 0, 1, dilation
    )
    return node(call, "unfold", {"input": input}, call.backend.unfold(geometry, x), geometry=geometry)


def fold(
    input: ArrayLike, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Result:
    """Add columns back into the windows they come from: (N, C * prod(kernel_size), L) to (N, C,
    *output_size).

    The adjoint of `unfold`: where windows overlap, values add up. N may be left out. `output_size` or
    `kernel_size` of 1 to 3 integers gives the number of spatial dimensions; if both are single integers it is
    two (PyTorch, whose fold this extends).

    >>> fold([[1, 2, 3], [2, 3, 4]], (4,), (2,))
    array([[1, 4, 6, 4]])

    Raises ShapeError if the input's size does not match those arguments, and ArgumentError for a kernel size,
    dilation, padding or stride out of range.
    """
    call = operands(input=input)
    (columns,) = call.arrays
    rank = _rank("fold", output_size, _rank("fold", kernel_size, 2))
    size, kernel = _sizes("output_size", output_size, rank), _sizes("kernel_size", kernel_size, rank)
    taps = math.prod(kernel)
    if columns.ndim not in (2, 3):
        raise ShapeError(
            "Expected 2D (unbatched) or 3D (batched) input to fold, but got input of size: "
            f"{list(columns.shape)}"
        )
    if columns.shape[-2] % taps:
        raise ShapeError(
            f"Expected the channels of input of size {list(columns.shape)} to be divisible by the product of "
            f"kernel_size={kernel}, but {columns.shape[-2]} is not divisible by {taps}"
        )
    channels = columns.shape[-2] // taps
    shape = (*columns.shape[:-2], channels, *size)
    geometry = Geometry(rank, shape, (1, channels, *kernel), None, stride, padding, 0, 1, dilation)
    blocks = geometry.output_shape[-rank:]
    if columns.shape[-1] != math.prod(blocks):
        raise ShapeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={dilation}, padding={padding}, "
            f"stride={stride}, expected the last dimension of input of size {list(columns.shape)} to be the "
            f"number of windows {' * '.join(map(str, blocks))} = {math.prod(blocks)}"
        )
    return node(call, "fold", {"input": input}, call.backend.fold(geometry, columns), geometry=geometry)


def columns_of(input: ArrayLike, geometry: Geometry) -> Result:
    """`unfold` by a geometry."""
    call = operands(input=input)
    y = call.backend.unfold(geometry, call.arrays[0])
    return node(call, "unfold", {"input": input}, y, geometry=geometry)


def windows_of(columns: ArrayLike, geometry: Geometry) -> Result:
    """`fold` by a geometry."""
    call = operands(input=columns)
    y = call.backend.fold(geometry, call.arrays[0])
    return node(call, "fold", {"input": columns}, y, geometry=geometry)


def _rank(name: str, sizes: Any, default: int) -> int:
    try:
        rank = len(sizes)
    except TypeError:
        return default
    if not 1 <= rank <= 3:
        raise ArgumentError(f"{name} is for 1 to 3 spatial dimensions, but got sizes {tuple(sizes)}")
    return rank


def _sizes(name: str, value: Any, rank: int) -> tuple[int, ...]:
    try:
        sizes = (operator.index(value),) * rank
    except TypeError:
        sizes = tuple(operator.index(size) for size in value)
    if len(sizes) != rank or min(sizes) < 1:
        raise ArgumentError(f"{name} must be {rank} positive integers or one for all, but got {name}={value}")
    return sizes
