"""GPU memory: buffers in size classes, used again when their last array is gone."""

import threading
from collections import deque
from typing import Any

from ...errors import OutOfMemoryError

__all__ = ["SPARE", "Block", "Buffer", "Pool", "size_class"]

SPARE = 16
"""Bytes behind every array, so that a read of a whole vec4 at its end stays inside of the buffer."""
_EXACT = 32 << 20
_ALIGN = 256


def size_class(size: int) -> int:
    """The bytes that a buffer for `size` bytes gets: four classes per power of two, multiples of 256.

    Large buffers waste nothing: from 32 MiB on they are as long as needed.
    """
    step = _ALIGN if size >= _EXACT else max(_ALIGN, 1 << max(size.bit_length() - 3, 0))
    return -(-size // step) * step


class Block:
    """A buffer of the device, lent to one `Buffer` after another.

    `serial` is that of the last batch of commands that uses it; `groups` are the caches and keys of the bind
    groups that hold it.
    """

    __slots__ = ("groups", "pooled", "raw", "serial", "size", "uid")

    def __init__(self, raw: Any, size: int, uid: int, pooled: bool = True) -> None:
        """Take a buffer of the device; not `pooled` are those that someone else made."""
        self.raw, self.size, self.uid, self.pooled = raw, size, uid, pooled
        self.serial = -1
        self.groups: list[tuple[dict[Any, Any], Any]] = []

    def drop_groups(self) -> None:
        """Forget the bind groups that hold this buffer."""
        for cache, key in self.groups:
            cache.pop(key, None)
        self.groups.clear()


class Buffer:
    """What the arrays over one block hold; the block is free again when the last of them is gone."""

    __slots__ = ("_freed", "block")

    def __init__(self, block: Block, freed: "deque[Block]") -> None:
        """Lend `block` out, to go to `freed` in the end."""
        self.block = block
        self._freed = freed

    def __del__(self) -> None:
        """Give the block back, from any thread and without a lock: a collector may run this anywhere."""
        self._freed.append(self.block)


class Pool:
    """Free blocks by size, last freed first, so that the same calls get the same buffers again."""

    def __init__(self, device: Any, usage: int, largest: int, limit: int | None) -> None:
        """A pool for `device`; `largest` is its largest buffer, `limit` what may be allocated in all."""
        self._device, self._usage, self._largest = device, usage, largest
        self.limit = limit
        self.freed: deque[Block] = deque()
        self._free: dict[int, list[Block]] = {}
        # All free blocks, the longest unused first.
        self._unused: dict[int, Block] = {}
        self._lock = threading.RLock()
        self._next_uid = 0
        self.in_use = self.pooled = self.peak = self.created = self.destroyed = 0

    def take(self, nbytes: int) -> Buffer:
        """A buffer for `nbytes` bytes and `SPARE` more. Its contents are arbitrary.

        Raises OutOfMemoryError if the device has no such buffer, the limit forbids it, or memory is out.
        """
        needed = nbytes + SPARE
        size = size_class(needed)
        if size > self._largest:
            size = -(-needed // _ALIGN) * _ALIGN
            if size > self._largest:
                raise OutOfMemoryError(
                    f"an array of {nbytes:,} bytes does not fit the device's largest buffer of "
                    f"{self._largest:,} bytes"
                )
        with self._lock:
            self._collect()
            stack = self._free.get(size)
            if stack:
                block = stack.pop()
                del self._unused[block.uid]
                self.pooled -= size
            else:
                block = self._create(size)
            self.in_use += size
            if self.in_use > self.peak:
                self.peak = self.in_use
        return Buffer(block, self.freed)

    def adopt(self, raw: Any) -> Buffer:
        """A buffer of the same device that someone else made; it is never pooled."""
        with self._lock:
            return Buffer(Block(raw, raw.size, self._uid(), pooled=False), self.freed)

    def empty_cache(self) -> None:
        """Destroy all free blocks."""
        with self._lock:
            self._collect()
            self._shrink(0)

    def collect(self) -> None:
        """Count what died since the last call as free."""
        with self._lock:
            self._collect()

    def _uid(self) -> int:
        self._next_uid += 1
        return self._next_uid

    def _collect(self) -> None:
        freed = self.freed
        while freed:
            block = freed.popleft()
            if not block.pooled:
                block.drop_groups()
                continue
            self.in_use -= block.size
            self.pooled += block.size
            self._free.setdefault(block.size, []).append(block)
            self._unused[block.uid] = block
        # What a program once needed at a time, and as much again, may lie about.
        allowance = 2 * self.peak + (256 << 20)
        if self.pooled > allowance:
            self._shrink(allowance)

    def _create(self, size: int) -> Block:
        if self.limit is not None and self.in_use + self.pooled + size > self.limit:
            self._shrink(max(0, self.limit - self.in_use - size))
            if self.in_use + size > self.limit:
                raise OutOfMemoryError(
                    f"a buffer of {size:,} bytes exceeds the memory limit of {self.limit:,} bytes: "
                    f"{self.in_use:,} bytes are in use. Free arrays, or raise RSCONV_GPU_MEMORY_LIMIT or "
                    "rsconv.gpu.set_memory_limit()"
                )
        try:
            raw = self._device.create_buffer(size=size, usage=self._usage)
        except Exception as error:
            if "memory" not in f"{type(error).__name__} {error}".lower() or not self.pooled:
                raise
            self._shrink(0)
            raw = self._device.create_buffer(size=size, usage=self._usage)
        self.created += 1
        return Block(raw, size, self._uid())

    def _shrink(self, allowance: int) -> None:
        """Let go of the blocks that were unused the longest until at most `allowance` free bytes remain."""
        while self.pooled > allowance:
            block = self._unused.pop(next(iter(self._unused)))
            stack = self._free[block.size]
            stack.remove(block)
            if not stack:
                del self._free[block.size]
            self.pooled -= block.size
            self.destroyed += 1
            # Not destroyed by name: pending commands may use it, and hold it until they are done.
            block.drop_groups()
