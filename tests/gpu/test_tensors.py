"""Tensors and modules on a GPU: moves, arithmetic, indexing, and what a module makes of ndarrays."""

import copy
import operator
import pickle
import threading

import numpy as np
import pytest
import rsconv
from rsconv import functional as F
from rsconv import nn
from rsconv.errors import DeviceError, DtypeError, ShapeError

RNG = np.random.default_rng(3)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.fixture(autouse=True)
def _needs_a_gpu(backend):
    """Skips or fails without one, as `backend` says."""


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "bool"])
def test_there_and_back(dtype):
    x = (normal(3, 4, 5) * 3).astype(dtype)
    t = rsconv.tensor(x).to("gpu")
    assert (t.device, t.device.type, str(t.device)) == ("gpu", "gpu", "gpu")
    assert (t.shape, t.dtype, t.is_contiguous()) == (x.shape, x.dtype, True)
    np.testing.assert_array_equal(t.cpu().numpy(), x)
    np.testing.assert_array_equal(np.asarray(t), x)
    assert t.to("gpu:0") is t is t.to(t.device)


def test_what_the_gpu_lacks_is_refused_with_advice():
    for dtype in ("float64", "int64", "complex64", "uint8"):
        with pytest.raises(DtypeError, match=f"{dtype} is not supported on the GPU.*astype"):
            rsconv.tensor(np.full(3, np.iinfo(np.int64).max).astype(dtype)).to("gpu")
    for make in (lambda **a: rsconv.tensor([2**31], **a), lambda **a: rsconv.full((2,), -(2**40), **a)):
        with pytest.raises(DtypeError, match="int64 is not supported on the GPU"):
            make(device="gpu")
    with pytest.raises(DtypeError, match="int64 is not supported on the GPU"):
        rsconv.zeros(2, dtype=rsconv.int64, device="gpu")


def test_whole_numbers_are_int32_on_a_gpu():
    labels = rsconv.tensor([3, -(2**31), 2**31 - 1])
    moved = labels.to("gpu")
    assert (labels.dtype, moved.dtype, moved.tolist()) == (rsconv.int64, rsconv.int32, labels.tolist())
    assert labels.to(moved).dtype == labels.to("gpu", rsconv.int32).dtype == rsconv.int32
    for made in (
        rsconv.tensor([1, 2], device="gpu"),
        rsconv.arange(5, device="gpu"),
        rsconv.full((2,), 7, device="gpu"),
        rsconv.randint(3, (2,), device="gpu"),
        rsconv.randperm(4, device="gpu"),
        rsconv.zeros_like(labels, device="gpu", dtype=rsconv.int32),
    ):
        assert (made.dtype, made.device.type) == (rsconv.int32, "gpu")
    assert rsconv.arange(3, device="gpu").tolist() == [0, 1, 2]


def test_factories_and_host_arrays_follow_the_device():
    with rsconv.device("gpu") as device:
        for t in (
            rsconv.zeros(2, 3),
            rsconv.ones(3),
            rsconv.full((2,), 2.5),
            rsconv.tensor([1.0]),
            rsconv.rand(4),
        ):
            assert t.device == device
        y = F.relu(np.float32([-1, 2]))
    assert type(y) is np.ndarray
    np.testing.assert_array_equal(y, [0, 2])
    assert rsconv.zeros(1).device == "cpu"
    t = rsconv.ones(2, device="gpu")
    assert rsconv.zeros_like(t).device == t.device == "gpu"


def test_threads_may_enter_one_device_object_at_a_time():
    gpu, both, found = rsconv.device("gpu"), threading.Barrier(2, timeout=30), []

    def work():
        with gpu:
            both.wait()
            with rsconv.device("cpu"), gpu:
                inside = rsconv.zeros(1).device
            both.wait()
        found.append((inside, rsconv.zeros(1).device))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [("gpu", "cpu")] * 2


