"""Elementwise expressions on the GPU beside NumPy and SciPy in float64."""

import numpy as np
import pytest
import scipy.special as special
from guards import binding_limit, guarded
from rsconv import _core
from rsconv.backends import cpu
from rsconv.errors import DtypeError

EXPRESSIONS = _core.expressions()


def stable_sigmoid(x):
    return special.expit(x)


def softplus(x, beta=1.0, threshold=20.0):
    return np.where(x * beta > threshold, x, np.logaddexp(0, x * beta) / beta)


def sqrt_of(x):
    with np.errstate(invalid="ignore"):
        return np.sqrt(x)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
UNARY = {
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "trunc": np.trunc,
    "sqrt": sqrt_of,
    "rsqrt": lambda x: 1 / sqrt_of(x),
    "reciprocal": lambda x: 1 / x,
    "square": np.square,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": lambda x: np.log(x),
    "log1p": lambda x: np.log1p(x),
    "erf": special.erf,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sigmoid": stable_sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "silu": lambda x: x * stable_sigmoid(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "gelu": lambda x: x * special.ndtr(x),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "logsigmoid": lambda x: -np.logaddexp(0, -x),
    "selu": lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(x)),
    "tanhshrink": lambda x: x - np.tanh(x),
}
PARAMS = {
    "leaky_relu": (0.2,),
    "elu": (1.5,),
    "celu": (0.7,),
    "hardtanh": (-0.8, 1.1),
    "clamp": (-0.3, 0.9),
    "softplus": (2.0, 3.0),
    "hardshrink": (0.6,),
    "softshrink": (0.4,),
    "threshold": (0.25, -7.0),
}
WITH_PARAMS = {
    "leaky_relu": lambda x, slope: np.where(x > 0, x, slope * x),
    "elu": lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)),
    "celu": lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x / alpha)),
    "hardtanh": np.clip,
    "clamp": np.clip,
    "softplus": softplus,
    "hardshrink": lambda x, limit: np.where(np.abs(x) > limit, x, 0),
    "softshrink": lambda x, limit: np.sign(x) * np.maximum(np.abs(x) - limit, 0),
    "threshold": lambda x, limit, value: np.where(x > limit, x, value),
}
BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
    "pow": lambda a, b: np.power(np.abs(a), b),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "prelu": lambda x, w: np.where(x > 0, x, w * x),
}
PREDICATES = {
    "logical_not": lambda x: x == 0,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
BITS = {
    "bitwise_not": np.invert,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
}
OTHERS = {
    "where": lambda m, a, b: np.where(m, a, b),
    "multiply_add": lambda x, scale, shift: x * scale + shift,
    "normalize": lambda x, mean, rstd, w, b: (x - mean) * rstd * w + b,
    "normalize_grad": lambda g, xhat, rstd, a, b: rstd * (g - a - xhat * b),
    "prelu_grad": lambda x, w, g: np.where(x > 0, g, w * g),
    "prelu_weight_grad": lambda x, g: np.where(x > 0, 0, x * g),
}
GRADIENTS = {
    name: (PARAMS.get(name[:-5], ()), {**UNARY, **WITH_PARAMS}[name[:-5]])
    for name in EXPRESSIONS
    if name.endswith("_grad") and name not in OTHERS
}
FLOAT_TOLERANCE = {np.float32: {"rtol": 3e-6, "atol": 1e-6}, np.float16: {"rtol": 2e-3, "atol": 2e-3}}
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30, 1.0, -1.0, 0.5, 2.5, -3.5], np.float32)


def values(name, shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 2, shape)
    if name in ("log", "sqrt", "rsqrt", "log1p", "pow"):
        x = np.abs(x) + 0.01
    return x.astype(dtype)


def run(backend, name, arrays, params=()):
    with guarded(backend.runtime):
        result = backend.elementwise(name, [backend.upload(x) for x in arrays], params)
    return backend.download(result)


def test_every_expression_has_an_oracle():
    known = {*UNARY, *WITH_PARAMS, *BINARY, *PREDICATES, *BITS, *OTHERS, *GRADIENTS}
    assert known == set(EXPRESSIONS)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("name", sorted([*UNARY, *WITH_PARAMS, *BINARY]))
def test_functions(backend, name, dtype):
    function = {**UNARY, **WITH_PARAMS, **BINARY}[name]
    params = PARAMS.get(name, ())
    arrays = [values(name, 1003, dtype, seed) for seed in range(EXPRESSIONS[name][0])]
    expected = function(*(x.astype(np.float64) for x in arrays), *params)
    got = run(backend, name, arrays, params)
    assert got.dtype == dtype
    if name in ("floor_divide", "remainder"):
        # Quotients next to a whole number round to either side.
        quotient = arrays[0].astype(np.float64) / arrays[1]
        clear = np.abs(quotient - np.round(quotient)) > 1e-4
        got, expected = got[clear], expected[clear]
    if name == "pow":
        got, expected = got[expected < 6e4], expected[expected < 6e4]
    np.testing.assert_allclose(got, expected, **FLOAT_TOLERANCE[dtype])


