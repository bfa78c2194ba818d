"""Arrays on a GPU: strided views of a buffer."""

import itertools
import math
from collections.abc import Hashable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .buffers import Buffer
    from .runtime import Runtime

__all__ = ["Binding", "GpuArray", "dense_strides", "stored_bytes"]

Dtype = np.dtype[Any]

# bool takes a whole u32, as WGSL has no smaller type that a storage buffer may hold.
_STORED_BYTES = {
    np.dtype(np.float32): 4,
    np.dtype(np.float16): 2,
    np.dtype(np.int32): 4,
    np.dtype(np.bool_): 4,
}


def stored_bytes(dtype: Dtype) -> int:
    """Bytes of one element in a buffer; 0 for a dtype that no kernel knows."""
    return _STORED_BYTES.get(dtype, 0)


@lru_cache(4096)
def dense_strides(shape: tuple[int, ...], order: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """Strides of an array without gaps whose axes lie in memory as in `order`, outermost first (None: C)."""
    strides = [0] * len(shape)
    step = 1
    for axis in reversed(range(len(shape)) if order is None else order):
        strides[axis] = step
        step *= shape[axis] or 1
    return tuple(strides)


_numbers = itertools.count(1)


@lru_cache(1 << 16)
def _number_of(*layout: Hashable) -> int:
    # One that was forgotten gets another number, which no other layout has.
    return next(_numbers)


class Binding:
    """A part of a buffer as a shader sees it: `bytes` from byte `offset` on.

    `first` is where the element [0, .., 0] of the bound array stands, counted in elements from there; kernels
    put it into their parameters. `key` names the part among all of the runtime.
    """

    __slots__ = ("array", "buffer", "bytes", "first", "key", "offset")

    def __init__(self, array: "GpuArray", offset: int, size: int, first: int, key: Hashable) -> None:
        """Bind `size` bytes of the buffer of `array` from byte `offset` on."""
        self.array, self.buffer = array, array.buffer
        self.offset, self.bytes, self.first, self.key = offset, size, first, key


class GpuArray:
    """A strided view of a buffer. `offset` and `strides` count elements; strides may be 0 or negative.

    float32, float16, int32, and bool, which is stored as u32. Contents change only by dispatches.
    """

    __slots__ = (
        "__weakref__",
        "_contiguous",
        "_layout",
        "buffer",
        "dtype",
        "ndim",
        "offset",
        "runtime",
        "shape",
        "size",
        "strides",
    )

    runtime: "Runtime"
    buffer: "Buffer"
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: Dtype
    ndim: int
    size: int

    def __init__(
        self,
        runtime: "Runtime",
        buffer: "Buffer",
        dtype: Dtype,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int = 0,
    ) -> None:
        """A view of `buffer`; nothing is checked."""
        self.runtime = runtime
        self.buffer = buffer
        self.dtype = dtype
        self.shape = shape
        self.strides = strides
        self.offset = offset
        self.ndim = len(shape)
        self.size = math.prod(shape)
        self._contiguous: bool | None = None
        self._layout = 0

    def view(self, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> "GpuArray":
        """Another view of the same buffer; `offset` counts from the buffer's start."""
        return GpuArray(self.runtime, self.buffer, self.dtype, shape, strides, offset)

    @property
    def layout(self) -> int:
        """A number for all that a kernel's parameters depend on, if the device binds the whole buffer: shape,
        strides, offset and dtype."""
        if not self._layout:
            self._layout = _number_of(self.shape, self.strides, self.offset, self.dtype)
        return self._layout

    def model(self) -> "GpuArray":
        """The layout alone, without the buffer, for `over`."""
        made = self.over(self.buffer)
        made.is_contiguous()
        _ = made.layout
        del made.buffer
        return made

    def over(self, buffer: "Buffer") -> "GpuArray":
        """An array of the same layout in another buffer."""
        made = object.__new__(GpuArray)
        made.runtime = self.runtime
        made.buffer = buffer
        made.dtype = self.dtype
        made.shape = self.shape
        made.strides = self.strides
        made.offset = self.offset
        made.ndim = self.ndim
        made.size = self.size
        made._contiguous = self._contiguous
        made._layout = self._layout
        return made

    @property
    def itemsize(self) -> int:
        """Bytes of one element in the buffer."""
        return _STORED_BYTES[self.dtype]

    @property
    def nbytes(self) -> int:
        """Bytes of all elements, were they dense."""
        return self.size * _STORED_BYTES[self.dtype]

    def is_contiguous(self) -> bool:
        """Whether the elements lie in C order without gaps."""
        if self._contiguous is None:
            self._contiguous = self._is_dense(range(self.ndim))
        return self._contiguous

    def order(self) -> tuple[int, ...] | None:
        """The axes from outermost to innermost if the elements lie in some order without gaps, else None.

        Axes of one element come first, unless the order is C's.
        """
        if self.is_contiguous():
            return tuple(range(self.ndim))
        single = [axis for axis in range(self.ndim) if self.shape[axis] == 1]
        others = [axis for axis in range(self.ndim) if self.shape[axis] != 1]
        others.sort(key=lambda axis: -self.strides[axis])
        return (*single, *others) if self._is_dense(others) else None

    def _is_dense(self, axes: Any) -> bool:
        if self.size == 0:
            return True
        step = 1
        shape, strides = self.shape, self.strides
        for axis in reversed(axes):
            length = shape[axis]
            if length != 1:
                if strides[axis] != step:
                    return False
                step *= length
        return True

    def extent(self) -> tuple[int, int]:
        """The first element of the buffer that the view touches, and the one after its last."""
        low = high = self.offset
        if self.size == 0:
            return low, low
        for length, stride in zip(self.shape, self.strides, strict=True):
            if stride < 0:
                low += (length - 1) * stride
            else:
                high += (length - 1) * stride
        return low, high + 1

    def __repr__(self) -> str:
        """Shape, dtype and strides; no elements, which would need a download."""
        place = f"strides={self.strides}, offset={self.offset}"
        return f"GpuArray(shape={self.shape}, dtype={self.dtype.name}, {place})"
