"""The random numbers of rsconv: one generator, apart from NumPy's global one.

A seed gives the same numbers run after run, but not PyTorch's.
"""

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["generator", "manual_seed", "normal", "uniform"]

_lock = threading.Lock()
_generator: "np.random.Generator | None" = None


def manual_seed(seed: int) -> None:
    """Start the generator of rsconv anew from `seed`, a whole number of any sign and size.

    Everything random draws from it: the initialisation of layers, `rand`, `randn`, `normal_`, `uniform_`.
    """
    global _generator
    import numpy as np

    with _lock:
        # SeedSequence takes no negative numbers; the sign becomes a second word of entropy.
        _generator = np.random.default_rng([abs(int(seed)), int(seed < 0)])


def generator() -> "np.random.Generator":
    """The generator; before the first `manual_seed` it starts from the operating system's entropy."""
    global _generator
    if _generator is None:
        import numpy as np

        with _lock:
            if _generator is None:
                _generator = np.random.default_rng()
    return _generator


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
