"""`rsconv.Tensor`: creation, conversions, what it refuses and how it prints. NumPy is the oracle."""

import operator
import pickle

import numpy as np
import pytest
import rsconv
from rsconv import Parameter, Tensor, tensor
from rsconv.errors import ArgumentError, DeviceError, DtypeError, ShapeError

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64"]
DTYPES += ["complex128", "uint16", "uint32", "uint64"]


def sample(dtype="float32", shape=(2, 3, 4), seed=0):
    values = np.random.default_rng(seed).normal(0, 3, shape)
    return np.abs(values).astype(dtype) if np.dtype(dtype).kind in "ub" else values.astype(dtype)


# Creation.


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, "float32"),
        ([1, 2], "int64"),
        ([[1.0, 2], [3, 4]], "float32"),
        (True, "bool"),
        (1j, "complex64"),
        ([], "float32"),
        (np.float64(1), "float64"),
        ([np.float64(1)], "float64"),
        (np.arange(3), "int64"),
        (np.ones(3), "float64"),
        (np.ones(3, ">f4"), "float32"),
    ],
)
def test_tensor_takes_the_dtype_that_pytorch_gives(data, dtype):
    t = tensor(data)
    assert t.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(t.numpy(), np.asarray(data, dtype))


def test_tensor_copies_and_from_numpy_shares():
    a = np.zeros(3, np.float32)
    copied, shared = tensor(a), rsconv.from_numpy(a)
    a[0] = 1
    assert copied.tolist() == [0, 0, 0]
    assert shared.tolist() == [1, 0, 0]
    shared[1] = 2
    assert a.tolist() == [1, 2, 0]


def test_factories():
    assert rsconv.zeros(2, 3).shape == rsconv.ones((2, 3)).shape == rsconv.empty([2, 3]).shape == (2, 3)
    assert rsconv.arange(5).tolist() == [0, 1, 2, 3, 4]
    assert rsconv.arange(5).dtype == rsconv.int64
    assert rsconv.arange(1, 2, 0.25).dtype == rsconv.float32
    np.testing.assert_array_equal(rsconv.arange(5, 0, -2).numpy(), np.arange(5, 0, -2))
    np.testing.assert_allclose(rsconv.linspace(0, 1, 5).numpy(), np.linspace(0, 1, 5))
    np.testing.assert_array_equal(rsconv.eye(2, 3).numpy(), np.eye(2, 3))
    assert rsconv.full((2,), 7).dtype == rsconv.int64
    assert rsconv.full((2,), 7.0).tolist() == [7.0, 7.0]
    like = rsconv.zeros_like(rsconv.ones(2, dtype="float64"))
    assert (like.dtype, like.tolist()) == (rsconv.float64, [0.0, 0.0])
    assert rsconv.ones(2, requires_grad=True).requires_grad
    assert Tensor(2, 3).shape == (2, 3)
    assert Tensor(np.ones(3)).dtype == rsconv.float32


def test_manual_seed_repeats_every_kind_of_draw():
    def draws():
        return [rsconv.rand(3), rsconv.randn(3), rsconv.zeros(3).normal_(), rsconv.zeros(3).uniform_(2, 3)]

    rsconv.manual_seed(-3)
    first = [t.tolist() for t in draws()]
    rsconv.manual_seed(-3)
    assert [t.tolist() for t in draws()] == first
    rsconv.manual_seed(3)
    assert [t.tolist() for t in draws()] != first


def test_draws_have_their_distribution():
    rsconv.manual_seed(0)
    uniform, normal = rsconv.zeros(20000).uniform_(2, 4).numpy(), rsconv.zeros(20000).normal_(5, 2).numpy()
    assert rsconv.rand(50000, dtype="float16").numpy().max() < 1
    assert uniform.min() >= 2
    assert uniform.max() < 4
    assert abs(uniform.mean() - 3) < 0.03
    assert abs(uniform.std() - 2 / np.sqrt(12)) < 0.02
    assert abs(normal.mean() - 5) < 0.08
    assert abs(normal.std() - 2) < 0.06


# Attributes and conversions.


