"""What a module's call promises: NumPy in, NumPy out; no input written; never a stale weight."""

import threading
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
import rsconv
from rsconv import Tensor, nn, tensor
from rsconv import functional as F
from rsconv.errors import DtypeError

X = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype(np.float32)


class Recorder(nn.Module):
    """Notes the types that forward sees, and returns its arguments."""

    def forward(self, *args, **kwargs):
        self.seen = (args, kwargs)
        return args[0] if len(args) == 1 and not kwargs else (args, kwargs)


def correlate(x, w, b):
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), w.shape[2:], (2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, w.astype(np.float64)) + b[:, None, None]


# Arrays in, arrays out.


def test_arrays_are_wrapped_without_a_copy_and_unwrapped():
    m = Recorder()
    result = m(X)
    assert type(result) is np.ndarray
    assert np.shares_memory(result, X)
    assert type(m.seen[0][0]) is Tensor
    assert m.seen[0][0]._array is X


def test_tensors_stay_tensors():
    m, t = Recorder(), tensor(X)
    assert m(t) is t
    args, kwargs = m(t, X)
    assert kwargs == {}
    assert all(type(a) is Tensor for a in args)
    assert type(m(nn.Parameter(t))) is nn.Parameter
    assert m(3) == 3


Pair = namedtuple("Pair", "left right")


def test_containers_are_searched_both_ways():
    m = Recorder()
    given = {
        "list": [X, 1],
        "tuple": (X, "s"),
        "named": Pair(X, None),
        "dict": OrderedDict(a={"b": X}),
        "none": [None],
    }
    args, kwargs = m(given["list"], named=given["named"], **{"d": given["dict"]}, t=given["tuple"])
    seen_args, seen_kwargs = m.seen
    assert type(seen_args[0][0]) is Tensor
    assert type(seen_kwargs["named"]) is Pair
    assert type(seen_kwargs["named"].left) is Tensor
    assert type(seen_kwargs["d"]) is OrderedDict
    assert type(seen_kwargs["d"]["a"]["b"]) is Tensor
    assert args[0][0] is X
    assert kwargs["named"].left is kwargs["t"][0] is kwargs["d"]["a"]["b"] is X
    assert kwargs["t"][1] == "s"
    untouched = [1, {"a": (2,)}]
    assert m(untouched) is untouched


def test_an_array_given_twice_is_one_tensor():
    m = Recorder()
    m(X, X)
    assert m.seen[0][0] is m.seen[0][1]


def test_subclasses_come_back_as_base_arrays():
    memmap_like = X.view(type("Sub", (np.ndarray,), {}))
    assert type(nn.Identity()(memmap_like)) is np.ndarray


def test_arrays_that_no_tensor_holds_are_refused():
    with pytest.raises(DtypeError, match=r"cannot have dtype <U1"):
        nn.Identity()(np.array(["a"]))


def test_nested_calls_stay_in_tensors():
    class Inner(nn.Module):
        def forward(self, x):
            assert type(x) is Tensor
            return x + 1

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(Inner(), Inner())

        def forward(self, x):
            y = self.inner(np.ones(3))
            assert type(y) is Tensor
            return {"y": y, "x": self.inner(x)}

    result = Outer()(np.zeros(3))
    assert {k: (type(v), v.tolist()) for k, v in result.items()} == {
        "y": (np.ndarray, [3, 3, 3]),
        "x": (np.ndarray, [2, 2, 2]),
    }
    assert type(Outer()(tensor([0.0]))["x"]) is Tensor


def test_an_error_does_not_leave_the_thread_inside_a_call():
    class Broken(nn.Module):
        def forward(self, x):
            raise ArithmeticError("no")

    with pytest.raises(ArithmeticError):
        Broken()(X)
    assert type(nn.Identity()(X)) is np.ndarray


def test_calls_of_other_threads_do_not_count():
    inside, leave, results = threading.Event(), threading.Event(), []

    class Waits(nn.Module):
        def forward(self, x):
            inside.set()
            assert leave.wait(10)
            return x

    thread = threading.Thread(target=lambda: results.append(Waits()(X)))
    thread.start()
    assert inside.wait(10)
    results.append(nn.Identity()(X))
    leave.set()
    thread.join()
    assert [type(r) for r in results] == [np.ndarray, np.ndarray]


# Inputs are never written.


class Normalize(nn.Module):
    def forward(self, x):
        x -= x.mean()
        x[:, 0] = 0
        x[:, 1].mul_(2)
        return x.div_(2)


@pytest.mark.parametrize(
    "x", [X.copy(), X[:, ::-1].copy()[:, ::-1], X.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)]
)
def test_in_place_operations_change_a_copy_of_an_array(x):
    before = x.copy()
    expected = before - before.mean()
    expected[:, 0] = 0
    expected[:, 1] *= 2
    np.testing.assert_allclose(Normalize()(x), expected / 2, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(x, before)
    x.flags.writeable = False
    np.testing.assert_allclose(Normalize()(x), expected / 2, rtol=1e-5, atol=1e-7)
    inplace = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten())
    np.testing.assert_array_equal(inplace(x), np.maximum(x, 0).reshape(2, -1))


def test_in_place_operations_reach_a_tensor():
    t = tensor([-1.0, 2.0])
    assert nn.ReLU(inplace=True)(t) is t
    assert t.tolist() == [0, 2]


