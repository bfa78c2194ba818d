"""Linear, Embedding, PReLU, containers of Parameters, and what Modules do around their members."""

import copy

import numpy as np
import op_oracles as o
import pytest
import rsconv
from rsconv import nn
from rsconv.errors import ArgumentError, DtypeError, ShapeError


def sample(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


def test_linear_matches_numpy(device):
    layer, x = nn.Linear(5, 3), sample(2, 4, 5)
    expected = o.linear(x.astype(np.float64), layer.weight.detach().numpy(), layer.bias.detach().numpy())
    np.testing.assert_allclose(layer.to(device)(x), expected, rtol=1e-5, atol=1e-6)
    bare = nn.Linear(5, 3, bias=False, dtype=rsconv.float64)
    assert bare(x.astype(np.float64)).dtype == np.float64
    assert bare.bias is None
    with pytest.raises(ShapeError, match=r"input of size \[2, 4, 4\] and weight of size \[3, 5\]"):
        layer(x[..., :4])


def test_linear_without_inputs():
    layer = nn.Linear(0, 3)
    assert layer.bias.tolist() == [0] * 3
    assert layer(np.zeros((2, 0), np.float32)).tolist() == [[0] * 3] * 2


def test_lazy_linear_becomes_linear(device):
    rsconv.manual_seed(0)
    lazy = nn.LazyLinear(3).to(device)
    assert lazy.has_uninitialized_params()
    x = sample(2, 7)
    y = lazy(x)
    assert type(lazy) is nn.Linear
    assert repr(lazy) == "Linear(in_features=7, out_features=3, bias=True)"
    assert np.abs(lazy.weight.detach().cpu().numpy()).max() <= 7**-0.5
    assert y.shape == (2, 3)
    loaded = nn.LazyLinear(3)
    loaded.load_state_dict(lazy.cpu().state_dict())
    np.testing.assert_array_equal(loaded(x), lazy(x))
    with pytest.raises(ShapeError, match=r"LazyLinear expects input \(\*, in_features\), but got .* \[\]"):
        nn.LazyLinear(3)(np.float32(1).reshape(()))


def test_embedding_looks_rows_up(device):
    layer = nn.Embedding(6, 4, padding_idx=-2).to(device)
    table = layer.weight.detach().cpu().numpy()
    assert not table[4].any()
    assert table[5].any()
    indices = np.array([[0, 5, 4], [2, 2, 1]])
    np.testing.assert_array_equal(layer(indices), table[indices])
    assert layer.padding_idx == 4
    frozen = nn.Embedding.from_pretrained(rsconv.tensor(table))
    assert not frozen.weight.requires_grad
    np.testing.assert_array_equal(frozen(indices), table[indices])
    assert nn.Embedding.from_pretrained(rsconv.tensor(table), freeze=False).weight.requires_grad


def test_embedding_names_what_does_not_fit():
    layer = nn.Embedding(3, 2)
    for call, error, message in [
        (lambda: layer(np.array([3])), IndexError, "index 3 is out of bounds for dimension with size 3"),
        (lambda: layer(np.float32([1])), DtypeError, "whole numbers, but got dtype float32"),
        (lambda: nn.Embedding(3, 2, max_norm=1.0), ArgumentError, "not support max_norm=1.0, scale_grad_by"),
        (lambda: nn.Embedding(3, 2, 3), ArgumentError, "num_embeddings=3, but got padding_idx=3"),
        (
            lambda: rsconv.functional.embedding([0], sample(3, 2), 5),
            ArgumentError,
            "num_embeddings=3, but got padding_idx=5",
        ),
        (lambda: rsconv.functional.embedding([0], sample(3)), ShapeError, r"weight of size \[3\]"),
        (
            lambda: nn.Embedding(3, 2, _weight=rsconv.ones(2, 2)),
            ShapeError,
            r"size \[3, 2\], .* got \[2, 2\]",
        ),
        (
            lambda: nn.Embedding.from_pretrained(rsconv.ones(2)),
            ShapeError,
            r"2 dimensions, but got size \[2\]",
        ),
    ]:
        with pytest.raises(error, match=message):
            call()


def test_prelu_has_a_slope_for_each_channel(device):
    layer, x = nn.PReLU(3, init=0.1), sample(2, 3, 4)
    assert layer.weight.tolist() == pytest.approx([0.1] * 3)
    with rsconv.no_grad():
        layer.weight.copy_([0.1, 0.2, 0.3])
    expected = o.prelu(x.astype(np.float64), np.array([0.1, 0.2, 0.3]))
    np.testing.assert_allclose(layer.to(device)(x), expected, rtol=1e-6)


# Containers of Parameters.


def test_parameter_list():
    items = nn.ParameterList([nn.Parameter(rsconv.ones(2, 3)), rsconv.zeros(4)])
    items.append(rsconv.ones(1))
    assert [name for name, _ in items.named_parameters()] == ["0", "1", "2"]
    assert list(items.state_dict()) == ["0", "1", "2"]
    assert len(items) == 3
    assert isinstance(items[1], nn.Parameter)
    assert items[-1].shape == (1,)
    assert [len(p) for p in items[:2]] == [2, 4]
    items[0] = rsconv.ones(5)
    items += [rsconv.ones(6)]
    assert [len(p) for p in items] == [5, 4, 1, 6]
    assert items.pop(1).shape == (4,)
    assert [name for name, _ in items.named_parameters()] == ["0", "1", "2"]
    assert copy.deepcopy(items)[0] is not items[0]
    assert repr(nn.ParameterList([rsconv.ones(2, 3), rsconv.ones(4)])) == (
        "ParameterList(\n"
        "    (0): Parameter containing: [torch.float32 of size 2x3]\n"
        "    (1): Parameter containing: [torch.float32 of size 4]\n"
        ")"
    )
    with pytest.raises(IndexError, match="index 3 is out of range for a ParameterList of 3"):
        items[3]
    with pytest.raises(TypeError, match=r"ParameterList.extend\(\) needs an iterable, but got Tensor"):
        items.extend(rsconv.ones(3))


def test_parameter_dict():
    items = nn.ParameterDict({"a": rsconv.ones(2), "b": nn.Parameter(rsconv.ones(3))})
    items["c"] = rsconv.ones(4)
    items.update([("a", rsconv.ones(5))])
    assert list(items) == list(items.keys()) == ["a", "b", "c"]
    assert [len(p) for p in items.values()] == [5, 3, 4]
    assert [name for name, _ in items.named_parameters()] == ["a", "b", "c"]
    assert "a" in items
    assert items.get("x") is None
    assert items.setdefault("d", rsconv.ones(6)).shape == (6,)
    assert items.pop("d").shape == (6,)
    del items["b"]
    assert dict(items.items()).keys() == {"a", "c"}
    assert list(items.state_dict()) == ["a", "c"]
    with pytest.raises(KeyError, match="nothing"):
        items["nothing"]
    with pytest.raises(KeyError, match="attribute 'training' already exists"):
        items["training"] = rsconv.ones(1)
    with pytest.raises(TypeError, match=r"ParameterDict.update\(\) needs a mapping or pairs, but got int"):
        items.update(3)
    items.clear()
    assert len(items) == 0


# Modules around their members.


def test_submodules_are_replaced_by_name():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Sequential(nn.ReLU()))
    net.set_submodule("1.0", nn.Tanh())
    net.set_submodule("0", nn.Identity())
    assert [type(m).__name__ for m in net.modules()] == ["Sequential", "Identity", "Sequential", "Tanh"]
    assert net._get_name() == "Sequential"
    with pytest.raises(AttributeError, match="'Sequential' object has no attribute '2'"):
        net.set_submodule("2.0", nn.Tanh())
    with pytest.raises(TypeError, match="list is not a Module subclass"):
        net.set_submodule("0", [])
    with pytest.raises(ValueError, match="the name of a submodule cannot be empty"):
        net.set_submodule("", nn.Tanh())


