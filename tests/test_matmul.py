"""Matrix products on the CPU: every layout, dtype and instruction set against float64."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
import rsconv
from hypothesis import given, settings
from hypothesis import strategies as st
from rsconv import _core
from rsconv.backends import cpu
from rsconv.errors import DtypeError, ShapeError

TOLERANCE = {"float16": 2e-3, "float32": 3e-6, "float64": 1e-14}
LAYOUTS = ["rows", "columns", "gaps", "reversed", "shared"]
SHAPES = [
    (1, 1, 70, 33),
    (1, 5, 33, 9),
    (3, 4, 16, 17),
    (2, 13, 40, 1),
    (4, 1, 1, 6),
    (1, 70, 130, 40),
    (1, 3, 300, 2),
]


def laid_out(array, layout):
    """The same values (of the first matrix, if shared) in another layout."""
    if layout == "columns":
        return np.ascontiguousarray(array.swapaxes(1, 2)).swapaxes(1, 2)
    if layout == "gaps":
        wide = np.full((array.shape[0], array.shape[1], 2 * array.shape[2]), np.nan, array.dtype)
        wide[:, :, ::2] = array
        return wide[:, :, ::2]
    if layout == "reversed":
        return np.ascontiguousarray(array[:, ::-1])[:, ::-1]
    return np.broadcast_to(array[:1], array.shape) if layout == "shared" else array


def check(shape, layouts, dtype):
    batch, m, k, n = shape
    generator = np.random.default_rng(sum(shape))
    a, b = generator.standard_normal((batch, m, k)), generator.standard_normal((batch, k, n))
    a, b = (laid_out(x.astype(dtype), layout) for x, layout in zip((a, b), layouts, strict=True))
    exact = np.einsum("bmk,bkn->bmn", a.astype(np.float64), b.astype(np.float64))
    bound = np.einsum("bmk,bkn->bmn", np.abs(a, dtype=np.float64), np.abs(b, dtype=np.float64))
    y = cpu.matmul(a, b)
    assert y.shape == exact.shape and y.dtype == a.dtype
    assert (np.abs(y - exact) <= TOLERANCE[dtype] * np.maximum(bound, 1e-3)).all()


@pytest.mark.parametrize("layouts", list(itertools.product(LAYOUTS, LAYOUTS)), ids="-".join)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_every_layout(layouts, dtype):
    for shape in SHAPES:
        check(shape, layouts, dtype)


@given(
    st.integers(1, 4), st.integers(1, 40), st.integers(1, 90), st.integers(1, 40), st.permutations(LAYOUTS)
)
@settings(max_examples=60, deadline=None)
def test_any_shape(batch, m, k, n, layouts):
    check((batch, m, k, n), layouts[:2], "float32")


def test_integers_and_complex_numbers():
    generator = np.random.default_rng(0)
    a, b = generator.integers(-99, 99, (2, 3, 5)), generator.integers(-99, 99, (2, 5, 4))
    np.testing.assert_array_equal(cpu.matmul(a, b), np.einsum("bmk,bkn->bmn", a, b))
    wrapped = np.einsum("bmk,bkn->bmn", a, b).astype(np.int8)
    np.testing.assert_array_equal(cpu.matmul(a.astype(np.int8), b.astype(np.int8)), wrapped)
    z = a + 2j * a
    np.testing.assert_allclose(cpu.matmul(z, b + 0j), np.einsum("bmk,bkn->bmn", z, b))


@pytest.mark.parametrize("shape", [(0, 2, 3, 4), (2, 0, 3, 4), (2, 2, 0, 4), (2, 2, 3, 0)])
def test_empty(shape):
    batch, m, k, n = shape
    y = cpu.matmul(np.zeros((batch, m, k), np.float32), np.zeros((batch, k, n), np.float32))
    assert y.shape == (batch, m, n) and y.dtype == np.float32 and (y == 0).all()
    assert _core.products(np.zeros((batch, m, k)), np.zeros((batch, n, k))).shape == (batch, m, n)


def test_swapped_bytes():
    a = np.arange(6, dtype=">f4").reshape(1, 2, 3)
    np.testing.assert_array_equal(cpu.matmul(a, a.swapaxes(1, 2)), [[[5, 14], [14, 50]]])


def test_infinities_and_nan_go_where_they_belong():
    a, b = np.ones((1, 5, 37), np.float32), np.ones((1, 6, 37), np.float32)
    a[0, 2, 36], b[0, 4, 0] = np.inf, np.nan
    y = cpu.matmul(a, b.swapaxes(1, 2))[0]
    assert np.isnan(y[:, 4]).all() and np.isinf(np.delete(y[2], 4)).all()
    assert (np.delete(np.delete(y, 2, 0), 4, 1) == 37).all()


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_row_of_a_linear_layer_does_not_depend_on_the_others(dtype):
    generator = np.random.default_rng(1)
    x = generator.standard_normal((1, 150, 77)).astype(dtype)
    weight = generator.standard_normal((1, 50, 77)).astype(dtype).swapaxes(1, 2)
    whole = cpu.matmul(x, weight)
    for first, end in [(0, 1), (3, 5), (100, 150), (7, 16)]:
        assert (cpu.matmul(x[:, first:end].copy(), weight) == whole[:, first:end]).all()


def test_any_number_of_threads_gives_the_same_bits():
    generator = np.random.default_rng(2)
    a, b = (generator.standard_normal((3, 90, 90)).astype(np.float32) for _ in "ab")
    transposed = [a.swapaxes(1, 2), b.swapaxes(1, 2)]

    def results():
        pairs = itertools.product((a, transposed[0]), (b, transposed[1]))
        return [cpu.matmul(*pair).tobytes() for pair in pairs]

    before = rsconv.get_num_threads()
    try:
        rsconv.set_num_threads(1)
        expected = results()
        for threads in (2, 5):
            rsconv.set_num_threads(threads)
            assert results() == expected
    finally:
        rsconv.set_num_threads(before)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"\[1, 2, 3\].*\[1, 2, 4\]"):
        _core.products(np.zeros((1, 2, 3)), np.zeros((1, 2, 4)))
    with pytest.raises(ShapeError, match=r"float64.*float32"):
        _core.products(np.zeros((1, 2, 3)), np.zeros((1, 2, 3), np.float32))
    with pytest.raises(ShapeError, match=r"\[2, 3\]"):
        _core.products(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(DtypeError, match="int32"):
        _core.products(np.zeros((1, 2, 3), np.int32), np.zeros((1, 2, 3), np.int32))


@pytest.mark.parametrize("isa", _core.info()["isas"])
def test_every_instruction_set(isa):
    command = [sys.executable, __file__]
    environment = {**os.environ, "RSCONV_ISA": isa}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == f"isa={isa}\n" and done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    print(f"isa={_core.info()['isa']}")
    for case in itertools.product(SHAPES, itertools.product(LAYOUTS[:2], LAYOUTS[:2]), TOLERANCE):
        check(*case)
