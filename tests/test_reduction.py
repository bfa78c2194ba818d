"""Reductions, moments, arg_reduce and softmax of the CPU backend against NumPy in float64."""

import itertools
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import rsconv
from hypothesis import given, settings
from hypothesis import strategies as st
from rsconv import _core
from rsconv.backends import cpu
from rsconv.errors import ArgumentError, DtypeError

DTYPES = [np.float16, np.float32, np.float64]
# Of results of size 1.
TOLERANCE = {np.float16: 2e-3, np.float32: 2e-6, np.float64: 1e-14}
SHAPES = [
    *[(), (5,), (3000,), (3, 4), (0, 3), (3, 0), (5, 1, 7), (40, 257), (300, 300)],
    *[(2, 3, 5, 7), (1000, 3), (100000, 3), (9000, 20), (3, 70000), (2, 70, 20, 20), (2, 17, 1, 33)],
]


def in_other_order(a):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) if a.ndim > 1 else a


VIEWS = {
    "plain": lambda a: a,
    "transposed": lambda a: a.T,
    "steps": lambda a: a[..., ::2] if a.ndim else a,
    "reversed": lambda a: a[::-1] if a.ndim else a,
    "channels_last": in_other_order,
    "expanded": lambda a: np.broadcast_to(a, (3, *a.shape)),
    "swapped": lambda a: a.astype(a.dtype.newbyteorder()),
}


