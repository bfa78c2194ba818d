"""Every operator on every device, over the one list of cases: values, gradients, gradients of gradients."""

import numpy as np
import pytest
import rsconv
from op_case import tolerance
from op_cases import CASES, VIEWS
from rsconv import functional as F
from rsconv import functions
from rsconv.autograd import grad


def function_of(case):
    return getattr(F, case.op, None) or getattr(functions, case.op)


def results_of(case, arrays, device):
    with rsconv.device(device):
        found = case.call(function_of(case), arrays)
    return tuple(found) if isinstance(found, tuple) else (found,)


def dtypes_on(case, device):
    return [d for d in case.dtypes if device == "cpu" or d not in ("float64", "int64", "uint8")]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case, device):
    for dtype in dtypes_on(case, device):
        arrays = case.make(dtype)
        kept = {name: array.copy() for name, array in arrays.items()}
        expected = case.expected(arrays)
        results = results_of(case, arrays, device)
        assert len(results) == len(expected)
        for result, reference in zip(results, expected, strict=True):
            assert type(result) is np.ndarray
            assert result.shape == reference.shape
            check(case, result, np.asarray(reference), np.dtype(dtype), device)
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, kept[name], err_msg=f"{name} was written to")
            shared = [np.shares_memory(array, result) for result in results if result.size]
            assert all(shared) if case.op in VIEWS else not any(shared)


def check(case, result, reference, dtype, device):
    if result.dtype.kind == "f":
        assert result.dtype == (dtype if dtype.kind == "f" else np.float32)
        finite = np.isfinite(reference)
        scale = float(np.abs(reference[finite]).max(initial=0))
        np.testing.assert_allclose(result, reference, rtol=0, atol=tolerance(case, result.dtype, scale))
    else:
        if result.dtype.kind in "iu" and case.op not in ("sum", "prod") and result.dtype != dtype:
            assert result.dtype == (np.int64 if device == "cpu" else np.int32)
        np.testing.assert_array_equal(result, reference)


@pytest.mark.parametrize(
    "case", [next(c for c in CASES if c.op == op) for op in sorted({c.op for c in CASES} - {*VIEWS})], ids=str
)
def test_byte_order_does_not_matter(case):
    arrays = case.make("float32")
    swapped = {name: array.astype(array.dtype.newbyteorder()) for name, array in arrays.items()}
    assert not any(array.dtype.isnative for name, array in swapped.items() if array.itemsize > 1)
    for plain, other in zip(*(results_of(case, given, "cpu") for given in (arrays, swapped)), strict=True):
        assert other.dtype.isnative
        np.testing.assert_array_equal(plain, other)


DIFFERENTIABLE = [case for case in CASES if case.gradient]


def with_gradients(case, arrays):
    """The first result, a random gradient of it, and by the rules those of all smooth arrays, as ndarrays."""
    smooth = [
        name
        for name, array in case.arrays.items()
        if array.smooth and name not in case.fixed and arrays[name].dtype.kind == "f"
    ]
    tensors = {
        name: rsconv.from_numpy(array).requires_grad_(name in smooth) for name, array in arrays.items()
    }
    found = case.call(function_of(case), tensors)
    y = found[0] if isinstance(found, tuple) else found
    grad_output = np.random.default_rng(1).normal(0, 1, y.shape).astype(y.dtype)
    if not smooth:
        return y.numpy(), grad_output, {}
    gradients = grad(y, [tensors[name] for name in smooth], rsconv.from_numpy(grad_output), allow_unused=True)
    return (
        y.numpy(),
        grad_output,
        {name: g if g is None else g.numpy() for name, g in zip(smooth, gradients, strict=True)},
    )


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_gradients_are_those_of_small_steps(case):
    """Along a random direction of each array, by central differences of the oracle in float64."""
    arrays = case.make("float64")
    y, grad_output, gradients = with_gradients(case, arrays)
    rng = np.random.default_rng(2)
    step = 1e-6
    for name, gradient in gradients.items():
        direction = rng.normal(0, 1, arrays[name].shape)

        def along(t, name=name, direction=direction):
            moved = {**arrays, name: arrays[name] + t * direction}
            return float(np.sum(case.expected(moved)[0] * grad_output))

        expected = (along(step) - along(-step)) / (2 * step)
        if gradient is None:
            assert abs(expected) < 1e-7, name
            continue
        assert gradient.shape == arrays[name].shape and gradient.dtype == np.float64
        scale = max(1.0, float(np.abs(grad_output).sum()), float(np.abs(grad_output * y).sum()))
        assert abs(float(np.sum(gradient * direction)) - expected) <= 2e-8 * scale, name