@pytest.mark.parametrize("name", sorted(GRADIENTS))
def test_gradients_are_difference_quotients(backend, name):
    params, function = GRADIENTS[name]
    x, g = values(name, 1001, np.float32), values("", 1001, np.float32, 1)
    at = x.astype(np.float64)
    steps = [(function(at + h, *params) - function(at - h, *params)) / (2 * h) for h in (1e-4, 3e-6)]
    # Away from kinks and jumps, where both agree.
    smooth = np.abs(steps[0] - steps[1]) < 1e-6
    assert smooth.mean() > 0.98
    if name in ("sigmoid_grad", "tanh_grad"):
        # Computed from the result.
        x = function(at).astype(np.float32)
    got = run(backend, name, [x, g], params)
    np.testing.assert_allclose(got[smooth], (g * steps[1])[smooth], rtol=1e-5, atol=3e-6)


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_other_expressions(backend, name):
    arrays = [values(name, 517, np.float32, seed) for seed in range(EXPRESSIONS[name][0])]
    if name == "where":
        arrays[0] = arrays[0] > 0
    expected = OTHERS[name](*(x if x.dtype == bool else x.astype(np.float64) for x in arrays))
    np.testing.assert_allclose(run(backend, name, arrays), expected, rtol=3e-6, atol=3e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32, np.bool_])
@pytest.mark.parametrize("name", sorted(PREDICATES))
def test_predicates(backend, name, dtype):
    a, b = np.meshgrid(SPECIAL, SPECIAL)
    if dtype == np.int32:
        a, b = (np.nan_to_num(x, nan=7, posinf=2**31 - 1, neginf=-(2**31)).clip(-1e9, 1e9) for x in (a, b))
    with np.errstate(over="ignore", invalid="ignore"):
        arrays = [x.astype(dtype) for x in (a, b)][: EXPRESSIONS[name][0]]
    if name.startswith("is") and dtype == np.bool_:
        with pytest.raises(DtypeError, match=f"{name} is not defined for bool"):
            backend.elementwise(name, [backend.upload(x) for x in arrays])
        return
    got = run(backend, name, arrays)
    assert got.dtype == np.bool_
    np.testing.assert_array_equal(got, PREDICATES[name](*arrays))


@pytest.mark.parametrize("name", sorted({*UNARY, *WITH_PARAMS, *BINARY, *GRADIENTS}))
def test_not_a_number_and_infinity_are_as_on_the_cpu(backend, name):
    params = PARAMS.get(name.removesuffix("_grad"), ())
    grids = np.meshgrid(*[SPECIAL] * EXPRESSIONS[name][0])
    expected = cpu.elementwise(name, grids, params)
    got = run(backend, name, grids, params)
    where = np.ones(grids[0].shape, bool)
    if name in ("sin", "cos", "remainder"):
        # Nothing is left of a huge number behind the point.
        where = np.abs(grids[0]) != np.float32(1e30)
    np.testing.assert_allclose(got[where], expected[where], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "neg", "abs", "sign", "square", "maximum", "minimum"])
def test_integers(backend, name):
    rng = np.random.default_rng(3)
    arrays = [rng.integers(-1000, 1000, 301).astype(np.int32) for _ in range(EXPRESSIONS[name][0])]
    np.testing.assert_array_equal(run(backend, name, arrays), {**UNARY, **BINARY}[name](*arrays))


@pytest.mark.parametrize("name", ["floor_divide", "remainder"])
def test_integer_division_rounds_down(backend, name):
    a, b = np.meshgrid(np.arange(-9, 10, dtype=np.int32), np.array([-4, -3, -1, 1, 2, 5], np.int32))
    np.testing.assert_array_equal(run(backend, name, [a, b]), BINARY[name](a, b))


@pytest.mark.parametrize("dtype", [np.int32, np.bool_])
@pytest.mark.parametrize("name", sorted(BITS))
def test_bits(backend, name, dtype):
    arrays = [np.random.default_rng(i).integers(-9, 9, 77).astype(dtype) for i in range(2)]
    arrays = arrays[: EXPRESSIONS[name][0]]
    np.testing.assert_array_equal(run(backend, name, arrays), BITS[name](*arrays))