def test_two_devices_in_one_call_raise_and_name_both():
    here, there = rsconv.ones(2, 3), rsconv.ones(2, 3, device="gpu")
    for call in (
        lambda: here + there,
        lambda: there @ here.T,
        lambda: there.add_(here),
        lambda: there[here.bool()],
    ):
        with pytest.raises(DeviceError, match=r"gpu and cpu|cpu and gpu|gpu and .* cpu"):
            call()
    with pytest.raises(DeviceError, match="input is on gpu and weight on cpu"):
        F.conv1d(there, rsconv.ones(1, 2, 1))


@pytest.mark.parametrize(
    "op", ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge", "eq", "ne"]
)
def test_arithmetic_with_tensors_arrays_and_numbers(op):
    function = getattr(operator, op)
    a, b = np.abs(normal(4, 1, 5)) + 0.5, np.abs(normal(3, 1)) + 0.5
    t = rsconv.tensor(a, device="gpu")
    for other, value in (
        (rsconv.tensor(b, device="gpu"), b),
        (b, b),
        (1.5, np.float32(1.5)),
        (2, np.float32(2)),
    ):
        for got, want in ((function(t, other), function(a, value)), (function(other, t), function(value, a))):
            assert got.device == "gpu" and got.dtype == want.dtype
            np.testing.assert_allclose(got.numpy(), want, rtol=2e-6)


def test_in_place_arithmetic_writes_to_views():
    a = normal(4, 6)
    t = rsconv.tensor(a, device="gpu")
    view = t[1:3, ::2]
    version = t._version
    view += 1
    view *= np.float32([[2], [3]])
    a[1:3, ::2] = (a[1:3, ::2] + 1) * [[2], [3]]
    np.testing.assert_allclose(t.numpy(), a, rtol=1e-6)
    assert t._version > version
    t.fill_(3).relu_().sub_(t)
    assert not t.numpy().any()


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [None, 0, 1, -1, (0, 2)])
def test_reductions(dim, keepdim):
    a = normal(5, 6, 7)
    t = rsconv.tensor(a, device="gpu")
    for name in ("sum", "mean", "amax", "amin", "var", "std"):
        how = {"ddof": 1} if name in ("var", "std") else {}
        want = getattr(np, name)(a.astype(np.float64), axis=dim, keepdims=keepdim, **how)
        np.testing.assert_allclose(getattr(t, name)(dim, keepdim=keepdim).numpy(), want, rtol=1e-5, atol=1e-5)
    if not isinstance(dim, tuple):
        np.testing.assert_array_equal(
            t.argmax(dim, keepdim=keepdim).numpy(), np.argmax(a, axis=dim, keepdims=keepdim)
        )


