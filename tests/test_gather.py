"""Gathering, scattering and dropout on the CPU against plain loops."""

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
from rsconv.errors import ArgumentError, DtypeError

KINDS = [
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]


def gathered(x, axis, index):
    y = np.empty(index.shape, x.dtype)
    for at in np.ndindex(*index.shape):
        y[at] = x[(*at[:axis], index[at], *at[axis + 1 :])]
    return y


def scattered(src, axis, index, size):
    y = np.zeros((*src.shape[:axis], size, *src.shape[axis + 1 :]), src.dtype)
    total = y.astype(np.float64 if y.dtype.kind == "f" else y.dtype)
    for at in np.ndindex(*index.shape):
        total[(*at[:axis], index[at], *at[axis + 1 :])] += src[at]
    return total.astype(src.dtype)


def arrays(shape, axis, places, dtype, index_dtype="int64", broadcast=()):
    generator = np.random.default_rng(len(shape) + places)
    x = generator.integers(0, 9, shape)
    whole = [places if i == axis else n for i, n in enumerate(shape)]
    compact = [1 if i in broadcast else n for i, n in enumerate(whole)]
    index = generator.integers(0, shape[axis], compact).astype(index_dtype)
    return (x > 4 if dtype == "bool" else x.astype(dtype)), np.broadcast_to(index, whole)


CASES = [
    ((5, 7, 9), 0, 4, ()),
    ((5, 7, 9), 1, 11, ()),
    ((5, 7, 9), 2, 3, ()),
    ((5, 7, 9), 1, 11, (0, 2)),
    ((5, 7, 9), 1, 11, (2,)),
    ((5, 7, 9), 1, 11, (0,)),
    ((5, 7, 9, 4), 1, 6, (2,)),
    ((5, 7, 9), 2, 30, (0, 1)),
    ((6,), 0, 20, ()),
    ((3, 4, 2500), 1, 5, ()),
    ((3, 4, 2500), 1, 5, (0, 2)),
]


@pytest.mark.parametrize(("shape", "axis", "places", "broadcast"), CASES)
@pytest.mark.parametrize("index_dtype", ["int32", "int64"])
def test_gather_and_scatter(shape, axis, places, broadcast, index_dtype):
    x, index = arrays(shape, axis, places, "float32", index_dtype, broadcast)
    np.testing.assert_array_equal(cpu.gather(x, axis, index), gathered(x, axis, index))
    src = np.random.default_rng(1).integers(-5, 5, index.shape).astype(np.float32)
    found = cpu.scatter_add(src, axis, index, shape[axis])
    np.testing.assert_array_equal(found, scattered(src, axis, index, shape[axis]))


@pytest.mark.parametrize("dtype", [*KINDS, "bool", "complex64", "complex128"])
def test_every_dtype(dtype):
    for broadcast in ((), (0, 2), (2,)):
        x, index = arrays((3, 5, 6), 1, 7, dtype, broadcast=broadcast)
        y = cpu.gather(x, 1, index)
        assert y.dtype == x.dtype
        np.testing.assert_array_equal(y, gathered(x, 1, index))
        if dtype != "bool":
            src = gathered(x, 1, index) + (1j if dtype.startswith("complex") else 0)
            found = cpu.scatter_add(src.astype(dtype), 1, index, 5)
            assert found.dtype == x.dtype
            expected = scattered(src.astype(dtype), 1, index, 5)
            np.testing.assert_array_equal(found, expected)


def test_other_strides():
    x, index = arrays((6, 7, 8), 1, 7, "float32")
    x, index = x.transpose(2, 1, 0)[::-1], index.transpose(2, 1, 0)[:, ::-1]
    np.testing.assert_array_equal(cpu.gather(x, 1, index), gathered(x, 1, index))
    np.testing.assert_array_equal(cpu.scatter_add(x, 1, index, 7), scattered(x, 1, index, 7))


def test_float16_sums_in_float32():
    src = np.full((5000, 1), 0.1, np.float16)
    index = np.zeros((5000, 1), int)
    total = cpu.scatter_add(src, 0, index, 2)
    np.testing.assert_allclose(total[:, 0], [5000 * np.float64(np.float16(0.1)), 0], rtol=1e-3)


def test_integers_wrap_around():
    src = np.full(300, 1, np.uint8)
    assert cpu.scatter_add(src, 0, np.zeros(300, int), 1).tolist() == [300 - 256]


def test_sums_are_in_the_order_of_the_index():
    src = np.array([1e30, 1.0, -1e30, 1.0], np.float32)
    assert cpu.scatter_add(src, 0, np.zeros(4, int), 1).tolist() == [1.0]
    assert cpu.scatter_add(src[[0, 2, 1, 3]], 0, np.zeros(4, int), 1).tolist() == [2.0]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_shapes(data):
    shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    axis = data.draw(st.integers(0, len(shape) - 1))
    broadcast = data.draw(st.sets(st.integers(0, len(shape) - 1)))
    x, index = arrays(tuple(shape), axis, data.draw(st.integers(1, 7)), "int32", "int64", broadcast)
    np.testing.assert_array_equal(cpu.gather(x, axis, index), gathered(x, axis, index))
    src = gathered(x, axis, index)
    np.testing.assert_array_equal(
        cpu.scatter_add(src, axis, index, shape[axis]), scattered(src, axis, index, shape[axis])
    )