def test_dtypes_of_modules():
    net = nn.Linear(2, 2)
    assert net.type(rsconv.float64).weight.dtype == rsconv.float64
    with pytest.raises(DtypeError, match=r"bfloat16 is not supported: .* half\(\)"):
        net.bfloat16()


def test_members_before_init_raise_pytorchs_error():
    class Late(nn.Module):
        def __init__(self, assign):
            self.plain = 3
            assign(self)
            super().__init__()

    assert Late(lambda module: None).plain == 3
    for assign, what in [
        (lambda m: setattr(m, "weight", nn.Parameter()), "'weight'"),
        (lambda m: setattr(m, "layer", nn.ReLU()), "'layer'"),
        (lambda m: m.register_buffer("b", None), "buffer"),
        (lambda m: m.register_parameter("p", None), "parameter"),
        (lambda m: m.add_module("m", None), "module"),
    ]:
        with pytest.raises(AttributeError, match=rf"cannot assign {what} before Module.__init__\(\) call"):
            Late(assign)


def test_modules_without_members_follow_their_tensors(device):
    x = rsconv.tensor(sample(2, 3), device=device)

    class Sum(nn.Module):
        def forward(self, a, b):
            return a + b

    y = Sum()(x, sample(2, 3))
    assert y.device == device
    assert Sum()(a=[x], b=[]) == [x]


