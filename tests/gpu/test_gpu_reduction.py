"""Reductions and softmax on the GPU beside NumPy in float64."""

import numpy as np
import pytest
from guards import binding_limit, guarded
from rsconv.errors import DtypeError

FUNCTIONS = {
    "sum": np.sum,
    "mean": np.mean,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "any": np.any,
    "all": np.all,
}
# Rows, columns, planes, everything, every second axis; short ones and some that need slices.
CASES = [
    ((5,), (0,)),
    ((40_003,), (0,)),
    ((3, 7, 5, 11), (0,)),
    ((3, 7, 5, 11), (3,)),
    ((3, 7, 5, 11), (1,)),
    ((3, 7, 5, 11), (2, 3)),
    ((3, 7, 5, 11), (0, 2, 3)),
    ((3, 7, 5, 11), (0, 1, 2, 3)),
    ((3, 7, 5, 11), (1, 3)),
    ((2, 70, 90, 3), (0, 1, 2)),
    ((2, 3, 4_000), (0, 2)),
    ((2, 3, 4), ()),
    ((300, 2), (1,)),
]
DTYPES = [np.float32, np.float16, np.int32, np.bool_]


def numbers(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    if dtype == np.bool_:
        return rng.random(shape) < 0.5
    if dtype == np.int32:
        return rng.integers(-9, 9, shape).astype(dtype)
    return rng.normal(0.2, 1, shape).astype(dtype)


def layouts(backend, x):
    """The array in C order, in reversed order, and as every second element of another."""
    axes = tuple(range(x.ndim))[::-1]
    yield backend.upload(x)
    yield backend.permute(backend.upload(np.ascontiguousarray(x.transpose(axes))), axes)
    wide = np.repeat(x, 2, -1)
    yield backend.slice(backend.upload(wide), (*[np.s_[:]] * (x.ndim - 1), np.s_[::-2]))


def as_laid_out(x):
    yield from (x, x, x[..., ::-1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", sorted(FUNCTIONS))
def test_reductions(backend, op, dtype):
    if op in ("sum", "mean", "prod") and (dtype == np.bool_ or (op == "mean" and dtype == np.int32)):
        with pytest.raises(DtypeError, match=f"{op} is not defined for {np.dtype(dtype).name} on the GPU"):
            backend.reduce(op, backend.upload(np.ones((2, 2), dtype)), (0,))
        return
    for shape, axes in CASES:
        x = numbers(shape, dtype)
        if op == "prod":
            near_one = 0 if dtype == np.int32 else np.random.default_rng(1).uniform(-0.01, 0.01, shape)
            x = (np.where(x < 0, -1, 1) + near_one).astype(dtype)
        for g, own in zip(layouts(backend, x), as_laid_out(x), strict=True):
            with guarded(backend.runtime):
                got = backend.reduce(op, g, axes)
            wide = own.astype(np.float64) if dtype in (np.float32, np.float16) else own
            expected = FUNCTIONS[op](wide, axis=axes, keepdims=True)
            assert got.dtype == (np.bool_ if op in ("any", "all") else dtype)
            case = f"{shape} over {axes}"
            if op in ("sum", "mean", "prod") and dtype != np.int32:
                # Against the sum of magnitudes, which bounds the error of any order of additions.
                scale = FUNCTIONS[op](np.abs(wide), axis=axes, keepdims=True) + 1e-30
                error = np.abs(backend.download(got) - expected) / scale
                # Errors of factors add up, those of terms do not.
                bound = 1e-3 if dtype == np.float16 else 2e-5 if op == "prod" else 3e-7
                assert error.max() < bound, case
            else:
                np.testing.assert_array_equal(backend.download(got), expected, err_msg=case)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32])
@pytest.mark.parametrize("op", ["max", "min"])
def test_arguments(backend, op, dtype):
    function = {"max": np.argmax, "min": np.argmin}[op]
    for shape in [(5,), (40_003,), (3, 7, 5, 11), (2, 70, 3)]:
        # Few different numbers, so that there are equals.
        x = np.round(numbers(shape, dtype, 1))
        for axis in range(len(shape)):
            for g, own in zip(layouts(backend, x), as_laid_out(x), strict=True):
                with guarded(backend.runtime):
                    got = backend.arg_reduce(op, g, axis)
                assert got.dtype == np.int32
                expected = function(own, axis=axis, keepdims=True)
                np.testing.assert_array_equal(backend.download(got), expected, err_msg=f"{shape} {axis}")


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_moments(backend, dtype):
    for shape, axes in CASES:
        x = numbers(shape, dtype) + dtype(20)
        for g, own in zip(layouts(backend, x), as_laid_out(x), strict=True):
            with guarded(backend.runtime):
                mean, variance = backend.moments(g, axes)
            wide = own.astype(np.float64)
            assert mean.dtype == variance.dtype == np.float32
            expected = wide.mean(axes, keepdims=True), wide.var(axes, keepdims=True)
            np.testing.assert_allclose(backend.download(mean), expected[0], rtol=1e-6)
            np.testing.assert_allclose(backend.download(variance), expected[1], rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize("size", [7, 40_000])
def test_not_a_number_and_infinity(backend, size):
    x = np.zeros((3, size), np.float32)
    x[0, size // 2] = np.nan
    x[0, 0], x[0, -1] = np.inf, -np.inf
    x[1, 1] = np.inf
    x[2] = -0.0
    g = backend.upload(x)
    nan, inf = np.nan, np.inf
    for op, expected in {
        "max": [nan, inf, 0],
        "min": [nan, 0, 0],
        "sum": [nan, inf, 0],
        "any": [True, True, False],
        "all": [False, False, False],
    }.items():
        np.testing.assert_array_equal(
            backend.download(backend.reduce(op, g, (1,)))[:, 0], expected, err_msg=op
        )
    places = {"max": [size // 2, 1, 0], "min": [size // 2, 0, 0]}
    for op, place in places.items():
        np.testing.assert_array_equal(backend.download(backend.arg_reduce(op, g, 1))[:, 0], place)


def test_nothing_to_reduce(backend):
    g = backend.upload(np.zeros((2, 0, 3), np.float32))
    for op, expected in {"sum": 0, "prod": 1, "any": False, "all": True, "mean": np.nan}.items():
        got = backend.download(backend.reduce(op, g, (1,)))
        np.testing.assert_array_equal(got, np.full((2, 1, 3), expected), err_msg=op)
    assert backend.reduce("max", g, (0,)).shape == (1, 0, 3)


def test_sums_do_not_lose_small_numbers(backend):
    # Added one by one, float32 stops at 2^24.
    g = backend.upload(np.ones(20_000_000, np.float32))
    assert backend.download(backend.reduce("sum", g, (0,)))[0] == 20_000_000


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("log", [False, True])
def test_softmax(backend, log, dtype):
    for shape in [(5,), (2, 3001), (3, 7, 5, 11), (300, 3)]:
        x = numbers(shape, dtype) * dtype(10)
        for axis in range(len(shape)):
            for g, own in zip(layouts(backend, x), as_laid_out(x), strict=True):
                with guarded(backend.runtime):
                    got = backend.softmax(g, axis, log)
                wide = own.astype(np.float64)
                shifted = wide - wide.max(axis, keepdims=True)
                expected = shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))
                expected = expected if log else np.exp(expected)
                bound = 2e-6 if dtype == np.float32 else 1e-3
                atol = {(False, np.float32): 1e-7, (True, np.float32): 4e-6}.get((log, dtype), 2e-3)
                np.testing.assert_allclose(backend.download(got), expected, rtol=bound, atol=atol)


def test_softmax_of_what_is_not_finite(backend):
    inf, nan = np.inf, np.nan
    x = np.array([[1, -inf, 1], [1, nan, 2], [inf, 0, 0], [-inf, -inf, -inf]], np.float32)
    g = backend.upload(x)
    plain = backend.download(backend.softmax(g, 1, False))
    logarithm = backend.download(backend.softmax(g, 1, True))
    np.testing.assert_allclose(plain, [[0.5, 0, 0.5], *[[nan] * 3] * 3], rtol=1e-6)
    np.testing.assert_allclose(logarithm, [[np.log(0.5), -inf, np.log(0.5)], *[[nan] * 3] * 3], rtol=1e-6)


def test_more_than_65535_workgroups(backend):
    # Rows of 520, each one element behind the other: a workgroup for each.
    x = np.random.default_rng(0).normal(size=70_519).astype(np.float32)
    rows = np.lib.stride_tricks.sliding_window_view(x, 520)
    g = backend.upload(x).view(rows.shape, (1, 1), 0)
    np.testing.assert_array_equal(
        backend.download(backend.reduce("max", g, (1,))), rows.max(1, keepdims=True)
    )


@pytest.mark.parametrize("limit", [1024, 4096])
def test_parts_of_large_arrays(backend, limit):
    x = numbers((6, 15, 40), np.float32)
    g = backend.upload(x)
    turned, own = backend.permute(g, (2, 0, 1)), x.transpose(2, 0, 1)
    wide = own.astype(np.float64)
    before = backend.runtime.dispatches
    for axes in [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)]:
        with binding_limit(backend.runtime, limit), guarded(backend.runtime):
            total, largest = (backend.reduce(op, turned, axes) for op in ("sum", "max"))
            mean, variance = backend.moments(turned, axes)
            place = backend.arg_reduce("max", turned, axes[0])
        np.testing.assert_allclose(backend.download(total), wide.sum(axes, keepdims=True), atol=3e-5)
        np.testing.assert_array_equal(backend.download(largest), own.max(axes, keepdims=True))
        np.testing.assert_allclose(backend.download(mean), wide.mean(axes, keepdims=True), atol=1e-6)
        np.testing.assert_allclose(backend.download(variance), wide.var(axes, keepdims=True), rtol=1e-5)
        np.testing.assert_array_equal(backend.download(place), own.argmax(axes[0], keepdims=True))
    assert backend.runtime.dispatches - before > 200
    with binding_limit(backend.runtime, limit):
        rows = [backend.softmax(backend.reshape(g, (2, 1800)), 1, log) for log in (False, True)]
    shifted = x.reshape(2, 1800).astype(np.float64)
    shifted -= np.log(np.exp(shifted).sum(1, keepdims=True))
    np.testing.assert_allclose(backend.download(rows[0]), np.exp(shifted), rtol=3e-6)
    np.testing.assert_allclose(backend.download(rows[1]), shifted, atol=5e-6)


def test_a_second_shape_compiles_nothing(fresh):
    for shape in [(4, 6, 8), (3, 5, 7), (9, 1, 33)]:
        g = fresh.upload(np.ones(shape, np.float32))
        for _ in range(2):
            fresh.reduce("sum", g, (1,))
            fresh.softmax(g, 2, False)
        compiled = len(fresh.runtime.pipelines.compiled)
        assert compiled == 2