INDICES = {
    "int": 1,
    "negative": -2,
    "slices": (slice(1, None), slice(None, None, 2)),
    "backwards": (slice(None, None, -1), slice(4, 1, -2)),
    "ellipsis": (..., 0),
    "new axis": (None, slice(None), None, 2),
    "array": np.array([2, 0, -1, 2]),
    "list": [1, 1],
    "matrix": np.array([[0, 1], [2, 3]]),
    "arrays side by side": (slice(None), np.array([0, 4]), np.array([1, 2])),
    "arrays apart": (np.array([0, 1]), slice(None), np.array([[1], [2]])),
    "int and array": (1, slice(None), np.array([0, 2])),
    "mask": np.arange(4) % 2 == 0,
    "mask of two axes": np.arange(20).reshape(4, 5) % 3 == 0,
    "no elements": (slice(2, 2),),
    "empty array": np.array([], np.int64),
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_indexing_reads_and_writes_as_numpy(index):
    a = normal(4, 5, 6)
    t = rsconv.tensor(a, device="gpu")
    got, want = t[index], a[index]
    assert got.shape == want.shape
    np.testing.assert_array_equal(got.numpy(), want)
    value = normal(*want.shape)
    for written in (value, 7.0, value[..., :1] if value.ndim else value):
        t[index] = written
        a[index] = written
        np.testing.assert_array_equal(t.numpy(), a)


def test_indexing_by_tensors_of_the_device():
    a = normal(4, 5)
    t = rsconv.tensor(a, device="gpu")
    rows = rsconv.tensor(np.int32([3, 0, -1]), device="gpu")
    np.testing.assert_array_equal(t[rows].numpy(), a[[3, 0, -1]])
    np.testing.assert_array_equal(t[t > 0].numpy(), a[a > 0])
    t[t > 0] = 0
    np.testing.assert_array_equal(t.numpy(), np.minimum(a, 0))


def test_bad_indices_are_refused():
    t = rsconv.zeros(4, 5, device="gpu")
    for index, message in (
        (4, "index 4 is out of bounds for axis 0 of size 4"),
        ((0, 0, 0), "too many indices"),
        (np.array([0, 4]), "index 4 is out of bounds for axis 0 of size 4"),
        (np.zeros(3, bool), r"a mask of shape \(3,\)"),
        (1.5, "only integers"),
        ((..., ...), "single ellipsis"),
        (np.array([0.5]), "must be of integers or bools"),
    ):
        with pytest.raises(IndexError, match=message):
            t[index]
    with pytest.raises(ShapeError, match=r"a value of shape \(3,\) does not fit"):
        t[0] = normal(3)


def test_shapes():
    a = normal(2, 3, 4, 5)
    t = rsconv.tensor(a, device="gpu")
    np.testing.assert_array_equal(t.permute(0, 2, 3, 1).numpy(), a.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(t.permute(3, 2, 1, 0).reshape(10, -1).numpy(), a.T.reshape(10, -1))
    np.testing.assert_array_equal(t.flatten(1).numpy(), a.reshape(2, -1))
    np.testing.assert_array_equal(t[:1].expand(3, -1, 4, 5).numpy(), np.broadcast_to(a[:1], (3, 3, 4, 5)))
    assert t.view(6, 20)._storage is t._storage
    with pytest.raises(ShapeError, match="cannot be viewed"):
        t.transpose(0, 3).view(-1)
    assert t.transpose(1, 2).contiguous().is_contiguous()


def test_python_objects():
    t = rsconv.tensor([[1.5, 2.0]], device="gpu")
    assert t.tolist() == [[1.5, 2.0]] and t[0, 1].item() == 2 and float(t[0, 0]) == 1.5 and bool(t[0, 0])
    assert repr(t) == "tensor([[1.5000, 2.0000]], device='gpu')"
    assert 2.0 in t and 3.0 not in t and len(t) == 1
    for other in (copy.deepcopy(t), pickle.loads(pickle.dumps(t)), t.clone(), copy.copy(t)):
        assert other.device == t.device
        np.testing.assert_array_equal(other.numpy(), t.numpy())
    with pytest.raises(BufferError, match="gpu has no DLPack form"):
        np.from_dlpack(t)
    with pytest.raises(ValueError, match="without a copy"):
        np.array(t, copy=False)
    np.testing.assert_array_equal(np.from_dlpack(t.cpu()), t.numpy())


def test_a_module_uploads_runs_and_downloads():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 2, 2, stride=2))
    x = normal(2, 3, 9, 7)
    want = net(x)
    assert net.to("gpu") is net
    assert all(p.device == "gpu" for p in net.parameters())
    got = net(x)
    assert type(got) is np.ndarray
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    stays = net(rsconv.tensor(x, device="gpu"))
    assert stays.device == "gpu"
    np.testing.assert_array_equal(stays.numpy(), got)
    with pytest.raises(DeviceError, match="input is on cpu and weight on gpu"):
        net(rsconv.tensor(x))
    state = net.state_dict()
    assert state["0.weight"].device == "gpu"
    other = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 2, 2, stride=2))
    other.load_state_dict(state)
    np.testing.assert_array_equal(other(x), net.cpu()(x))
    net.to("gpu").load_state_dict(other.state_dict())
    np.testing.assert_array_equal(net(x), got)


