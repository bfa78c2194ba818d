"""The random numbers of rsconv: one generator, apart from NumPy's global one.

A seed gives the same numbers run after run, but not PyTorch's.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["generator", "manual_seed", "normal", "scope", "stream", "uniform"]

_lock = threading.Lock()
_generator: "np.random.Generator | None" = None
# The key of the counter-based streams (None: not drawn yet), and the number of the next one.
_key: int | None = None
_streams = 0
_scoped: "ContextVar[np.random.Generator | None]" = ContextVar("scoped", default=None)


def manual_seed(seed: int) -> None:
    """Start the generator of rsconv anew from `seed`, a whole number of any sign and size.

    Everything random draws from it: the initialisation of layers, `rand`, `randn`, `normal_`, `uniform_`,
    and dropout, whose streams start anew, too.
    """
    global _generator, _key, _streams
    import numpy as np

    with _lock:
        # SeedSequence takes no negative numbers; the sign becomes a second word of entropy.
        sequence = np.random.SeedSequence([abs(int(seed)), int(seed < 0)])
        _generator = np.random.default_rng(sequence)
        _key, _streams = _new_key(sequence), 0


def _new_key(sequence: "np.random.SeedSequence") -> int:
    # From a child, so that the key tells nothing about the generator's draws.
    low, high = sequence.spawn(1)[0].generate_state(2)
    return int(high) << 32 | int(low)


def stream() -> tuple[int, int]:
    """A 64-bit key and a number that no call had before: a stream of a counter-based generator, which every
    device computes alike. The key is that of `manual_seed`; the number counts from 0 after it.
    """
    global _key, _streams
    import numpy as np

    with _lock:
        if _key is None:
            _key = _new_key(np.random.SeedSequence())
        _streams += 1
        return _key, _streams - 1


def generator() -> "np.random.Generator":
    """The generator; before the first `manual_seed` it starts from the operating system's entropy.

    While a DataLoader loads a batch, that batch's own.
    """
    global _generator
    scoped = _scoped.get()
    if scoped is not None:
        return scoped
    if _generator is None:
        import numpy as np

        with _lock:
            if _generator is None:
                _generator = np.random.default_rng()
    return _generator


@contextmanager
def scope(generator: "np.random.Generator") -> Iterator[None]:
    """Within it, and in this thread alone, `generator()` is the one given."""
    token = _scoped.set(generator)
    try:
        yield
    finally:
        _scoped.reset(token)


def normal(shape: tuple[int, ...], mean: float = 0.0, std: float = 1.0) -> "np.ndarray[Any, Any]":
    """A float64 array of draws from the normal distribution."""
    return generator().normal(mean, std, shape)


def uniform(
    shape: tuple[int, ...], low: float = 0.0, high: float = 1.0, dtype: Any = "float64"
) -> "np.ndarray[Any, Any]":
    """An array of draws from the uniform distribution over [low, high)."""
    import numpy as np

    draws = generator().uniform(low, high, shape)
    wanted = np.dtype(dtype)
    if wanted.kind != "f" or wanted == np.float64:
        return draws
    # The rounding to a narrower type may reach `high`, or in float16 pass it by half a step.
    below = np.nextafter(wanted.type(high), wanted.type(low))
    return np.minimum(draws.astype(wanted), below) if low < high else draws.astype(wanted)
