"""Gradients over random geometries in float64: adjoint identities where linear, small steps else."""

import numpy as np
import rsconv
from hypothesis import given, settings
from hypothesis import strategies as st
from op_cases import CASES
from rsconv import functions
from rsconv._autograd.rules import RULES
from rsconv._functional.elementwise import conj
from rsconv.autograd import grad
from rsconv.nn import functional as F
from test_operators import function_of

EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)


def numbers(seed, *shape, low=None):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) if low is None else rng.uniform(low, low + 1.5, shape)


def inner(a, b):
    return float(np.sum(a.detach().numpy() * b.detach().numpy()))


def check_adjoint(compute, *arrays):
    """A function that is linear in each array: `<y, g> = <x, gradient of x>`."""
    leaves = [rsconv.from_numpy(np.asarray(a)).requires_grad_() for a in arrays]
    y = compute(*leaves)
    g = rsconv.from_numpy(np.asarray(numbers(7, *y.shape)))
    for x, found in zip(leaves, grad(y, leaves, g), strict=True):
        assert abs(inner(y, g) - inner(x, found)) <= 1e-10 * (1 + abs(y.detach() * g).sum().item())


def check_steps(compute, *arrays, step=1e-6):
    """Along random directions, by central differences."""
    leaves = [rsconv.from_numpy(np.asarray(a)).requires_grad_() for a in arrays]
    y = compute(*leaves)
    g = rsconv.from_numpy(np.asarray(numbers(7, *y.shape)))
    found = grad(y, leaves, g)
    for i, gradient in enumerate(found):
        direction = numbers(11 + i, *arrays[i].shape)
        ends = []
        for sign in (1, -1):
            moved = [np.asarray(a) for a in arrays]
            moved[i] = np.asarray(arrays[i] + sign * step * direction)
            ends.append(inner(compute(*map(rsconv.from_numpy, moved)), g))
        slope = (ends[0] - ends[1]) / (2 * step)
        got = float(np.sum(gradient.numpy() * direction))
        assert abs(got - slope) <= 1e-6 * (1 + abs(slope) + np.abs(gradient.numpy() * direction).sum())


@st.composite
def convolutions(draw):
    rank = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    transposed = draw(st.booleans())
    outer, inside = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(rank))
    sizes = tuple(
        dilation * (k - 1) + 2 * p + draw(st.integers(1, 4)) for k, p in zip(kernel, padding, strict=True)
    )
    args = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if not transposed and draw(st.booleans()):
        args["padding_mode"] = draw(st.sampled_from(["circular", "replicate"]))
    weight = (outer, inside // groups, *kernel) if not transposed else (inside, outer // groups, *kernel)
    name = f"conv_transpose{rank}d" if transposed else f"conv{rank}d"
    return name, (2, inside, *sizes), weight, args


@EXAMPLES
@given(convolutions())
def test_convolutions(case):
    name, shape, weight, args = case
    check_adjoint(lambda x, w: getattr(F, name)(x, w, **args), numbers(1, *shape), numbers(2, *weight))


@EXAMPLES
@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.sampled_from(["avg", "max"])
)
def test_pooling(rank, kernel, stride, ceil, kind):
    shape = (2, 2, *range(kernel + 2, kernel + 2 + rank))
    function = getattr(F, f"{kind}_pool{rank}d")
    # Distinct numbers, far apart, so that no step changes which is the largest.
    x = np.random.default_rng(1).permutation(np.prod(shape)).reshape(shape).astype(float)
    check_adjoint(lambda t: function(t, kernel, stride, kernel // 2, ceil_mode=ceil), x)


SHAPES = st.lists(st.integers(1, 3), min_size=0, max_size=3).map(tuple)


@EXAMPLES
@given(SHAPES, st.data())
def test_broadcasting(shape, data):
    other = tuple(1 if data.draw(st.booleans()) else n for n in shape)[
        data.draw(st.integers(0, len(shape))) :
    ]
    op = data.draw(st.sampled_from(["add", "sub", "mul", "div", "pow", "maximum", "minimum", "remainder"]))
    a, b = numbers(1, *shape, low=0.5), numbers(2, *other, low=0.6)
    if data.draw(st.booleans()):
        a, b = b, a
    check_steps(getattr(functions, op), a, b)


@EXAMPLES
@given(SHAPES, st.data())
def test_reductions(shape, data):
    dims = data.draw(st.one_of(st.none(), st.sets(st.integers(0, max(len(shape) - 1, 0))).map(tuple)))
    op = data.draw(st.sampled_from(["sum", "mean", "prod", "amax", "amin", "var", "std", "logsumexp"]))
    dims = dims or tuple(range(len(shape)))
    count = np.prod([shape[d] for d in dims if shape])
    if op in ("var", "std") and count < 2:
        op = "sum"
    keep = data.draw(st.booleans())
    function = getattr(functions, op)
    check_steps(lambda t: function(t, dims, keepdim=keep) if dims else t.sum(), numbers(1, *shape))


@st.composite
def indices(draw):
    shape = tuple(draw(st.integers(1, 4)) for _ in range(draw(st.integers(1, 3))))
    parts = []
    for n in shape[: draw(st.integers(1, len(shape)))]:
        kind = draw(st.sampled_from(["slice", "number", "array", "list", "all"]))
        if kind == "slice":
            parts.append(slice(draw(st.integers(0, n - 1)), None, draw(st.integers(1, 2))))
        elif kind == "number":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "array" and not any(isinstance(p, (list, np.ndarray)) for p in parts):
            parts.append(np.array(draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=5))))
        elif kind == "list" and not any(isinstance(p, (list, np.ndarray)) for p in parts):
            parts.append(draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=5)))
        else:
            parts.append(slice(None))
    return shape, tuple(parts)


