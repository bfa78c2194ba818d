"""Updates in place on a GPU: parts below a binding limit, guards, and nothing new in a second step."""

import numpy as np
import pytest
from guards import binding_limit, guarded
from rsconv.backends import cpu

# Arrays that are rewritten, and constants.
UPDATES = {
    "sgd": (1, 3),
    "sgd_momentum": (2, 6),
    "adam": (3, 9),
    "adam_amsgrad": (4, 9),
    "rmsprop": (2, 6),
    "rmsprop_centered": (3, 6),
    "rmsprop_momentum": (3, 7),
    "rmsprop_centered_momentum": (4, 7),
}
CONSTANTS = (-0.1, 0.2, -1.0, 0.9, 0.3, 0.95, 0.05, 0.5, 1e-2)
LAYOUTS = {
    "dense": lambda backend, x: x,
    "permuted": lambda backend, x: backend.permute(x, (2, 0, 1)),
    "strided": lambda backend, x: backend.slice(x, (slice(1, 6), slice(None), slice(0, 37, 2))),
}


def numbers(count, dtype):
    rng = np.random.default_rng(1)
    # Squares and largest squares are not negative.
    return [rng.uniform(0.1, 1, (7, 9, 37)).astype(dtype) for _ in range(count)]


def run(op, backend, layout, dtype):
    written, constants = UPDATES[op]
    whole = [backend.upload(x.copy()) for x in numbers(written + 1, dtype)]
    views = [LAYOUTS[layout](backend, x) for x in whole]
    backend.update(op, views[:-1], views[-1], CONSTANTS[:constants])
    return [backend.download(x).astype(np.float64) for x in whole]


@pytest.mark.parametrize("op", UPDATES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_same_as_on_the_cpu(op, layout, dtype, backend):
    expected = run(op, cpu, layout, dtype)
    tolerance = 1e-5 if dtype == "float32" else 2e-3
    with guarded(backend.runtime):
        got = run(op, backend, layout, dtype)
    with binding_limit(backend.runtime, 1024):
        parts = run(op, backend, layout, dtype)
    for wanted, one, other in zip(expected, got, parts, strict=True):
        np.testing.assert_allclose(one, wanted, rtol=tolerance, atol=tolerance)
        np.testing.assert_array_equal(one, other)


def test_arrays_of_one_buffer(backend):
    whole = backend.upload(np.arange(12, dtype=np.float32))
    half = [backend.slice(whole, (slice(start, start + 4),)) for start in (0, 4, 8)]
    backend.update("sgd_momentum", half[:2], half[2], (-1.0, 0.0, 1.0, 0.5, 1.0, 0.0))
    np.testing.assert_array_equal(
        backend.download(whole), [-10, -10.5, -11, -11.5, 10, 11.5, 13, 14.5, 8, 9, 10, 11]
    )


def test_a_second_step_makes_nothing_new(fresh):
    arrays = [fresh.upload(x) for x in numbers(4, "float32")]

    def step(rate):
        fresh.update("adam", arrays[:3], arrays[3], (rate, *CONSTANTS[1:]))
        fresh.runtime.synchronize()
        stats = fresh.runtime.stats()
        return [stats[name] for name in ("buffers_created", "bind_groups_created", "pipelines", "dispatches")]

    *before, dispatched = step(-0.1)
    *after, dispatched_again = step(-0.05)
    assert after == before
    assert dispatched_again - dispatched == 1
