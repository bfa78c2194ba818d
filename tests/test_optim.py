"""Optimizers: PyTorch's trajectories, a float64 model of each step, and every device, dtype and layout."""

import json
from pathlib import Path

import numpy as np
import pytest
import rsconv
from rsconv import Parameter, Tensor, optim, tensor
from rsconv.errors import DeviceError, DtypeError, ShapeError

GOLDEN = Path(__file__).parent / "golden"
TRAJECTORIES = json.loads((GOLDEN / "optim.json").read_text())
VECTORS = np.load(GOLDEN / "optim.npz")
TOLERANCE = {"float64": 1e-12, "float32": 2e-5, "float16": 2e-2}


def run(make, start, grads, device="cpu", dtype=np.float64):
    """The values of a parameter after each step."""
    p = Parameter(tensor(start.astype(dtype), device=device))
    optimizer = make([p])
    values = []
    for grad in grads:
        p.grad = tensor(grad.astype(dtype), device=device)
        optimizer.step()
        values.append(p.detach().cpu().numpy().astype(np.float64))
    return np.stack(values)


@pytest.mark.parametrize("case", TRAJECTORIES, ids=lambda case: f"{case['cls']}-{case['trajectory']}")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_trajectories_of_pytorch(case, dtype):
    def make(params):
        return getattr(optim, case["cls"])(params, **case["kwargs"])

    got = run(make, VECTORS["p0"], VECTORS["grads"], dtype=dtype)
    np.testing.assert_allclose(got, VECTORS[case["trajectory"]], rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("case", TRAJECTORIES, ids=lambda case: f"{case['cls']}-{case['trajectory']}")
def test_trajectories_on_a_device(case, device):
    def make(params):
        return getattr(optim, case["cls"])(params, **case["kwargs"])

    got = run(make, VECTORS["p0"], VECTORS["grads"], device, np.float32)
    np.testing.assert_allclose(got, VECTORS[case["trajectory"]], rtol=2e-5, atol=2e-5)


# The formulas, in float64.


def sgd(p, g, state, t, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False):
    g = (-g if maximize else g) + weight_decay * p
    if momentum:
        state["b"] = momentum * state["b"] + (1 - dampening) * g if "b" in state else g
        g = g + momentum * state["b"] if nesterov else state["b"]
    return p - lr * g


def adam(
    p,
    g,
    state,
    t,
    lr=1e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0,
    amsgrad=False,
    maximize=False,
    w=False,
):
    g = -g if maximize else g
    if w:
        p = p * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * p
    state["m"] = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
    state["v"] = betas[1] * state.get("v", 0) + (1 - betas[1]) * g * g
    v = state["v"]
    if amsgrad:
        v = state["top"] = np.maximum(state.get("top", 0), v)
    return p - lr / (1 - betas[0] ** t) * state["m"] / (np.sqrt(v) / np.sqrt(1 - betas[1] ** t) + eps)


def adamw(p, g, state, t, weight_decay=1e-2, **options):
    return adam(p, g, state, t, weight_decay=weight_decay, w=True, **options)


def rmsprop(
    p, g, state, t, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, maximize=False
):
    g = (-g if maximize else g) + weight_decay * p
    state["v"] = alpha * state.get("v", 0) + (1 - alpha) * g * g
    state["m"] = alpha * state.get("m", 0) + (1 - alpha) * g
    step = g / (np.sqrt(state["v"] - (state["m"] ** 2 if centered else 0)) + eps)
    state["b"] = momentum * state.get("b", 0) + step
    return p - lr * (state["b"] if momentum else step)


MODELS = {"SGD": sgd, "Adam": adam, "AdamW": adamw, "RMSprop": rmsprop}
OPTIONS = [
    ("SGD", {"lr": 0.2, "maximize": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.2, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.2, "momentum": 0.8, "nesterov": True}),
    ("Adam", {"lr": 0.05, "betas": (0.3, 0.9), "weight_decay": 0.1, "maximize": True, "eps": 1e-3}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1, "eps": 1e-3}),
    ("Adam", {"lr": 0.05, "betas": (0.0, 0.0), "eps": 1e-2}),
    ("AdamW", {"lr": 0.05, "amsgrad": True, "maximize": True, "weight_decay": 0.3, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.05, "weight_decay": 0.1, "maximize": True, "eps": 1e-2}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "momentum": 0.5, "eps": 1e-2}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "centered": True, "eps": 1e-2}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "centered": True, "momentum": 0.5, "eps": 1e-2}),
]