def random(shape, dtype, seed=0):
    return np.asarray(np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def dtypes_for(shape, view):
    if np.prod(shape) < 40000:
        return DTYPES
    return [np.float32] if view in ("plain", "transposed", "channels_last") else []


def all_axes(ndim):
    return itertools.chain.from_iterable(itertools.combinations(range(ndim), n) for n in range(ndim + 1))


def reference(op, x, axes):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(np, op)(x.astype(np.float64), axis=axes, keepdims=True)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_reductions_over_all_sets_of_axes(shape, view):
    for dtype in dtypes_for(shape, view):
        x = VIEWS[view](random(shape, dtype))
        for axes in all_axes(x.ndim):
            count = int(np.prod([x.shape[axis] for axis in axes]))
            for op in ("sum", "mean", "max", "min"):
                if count == 0 and op in ("max", "min"):
                    continue
                got, want = cpu.reduce(op, x, axes), reference(op, x, axes)
                assert (got.dtype, got.shape) == (np.dtype(dtype), want.shape)
                scale = count**0.5 if op == "sum" else 1
                message = f"{op} over {axes} of {shape}, {view}, {np.dtype(dtype)}"
                np.testing.assert_allclose(
                    got,
                    want.astype(dtype),
                    rtol=TOLERANCE[dtype],
                    atol=TOLERANCE[dtype] * scale,
                    err_msg=message,
                )


@pytest.mark.parametrize("dtype", DTYPES)
def test_products(dtype):
    x = np.asarray(1 + random((40, 30), np.float64) / 20).astype(dtype)
    for axes in all_axes(2):
        got = cpu.reduce("prod", x, axes)
        np.testing.assert_allclose(got, reference("prod", x, axes), rtol=2 * TOLERANCE[dtype])


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_moments_of_numbers_far_from_zero(shape, view):
    for dtype in dtypes_for(shape, view):
        x = VIEWS[view](np.asarray(random(shape, np.float64) * 0.5 + 30).astype(dtype))
        for axes in all_axes(x.ndim):
            mean, variance = cpu.moments(x, axes)
            wide = np.float64 if dtype == np.float64 else np.float32
            assert mean.dtype == variance.dtype == wide
            # The mean of nothing is NaN on both sides.
            np.testing.assert_allclose(mean, reference("mean", x, axes), rtol=1e-6)
            np.testing.assert_allclose(variance, reference("var", x, axes), rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("worst", [np.nan, np.inf, -np.inf])
def test_moments_of_what_is_not_finite(dtype, worst):
    x = random((3, 40), dtype)
    x[1, 7] = worst
    for axis in (0, 1):
        mean, variance = cpu.moments(x, (axis,))
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(np.isfinite(mean), np.isfinite(x.mean(axis, keepdims=True)))
            np.testing.assert_array_equal(np.isnan(variance), np.isnan(x.var(axis, keepdims=True)))


def test_long_sums_are_accurate_and_float16_accumulates_in_float32():
    ones = np.full(10_000_019, 0.1, np.float32)
    exact = ones.astype(np.float64).sum()
    assert abs(float(cpu.reduce("sum", ones, (0,))[0]) / exact - 1) < 5e-7
    halves = np.full((4096, 3), 0.1, np.float16)
    assert cpu.reduce("sum", halves, (0,)).tolist() == [[np.float16(4096 * float(np.float16(0.1)))] * 3]
    assert np.isinf(cpu.reduce("sum", np.full(70000, 1, np.float16), (0,)))
    assert cpu.reduce("mean", np.full(70000, 1, np.float16), (0,)) == 1


@pytest.mark.parametrize("view", [*VIEWS])
@pytest.mark.parametrize("shape", [(7,), (5000,), (6, 5), (300, 40), (3, 40, 50), (40, 2500)], ids=str)
def test_arg_reduce_gives_the_first_of_equals(shape, view):
    for dtype in DTYPES:
        values = np.random.default_rng(3).integers(-3, 4, shape).astype(dtype)
        x = VIEWS[view](values)
        for axis in range(x.ndim):
            for op in ("max", "min"):
                got = cpu.arg_reduce(op, x, axis)
                want = getattr(np, f"arg{op}")(x, axis=axis, keepdims=True)
                assert got.dtype == np.int64
                np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", ["max", "min"])
def test_nan_wins_and_is_found_first(op, dtype):
    x = random((50, 4100), dtype)
    x[::3, 4000] = x[::3, 7] = x[::2, 3000] = np.nan
    for axis in (0, 1):
        np.testing.assert_array_equal(cpu.reduce(op, x, (axis,)), getattr(np, op)(x, axis, keepdims=True))
        want = getattr(np, f"arg{op}")(x, axis=axis, keepdims=True)
        np.testing.assert_array_equal(cpu.arg_reduce(op, x, axis), want)


@pytest.mark.parametrize("worst", [-np.inf, np.inf])
def test_infinities_are_numbers_to_choose_from(worst):
    x = np.full((3, 40), worst, np.float32)
    for op in ("max", "min"):
        assert (cpu.reduce(op, x, (1,)) == worst).all()
        for axis in (0, 1):
            assert (cpu.arg_reduce(op, x, axis) == 0).all()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "shape", [(7,), (5000,), (6, 5), (300, 40), (3, 40, 50), (2, 3000, 3), (0, 4)], ids=str
)
def test_softmax(shape, view):
    for dtype in DTYPES:
        x = VIEWS[view](random(shape, dtype) * dtype(5))
        for axis in range(x.ndim):
            for log in (False, True):
                got = cpu.softmax(x, axis, log)
                wide = x.astype(np.float64)
                shifted = wide - wide.max(axis, keepdims=True, initial=-np.inf)
                total = np.exp(shifted).sum(axis, keepdims=True)
                want = np.exp(shifted) / total if not log else shifted - np.log(np.maximum(total, 1e-300))
                assert (got.dtype, got.shape) == (np.dtype(dtype), x.shape)
                np.testing.assert_allclose(
                    got, want, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * (5 if log else 0.05)
                )


def test_softmax_of_extreme_numbers():
    x = np.array(
        [[1e30, 0, -1e30], [-np.inf, 0, 0], [-np.inf] * 3, [np.nan, 0, 0], [-200, -300, -200]], np.float32
    )
    want = np.array([[1, 0, 0], [0, 0.5, 0.5], [np.nan] * 3, [np.nan] * 3, [0.5, 0, 0.5]], np.float32)
    np.testing.assert_allclose(cpu.softmax(x, 1, False), want, atol=1e-30)
    np.testing.assert_allclose(cpu.softmax(np.ascontiguousarray(x.T), 0, False).T, want, atol=1e-30)
    assert cpu.softmax(np.float32([[5], [7]]), 1, False).tolist() == [[1], [1]]
    assert cpu.softmax(np.float32([[5], [7]]), 1, True).tolist() == [[0], [0]]


def test_results_keep_the_memory_order_of_softmax_and_are_dense():
    x = in_other_order(random((2, 5, 4, 3), np.float32))
    assert cpu.softmax(x, 1, False).strides == x.strides


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_shape_strides_and_axes(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=4)))
    base = random(shape, np.float32, seed=1)
    x = base.transpose(data.draw(st.permutations(range(len(shape)))))
    x = x[tuple(slice(None, None, data.draw(st.sampled_from([1, 2, -1, -3]))) for _ in shape)]
    axes = tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1)))))
    np.testing.assert_allclose(cpu.reduce("sum", x, axes), reference("sum", x, axes), rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(cpu.reduce("max", x, axes), x.max(axes, keepdims=True))
    np.testing.assert_allclose(cpu.moments(x, axes)[1], reference("var", x, axes), rtol=1e-5, atol=1e-6)
    axis = data.draw(st.integers(0, len(shape) - 1))
    np.testing.assert_array_equal(cpu.arg_reduce("min", x, axis), x.argmin(axis, keepdims=True))
    np.testing.assert_allclose(cpu.softmax(x, axis, False).sum(axis), 1, rtol=1e-5)


def test_bits_do_not_depend_on_threads():
    x = random((3, 70, 90, 31), np.float32)
    before = rsconv.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 5):
            rsconv.set_num_threads(threads)
            results = [cpu.reduce(op, x, axes) for op in ("sum", "prod") for axes in all_axes(4)]
            results += [part for axes in all_axes(4) for part in cpu.moments(x, axes)]
            results += [cpu.softmax(x, axis, False) for axis in range(4)]
            found.append([result.tobytes() for result in results])
    finally:
        rsconv.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_integers_bools_and_complex_numbers_go_through_numpy():
    whole = np.arange(24, dtype=np.int32).reshape(4, 6)
    assert cpu.reduce("sum", whole, (1,)).dtype == np.int32
    assert cpu.reduce("sum", np.full(3, 2**31 - 1, np.int32), (0,)).tolist() == [2**31 - 3]
    assert cpu.reduce("any", whole % 6 == 0, (1,)).tolist() == [[True]] * 4
    assert cpu.reduce("all", np.float32([[1, 0], [np.nan, 2]]), (1,)).tolist() == [[False], [True]]
    assert cpu.arg_reduce("max", whole, 0).tolist() == [[3] * 6]
    assert cpu.reduce("prod", np.array([1j, 2j]), (0,)).tolist() == [-2]


def test_errors_name_what_is_wrong():
    with pytest.raises(ArgumentError, match="there is no reduction of floats named 'median'"):
        _core.reduce("median", np.ones(3), (0,))
    with pytest.raises(ArgumentError, match="op must be 'max' or 'min', but got op='sum'"):
        _core.arg_reduce("sum", np.ones(3), 0)
    with pytest.raises(DtypeError, match="input has type int64; supported are float16, float32 and float64"):
        cpu.softmax(np.arange(3), 0, False)
    with pytest.raises(DtypeError, match="input has type bool; supported are float16, float32 and float64"):
        cpu.softmax(np.array([True]), 0, False)


@pytest.mark.parametrize("isa", _core.info()["isas"][1:-1])
def test_other_instruction_sets(isa):
    here = "any_shape or nan_wins or long_sums or (test_softmax and (plain or steps))"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", here]
    subprocess.run(command, env={**os.environ, "RSCONV_ISA": isa}, check=True, capture_output=True)
