"""What optimizers keep and print: groups, state dicts, PyTorch's files, reprs, and the errors of each."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import rsconv
from rsconv import Parameter, optim, tensor
from rsconv.errors import ArgumentError, WeightsError

SAVED = rsconv.load(Path(__file__).parent / "golden" / "optim_state.pt")
MAKE = {
    "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
}


def set_gradients(params, step):
    for i, p in enumerate(params):
        grad = np.arange(p.numel(), dtype=np.float32).reshape(p.shape) - 1.5
        p.grad = tensor(grad * (step + 1) * (i + 1), device=p.device)


@pytest.mark.parametrize("name", MAKE)
def test_training_goes_on_from_a_file_of_pytorch(name, device):
    saved = SAVED[name]
    params = [Parameter(tensor(array, device=device)) for array in saved["params"]]
    optimizer = MAKE[name](params)
    optimizer.load_state_dict(saved["optimizer"])
    set_gradients(params, 3)
    optimizer.step()
    for p, after in zip(params, saved["after"], strict=True):
        assert p.device == device
        np.testing.assert_allclose(p.cpu().numpy(), after, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MAKE)
def test_our_state_dict_is_that_of_pytorch(name):
    start = [np.array([[0.5, -1.0], [2.0, 0.25]], np.float32), np.array([1.0, -3.0], np.float32)]
    params = [Parameter(tensor(array)) for array in start]
    optimizer = MAKE[name](params)
    for step in range(3):
        set_gradients(params, step)
        optimizer.step()
    ours, theirs = optimizer.state_dict(), SAVED[name]["optimizer"]
    assert ours["param_groups"] == theirs["param_groups"]
    assert ours["state"].keys() == theirs["state"].keys()
    for number, entries in theirs["state"].items():
        assert ours["state"][number].keys() == entries.keys()
        for key, value in entries.items():
            np.testing.assert_allclose(ours["state"][number][key].numpy(), value, rtol=1e-5, atol=1e-6)
            assert ours["state"][number][key].dtype == np.float32
    # A copy that is loaded takes the same next step, and shares nothing.
    others = [Parameter(p.detach().clone()) for p in params]
    other = MAKE[name](others)
    other.load_state_dict(ours)
    for group in (params, others):
        set_gradients(group, 3)
    other.step()
    before = {k: {n: np.array(v) for n, v in e.items()} for k, e in ours["state"].items()}
    np.testing.assert_array_equal(
        np.array(ours["state"][0][next(iter(before[0]))]), next(iter(before[0].values()))
    )
    optimizer.step()
    for a, b in zip(params, others, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_a_loaded_state_is_a_copy():
    p = Parameter(tensor([1.0]))
    optimizer = optim.SGD([p], lr=1, momentum=0.5)
    p.grad = tensor([1.0])
    optimizer.step()
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    optimizer.step()
    assert state["state"][0]["momentum_buffer"].tolist() == [1]
    assert optimizer.state[p]["momentum_buffer"].tolist() == [1.5]


def test_state_takes_the_parameters_dtype_and_the_count_stays_float32():
    saved = SAVED["adam"]
    params = [Parameter(tensor(array.astype(np.float64))) for array in saved["params"]]
    optimizer = MAKE["adam"](params)
    optimizer.load_state_dict(saved["optimizer"])
    state = optimizer.state[params[0]]
    assert state["exp_avg"].dtype == np.float64
    assert state["step"].dtype == np.float32 and state["step"].shape == ()
    old = copy.deepcopy(saved["optimizer"])
    old["state"][0]["step"] = 3
    optimizer.load_state_dict(old)
    assert optimizer.state[params[0]]["step"].item() == 3


def test_adamw_stays_adamw():
    params = [Parameter(tensor(array)) for array in SAVED["adam"]["params"]]
    optimizer = optim.AdamW(params)
    optimizer.load_state_dict(SAVED["adam"]["optimizer"])
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


def test_state_dicts_that_do_not_fit():
    saved = SAVED["adam"]["optimizer"]
    one, two = Parameter(tensor([1.0])), Parameter(tensor([1.0]))
    with pytest.raises(WeightsError, match=r"has 2 parameters, but that of the optimizer 1"):
        optim.Adam([one]).load_state_dict(saved)
    with pytest.raises(WeightsError, match=r"has 1 parameter groups, but the optimizer 2"):
        optim.Adam([{"params": [one]}, {"params": [two]}]).load_state_dict(saved)
    with pytest.raises(
        WeightsError, match=r"'exp_avg' of parameter 0 has shape \(2, 2\), but the parameter has"
    ):
        optim.Adam([one, two]).load_state_dict(saved)
    with pytest.raises(WeightsError, match=r"has no \['param_groups'\], but \['state'\]"):
        optim.Adam([one]).load_state_dict({"state": {}})
    odd = {"state": {5: {}}, "param_groups": [{"params": [0]}]}
    with pytest.raises(WeightsError, match="state of a parameter 5 that is in no group"):
        optim.Adam([one]).load_state_dict(odd)


# Groups.


def test_groups_have_options_of_their_own():
    a, b, c = (Parameter(tensor([1.0])) for _ in range(3))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": (x for x in [c]), "lr": 2, "lr_scale": 3})
    for p in (a, b, c):
        p.grad = tensor([1.0])
    optimizer.step()
    np.testing.assert_allclose([p.item() for p in (a, b, c)], [0.9, 0.5, -1], rtol=1e-6)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5, 2]
    assert optimizer.param_groups[2]["lr_scale"] == 3
    assert optimizer.param_groups[1]["params"] == [b]


def test_named_parameters():
    layer = rsconv.nn.Conv2d(1, 1, 1)
    optimizer = optim.SGD(layer.named_parameters(), lr=1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["params"][0] is layer.weight


def test_rates_may_be_tensors():
    p = Parameter(tensor([1.0]))
    p.grad = tensor([1.0])
    optim.SGD([p], lr=tensor(0.25)).step()
    assert p.tolist() == [0.75]


def test_zero_grad():
    p, q = Parameter(tensor([1.0])), Parameter(tensor([1.0]))
    p.grad = tensor([2.0])
    optimizer = optim.SGD([p, q], lr=1)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0] and q.grad is None
    optimizer.zero_grad()
    assert p.grad is None


def test_closures():
    p = Parameter(tensor([4.0]))

    def closure():
        p.grad = tensor([1.0])
        return 7

    assert optim.SGD([p], lr=1).step(closure) == 7
    assert p.tolist() == [3]
    assert optim.SGD([p], lr=1).step() is None


def test_copies_and_pickles():
    p = Parameter(tensor([1.0]))
    p.grad = tensor([1.0])
    optimizer = optim.Adam([p])
    optimizer.step()
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        (q,) = other.param_groups[0]["params"]
        assert q is not p
        assert other.state[q]["step"].item() == 1
        q.grad = tensor([1.0])
        other.step()
        assert other.state[q]["step"].item() == 2
    assert optimizer.state[p]["step"].item() == 1


def test_repr_is_that_of_pytorch():
    p, q = Parameter(tensor([1.0])), Parameter(tensor([1.0]))
    optimizer = optim.SGD([p], lr=0.1)
    optimizer.add_param_group({"params": q, "lr": 0.5})
    options = (
        "    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n    lr: {}\n"
        "    maximize: False\n    momentum: 0\n    nesterov: False\n    weight_decay: 0\n"
    )
    groups = f"Parameter Group 0\n{options.format(0.1)}Parameter Group 1\n{options.format(0.5)}"
    assert repr(optimizer) == f"SGD (\n{groups})"


def test_an_optimizer_of_ones_own():
    class Signs(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def _update(self, param, group):
            param -= group["lr"] * (2 * (param.grad > 0).float() - 1)

    p = Parameter(tensor([1.0, 2.0]))
    p.grad = tensor([3.0, -3.0])
    Signs([p], lr=0.5).step()
    assert p.tolist() == [0.5, 2.5]
    with pytest.raises(NotImplementedError, match=r"Optimizer has neither _update\(\) nor a step\(\)"):
        optim.Optimizer([p], {}).step()


# Errors.

P = Parameter(tensor([1.0]))
REFUSED = [
    (lambda: optim.SGD([], lr=1), "params is empty"),
    (lambda: optim.SGD([P], lr=-0.5), "lr must be at least 0, but got lr=-0.5"),
    (lambda: optim.SGD([P], lr=float("nan")), "lr must be at least 0, but got lr=nan"),
    (lambda: optim.SGD([P], momentum=-1), "momentum=-1"),
    (lambda: optim.SGD([P], weight_decay=-2), "weight_decay=-2"),
    (
        lambda: optim.SGD([P], nesterov=True),
        "nesterov needs a momentum above 0 .* got momentum=0, dampening=0",
    ),
    (lambda: optim.SGD([P], momentum=0.9, dampening=0.1, nesterov=True), "got momentum=0.9, dampening=0.1"),
    (lambda: optim.SGD([P], differentiable=True), "differentiable=True is not supported"),
    (lambda: optim.Adam([P], lr=-1), "lr=-1"),
    (lambda: optim.Adam([P], eps=-1e-8), "eps=-1e-08"),
    (lambda: optim.Adam([P], betas=(1.0, 0.9)), r"betas\[0\] must be .* got betas=\(1.0, 0.9\)"),
    (lambda: optim.Adam([P], betas=(0.9, -0.1)), r"betas\[1\] must be .* got betas=\(0.9, -0.1\)"),
    (lambda: optim.Adam([P], betas=0.9), "betas must be two numbers, but got betas=0.9"),
    (lambda: optim.AdamW([P], weight_decay=-1), "weight_decay=-1"),
    (lambda: optim.RMSprop([P], alpha=-1), "alpha=-1"),
    (lambda: optim.RMSprop([P], momentum=-1), "momentum=-1"),
    (lambda: optim.SGD([P, P]), r"params\[1\] of shape \(1,\) is optimized twice"),
    (
        lambda: optim.SGD([{"params": [P]}, {"params": [P]}]),
        r"params\[0\] of shape \(1,\) is optimized twice",
    ),
    (lambda: optim.SGD([{"lr": 1}]), r"param_group has no 'params', only \['lr'\]"),
    (lambda: optim.SGD([{"params": [P], "momentun": 1}]), "no option 'momentun' .* did you mean 'momentum'"),
    (lambda: optim.SGD([{"params": [P], "lr": -3}]), "lr=-3"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_wrong_types():
    with pytest.raises(TypeError, match=r"iterable of Tensors or dicts, but got a Tensor of shape \(1,\)"):
        optim.SGD(P)
    with pytest.raises(TypeError, match=r"params\[0\] is of type ndarray"):
        optim.SGD([np.ones(2)])
    with pytest.raises(TypeError, match="params must have an order, but got a set"):
        optim.SGD([{"params": {P}}])
    with pytest.raises(TypeError, match="param_group must be a dict, but got list"):
        optim.SGD([P]).add_param_group([P])


def test_results_are_not_optimized():
    result = Parameter(tensor([1.0])) * 2
    with pytest.raises(ArgumentError, match=r"params\[0\] of shape \(1,\) is no leaf"):
        optim.SGD([result])
    result.retain_grad()
    optim.SGD([result])


@pytest.mark.parametrize("name", MAKE)
def test_training_by_backward(name, device):
    rsconv.manual_seed(0)
    x = rsconv.rand(8, 2, 5, 5, device=device)
    net = rsconv.nn.Conv2d(2, 3, 3).to(device)
    with rsconv.no_grad():
        wanted = rsconv.nn.Conv2d(2, 3, 3).to(device)(x)
    optimizer = MAKE[name](net.parameters())
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = rsconv.functional.mse_loss(net(x), wanted)
        loss.backward()
        losses.append(loss.item())
        return loss

    for _ in range(12):
        optimizer.step(closure)
    assert losses[-1] < 0.8 * losses[0]
    # The packed weights of before a step are not used after it.
    again = rsconv.nn.Conv2d(2, 3, 3).to(device)
    again.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(net(x).detach().cpu().numpy(), again(x).detach().cpu().numpy())
