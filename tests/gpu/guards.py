"""Contexts in which kernels run under guard."""

from contextlib import contextmanager

from rsconv.backends.gpu.sentinels import Sentinels


@contextmanager
def guarded(runtime):
    """Within, new arrays hold a pattern; afterwards, what lies right behind them must still hold it."""
    with Sentinels(runtime) as sentinels:
        yield
        assert sentinels.watched
        assert sentinels.overrun(rest=4) == []


@contextmanager
def binding_limit(runtime, limit):
    """Within, no more than `limit` bytes are bound at once."""
    before, runtime.max_binding = runtime.max_binding, limit
    try:
        yield
    finally:
        runtime.max_binding = before