def test_parameters_come_out_read_only():
    class Weights(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(rsconv.ones(3))

        def forward(self, x):
            return self.w, self.w[1:]

    for array in Weights()(X):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 5


# A network as one writes it for PyTorch.


class Classifier(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(width, width, 3, stride=2)
        )
        self.mix = nn.Parameter(rsconv.randn(width, 5))
        self.register_buffer("mean", tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, x):
        x = (x - self.mean) / 2
        x = self.features(x)
        assert x.size(1) == self.mix.shape[0]
        flat = x.view(x.size(0), x.size(1), -1)
        assert flat.flatten(1).dim() == 2
        pooled = flat.mean(dim=2) + x.permute(0, 2, 3, 1).contiguous().mean([1, 2])
        return pooled @ self.mix, pooled.max(1)[1]


def test_a_network_in_pytorchs_style():
    net = Classifier(4).eval()
    scores, best = net(X)
    assert (type(scores), scores.shape, best.dtype) == (np.ndarray, (2, 5), np.int64)
    first, second = net.features[0], net.features[2]
    x = np.pad((X - np.array([0.1, 0.2, 0.3])[:, None, None]) / 2, ((0, 0), (0, 0), (1, 1), (1, 1)))
    x = np.maximum(correlate(x, first.weight.numpy(), first.bias.numpy()), 0)
    x = correlate(x, second.weight.numpy(), second.bias.numpy())[:, :, ::2, ::2]
    pooled = 2 * x.mean((2, 3))
    np.testing.assert_allclose(scores, pooled @ net.mix.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(best, pooled.argmax(1))
    with rsconv.no_grad():
        np.testing.assert_array_equal(net(tensor(X))[0].numpy(), scores)


# Never a stale weight.

CHANGES = {
    "in-place operator": lambda m: m.weight.__imul__(2),
    "method": lambda m: m.weight.add_(1),
    "element": lambda m: m.weight.__setitem__((0, 0, 0, 0), 9),
    "data": lambda m: m.weight.data.mul_(3),
    "data's element": lambda m: m.weight.data.__setitem__(0, 9),
    "detach": lambda m: m.weight.detach().zero_(),
    "view": lambda m: m.weight.view(-1)[3:5].fill_(7),
    "transposed view": lambda m: m.weight.permute(3, 2, 1, 0)[0].sub_(1),
    "kept view": lambda m: m.kept[1].fill_(5),
    "copy_": lambda m: m.weight.copy_(np.ones((4, 3, 3, 3))),
    "normal_": lambda m: m.weight.normal_(),
    "init": lambda m: nn.init.xavier_uniform_(m.weight),
    "reset_parameters": lambda m: m.reset_parameters(),
    "load_state_dict": lambda m: m.load_state_dict(nn.Conv2d(3, 4, 3).state_dict()),
    "load_state_dict of arrays": lambda m: m.load_state_dict(
        {"weight": np.ones((4, 3, 3, 3)), "bias": np.ones(4)}
    ),
    "load_state_dict with assign": lambda m: m.load_state_dict(nn.Conv2d(3, 4, 3).state_dict(), assign=True),
    "state_dict": lambda m: m.state_dict()["weight"].neg().abs() is None or m.state_dict()["weight"].mul_(-1),
    "new data": lambda m: setattr(m.weight, "data", rsconv.ones(4, 3, 3, 3)),
    "new Parameter": lambda m: setattr(m, "weight", nn.Parameter(rsconv.randn(4, 3, 3, 3))),
    "to and back": lambda m: m.half().float(),
    "out": lambda m: F.conv2d(rsconv.ones(4, 3, 3, 3), rsconv.ones(3, 3, 1, 1), out=m.weight),
    "a Tensor that became the Parameter": lambda m: m.source.fill_(4),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_of_a_weight_changes_the_result(change):
    m = nn.Conv2d(3, 4, 3)
    m.source = rsconv.randn(4, 3, 3, 3)
    m.weight = nn.Parameter(m.source)
    m.kept = m.weight.reshape(4, 27)
    before = [m(X), m(X)]
    np.testing.assert_array_equal(before[0], before[1])
    assert m.weight._packed
    with rsconv.no_grad():
        change(m)
    after = m(X)
    assert not np.array_equal(after, before[0])
    np.testing.assert_allclose(after, correlate(X, m.weight.numpy(), m.bias.numpy()), rtol=1e-3, atol=1e-3)


def test_weights_that_host_code_can_write_are_not_kept():
    array = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)
    exposed = rsconv.randn(4, 3, 3, 3)
    for weight, writable in [(rsconv.from_numpy(array), array), (exposed, exposed.numpy())]:
        before = F.conv2d(tensor(X), weight)
        writable *= 2
        np.testing.assert_allclose(F.conv2d(tensor(X), weight).numpy(), 2 * before.numpy(), rtol=1e-5)


def test_views_of_one_parameter_are_not_taken_for_each_other():
    both = nn.Parameter(rsconv.randn(2, 4, 3, 3, 3))
    for _ in range(2):
        for i in range(2):
            expected = correlate(X, both.numpy()[i], np.zeros(4))
            np.testing.assert_allclose(F.conv2d(tensor(X), both[i]).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_writes_while_another_thread_computes_leave_no_stale_weight():
    m = nn.Conv2d(3, 4, 3, bias=False)
    m.weight.detach().fill_(1)
    stop = threading.Event()

    def compute():
        while not stop.is_set():
            m(X)

    threads = [threading.Thread(target=compute) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for value in range(2, 60):
            m.weight.detach().fill_(value)
            np.testing.assert_allclose(
                m(X), correlate(X, m.weight.numpy(), np.zeros(4)), rtol=1e-3, atol=1e-2
            )
    finally:
        stop.set()
        for thread in threads:
            thread.join()