def test_a_weight_on_the_gpu_is_packed_once_and_never_stale():
    layer = nn.Conv2d(4, 4, 3, device="gpu")
    x = normal(1, 4, 6, 6)
    first = layer(x)
    layer.weight.data.mul_(2)
    np.testing.assert_allclose(
        layer(x), 2 * first - layer.bias.numpy().reshape(1, -1, 1, 1), rtol=1e-4, atol=1e-5
    )


def test_a_lazy_layer_takes_its_shape_on_the_device():
    layer = nn.LazyConv2d(5, 3, device="gpu")
    y = layer(normal(1, 3, 5, 5))
    assert y.shape == (1, 5, 3, 3) and layer.weight.device == "gpu"


def test_writes_cast_on_the_host_what_the_gpu_lacks():
    for value in ([1, 2, 3], np.arange(1, 4), np.arange(1.0, 4), rsconv.tensor(np.arange(1.0, 4))):
        assert rsconv.zeros(3, device="gpu").copy_(value).tolist() == [1, 2, 3]
    t = rsconv.zeros(3, device="gpu", dtype=rsconv.float16)
    t[1:] = np.array([2.0, 1e6])
    t[0] = np.array(0.1)
    assert t.tolist() == [np.float16(0.1), 2, np.inf]
    assert rsconv.ones(2, device="gpu").add([1, 2]).tolist() == [2, 3]
    np.testing.assert_array_equal(nn.init.eye_(rsconv.ones(2, 3, device="gpu")).cpu(), np.eye(2, 3))
    conv = nn.Conv1d(2, 2, 1, device="gpu")
    conv.load_state_dict({"weight": np.full((2, 2, 1), 0.5), "bias": np.arange(2.0)})
    assert (conv.weight.dtype, conv.bias.tolist()) == (rsconv.float32, [0, 1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e300, 1 + 2j, True, 1 << 40, -2.7])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "bool"])
def test_numbers_are_written_as_on_the_cpu(value, dtype):
    here, there = (rsconv.ones(3, dtype=dtype, device=device) for device in ("cpu", "gpu"))
    for t in (here, there):
        t[1:] = value
        t[:1].fill_(value)
    np.testing.assert_array_equal(here, there.cpu())


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_results_go_to_host_arrays_and_to_tensors(mode):
    x, w = normal(2, 3, 6, 5), normal(4, 3, 3, 3)
    want = F.conv2d(x, w, padding=1, padding_mode=mode)
    out = np.empty_like(want)
    with rsconv.device("gpu"):
        assert F.conv2d(x, w, padding=1, padding_mode=mode, out=out) is out
    np.testing.assert_allclose(out, want, rtol=1e-4, atol=1e-5)
    target = rsconv.zeros(*want.shape, device="gpu")
    on_gpu = rsconv.tensor(x, device="gpu")
    assert F.conv2d(on_gpu, w, padding=1, padding_mode=mode, out=target) is target
    np.testing.assert_array_equal(target.numpy(), out)
    with rsconv.device("gpu"), pytest.raises(ShapeError, match="out has shape"):
        F.conv2d(x, w, padding=1, padding_mode=mode, out=out[:1])


@pytest.mark.parametrize("mask", [True, False, np.bool_(True), np.array(False)])
def test_masks_without_dimensions_and_other_sequences_as_indices(mask):
    x = normal(2, 3, 4)
    t = rsconv.tensor(x, device="gpu")
    for index in (
        mask,
        (0, mask),
        (slice(None), mask, [1]),
        (..., mask),
        range(1, -1, -1),
        (slice(None), (2, 0)),
    ):
        np.testing.assert_array_equal(t[index].cpu(), x[index], strict=True)
    x[mask], x[1, mask] = 5, 6
    t[mask] = 5
    t[1, mask] = 6
    np.testing.assert_array_equal(t.cpu(), x)