@pytest.mark.parametrize("stray", [-1, 4, 2**40])
def test_indices_outside_are_refused(stray):
    for shape in ((3,), (3, 2)):
        index = np.zeros(shape, int)
        index[1] = stray
        with pytest.raises(ArgumentError, match=rf"{stray}, .*4 elements"):
            cpu.gather(np.zeros((4, *shape[1:])), 0, index)
        with pytest.raises(ArgumentError, match=rf"{stray}, .*4 elements"):
            cpu.scatter_add(np.zeros(shape), 0, index, 4)


def test_indices_of_other_dtypes_are_refused():
    with pytest.raises(DtypeError, match="uint8"):
        cpu.gather(np.zeros(3), 0, np.zeros(2, np.uint8))
    with pytest.raises(DtypeError, match="object"):
        cpu.gather(np.zeros(3, object), 0, np.zeros(2, int))


def test_empty_arrays():
    assert cpu.gather(np.zeros((3, 0)), 0, np.zeros((5, 0), int)).shape == (5, 0)
    assert cpu.gather(np.zeros((3, 2)), 0, np.zeros((0, 2), int)).shape == (0, 2)
    assert cpu.scatter_add(np.zeros((0, 2)), 0, np.zeros((0, 2), int), 3).tolist() == [[0, 0]] * 3


def philox(counter, key):
    """Philox4x32-10 of a counter of four words and a key of two, as published."""
    words, (k0, k1) = list(counter), key
    for _ in range(10):
        a, b = 0xD2511F53 * words[0], 0xCD9E8D57 * words[2]
        words = [(b >> 32) ^ words[1] ^ k0, b % 2**32, (a >> 32) ^ words[3] ^ k1, a % 2**32]
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return words


def dropped(x, p, seed, offset):
    y = np.zeros(x.size, x.dtype)
    halves = [offset % 2**32, offset >> 32]
    for i, value in enumerate(x.ravel()):
        at = i // 4
        word = philox([at % 2**32, at >> 32, *halves], [seed % 2**32, seed >> 32])[i % 4]
        if word >= p * 2**32:
            y[i] = value * x.dtype.type(1 / (1 - p))
    return y.reshape(x.shape)


def test_philox_has_its_known_answers():
    assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
    answer = [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]
    assert philox(pi, [0xA4093822, 0x299F31D0]) == answer


DROPS = [(0.5, 0, 0), (0.1, 12345, 7), (0.9, 2**64 - 1, 2**63 + 5), (0.0, 3, 1), (1.0, 3, 1)]


def check_dropout(dtype, p, seed, offset):
    for shape in ((3, 7, 11), (1,), (4500,)):
        x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
        y = cpu.dropout(x, p, seed, offset)
        expected = np.zeros_like(x) if p == 1 else dropped(x, p, seed, offset)
        assert y.dtype == x.dtype
        np.testing.assert_allclose(y, expected, rtol=2e-3 if dtype == "float16" else 1e-6)


@pytest.mark.parametrize(("p", "seed", "offset"), DROPS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dropout_is_the_stream_of_the_protocol(dtype, p, seed, offset):
    check_dropout(dtype, p, seed, offset)


def test_dropout_goes_by_places_not_memory():
    x = np.random.default_rng(0).standard_normal((40, 30)).astype(np.float32)
    np.testing.assert_array_equal(cpu.dropout(x.T, 0.3, 1, 2), cpu.dropout(x.T.copy(), 0.3, 1, 2))
    z = (x + 1j * x).astype(np.complex64)
    y = cpu.dropout(z, 0.3, 1, 2)
    np.testing.assert_array_equal(y.real, cpu.dropout(x, 0.3, 1, 2))
    np.testing.assert_array_equal(y.imag, y.real)
    with pytest.raises(DtypeError, match="int32"):
        cpu.dropout(np.zeros(3, np.int32), 0.5, 0, 0)


def test_what_is_dropped_is_zero_whatever_it_was():
    x = np.full(1000, np.nan, np.float32)
    y = cpu.dropout(x, 0.5, 9, 9)
    kept = cpu.dropout(np.ones_like(x), 0.5, 9, 9) > 0
    assert 400 < kept.sum() < 600
    assert np.isnan(y[kept]).all() and (y[~kept] == 0).all()


def bits():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((50, 40, 300)).astype(np.float32)
    index = generator.integers(0, 40, x.shape)
    found = [cpu.gather(x, 1, index), cpu.scatter_add(x, 1, index, 40), cpu.dropout(x, 0.4, 1, 2)]
    return [array.tobytes() for array in found]


def test_any_number_of_threads_gives_the_same_bits():
    before = rsconv.get_num_threads()
    try:
        rsconv.set_num_threads(1)
        expected = bits()
        for threads in (2, 5):
            rsconv.set_num_threads(threads)
            assert bits() == expected
    finally:
        rsconv.set_num_threads(before)


@pytest.mark.parametrize("isa", _core.info()["isas"])
def test_dropout_in_every_instruction_set(isa):
    command = [sys.executable, __file__]
    environment = {**os.environ, "RSCONV_ISA": isa}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == f"isa={isa}\n" and done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    print(f"isa={_core.info()['isa']}")
    for settings_of_drop in DROPS:
        check_dropout("float32", *settings_of_drop)
        check_dropout("float64", *settings_of_drop)