def test_whole_numbers_go_to_a_gpu_as_it_has_them(device):
    with rsconv.device(device):
        y = nn.Identity()(np.array([1, 2**31 - 1]))
        assert y.tolist() == [1, 2**31 - 1]
        if device == "cpu":
            assert y.dtype == np.int64
        else:
            assert y.dtype == np.int32
            with pytest.raises(DtypeError, match="int64 is not supported on the GPU"):
                nn.Identity()(np.array([2**31]))


def test_hooks_of_loading():
    class Renamed(nn.Linear):
        def __init__(self):
            super().__init__(2, 2, bias=False)
            self._register_load_state_dict_pre_hook(self._rename)

        def _rename(self, state, prefix, metadata, strict, missing, unexpected, errors):
            if f"{prefix}kernel" in state:
                state[f"{prefix}weight"] = state.pop(f"{prefix}kernel")

    net = nn.Sequential(Renamed())
    seen = []
    net.register_load_state_dict_pre_hook(lambda module, state, *_: seen.append((module is net, len(state))))
    handle = net.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    net.load_state_dict({"0.kernel": rsconv.ones(2, 2)})
    assert net[0].weight.tolist() == [[1, 1], [1, 1]]
    assert seen == [(True, 1)]
    net.load_state_dict({})
    handle.remove()
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0.weight"'):
        net.load_state_dict({})


def test_hooks_of_saving():
    net = nn.Sequential(nn.Linear(1, 1, bias=False))
    seen = []
    net.register_state_dict_pre_hook(lambda module, prefix, keep_vars: seen.append((prefix, keep_vars)))

    def rename(module, state, prefix, metadata):
        seen.append((module is net[0], prefix, metadata))
        state[f"{prefix}kernel"] = state.pop(f"{prefix}weight")

    net[0]._register_state_dict_hook(rename)
    assert list(net.state_dict()) == ["0.kernel"]
    assert seen == [("", False), (True, "0.", {"version": 1})]


def test_data_parallel_is_its_module():
    net = nn.Linear(2, 2)
    parallel = nn.DataParallel(net, device_ids=[0])
    assert list(parallel.state_dict()) == ["module.weight", "module.bias"]
    x = sample(3, 2)
    np.testing.assert_array_equal(parallel(x), net(x))
    assert parallel.module is net
    assert isinstance(nn.parallel.DistributedDataParallel(net), nn.Module)
    assert repr(parallel).startswith("DataParallel(\n  (module): Linear(")


def test_pairwise_distance(device):
    a, b = sample(4, 3), sample(4, 3) + 1
    with rsconv.device(device):
        found = nn.PairwiseDistance(1.0, keepdim=True)(a, b)
    np.testing.assert_allclose(found, np.abs(a - b + 1e-6).sum(1, keepdims=True), rtol=1e-5)


def test_cosine_similarity(device):
    a, b = sample(4, 3, 2), sample(4, 3, 2) + 1
    layer = nn.CosineSimilarity(dim=1, eps=1e-6)
    expected = (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))
    with rsconv.device(device):
        np.testing.assert_allclose(layer(a, b), expected, rtol=1e-5, atol=1e-6)
    assert (layer.dim, layer.eps) == (1, 1e-6)


def test_sparse_initial_values():
    rsconv.manual_seed(0)
    values = nn.init.sparse_(nn.Parameter(rsconv.empty(10, 40)), 0.25, std=2).detach().numpy()
    assert ((values == 0).sum(0) == 3).all()
    assert values[values != 0].std() == pytest.approx(2, rel=0.1)
    with pytest.raises(ShapeError, match=r"sparse_\(\) needs a Tensor of 2 dimensions, but got shape \(3,\)"):
        nn.init.sparse_(rsconv.empty(3), 0.5)
    with pytest.raises(ArgumentError, match="sparsity must be from 0 to 1, but got sparsity=2"):
        nn.init.sparse_(rsconv.empty(3, 3), 2)
    assert nn.init.xavier_uniform is nn.init.xavier_uniform_