@pytest.mark.parametrize(
    "shapes",
    [
        ((3, 4, 5, 8), (8,)),
        ((3, 4, 5, 8), (5, 1)),
        ((3, 1, 5, 7), (4, 1, 7)),
        ((1, 6), (5, 1)),
        ((), (2, 3)),
        ((2, 0, 3), (1, 3)),
        ((2, 1, 2, 1, 2, 1, 2, 1, 2, 1), (1, 3, 1, 3, 1, 3, 1, 3, 1, 3)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_broadcasting(backend, shapes, dtype):
    a, b = (values("", shape, dtype, seed) for seed, shape in enumerate(shapes))
    got = run(backend, "add", [a, b])
    assert got.shape == np.broadcast_shapes(*shapes)
    np.testing.assert_array_equal(got, a + b)


def test_views(backend):
    x = values("", (6, 9, 10, 8), np.float32)
    y = values("", (10, 8), np.float32, 1)
    a, b = backend.upload(x), backend.upload(y)
    views = {
        "permuted": (backend.permute(a, (0, 3, 1, 2)), x.transpose(0, 3, 1, 2)),
        "reversed": (backend.slice(a, (np.s_[::-1],) * 4), x[::-1, ::-1, ::-1, ::-1]),
        "steps": (
            backend.slice(a, (np.s_[1:5:2], np.s_[:], np.s_[::3], np.s_[1:8:2])),
            x[1:5:2, :, ::3, 1::2],
        ),
        "offset": (backend.slice(a, (np.s_[:], np.s_[:], np.s_[:], np.s_[4:8])), x[..., 4:]),
        "expanded": (backend.expand(b, (3, 10, 8)), np.broadcast_to(y, (3, 10, 8))),
    }
    for name, (view, expected) in views.items():
        with guarded(backend.runtime):
            got = backend.elementwise("multiply_add", (view, 2.0, view))
        assert got.order() is not None, name
        np.testing.assert_array_equal(backend.download(got), expected * 3, err_msg=name)


def test_results_keep_the_order_of_memory(backend):
    x = backend.permute(backend.upload(np.ones((2, 5, 6, 3), np.float32)), (0, 3, 1, 2))
    per_channel = backend.upload(np.ones((3, 1, 1), np.float32))
    for operands in ((x, x), (x, per_channel), (per_channel, x), (2.0, x)):
        assert backend.elementwise("add", operands).order() == (0, 2, 3, 1)


def test_numbers(backend):
    x = values("", 11, np.float16)
    g = backend.upload(x)
    cases = {
        "sub": ((1.5, g), np.float16(1.5) - x),
        "div": ((g, -0.0), np.copysign(np.inf, -x)),
        "maximum": ((g, float("nan")), np.full(11, np.nan)),
        "gt": ((g, 0.1), x > np.float16(0.1)),
        "where": ((backend.upload(x > 0), 2.0, g), np.where(x > 0, 2.0, x)),
    }
    for name, (operands, expected) in cases.items():
        got = backend.download(backend.elementwise(name, operands))
        np.testing.assert_allclose(got, expected, rtol=1e-3, err_msg=name)
    mask = backend.upload(np.array([True, False]))
    chosen = backend.download(backend.elementwise("where", (mask, 1.5, 2.5)))
    np.testing.assert_array_equal(chosen, np.array([1.5, 2.5], np.float32))
    zeros = backend.upload(np.zeros(2, np.float32))
    signs = [backend.download(backend.elementwise("mul", (zeros, zero))) for zero in (0.0, -0.0, 0.0)]
    assert [np.signbit(sign).all() for sign in signs] == [False, True, False]


def test_more_than_65535_workgroups(backend):
    # Scalar units, as neighbours are no neighbours: 66,000 workgroups of 256.
    x = np.arange(66_000 * 256 + 5, dtype=np.float32)
    g = backend.slice(backend.upload(x), (np.s_[::-1],))
    got = backend.elementwise("neg", (g,))
    np.testing.assert_array_equal(backend.download(got), -x[::-1])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_parts_of_large_arrays(backend, dtype):
    x, y = values("", (7, 30, 13), dtype), values("", (30, 1), dtype, 1)
    a, b = backend.upload(x), backend.upload(y)
    turned = backend.permute(a, (2, 0, 1))
    flat = backend.reshape(a, (x.size,))
    before = backend.runtime.dispatches
    with binding_limit(backend.runtime, 2048), guarded(backend.runtime):
        added = backend.elementwise("add", (a, b))
        scaled = backend.elementwise("mul", (turned, 2.0))
        chosen = backend.elementwise("where", (backend.upload(x > 0), 1.0, a))
        line = backend.elementwise("neg", (flat,))
    assert backend.runtime.dispatches - before > 12
    np.testing.assert_array_equal(backend.download(added), x + y)
    np.testing.assert_array_equal(backend.download(scaled), x.transpose(2, 0, 1) * dtype(2))
    np.testing.assert_array_equal(backend.download(chosen), np.where(x > 0, dtype(1), x))
    np.testing.assert_array_equal(backend.download(line), -x.reshape(-1))


def test_refusals(backend):
    a = backend.upload(np.zeros(3, np.float32))
    b = backend.upload(np.zeros(3, np.float16))
    with pytest.raises(DtypeError, match="add got operands of float32 and float16"):
        backend.elementwise("add", (a, b))
    with pytest.raises(DtypeError, match="exp is not defined for int32 on the GPU"):
        backend.elementwise("exp", (backend.upload(np.zeros(3, np.int32)),))
