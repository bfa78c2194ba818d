"""The pool of GPU memory, on a device that is a list."""

import gc
import threading

import pytest
from rsconv.backends.gpu.buffers import SPARE, Pool, size_class
from rsconv.errors import OutOfMemoryError


class Raw:
    """A buffer that has a size only."""

    def __init__(self, size):
        self.size = size


class Memory:
    """Creates buffers as long as there is room, and sees them die."""

    def __init__(self, room=10**12):
        self.room, self.sizes = room, []

    def create(self, size):
        if size > self.room:
            raise OutOfMemoryError(f"{size} bytes of {self.room}")
        self.sizes.append(size)
        return Raw(size)


def pool(room=10**12, largest=1 << 31, limit=None):
    memory = Memory(room)
    return Pool(memory.create, lambda: None, threading.RLock(), largest, limit), memory


def test_classes_waste_little_and_are_few():
    sizes = [1, 255, 256, 257, 1000, 4095, 4096, 4097, 10**6, 2**20, 2**20 + 1, 33 << 20, (1 << 30) + 5]
    for size in sizes:
        found = size_class(size)
        assert found >= size and found % 256 == 0
        assert found - size < max(256, size // 4)
    # Four sizes from each power of two to the next.
    assert len({size_class(size) for size in range((1 << 16) + 1, (1 << 17) + 1, 64)}) == 4
    # Large ones are as long as needed.
    assert size_class((100 << 20) + 1) == (100 << 20) + 256


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_oldest_is_the_next_used_in_whatever_order_they_were_freed(order):
    own, memory = pool()
    buffers = [own.take(1000), own.take(1000)]
    uids = [buffer.block.uid for buffer in buffers]
    for place in order:
        buffers[place] = None
    buffers = [own.take(900), own.take(950)]
    assert [buffer.block.uid for buffer in buffers] == uids
    del buffers
    assert memory.sizes == [size_class(1000 + SPARE)] * 2
    own.collect()
    assert own.in_use == 0 and own.pooled == sum(memory.sizes) == own.peak


def test_a_buffer_lives_while_anything_holds_it():
    own, _ = pool()
    held = own.take(10)
    other = held
    del held
    gc.collect()
    own.collect()
    assert own.in_use == other.block.size and own.pooled == 0


def test_a_limit_drops_free_buffers_and_then_refuses_with_numbers():
    own, _ = pool(limit=10_000)
    kept, free = own.take(4000), own.take(2000)
    del free
    another = own.take(5000 - SPARE)
    assert own.dropped == 1 and own.pooled == 0
    with pytest.raises(OutOfMemoryError) as caught:
        own.take(1000)
    text = str(caught.value)
    used = kept.block.size + another.block.size
    assert "1,024 bytes" in text and "10,000 bytes" in text and f"{used:,} bytes are in use" in text
    assert isinstance(caught.value, MemoryError)
    own.set_limit(None)
    own.take(1000)


def test_a_lower_limit_drops_free_buffers_at_once():
    own, _ = pool()
    kept = own.take(1000)
    own.take(5000)
    own.set_limit(kept.block.size + 100)
    assert own.pooled == 0 and own.dropped == 1


def test_memory_that_is_out_is_searched_for_in_the_free_buffers():
    class Tight(Memory):
        """Room is there again when a buffer is dropped and pending work is done."""

        def create(self, size):
            if sum(self.sizes) + size > self.room:
                raise OutOfMemoryError(f"no room for {size}")
            return super().create(size)

    memory = Tight(11_000)
    own = Pool(memory.create, lambda: memory.sizes.clear(), threading.RLock(), 1 << 31, None)
    own.take(6000)
    held = own.take(9000)
    assert own.dropped == 1 and memory.sizes == [held.block.size]
    own._wait = lambda: None
    with pytest.raises(OutOfMemoryError, match=f"no room for 10240\n{held.block.size:,} bytes are in use"):
        own.take(9000)


def test_garbage_in_cycles_is_collected_before_giving_up():
    own, memory = pool(limit=11_000)
    cycle = [own.take(9000)]
    cycle.append(cycle)
    gc.disable()
    try:
        del cycle
        own.take(9000)
    finally:
        gc.enable()
    assert len(memory.sizes) == 1 or own.dropped == 1


def test_what_no_buffer_can_hold_is_refused():
    own, _ = pool(largest=5000)
    # The class of 4,900 bytes would be larger than the device allows, but the bytes themselves are not.
    assert own.take(4800).block.size == 4864
    with pytest.raises(OutOfMemoryError, match=r"5,000 bytes does not fit .* 5,000 bytes"):
        own.take(5000)


def test_what_lies_about_is_bounded():
    own, memory = pool()
    for size in range(1, 400):
        own.take(size << 20)
    own.collect()
    assert own.pooled <= 2 * own.peak + (256 << 20)
    assert own.pooled == sum(memory.sizes) - sum(memory.sizes[: own.dropped])


def test_threads_share_a_pool():
    own, memory = pool()
    seen = []

    def work():
        for size in range(500):
            buffer = own.take(size)
            seen.append((buffer.block.uid, buffer.block.size >= size + SPARE))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own.collect()
    assert all(fits for _, fits in seen) and len(seen) == 2000
    assert own.in_use == 0 and own.pooled == sum(memory.sizes)
