"""Buffers full of a sentinel, to see that kernels write every element of their outputs and nothing beyond."""

from contextlib import contextmanager

import numpy as np

# NaN as float32 and as two float16; no index.
_SENTINEL = np.int32(-0x50006)


@contextmanager
def guarded(runtime):
    """Within, new arrays hold the sentinel; afterwards, what lies behind them must still hold it."""
    empty, made = runtime.empty, []

    def filled(*args, **kwargs):
        array = empty(*args, **kwargs)
        words = array.buffer.block.size // 4
        whole = type(array)(runtime, array.buffer, np.dtype(np.int32), (words,), (1,))
        runtime.write(whole, np.full(words, _SENTINEL))
        made.append(array)
        return array

    runtime.empty = filled
    try:
        yield
    finally:
        del runtime.empty
    assert made
    for array in made:
        start = -(-array.nbytes // 4) * 4
        tail = np.empty((array.buffer.block.size - start) // 4, np.int32)
        assert tail.nbytes >= 16
        runtime.read(array.buffer, start, tail)
        assert (tail == _SENTINEL).all(), f"something was written behind {array}"


@contextmanager
def binding_limit(runtime, limit):
    """Within, no more than `limit` bytes are bound at once."""
    before, runtime.max_binding = runtime.max_binding, limit
    try:
        yield
    finally:
        runtime.max_binding = before