def test_attributes():
    t = tensor(sample())
    assert (t.shape, t.size(), t.ndim, t.dim(), t.numel(), len(t)) == ((2, 3, 4), (2, 3, 4), 3, 3, 24, 2)
    assert (t.size(0), t.size(-1), t.stride(), t.nbytes) == (2, 4, (12, 4, 1), 96)
    assert t.device == "cpu"
    assert t.device == rsconv.device("cpu")
    assert t.device.type == "cpu"
    assert t.is_floating_point()
    assert t.grad is None
    assert not t.requires_grad
    assert t.requires_grad_().requires_grad
    assert (t + 1).requires_grad


def test_byte_swapped_arrays_have_the_native_dtype():
    t = rsconv.from_numpy(np.arange(3, dtype=">f4"))
    assert t.dtype == rsconv.float32
    assert t.dtype.isnative
    assert (t + 1).tolist() == [1, 2, 3]


@pytest.mark.parametrize("dtype", DTYPES)
def test_to_dtype_matches_astype(dtype):
    t = tensor(np.array([0.0, 1.0, 2.5, 3.0], np.float32))
    assert t.to(dtype).dtype == np.dtype(dtype)
    np.testing.assert_array_equal(t.to(dtype).numpy(), t.numpy().astype(dtype))


def test_to_returns_itself_or_a_copy():
    t = tensor([1.0])
    assert t.to("cpu") is t.to(rsconv.float32) is t.to(t) is t.cpu() is t.float() is t.contiguous() is t
    assert t.to(t, copy=True)._storage is not t._storage
    assert t.to(tensor([1])).dtype == t.long().dtype == rsconv.int64
    assert t.half().dtype == rsconv.float16
    assert t.double().dtype == rsconv.float64
    assert t.to("cpu", rsconv.float64, non_blocking=True).dtype == rsconv.float64
    assert tensor([1 + 2j]).to(rsconv.float32).tolist() == [1.0]


def test_a_device_that_is_not_there_is_refused():
    for ask in (
        lambda: tensor([1.0]).to("gpu:99"),
        lambda: rsconv.device("cuda:0"),
        lambda: rsconv.zeros(1, device="xpu"),
    ):
        with pytest.raises(DeviceError, match=r"device '(gpu:99|cuda:0|xpu)' is not available"):
            ask()
    with pytest.raises(DeviceError, match="'cpu:1' is not available"):
        rsconv.device("cpu", 1)


def test_device_is_an_object_and_a_context():
    with rsconv.device("cpu") as device:
        assert rsconv.zeros(1).device == device
    assert (str(device), repr(device)) == ("cpu", "device(type='cpu')")
    assert repr(rsconv.device("cpu:0")) == "device(type='cpu', index=0)"
    assert {device: 1}["cpu"] == 1
    assert pickle.loads(pickle.dumps(device)) == device
    assert device != "gpu"
    assert device != 3


def test_python_numbers():
    t = tensor([[2.5]])
    assert (t.item(), float(t), int(t), complex(t), f"{tensor(2.5):.2f}") == (2.5, 2.5, 2, 2.5 + 0j, "2.50")
    assert [10, 20, 30][tensor(1)] == 20
    assert bool(tensor(1.0)) is True
    assert 2.5 in t
    with pytest.raises(ShapeError, match=r"item\(\) needs a Tensor of one element, but its shape is \(2,\)"):
        tensor([1, 2]).item()
    with pytest.raises(ArgumentError, match=r"the truth of a Tensor of shape \(2,\) is ambiguous"):
        bool(tensor([1, 2]))
    with pytest.raises(TypeError, match=r"shape \(\) and dtype float32 cannot be used as an index"):
        operator.index(tensor(1.0))


def test_array_protocol():
    t = tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(t), t.numpy())
    assert not np.shares_memory(np.array(t), t.numpy())
    assert np.asarray(t, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="float32 on cpu cannot become an array of float64 without a copy"):
        t.__array__(np.float64, copy=False)
    assert isinstance(np.exp(t), Tensor)
    np.testing.assert_array_equal(np.exp(t).numpy(), np.exp(np.array([1, 2], np.float32)))
    assert isinstance(np.ones(2) + t, Tensor)
    assert np.sum(t).item() == 3
    assert np.mean(t, axis=0).item() == 1.5
    assert np.max(t).item() == 2


