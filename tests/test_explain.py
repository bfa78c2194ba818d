"""`explain`: what would run, without running it."""

import numpy as np
import pytest
import rsconv
from rsconv import functional as F
from rsconv.backends import cpu
from rsconv.nn import grad


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


SIZE = {1: (40,), 2: (20, 22), 3: (7, 8, 9)}
CALLS = {}
for rank, size in SIZE.items():
    kernel = (3,) * rank
    smaller = tuple(n - 2 for n in size)
    x, w, g = zeros(2, 16, *size), zeros(24, 16, *kernel), zeros(2, 24, *smaller)
    CALLS[f"conv{rank}d"] = (getattr(F, f"conv{rank}d"), x, w)
    CALLS[f"conv_transpose{rank}d"] = (getattr(F, f"conv_transpose{rank}d"), g, w)
    CALLS[f"conv{rank}d_input"] = (getattr(grad, f"conv{rank}d_input"), x.shape, w, g)
    CALLS[f"conv{rank}d_weight"] = (getattr(grad, f"conv{rank}d_weight"), x, w.shape, g)


@pytest.fixture
def nothing_runs(monkeypatch):
    def run(*_):
        raise AssertionError("explain ran a kernel")

    for name in ("conv", "conv_input_grad", "conv_weight_grad", "pack", "pad"):
        monkeypatch.setattr(cpu, name, run)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64", "int32"])
def test_every_function_is_explained(name, dtype, nothing_runs):
    function, *arguments = CALLS[name]
    arguments = [a.astype(dtype) if isinstance(a, np.ndarray) else a for a in arguments]
    found = rsconv.explain(function, *arguments)
    assert (found.function, found.device, found.dtype) == (name, "cpu", dtype)
    assert found.algorithm and found.reason and found.threads >= 1 and found.tasks >= 1
    assert found.scratch_bytes >= 0 and found.packed_bytes >= 0
    named = {"float32": "f32", "float64": "f64", "complex64": "f32"}
    assert named.get(dtype, dtype) in found.kernel
    if dtype == "complex64":
        assert "four float32 passes" in found.reason
    for value in (found.algorithm, found.kernel, found.reason, name, dtype):
        assert value in str(found)
    assert f"kernel='{found.kernel}'" in repr(found)


def test_shapes_and_keywords(nothing_runs):
    found = rsconv.explain(
        F.conv2d, zeros(1, 4, 8, 9), zeros(6, 2, 3, 3), zeros(6), stride=2, padding=1, groups=2
    )
    assert found.input_shape == (1, 4, 8, 9)
    assert found.weight_shape == (6, 2, 3, 3)
    assert found.output_shape == (1, 6, 4, 5)
    found = rsconv.explain(F.conv2d, zeros(1, 4, 8, 9), zeros(6, 4, 3, 3), padding=1, padding_mode="circular")
    assert found.output_shape == (1, 6, 8, 9)
    assert "padding_mode='circular'" in found.reason


def test_packed_bytes_are_those_of_prepare():
    x, w = zeros(1, 64, 30, 30), zeros(40, 64, 3, 3)
    geometry = rsconv.prepare(w, input_shape=x.shape).geometry
    assert cpu.pack(geometry, w).nbytes >= w.nbytes
    assert rsconv.explain(F.conv2d, x, w).packed_bytes >= w.nbytes


def test_bad_arguments_raise_as_the_call_does():
    with pytest.raises(rsconv.ShapeError, match="expected input"):
        rsconv.explain(F.conv1d, zeros(1, 4, 8), zeros(6, 3, 3))
    with pytest.raises(rsconv.ArgumentError, match="padding_mode='edge'"):
        rsconv.explain(F.conv1d, zeros(1, 4, 8), zeros(6, 4, 3), padding_mode="edge")
    with pytest.raises(TypeError, match="weight"):
        rsconv.explain(F.conv1d, zeros(1, 4, 8))