@EXAMPLES
@given(indices())
def test_indexing(case):
    shape, index = case
    check_adjoint(lambda t: t[index], numbers(1, *shape))
    mask = numbers(3, *shape) > 0
    check_adjoint(lambda t: t[rsconv.tensor(mask)], numbers(1, *shape))


@EXAMPLES
@given(
    st.sampled_from([(3, 4), (1, 4), (2, 3, 4), (4,)]), st.sampled_from([(4, 2), (4,), (1, 4, 3), (2, 4, 2)])
)
def test_products_of_matrices(a, b):
    check_adjoint(rsconv.matmul, numbers(1, *a), numbers(2, *b))


@EXAMPLES
@given(
    st.sampled_from([(2, 4, 3), (3, 4), (2, 4, 3, 2)]),
    st.sampled_from(["batch", "group", "layer", "instance"]),
)
def test_normalization(shape, kind):
    parameters = (shape[1:] if kind == "layer" else shape[1:2],) * 2
    compute = {
        "batch": lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        "group": lambda x, w, b: F.group_norm(x, 2, w, b),
        "layer": lambda x, w, b: F.layer_norm(x, shape[1:], w, b),
        "instance": lambda x, w, b: F.instance_norm(x, weight=w, bias=b),
    }[kind]
    if kind == "instance" and len(shape) == 2:
        return
    check_steps(compute, numbers(1, *shape), *(numbers(i, *s) for i, s in enumerate(parameters, 2)))
    # And each alone: what another gradient reads is not kept then.
    arrays = [numbers(1, *shape), *(numbers(i, *s) for i, s in enumerate(parameters, 2))]
    for i in range(3):
        fixed = [rsconv.from_numpy(a) for a in arrays]
        check_steps(lambda t, i=i, fixed=fixed: compute(*fixed[:i], t, *fixed[i + 1 :]), arrays[i])


@EXAMPLES
@given(st.lists(st.sampled_from(["reshape", "permute", "expand", "flip", "cat", "pad", "split"]), max_size=5))
def test_layouts(names):
    steps = {
        "reshape": lambda t: t.reshape(-1, 2),
        "permute": lambda t: t.permute(*reversed(range(t.ndim))),
        "expand": lambda t: t.unsqueeze(0).expand(2, *t.shape),
        "flip": lambda t: rsconv.flip(t, 0),
        "cat": lambda t: rsconv.cat([t, t * 2], -1),
        "pad": lambda t: F.pad(t, (1, 1)),
        "split": lambda t: rsconv.split(t, max(t.shape[0] // 2, 1))[0],
    }

    def compute(t):
        for name in names:
            t = steps[name](t)
        return t * 1

    check_adjoint(compute, numbers(1, 4, 2))


def graph(*tensors):
    """The names of all operators that Tensors come from."""
    found, stack = {}, [t.grad_fn for t in tensors if t is not None and t.grad_fn is not None]
    while stack:
        node = stack.pop()
        if node.sequence not in found:
            found[node.sequence] = getattr(node, "op", "leaf")
            stack += [parent for _, parent in node.edges]
    return {*found.values()}


def test_every_rule_is_reached():
    """By the cases of operators, their gradients, and a few more."""
    reached = {"transfer", "copy", "put", "without"}
    for case in CASES:
        if not case.gradient or "float64" not in case.dtypes:
            continue
        leaves = {
            name: rsconv.from_numpy(a).requires_grad_(a.dtype.kind == "f" and name not in case.fixed)
            for name, a in case.make("float64").items()
        }
        found = case.call(function_of(case), leaves)
        y = found[0] if isinstance(found, tuple) else found
        if not y.requires_grad:
            continue
        wanted = [x for x in leaves.values() if x.requires_grad]
        upstream = rsconv.ones(y.shape, dtype=y.dtype).requires_grad_()
        first = grad(y, wanted, upstream, create_graph=True, allow_unused=True)
        reached |= graph(y, *first)
    x, u, v = (rsconv.rand(1, 2, n).requires_grad_() for n in (4, 2, 4))
    (first,) = grad(F.max_pool1d(x, 2), x, u, create_graph=True)
    (second,) = grad(first, u, v, create_graph=True)
    reached |= graph(x.double() * 1, x.clone(), x[:, :, [0, 1]], F.dropout(x, 0.5), second)
    z = rsconv.tensor([1j]).requires_grad_()
    reached |= graph(conj(z))
    assert RULES.keys() - reached == set()