def test_what_a_tensor_cannot_hold_is_named():
    with pytest.raises(DtypeError, match=r"cannot have dtype object; the dtypes are: bool, complex128"):
        tensor(np.array([None]))
    with pytest.raises(DtypeError, match=r"cannot have dtype datetime64\[s\]"):
        rsconv.from_numpy(np.zeros(1, "datetime64[s]"))
    with pytest.raises(DtypeError, match="'nonsense' is not a dtype"):
        tensor([1.0], dtype="nonsense")
    with pytest.raises(ArgumentError, match="cannot make a Tensor of nested sequences"):
        tensor([[1, 2], [3]])
    with pytest.raises(TypeError, match=r"from_numpy\(\) expects an ndarray, but got list"):
        rsconv.from_numpy([1])
    with pytest.raises(DtypeError, match="can require gradients, but this is int64"):
        tensor([1], requires_grad=True)
    with pytest.raises(ArgumentError, match=r"negative sizes, but got \(2, -1\)"):
        rsconv.zeros(2, -1)
    with pytest.raises(ArgumentError, match="cannot step from 0 to 3 by step=-1"):
        rsconv.arange(0, 3, -1)
    with pytest.raises(DtypeError, match="random draws need a floating-point dtype, but got int64"):
        rsconv.rand(2, dtype="int64")


# What it says.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (tensor([[1.0, 2.0], [3.0, 4.5]]), "tensor([[1.0000, 2.0000],\n        [3.0000, 4.5000]])"),
        (tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (tensor(0.1), "tensor(0.1000)"),
        (tensor([1, 2]), "tensor([1, 2])"),
        (tensor([True, False]), "tensor([ True, False])"),
        (tensor([1.0], dtype="float64"), "tensor([1.], dtype=float64)"),
        (tensor([1], dtype="int8"), "tensor([1], dtype=int8)"),
        (tensor([1e-9, 1.0]), "tensor([1.0000e-09, 1.0000e+00])"),
        (tensor([float("inf"), 1.0]), "tensor([inf,  1.])"),
        (tensor([float("nan")]), "tensor([nan])"),
        (rsconv.zeros(0), "tensor([])"),
        (rsconv.zeros(0, 3), "tensor([], size=(0, 3))"),
        (rsconv.ones(1, requires_grad=True), "tensor([1.], requires_grad=True)"),
        (Parameter(rsconv.ones(1)), "Parameter containing:\ntensor([1.], requires_grad=True)"),
    ],
)
def test_repr(value, text):
    assert repr(value) == text


def test_repr_of_a_large_tensor_is_short():
    assert repr(rsconv.zeros(2000)) == "tensor([0., 0., 0., ..., 0., 0., 0.])"


def test_missing_names_suggest_the_nearest():
    with pytest.raises(
        AttributeError, match=r"'Tensor' object has no attribute 'reshap'; the nearest names are: reshape"
    ):
        tensor([1.0]).reshap  # noqa: B018
    with pytest.raises(
        AttributeError, match=r"module 'rsconv' has no attribute 'zeroes'; the nearest names are: zeros"
    ):
        rsconv.zeroes  # noqa: B018
    with pytest.raises(AttributeError, match=r"'Parameter' object has no attribute 'backwards'"):
        Parameter(rsconv.ones(1)).backwards  # noqa: B018
    for module, name, nearest in [
        (rsconv.functional, "rleu", "relu"),
        (rsconv.nn, "Con2d", "Conv2d"),
        (rsconv.nn.grad, "conv2d_inpt", "conv2d_input"),
        (rsconv.nn.init, "kaming_normal_", "kaiming_normal_"),
    ]:
        with pytest.raises(AttributeError, match=f"{module.__name__}' .*'{name}'; the nearest .*: {nearest}"):
            getattr(module, name)
    assert not hasattr(tensor([1.0]), "__cuda_array_interface__")


def test_grad_contexts_decorate():
    @rsconv.no_grad()
    def double(x):
        return x * 2

    @rsconv.no_grad
    def triple(x):
        return x * 3

    with rsconv.no_grad(), rsconv.enable_grad(), rsconv.inference_mode():
        assert double(tensor([1.0])).item() + triple(1.0) == 5
