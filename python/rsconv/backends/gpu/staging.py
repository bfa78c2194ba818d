"""Host memory that the device copies from and to: mapped buffers, used again and again."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .buffers import Block

if TYPE_CHECKING:
    from .runtime import Runtime

__all__ = ["Downloads", "Uploads"]

_SMALL = 1 << 16
_CHUNK = 32 << 20
_RING = 2


class Uploads:
    """Writes host memory to blocks: small pieces through the queue, large ones through mapped memory.

    Measured on 50 MB, mapped memory that is used again takes a quarter of the time of the queue's own copy.
    """

    def __init__(self, runtime: "Runtime", usage: int) -> None:
        """No staging memory yet; `usage` is that of buffers that the host writes, the device reads."""
        self._runtime, self._usage = runtime, usage
        # Each with the promise that the device is done with it and it is mapped again.
        self._ring: list[tuple[Any, Any]] = []
        # Bytes that the queue was given since.
        self._waiting = 0

    def write(self, block: Block, at: int, data: NDArray[np.uint8]) -> None:
        """Write bytes to `block` from byte `at` on, after all commands before; both are multiples of 4."""
        if len(data) <= _SMALL:
            # What the queue writes lands before the open batch, so that must not use the block.
            if block.serial == self._runtime.serial:
                self._runtime.flush()
            self._runtime.queue.write_buffer(block.raw, at, data)
            self._waiting += len(data)
            if self._waiting > _CHUNK:
                # wgpu keeps a copy of each until something is submitted.
                self._waiting = 0
                self._runtime.flush()
                self._runtime.queue.submit([])
            return
        for start in range(0, len(data), _CHUNK):
            part = data[start : start + _CHUNK]
            staging = self._mapped(len(part))
            staging.write_mapped(part, 0)
            staging.unmap()
            self._runtime.copy_raw(staging, 0, block, at + start, len(part))
            self._runtime.flush()
            self._ring.append((staging, staging.map_async("WRITE")))

    def empty_cache(self) -> None:
        """Let go of the memory that is kept."""
        self._ring.clear()

    def _mapped(self, size: int) -> Any:
        room = min(_CHUNK, 1 << (size - 1).bit_length())
        if len(self._ring) >= _RING or (self._ring and self._ring[0][0].size >= size):
            staging, promise = self._ring.pop(0)
            if staging.size >= size:
                promise.sync_wait()
                return staging
        return self._runtime.device.create_buffer(size=room, usage=self._usage, mapped_at_creation=True)


class Downloads:
    """Reads blocks back into host memory."""

    def __init__(self, runtime: "Runtime", usage: int) -> None:
        """No staging memory yet; `usage` is that of buffers that the device writes, the host reads."""
        self._runtime, self._usage = runtime, usage
        self._free: list[Any] = []

    def read(self, raw: Any, start: int, out: NDArray[Any]) -> None:
        """Wait for the bytes of a buffer of wgpu from byte `start` on, and take them into `out`.

        Long arrays come in parts, one of them copied by the device while the host takes the one before.
        bool is "not zero" of u32.
        """
        flat = out.reshape(-1)
        stored = np.dtype(np.uint32) if out.dtype == np.bool_ else out.dtype
        count = _CHUNK // stored.itemsize
        pending = None
        for first in range(0, flat.size, count):
            part = flat[first : first + count]
            begin = start + first * stored.itemsize
            low = begin & ~3
            # What can be copied and mapped is a multiple of 4 bytes.
            size = (begin + part.size * stored.itemsize - low + 3) & ~3
            staging = self._runtime.begin_read(raw, low, size)
            if pending is not None:
                self._take(*pending)
            pending = staging, size, begin - low, stored, part
        if pending is not None:
            self._take(*pending)

    def staging(self, size: int) -> Any:
        """Memory for `size` bytes, which `wait` or `read` gives back."""
        try:
            kept = self._free.pop()
        except IndexError:
            kept = None
        if kept is None or kept.size < size:
            room = max(1 << 12, 1 << (size - 1).bit_length())
            kept = self._runtime.device.create_buffer(size=room, usage=self._usage)
        return kept

    def _take(self, staging: Any, size: int, first: int, stored: np.dtype[Any], out: NDArray[Any]) -> None:
        staging.map_async("READ", 0, size).sync_wait()
        mapped = staging.read_mapped(0, size, copy=False)
        values = np.frombuffer(mapped, stored, out.size, first)
        if out.dtype == np.bool_:
            np.not_equal(values, 0, out=out)
        else:
            out[...] = values
        del values, mapped
        staging.unmap()
        self._give_back(staging)

    def _give_back(self, staging: Any) -> None:
        if len(self._free) < _RING:
            self._free.append(staging)

    def wait(self, staging: Any) -> None:
        """Wait for the copy, whatever it copied."""
        staging.map_async("READ", 0, 8).sync_wait()
        staging.unmap()
        self._give_back(staging)

    def empty_cache(self) -> None:
        """Let go of the memory that is kept."""
        self._free.clear()