@pytest.mark.parametrize("case", [case for case in DIFFERENTIABLE if case.linear], ids=str)
def test_gradients_of_linear_operators_are_their_adjoints(case):
    """<f(x), g> = <x, gradient of f at g>, to the last bits."""
    arrays = case.make("float64")
    y, grad_output, gradients = with_gradients(case, arrays)
    first = next(iter(gradients))
    left, right = float(np.sum(y * grad_output)), float(np.sum(arrays[first] * gradients[first]))
    assert abs(left - right) <= 1e-12 * max(1.0, float(np.sum(np.abs(y * grad_output))))


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_gradients_keep_shape_and_dtype(case):
    for dtype in case.dtypes:
        arrays = case.make(dtype)
        exact = with_gradients(
            case, {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, a in arrays.items()}
        )
        for name, gradient in with_gradients(case, arrays)[2].items():
            if gradient is None:
                continue
            assert gradient.shape == arrays[name].shape
            assert gradient.dtype == np.dtype(dtype), name
            assert exact[2][name] is not None


STEPS = ("sign", "floor", "ceil", "trunc", "round")


@pytest.mark.parametrize("case", [case for case in DIFFERENTIABLE if case.op not in STEPS], ids=str)
def test_gradients_of_gradients(case):
    """Along a random direction, by central differences of the gradients."""
    arrays = case.make("float64")
    name = next(n for n, array in case.arrays.items() if array.smooth)
    rng = np.random.default_rng(3)
    tensors = {n: rsconv.from_numpy(array) for n, array in arrays.items()}
    x = tensors[name].requires_grad_()
    found = case.call(function_of(case), tensors)
    y = found[0] if isinstance(found, tuple) else found
    upstream = rsconv.from_numpy(np.asarray(rng.normal(0, 1, y.shape))).requires_grad_()
    (first,) = grad(y, x, upstream, create_graph=True)
    direction, downstream = (rng.normal(0, 1, x.shape) for _ in range(2))
    second, through = grad(first, [x, upstream], rsconv.from_numpy(np.asarray(downstream)), allow_unused=True)

    def gradient(at):
        moved = {**tensors, name: rsconv.from_numpy(np.asarray(at)).requires_grad_()}
        found = case.call(function_of(case), moved)
        y = found[0] if isinstance(found, tuple) else found
        return grad(y, moved[name], upstream)[0].numpy()

    step = 1e-6
    slope = (gradient(arrays[name] + step * direction) - gradient(arrays[name] - step * direction)) / (
        2 * step
    )
    expected = float(np.sum(slope * downstream))
    got = 0.0 if second is None else float(np.sum(second.numpy() * direction))
    scale = max(1.0, float(np.abs(slope * downstream).sum()), float(np.abs(first.numpy() * downstream).sum()))
    assert abs(got - expected) <= 1e-7 * scale
    # The gradient is linear in the output's gradient.
    left = float(np.sum(through.numpy() * upstream.numpy()))
    right = float(np.sum(first.numpy() * downstream))
    assert abs(left - right) <= 1e-10 * max(1.0, float(np.abs(first.numpy() * downstream).sum()))


CONVOLUTIONS = [
    ("conv1d", (2, 4, 9), (6, 2, 3), {"stride": 2, "padding": 1, "groups": 2}),
    ("conv2d", (2, 3, 6, 7), (4, 3, 3, 2), {"padding": (1, 2), "dilation": 2}),
    ("conv2d", (2, 3, 6, 7), (4, 3, 3, 3), {"padding": 1, "padding_mode": "reflect"}),
    ("conv3d", (1, 2, 4, 5, 4), (3, 2, 2, 3, 2), {"stride": (1, 2, 1)}),
    ("conv_transpose2d", (2, 3, 4, 5), (3, 2, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    ("conv_transpose1d", (2, 4, 7), (4, 3, 3), {"padding": 1, "padding_mode": "circular"}),
]


@pytest.mark.parametrize(("name", "shape", "weight", "args"), CONVOLUTIONS, ids=str)
def test_gradients_of_convolutions_and_theirs(name, shape, weight, args):
    """The result is bilinear, so every gradient times its array is the same number, and so on with theirs."""
    rng = np.random.default_rng(5)
    x, w = (rsconv.from_numpy(rng.normal(0, 1, sizes)) for sizes in (shape, weight))
    b = rsconv.from_numpy(rng.normal(0, 1, weight[1] if "transpose" in name else weight[0]))

    def inner(p, q):
        return float(np.sum(p.numpy() * q.numpy()))

    for t in (x, w, b):
        t.requires_grad_()
    y = getattr(F, name)(x, w, b, **args)
    g = rsconv.from_numpy(rng.normal(0, 1, y.shape)).requires_grad_()
    gx, gw, gb = grad(y, [x, w, b], g, create_graph=True)
    v = rsconv.from_numpy(rng.normal(0, 1, shape))
    of_w, of_g = grad(gx, [w, g], v)
    u = rsconv.from_numpy(rng.normal(0, 1, weight))
    of_x, of_h = grad(gw, [x, g], u)
    plain = inner(y, g) - inner(b, gb)
    for left, right in [
        (plain, inner(x, gx)),
        (plain, inner(w, gw)),
        (inner(gx, v), inner(of_w, w)),
        (inner(gx, v), inner(of_g, g)),
        (inner(gw, u), inner(of_x, x)),
        (inner(gw, u), inner(of_h, g)),
    ]:
        assert abs(left - right) <= 1e-10 * max(1.0, abs(left))
