"""Every elementwise expression of the CPU backend against NumPy and SciPy in float64."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.special as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from rsconv import _core
from rsconv.backends import cpu
from rsconv.errors import ArgumentError, DtypeError, ShapeError

DTYPES = [np.float16, np.float32, np.float64]
OPS = _core.expressions()
# Constants that are tried for each expression with some.
PARAMS = {
    "celu": [(1.0,), (0.3,)],
    "clamp": [(-0.5, 2.0), (-np.inf, 0.25), (1.0, -1.0)],
    "elu": [(1.0,), (0.3,)],
    "hardshrink": [(0.5,)],
    "hardtanh": [(-1.0, 1.0), (-0.25, 3.0)],
    "leaky_relu": [(0.01,), (-0.5,)],
    "softplus": [(1.0, 20.0), (2.5, 3.0), (1.0, 1e4)],
    "softshrink": [(0.5,)],
    "threshold": [(0.1, 20.0)],
}
# As in PyTorch.
SELU = 1.0507009873554805, 1.6732632423543772


def cdf(x):
    return sp.ndtr(x)


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def clip(x, low, high):
    return np.minimum(np.maximum(x, low), high)


def floor_divide(a, b):
    # NumPy gives NaN for some infinite quotients where PyTorch and C give infinity or a whole number.
    return np.where(b == 0, a / b, np.floor_divide(a, b))


UNARY = {
    "neg": np.negative,
    "abs": np.abs,
    "sign": lambda x: np.where(np.isnan(x), 0, np.sign(x)),
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "trunc": np.trunc,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "square": np.square,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "erf": sp.erf,
    "sin": np.sin,
    "cos": np.cos,
    "logical_not": np.logical_not,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: clip(x, 0, 6),
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "gelu": lambda x: x * cdf(x),
    "gelu_tanh": gelu_tanh,
    "hardswish": lambda x: x * clip(x + 3, 0, 6) / 6,
    "hardsigmoid": lambda x: clip(x + 3, 0, 6) / 6,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "logsigmoid": lambda x: -softplus(-x),
    "selu": lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * np.expm1(x)),
    "tanhshrink": lambda x: x - np.tanh(x),
    "leaky_relu": lambda x, slope: np.where(x > 0, x, x * slope),
    "elu": lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)),
    "celu": lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x / alpha)),
    "hardtanh": clip,
    "clamp": clip,
    "softplus": lambda x, beta, limit: np.where(x * beta > limit, x, softplus(x * beta) / beta),
    "hardshrink": lambda x, limit: np.where(np.abs(x) <= limit, 0, x),
    "softshrink": lambda x, limit: np.where(np.abs(x) <= limit, 0, x - np.copysign(limit, x)),
    "threshold": lambda x, limit, value: np.where(x <= limit, value, x),
}
BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "floor_divide": floor_divide,
    "remainder": np.remainder,
    "pow": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "prelu": lambda x, w: np.where(x > 0, x, x * w),
    "prelu_weight_grad": lambda x, g: np.where(x > 0, 0, x * g),
}
MORE = {
    "where": np.where,
    "multiply_add": lambda x, scale, shift: x * scale + shift,
    "normalize": lambda x, mean, rstd, weight, bias: (x - mean) * rstd * weight + bias,
    "normalize_grad": lambda g, xhat, rstd, a, b: rstd * (g - a - xhat * b),
    "prelu_grad": lambda x, w, g: np.where(x > 0, g, g * w),
}
BITS = {"bitwise_not", "bitwise_and", "bitwise_or", "bitwise_xor"}
GRADS = {name for name in OPS if name.endswith("_grad")} - set(BINARY) - set(MORE)
# Where functions bend, so that central differences mean nothing.
BENDS = {
    **{"relu6": [0, 6], "hardswish": [-3, 3], "hardsigmoid": [-3, 3], "threshold": [0.1]},
    **{"hardshrink": [-0.5, 0.5], "softshrink": [-0.5, 0.5]},
}

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, 6.0, -3.0]


def numbers(dtype, seed=0):
    """Random numbers of many sizes, and the special ones of a dtype."""
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)
    parts = [rng.standard_normal(4000) * scale for scale in (0.01, 1, 10, 80)]
    ends = [info.tiny, info.max, info.smallest_subnormal, info.tiny / 8, info.eps, 1 + info.eps]
    exponents = rng.uniform(np.log(info.tiny), np.log(info.max), 4000)
    parts += [SPECIAL, ends, np.negative(ends), np.exp(exponents), -np.exp(exponents)]
    with np.errstate(all="ignore"):
        return np.concatenate(parts).astype(dtype)


def check(got, want, dtype, *, name, ulps, absolute=0.0):
    """Compare with float64, rounded once more. What nearly overflows may overflow."""
    assert got.dtype == (np.dtype(bool) if want.dtype == bool else np.dtype(dtype)), name
    if want.dtype == bool:
        np.testing.assert_array_equal(got, want, err_msg=name)
        return
    with np.errstate(all="ignore"):
        rounded = want.astype(dtype).astype(np.float64)
        got = got.astype(np.float64)
        limits = np.finfo(dtype)
        size = np.maximum(np.abs(want), float(limits.tiny))
        allowed = ulps * float(limits.eps) * size + absolute
        good = np.abs(got - want) <= allowed
        good |= (got == rounded) | (np.isnan(got) & np.isnan(rounded))
        good |= (
            np.isinf(rounded)
            & (np.abs(want) < float(limits.max) * 1.001)
            & (np.abs(got) > float(limits.max) * 0.999)
        )
    bad = np.flatnonzero(~good)
    assert bad.size == 0, (
        f"{name}: {bad.size} wrong, the first at {bad[0]}: {got[bad[0]]}, not {want[bad[0]]}"
    )


# float32 functions are off by a few units in the last place. Cancellation makes errors absolute: those of
# gelu's tail and of x - tanh(x).
ABSOLUTE = {"gelu": 3e-7, "gelu_tanh": 3e-7, "tanhshrink": 3e-7, "softplus": 1e-7, "sin": 1e-7, "cos": 1e-7}
ULPS = {"gelu": 4, "gelu_tanh": 6, "pow": 4, "mish": 6, "softplus": 5}


def test_the_table_is_what_is_tested():
    assert set(OPS) == {*UNARY, *BINARY, *MORE, *BITS, *GRADS}
    assert {name.removesuffix("_grad") for name in GRADS} <= set(UNARY)
    assert {name for name, (_, params, _) in OPS.items() if params} == {
        *PARAMS,
        *(f"{p}_grad" for p in PARAMS),
    }


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    for dtype in DTYPES:
        x = numbers(dtype)
        exact = 8 if dtype == np.float64 else ULPS.get(name, 3)
        absolute = ABSOLUTE.get(name, 0) * (1e-8 if dtype == np.float64 else 1)
        for params in PARAMS.get(name, [()]):
            if name in ("silu", "mish"):
                # Their sigmoids are subnormal.
                absolute = 300 * np.finfo(dtype).smallest_subnormal
            if dtype == np.float64 and name in ("gelu", "tanhshrink"):
                absolute = 1e-15
            with np.errstate(all="ignore"):
                wide = x.astype(np.float64)
                constants = params if dtype == np.float64 else [float(np.float32(p)) for p in params]
                want = np.asarray(UNARY[name](wide, *constants))
                # What overflows on the way, or is NaN by the formula only.
                if name in ("silu", "mish", "gelu", "gelu_tanh", "hardswish", "logsigmoid", "softplus"):
                    x, want = x[np.isfinite(wide)], want[np.isfinite(wide)]
            got = cpu.elementwise(name, [x], params)
            where = np.isfinite(want) if name == "gelu_tanh" else slice(None)
            check(got[where], want[where], dtype, name=f"{name}{params}", ulps=exact, absolute=absolute)
            x = numbers(dtype)


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    for dtype in DTYPES:
        rng = np.random.default_rng(1)
        small = rng.standard_normal((2, 5000)) * 3
        whole = rng.integers(-6, 7, (2, 3000)) * 0.5
        pairs = np.array(np.meshgrid(SPECIAL, SPECIAL)).reshape(2, -1)
        a, b = np.concatenate([small, whole, pairs], 1).astype(dtype)
        with np.errstate(all="ignore"):
            want = np.asarray(BINARY[name](a.astype(np.float64), b.astype(np.float64)))
        got = cpu.elementwise(name, [a, b])
        if name in ("floor_divide", "remainder"):
            # Infinite operands: as C's fmod gives it.
            keep = np.isfinite(a) & np.isfinite(b)
            a, b, got, want = a[keep], b[keep], got[keep], want[keep]
        check(got, want, dtype, name=name, ulps=ULPS.get(name, 3) if dtype != np.float64 else 8)


def test_signs_of_zero():
    x = np.float32([0.0, -0.0])
    for name in ("neg", "sin", "tanh", "erf", "expm1", "log1p", "floor", "ceil", "round", "trunc", "sqrt"):
        want = np.signbit(UNARY[name](x))
        np.testing.assert_array_equal(np.signbit(cpu.elementwise(name, [x])), want, err_msg=name)
    tiny = np.float32([-0.3, 0.3])
    assert np.signbit(cpu.elementwise("ceil", [tiny])).tolist() == [True, False]
    assert np.signbit(cpu.elementwise("round", [tiny])).tolist() == [True, False]


def test_sines_of_huge_angles():
    x = np.float32([1e5, 123456.789, 1e10, -3e38, 2**24 * np.pi, 5e6])
    np.testing.assert_allclose(cpu.elementwise("sin", [x]), np.sin(x.astype(np.float64)), rtol=1e-6)
    np.testing.assert_allclose(cpu.elementwise("cos", [x]), np.cos(x.astype(np.float64)), rtol=1e-6)


def test_remainders_of_large_quotients_are_exact():
    a, b = np.float32([1e30, -1e30, 1e9]), np.float32([7, 7, -0.1])
    want = np.remainder(a.astype(np.float64), b.astype(np.float64))
    np.testing.assert_allclose(cpu.elementwise("remainder", [a, b]), want, rtol=1e-6)
    assert cpu.elementwise("remainder", [np.float32([-1, 1]), np.float32([np.inf] * 2)]).tolist() == [
        np.inf,
        1,
    ]


@pytest.mark.parametrize("name", MORE)
def test_more_operands(name):
    for dtype in DTYPES:
        x = [np.random.default_rng(i).standard_normal(5000).astype(dtype) for i in range(5)][: OPS[name][0]]
        if name == "where":
            x[0] = x[0] > 0
        want = MORE[name](*(a if a.dtype == bool else a.astype(np.float64) for a in x))
        check(cpu.elementwise(name, x), want, dtype, name=name, ulps=3, absolute=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", sorted(GRADS))
def test_gradients_are_central_differences(name):
    forward = name.removesuffix("_grad")
    x = np.linspace(-8, 8, 3001)
    for params in PARAMS.get(forward, [()]):
        bends = [*BENDS.get(forward, []), 0, *params]
        usual = np.min([np.abs(x - bend) for bend in bends], axis=0) > 1e-4
        if forward == "softplus":
            # A step where it becomes linear.
            usual &= np.abs(x * params[0] - params[1]) > 1e-3
        points, h = x[usual], 1e-6
        up, down = (cpu.elementwise(forward, [points + step], params) for step in (h, -h))
        want = (up - down) / (2 * h) * 1.7
        if forward in ("sigmoid", "tanh"):
            # Computed from the result.
            points = cpu.elementwise(forward, [points])
        got = cpu.elementwise(name, [points, np.full_like(points, 1.7)], params)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=2e-8, err_msg=f"{name}{params}")
        single = cpu.elementwise(name, [points.astype(np.float32), np.float32([1.7])], params)
        np.testing.assert_allclose(single, got, rtol=2e-5, atol=5e-6, err_msg=f"{name}{params} in float32")


def test_gradients_where_functions_bend_are_those_of_pytorch():
    def grad(name, *params):
        x = np.float32([-3, -1, 0, 1, 3, 6, np.nan])
        return cpu.elementwise(f"{name}_grad", [x, np.ones_like(x)], params).tolist()

    assert grad("relu") == [0, 0, 0, 1, 1, 1, 1]
    assert grad("relu6") == [0, 0, 0, 1, 1, 0, 1]
    assert grad("hardtanh", -1.0, 1.0) == [0, 0, 1, 0, 0, 0, 1]
    assert grad("clamp", -1.0, 1.0) == [0, 1, 1, 1, 0, 0, 1]
    assert grad("threshold", 1.0, 9.0) == [0, 0, 0, 0, 1, 1, 1]
    assert grad("hardsigmoid")[0] == grad("hardsigmoid")[4] == 0
    assert grad("leaky_relu", 0.5)[:4] == [0.5, 0.5, 0.5, 1]


def test_broadcasting_and_strides():
    rng = np.random.default_rng(2)
    a = rng.standard_normal((3, 4, 5)).astype(np.float32)
    views = [
        a,
        a.transpose(2, 0, 1),
        a[::-1, :, ::2],
        a[:, 1:2],
        np.broadcast_to(a[:, :, :1], (2, 3, 4, 5)),
        a[0, 0, 0],
    ]
    for x in map(np.asarray, views):
        for y in (
            2.5,
            np.float32([1.5]),
            np.asarray(x[..., :1] if x.ndim else x),
            np.asarray(x.T),
            x[::-1] if x.ndim else x,
        ):
            try:
                want = x + np.float32(y) if isinstance(y, float) else x + y
            except ValueError:
                continue
            got = cpu.elementwise("add", [x, y])
            np.testing.assert_array_equal(got, want)
            assert got.dtype == np.float32
            np.testing.assert_array_equal(cpu.elementwise("sub", [y, x]), np.asarray(y, np.float32) - x)


def test_rows_that_repeat_a_number():
    rng = np.random.default_rng(4)
    for columns in (511, 512, 1024, 1025, 5000):
        x = rng.standard_normal((3, 5, columns)).astype(np.float32)
        channel = np.float32([0.0, -0.0, np.nan, 2.0, 2.0])[:, None]
        got = cpu.elementwise("mul", [x, channel])
        np.testing.assert_array_equal(got, x * channel)
        np.testing.assert_array_equal(np.signbit(got[:, :2]), np.signbit((x * channel)[:, :2]))


def test_large_results():
    x = np.random.default_rng(5).standard_normal((5, 1000, 1111)).astype(np.float32)
    shift = np.arange(1111, dtype=np.float32)
    np.testing.assert_array_equal(cpu.elementwise("add", [x, shift]), x + shift)
    np.testing.assert_array_equal(cpu.elementwise("neg", [x[:, ::-1]]), -x[:, ::-1])


def test_results_lie_in_memory_as_the_first_full_operand():
    x = np.zeros((2, 4, 5, 3), np.float32).transpose(0, 3, 1, 2)
    assert cpu.elementwise("relu", [x]).strides == x.strides
    channel = np.ones((3, 1, 1), np.float32)
    assert cpu.elementwise("mul", [channel, x]).strides == x.strides
    assert cpu.elementwise("mul", [x[:1, :, :1], x]).strides == x.strides
    assert cpu.elementwise("lt", [x, channel]).strides == tuple(s // 4 for s in x.strides)
    assert cpu.elementwise("relu", [x[..., ::2]]).flags.c_contiguous is False
    assert cpu.elementwise("add", [channel, np.ones((1, 4), np.float32)]).flags.c_contiguous


@pytest.mark.parametrize("shape", [(0,), (3, 0, 2), (), (1, 1), (1024,), (1025,), (70000,)], ids=str)
def test_sizes(shape):
    x = np.asarray(np.random.default_rng(0).standard_normal(shape)).astype(np.float32)
    got = cpu.elementwise("mul", [x, x])
    assert isinstance(got, np.ndarray) and got.shape == shape
    np.testing.assert_array_equal(got, x * x)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_shapes_that_broadcast(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 17), max_size=4)))
    operands = []
    for seed in range(3):
        own = tuple(data.draw(st.sampled_from([n, 1])) for n in shape)[
            data.draw(st.integers(0, len(shape))) :
        ]
        base = np.random.default_rng(seed).standard_normal([2 * n for n in own]).astype(np.float32)
        x = base.transpose(data.draw(st.permutations(range(len(own)))))
        index = tuple(slice(None, n) if data.draw(st.booleans()) else slice(2 * n - 1, None, -2) for n in own)
        if x.shape != base.shape or not own:
            x, index = base, index
        operands.append(
            np.asarray(
                x[tuple(slice(0, n) if s.step is None else s for n, s in zip(own, index, strict=True))]
            )
        )
    want = operands[0].astype(np.float64) * operands[1] + operands[2]
    got = cpu.elementwise("multiply_add", operands)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    condition = operands[0] > 0
    np.testing.assert_array_equal(
        cpu.elementwise("where", [condition, *operands[1:]]), np.where(condition, *operands[1:])
    )


def test_misaligned_and_swapped_arrays_are_made_native():
    raw = np.zeros(1 + 4 * 6, np.uint8)[1:].view(np.float32)
    raw[:] = np.arange(6)
    record = np.zeros(6, [("tag", np.uint8), ("x", np.float32)])
    record["x"] = np.arange(6)
    for x in (raw, record["x"], np.arange(6, dtype=">f4"), np.arange(6, dtype=">f8")):
        got = cpu.elementwise("add", [x, x])
        assert got.dtype.isnative and got.tolist() == [0, 2, 4, 6, 8, 10]


def test_numbers_take_the_dtype_of_arrays():
    x = np.float16([1, 2])
    assert cpu.elementwise("add", [x, 0.1]).dtype == np.float16
    assert cpu.elementwise("where", [np.array([True, False]), x, 5]).tolist() == [1, 5]
    assert cpu.elementwise("where", [np.array([[True], [False]]), 7.0, x]).tolist() == [[7, 7], [1, 2]]


def test_integers_are_those_of_python_and_pytorch():
    a, b = np.int32([7, -7, 7, -7, 2**31 - 1]), np.int32([2, 2, -2, -2, 1])
    run = lambda name, *operands, params=(): cpu.elementwise(name, operands, params).tolist()  # noqa: E731
    assert run("floor_divide", a, b) == [x // y for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert run("remainder", a, b) == [x % y for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert run("add", a[4:], 1) == [-(2**31)]
    assert run("pow", np.int64([2, -1, 1, 3, 0]), np.int64([10, -3, -5, -1, 0])) == [1024, -1, 1, 0, 1]
    assert run("relu", a) == [7, 0, 7, 0, 2**31 - 1]
    assert run("clamp", a, params=(-2.5, 6.5)) == [6, -2, 6, -2, 6]
    assert run("clamp", np.uint8([0, 200]), params=(-np.inf, 1e9)) == [0, 200]
    assert run("bitwise_xor", a, b) == [x ^ y for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    flags = np.array([True, False])
    assert run("add", flags, flags) == [True, False] and run("maximum", flags, ~flags) == [True, True]
    assert run("isnan", a) == [False] * 5
    assert run("abs", np.complex64([3 + 4j])) == [5]
    assert run("threshold", a, params=(0.0, 3)) == [7, 3, 7, 3, 2**31 - 1]


def test_errors_name_what_is_wrong():
    x = np.ones(3, np.float32)
    with pytest.raises(ArgumentError, match="there is no elementwise expression named 'frobnicate'"):
        cpu.elementwise("frobnicate", [x])
    with pytest.raises(ArgumentError, match="add takes 2 operands and 0 constants, but got 1 and 0"):
        cpu.elementwise("add", [x])
    with pytest.raises(DtypeError, match="bitwise_and is not defined for float32"):
        cpu.elementwise("bitwise_and", [x, x])
    with pytest.raises(DtypeError, match="operands of add have types float32 and float64"):
        cpu.elementwise("add", [x, x.astype(np.float64)])
    with pytest.raises(ShapeError, match=r"shapes \[3\] and \[2\] do not broadcast"):
        cpu.elementwise("add", [x, x[:2]])
    with pytest.raises(DtypeError, match="sub is not defined for bool"):
        cpu.elementwise("sub", [x > 0, x > 0])
    with pytest.raises(DtypeError, match="exp is not defined for int64"):
        cpu.elementwise("exp", [np.arange(3)])


@pytest.mark.parametrize("isa", _core.info()["isas"][1:-1])
def test_other_instruction_sets(isa):
    wanted = "unary or binary or more_operands or central or huge or signs"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", wanted]
    subprocess.run(command, env={**os.environ, "RSCONV_ISA": isa}, check=True, capture_output=True)
