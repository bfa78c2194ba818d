"""New arrays full of a pattern, to see what a kernel did not write and what it wrote behind the end."""

from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .array import GpuArray

if TYPE_CHECKING:
    from .runtime import Runtime

__all__ = ["GUARD", "Sentinels"]

GUARD = 4096
"""Bytes that every array has behind it while sentinels are placed."""
# A NaN that no computation gives, as one float32 and as two float16; no index.
_WORD = np.int32(-0x50006)


class Sentinels:
    """While entered, every new array of a runtime is full of a pattern, and so are `GUARD` bytes behind it.

    Kernels run as always; afterwards `unwritten` and `overrun` look for the pattern in the `watched` arrays.
    """

    def __init__(self, runtime: "Runtime") -> None:
        """Watch the new arrays of `runtime`."""
        self._runtime = runtime
        self.watched: list[GpuArray] = []
        self._pattern: GpuArray | None = None

    def __enter__(self) -> "Sentinels":
        """Begin to fill new arrays."""
        self._runtime.sentinels = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop filling new arrays."""
        self._runtime.sentinels = None
        self.watched.clear()

    def fill(self, array: GpuArray) -> None:
        """Fill the whole buffer of a new array."""
        runtime, block = self._runtime, array.buffer.block
        runtime.sentinels = None
        try:
            if self._pattern is None or self._pattern.nbytes < block.size:
                words = np.full(block.size // 4, _WORD, np.int32)
                self._pattern = runtime.empty((len(words),), words.dtype)
                runtime.write(self._pattern, words)
            runtime.copy_raw(self._pattern.buffer.block.raw, 0, block, 0, block.size)
        finally:
            runtime.sentinels = self
        self.watched.append(array)

    def unwritten(self, array: GpuArray) -> int:
        """How many elements of an array hold the pattern still, whatever its strides."""
        kept = self._words(array) == _WORD
        if array.itemsize == 2:
            kept = self._words(array).view(np.uint16) == int(_WORD) & 0xFFFF
        if array.size == 0:
            return 0
        view = np.lib.stride_tricks.as_strided(kept[array.offset :], array.shape, array.strides)
        return int(np.count_nonzero(view))

    def overrun(self, rest: int = 16) -> list[str]:
        """The arrays made since, described, behind whose end something was written.

        Kernels may write the rest of the last `rest` bytes, a vec4, as no array stands there.
        """
        found = []
        for array in self.watched:
            end = -(-array.nbytes // rest) * rest
            changed = np.count_nonzero(self._words(array)[end // 4 :] != _WORD)
            if changed:
                found.append(f"{changed} words behind {array}")
        return found

    def _words(self, array: GpuArray) -> NDArray[np.int32]:
        """The whole buffer of an array."""
        words = np.empty(array.buffer.block.size // 4, np.int32)
        self._runtime.read(array.buffer, 0, words)
        return words
