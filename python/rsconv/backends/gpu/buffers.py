"""GPU memory: buffers in size classes, used again when their last array is gone."""

import gc
import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

from ...errors import OutOfMemoryError

if TYPE_CHECKING:
    from .pipelines import Layout

__all__ = ["SPARE", "Block", "Buffer", "Pool", "size_class"]

SPARE = 16
"""Bytes behind every array, so that a read of a whole vec4 at its end stays inside of the buffer."""
_EXACT = 32 << 20
_ALIGN = 256
_ALWAYS_KEPT = 256 << 20


@lru_cache(4096)
def size_class(size: int) -> int:
    """The bytes that a buffer for `size` bytes gets: four classes per power of two, multiples of 256.

    Large buffers waste nothing: from 32 MiB on they are as long as needed.
    """
    step = _ALIGN if size >= _EXACT else max(_ALIGN, 1 << max(size.bit_length() - 3, 0))
    return -(-size // step) * step


# Of all devices, so that no buffer is taken for one of another device.
_uids = itertools.count(1)


class Block:
    """A buffer of the device, lent to one `Buffer` after another.

    `serial` is that of the last batch of commands that uses it; `groups` are the bind groups that hold it, by
    the layout that keeps them and their key there. `pooled` is false for a buffer that someone else made.
    """

    __slots__ = ("groups", "pooled", "raw", "serial", "size", "uid")

    def __init__(self, raw: Any, size: int, uid: int, pooled: bool = True) -> None:
        """Take a buffer of the device."""
        self.raw, self.size, self.uid, self.pooled = raw, size, uid, pooled
        self.serial = -1
        self.groups: set[tuple[Layout, Any]] = set()


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
    """Free blocks by size. The oldest goes first, whatever order they were freed in, so that the same calls
    get the same buffers, and with them the same bind groups, again.

    `in_use`, `pooled` and `peak` count bytes; `created` and `dropped` count buffers.
    """

    def __init__(
        self,
        create: Callable[[int], Any],
        wait: Callable[[], None],
        lock: "threading.RLock",
        largest: int,
        limit: int | None,
    ) -> None:
        """An empty pool of what `create(bytes)` makes, or raises OutOfMemoryError; `wait` ends pending work.

        `lock` guards the device, `largest` is its largest buffer, `limit` the most bytes to allocate in all
        (None: any).
        """
        self._create, self._wait, self.lock, self._largest = create, wait, lock, largest
        self._limit = limit
        self._freed: deque[Block] = deque()
        # All blocks by uid. A collector that meets an array in a cycle finalises all that only the cycle
        # holds, and must not get at the raw buffer of a block that `Buffer.__del__` is about to give back.
        self._blocks: dict[int, Block] = {}
        # Heaps of uids.
        self._free: dict[int, list[int]] = {}
        # All free blocks by uid, the longest unused first.
        self._unused: dict[int, Block] = {}
        self.in_use = self.pooled = self.peak = self.created = self.dropped = 0

    def take(self, nbytes: int) -> Buffer:
        """A buffer for `nbytes` bytes and `SPARE` more. Its contents are arbitrary.

        Raises OutOfMemoryError if the device has no such buffer or the limit forbids it.
        """
        size = size_class(nbytes + SPARE)
        if size > self._largest:
            size = self._last_class(nbytes)
        with self.lock:
            return self.lend((size,))[0]

    def lend(self, sizes: Sequence[int]) -> list[Buffer]:
        """Buffers of exactly `sizes` bytes, which `take` once gave; the caller holds the lock."""
        freed = self._freed
        if freed:
            self._collect()
        buffers = []
        for size in sizes:
            free = self._free.get(size)
            if free:
                block = self._unused.pop(heappop(free))
                self.pooled -= size
            else:
                block = self._new(size)
            self.in_use += size
            buffers.append(Buffer(block, freed))
        if self.in_use > self.peak:
            self.peak = self.in_use
        return buffers

    def adopt(self, raw: Any) -> Buffer:
        """A buffer of the same device that someone else made; it is never pooled."""
        with self.lock:
            return Buffer(self._kept(Block(raw, raw.size, next(_uids), pooled=False)), self._freed)

    def set_limit(self, limit: int | None) -> None:
        """Allocate at most `limit` bytes from now on; None lifts the limit."""
        with self.lock:
            self._limit = limit
            self._collect()
            if limit is not None:
                self._shrink(max(0, limit - self.in_use))

    def empty_cache(self) -> None:
        """Let go of all free blocks."""
        with self.lock:
            self._collect()
            self._shrink(0)

    def collect(self) -> None:
        """Count what died since the last call as free."""
        with self.lock:
            self._collect()

    def _last_class(self, nbytes: int) -> int:
        size = -(-(nbytes + SPARE) // _ALIGN) * _ALIGN
        if size > self._largest:
            raise OutOfMemoryError(
                f"an array of {nbytes:,} bytes does not fit the device's largest buffer, "
                f"{self._largest:,} bytes"
            )
        return size

    def _collect(self) -> None:
        freed = self._freed
        while freed:
            block = freed.popleft()
            if not block.pooled:
                _drop_groups(block)
                del self._blocks[block.uid]
                continue
            self.in_use -= block.size
            self.pooled += block.size
            heappush(self._free.setdefault(block.size, []), block.uid)
            self._unused[block.uid] = block
        # What a program once needed at a time, and as much again in other sizes, may lie about.
        allowance = 2 * self.peak + _ALWAYS_KEPT
        if self.pooled > allowance:
            self._shrink(allowance)

    def _new(self, size: int) -> Block:
        limit = self._limit
        if limit is not None and self.in_use + self.pooled + size > limit:
            if self.in_use + size > limit:
                self._find_dead()
            if self.in_use + size > limit:
                raise OutOfMemoryError(
                    f"a buffer of {size:,} bytes exceeds the limit of {limit:,} bytes on GPU memory: "
                    f"{self.in_use:,} bytes are in use; free Tensors, or raise rsconv.gpu.set_memory_limit() "
                    "or RSCONV_GPU_MEMORY_LIMIT"
                )
            self._shrink(limit - self.in_use - size)
        try:
            raw = self._create(size)
        except OutOfMemoryError:
            self._find_dead()
            self._shrink(0)
            # Pending work holds what it uses.
            self._wait()
            try:
                raw = self._create(size)
            except OutOfMemoryError as error:
                raise OutOfMemoryError(f"{error}\n{self.in_use:,} bytes are in use") from error
        self.created += 1
        return self._kept(Block(raw, size, next(_uids)))

    def _kept(self, block: Block) -> Block:
        self._blocks[block.uid] = block
        return block

    def _find_dead(self) -> None:
        """Free what only cycles of garbage hold."""
        gc.collect()
        self._collect()

    def _shrink(self, allowance: int) -> None:
        """Let go of the blocks that were unused the longest until at most `allowance` free bytes remain."""
        while self.pooled > allowance:
            block = self._unused.pop(next(iter(self._unused)))
            del self._blocks[block.uid]
            free = self._free[block.size]
            free.remove(block.uid)
            heapify(free)
            if not free:
                del self._free[block.size]
            self.pooled -= block.size
            self.dropped += 1
            # Not destroyed by name: commands that are pending may use it, and hold it until they are done.
            _drop_groups(block)


def _drop_groups(block: Block) -> None:
    for layout, key in tuple(block.groups):
        layout.drop(key)