def expected(name, options, start, grads):
    p, state, values = start, {}, []
    for t, grad in enumerate(grads, 1):
        p = MODELS[name](p, grad, state, t, **options)
        values.append(p)
    return np.stack(values)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: f"{options[0]}-{len(options[1])}")
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_formulas(options, dtype, device):
    if device == "gpu" and dtype == "float64":
        with pytest.raises(DtypeError, match="float64"):
            tensor(np.zeros(2), device=device)
        return
    name, kwargs = options
    rng = np.random.default_rng(3)
    start = rng.uniform(-1, 1, (7, 11)).astype(dtype).astype(np.float64)
    grads = rng.uniform(-1, 1, (5, 7, 11)).astype(dtype).astype(np.float64)
    got = run(lambda params: getattr(optim, name)(params, **kwargs), start, grads, device, dtype)
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(got, expected(name, kwargs, start, grads), rtol=tolerance, atol=tolerance)


LAYOUTS = {
    "transposed": lambda a: a.permute(2, 0, 1),
    "a slice": lambda a: a[:, 1:3, ::2],
    "a slice that ends within a unit": lambda a: a.reshape(-1)[4:15],
    "off a unit": lambda a: a.reshape(-1)[1:40],
    "one element": lambda a: a[1, 2, 3],
    "none": lambda a: a[:0],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("which", ["parameter", "gradient", "both"])
def test_layouts(layout, which, device):
    rng = np.random.default_rng(4)
    values, grads = rng.uniform(-1, 1, (2, 4, 5, 6)).astype(np.float32)
    view = LAYOUTS[layout]
    whole, source = tensor(values, device=device), tensor(grads, device=device)
    p = view(whole) if which != "gradient" else view(whole).clone().contiguous()
    p.grad = view(source) if which != "parameter" else view(source).clone().contiguous()
    start, grad = p.cpu().numpy().astype(np.float64).copy(), p.grad.cpu().numpy().astype(np.float64)
    optimizer = optim.Adam([p], lr=0.1, weight_decay=0.1)
    for _ in range(2):
        optimizer.step()
    wanted = expected("Adam", {"lr": 0.1, "weight_decay": 0.1}, start, [grad, grad])[-1]
    np.testing.assert_allclose(p.cpu().numpy(), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(source.cpu().numpy(), grads)
    if which != "gradient":
        # Nothing but the view was written.
        now = whole.cpu().numpy().copy()
        untouched = tensor(np.ones_like(values))
        view(untouched).fill_(0)
        mask = untouched.numpy() == 1
        np.testing.assert_array_equal(now[mask], values[mask])


def test_large_arrays_are_the_same_as_small_ones(device):
    rng = np.random.default_rng(5)
    values, grads = rng.uniform(-1, 1, (2, 100_003)).astype(np.float32)
    whole = tensor(values, device=device)
    whole.grad = tensor(grads, device=device)
    optim.RMSprop([whole], centered=True, momentum=0.1).step()
    wanted = expected(
        "RMSprop", {"centered": True, "momentum": 0.1}, values.astype(np.float64), [grads.astype(np.float64)]
    )[-1]
    np.testing.assert_allclose(whole.cpu().numpy(), wanted, rtol=1e-5, atol=1e-5)


def test_a_gradient_may_share_the_parameters_memory(device):
    memory = tensor(np.arange(1, 9, dtype=np.float32), device=device)
    p = memory[:4]
    p.grad = memory[2:6]
    optim.SGD([p], lr=1, momentum=0.5).step()
    np.testing.assert_array_equal(memory.cpu().numpy(), [-2, -2, -2, -2, 5, 6, 7, 8])


def test_writes_are_noticed():
    p = Parameter(tensor([1.0, 2.0]))
    p._packed["panel"] = "of the old contents"
    p.grad = tensor([1.0, 1.0])
    optimizer = optim.Adam([p], lr=0.1)
    version, grad_version = p._version, p.grad._version
    optimizer.step()
    assert p._version > version
    assert p.grad._version == grad_version
    assert p._packed == {}
    mean = optimizer.state[p]["exp_avg"]
    assert isinstance(mean, Tensor)
    before = mean._version
    optimizer.step()
    assert mean._version > before


def test_parameters_without_gradients_stay():
    p, q = Parameter(tensor([1.0])), Parameter(tensor([1.0]))
    q.grad = tensor([1.0])
    optimizer = optim.AdamW([p, q], lr=0.5)
    optimizer.step()
    assert p.tolist() == [1] and p._version == 0
    assert q.tolist() != [1]
    assert list(optimizer.state) == [q]


def test_infinite_parameters_do_not_meet_an_absent_weight_decay(device):
    p = tensor(np.array([np.inf, 1], np.float32), device=device)
    p.grad = tensor(np.ones(2, np.float32), device=device)
    optim.SGD([p], lr=0.5).step()
    assert p.tolist() == [np.inf, 0.5]


def test_a_variance_of_rounding_errors_is_no_nan(device):
    p = tensor(np.zeros(1000, np.float32), device=device)
    optimizer = optim.RMSprop([p], lr=1e-3, alpha=0.5, centered=True)
    for _ in range(60):
        p.grad = tensor(np.linspace(0.1, 3, 1000, dtype=np.float32), device=device)
        optimizer.step()
    assert np.isfinite(p.cpu().numpy()).all()


def test_borrowed_byte_swapped_and_read_only_memory():
    array = np.array([1.0, 2.0], np.float32)
    p = Tensor._from_array(array, borrowed=True)
    p.grad = tensor([1.0, 1.0])
    optim.SGD([p], lr=1).step()
    assert array.tolist() == [1, 2] and p.tolist() == [0, 1]
    swapped = rsconv.from_numpy(np.array([1.0, 2.0], ">f4"))
    swapped.grad = tensor([1.0, 1.0])
    optim.SGD([swapped], lr=1, momentum=0.9).step()
    assert swapped.tolist() == [0, 1]
    array.flags.writeable = False
    fixed = rsconv.from_numpy(array)
    fixed.grad = tensor([1.0, 1.0])
    with pytest.raises(ValueError, match=r"read-only array of shape \(2,\)"):
        optim.SGD([fixed], lr=1).step()
    expanded = tensor([1.0]).expand(3)
    expanded.grad = tensor([1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"shape \(3,\) whose elements share memory"):
        optim.SGD([expanded], lr=1).step()


def test_gradients_that_do_not_fit():
    def step(p, grad):
        optimizer = optim.SGD([p], lr=1)
        p._grad = grad
        optimizer.step()

    with pytest.raises(ShapeError, match=r"gradient of a parameter of shape \(2,\) has shape \(1,\)"):
        step(tensor([1.0, 2.0]), tensor([1.0]))
    with pytest.raises(DtypeError, match="is float64, but the parameter is float32"):
        step(tensor([1.0, 2.0]), tensor([1.0, 1.0], dtype=rsconv.float64))
    with pytest.raises(TypeError, match="must be a Tensor, but is of type ndarray"):
        step(tensor([1.0]), np.ones(1, np.float32))
    with pytest.raises(
        DtypeError, match=r"a parameter of shape \(1,\) is int64, but optimizers take float16"
    ):
        step(tensor([1]), tensor([1]))


def test_gradients_elsewhere(device):
    p = tensor([1.0], device=device)
    other = "cpu" if device == "gpu" else None
    if other is None:
        return
    p._grad = tensor([1.0], device=other)
    with pytest.raises(DeviceError, match="is on cpu, but the parameter on gpu"):
        optim.SGD([p], lr=1).step()
