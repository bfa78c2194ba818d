"""`state_dict` and `load_state_dict`: layout, memory, strictness and what cannot be loaded."""

from collections import OrderedDict

import numpy as np
import pytest
import rsconv
from rsconv import nn, tensor
from rsconv.errors import WeightsError


def network():
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(3, 4, 3), act=nn.ReLU(), body=nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Identity()])
        )
    )


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(rsconv.ones(2))
        self.register_buffer("count", rsconv.zeros(1, dtype="int64"))
        self.register_buffer("scratch", rsconv.zeros(1), persistent=False)
        self.register_parameter("absent", None)

    def forward(self, x):
        return x * self.scale


def test_state_dict_is_detached_shares_memory_and_has_metadata():
    m = network()
    state = m.state_dict(prefix="net.")
    assert isinstance(state, OrderedDict)
    assert list(state) == ["net.stem.weight", "net.stem.bias", "net.body.0.weight", "net.body.0.bias"]
    assert state._metadata == {
        name: {"version": 1}
        for name in ("net", "net.stem", "net.act", "net.body", "net.body.0", "net.body.1")
    }
    weight = state["net.stem.weight"]
    assert type(weight) is rsconv.Tensor
    assert not weight.requires_grad
    weight.zero_()
    assert not m.stem.weight.numpy().any()
    assert m.state_dict(keep_vars=True)["stem.weight"] is m.stem.weight
    with pytest.raises(ValueError, match="read-only"):
        weight.numpy()[...] = 1


@pytest.mark.parametrize("arrays", [False, True])
def test_load_state_dict_copies(arrays):
    source, target = network(), network()
    state = {k: np.array(v) if arrays else v for k, v in source.state_dict().items()}
    weight, version = target.stem.weight, target.stem.weight._version
    result = target.load_state_dict(state)
    assert repr(result) == str(result) == "<All keys matched successfully>"
    assert result == ([], [])
    assert target.stem.weight is weight
    assert weight._version > version
    x = np.ones((1, 3, 4, 4), np.float32)
    np.testing.assert_array_equal(target.stem(x), source.stem(x))
    source.stem.weight.detach().zero_()
    assert target.stem.weight.numpy().any()


def test_load_state_dict_casts_and_assign_does_not():
    state = {"weight": np.ones((1, 1, 2)), "bias": tensor([2.0], dtype="float64")}
    m = nn.Conv1d(1, 1, 2)
    m.bias.requires_grad = False
    m.load_state_dict(state)
    assert m.weight.dtype == rsconv.float32
    m.load_state_dict(state, assign=True)
    assert m.weight.dtype == m.bias.dtype == rsconv.float64
    assert (m.weight.requires_grad, m.bias.requires_grad) == (True, False)
    assert isinstance(m.weight, nn.Parameter)
    state["weight"][:] = 5
    assert m.weight.tolist() == [[[1, 1]]]
    state["bias"].fill_(7)
    assert m.bias.tolist() == [7]


def test_strict_loading_lists_all_keys():
    m = nn.Sequential(nn.Conv2d(1, 2, 3), Counter())
    state = m.state_dict()
    del state["0.bias"], state["1.count"]
    state["0.extra"] = state["2.weight"] = rsconv.zeros(1)
    with pytest.raises(WeightsError) as error:
        m.load_state_dict(state)
    assert str(error.value) == (
        "Error(s) in loading state_dict for Sequential:\n"
        '\tMissing key(s) in state_dict: "0.bias", "1.count". \n'
        '\tUnexpected key(s) in state_dict: "2.weight", "0.extra". '
    )
    assert isinstance(error.value, RuntimeError)
    result = m.load_state_dict(state, strict=False)
    assert result.missing_keys == ["0.bias", "1.count"]
    assert result.unexpected_keys == ["2.weight", "0.extra"]
    assert repr(result) == (
        "_IncompatibleKeys(missing_keys=['0.bias', '1.count'], unexpected_keys=['2.weight', '0.extra'])"
    )


def test_what_cannot_be_loaded_is_named_even_if_not_strict():
    m = nn.Conv2d(1, 2, 3)
    for bad, message in [
        (
            rsconv.zeros(2, 1, 5, 5),
            r"size mismatch for weight: copying a param with shape \(2, 1, 5, 5\) from checkpoint, "
            r"the shape in current model is \(2, 1, 3, 3\)\.",
        ),
        ([1.0], 'expected a Tensor or an ndarray for "weight", but got list'),
        (
            np.zeros((2, 1, 3, 3), np.complex64),
            "cannot load weight: the checkpoint is complex64, the current model float32",
        ),
    ]:
        with pytest.raises(WeightsError, match=r"Error\(s\) in loading state_dict for Conv2d:\n\t" + message):
            m.load_state_dict({"weight": bad}, strict=False)
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got list"):
        m.load_state_dict([1])


def test_a_scalar_may_come_with_one_dimension():
    class Scalar(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = nn.Parameter(tensor(1.0))

    m = Scalar()
    m.load_state_dict({"p": np.array([5.0])})
    assert m.p.item() == 5


def test_extra_state_and_overridden_loading():
    class Versioned(nn.Module):
        _version = 3

        def __init__(self):
            super().__init__()
            self.p = nn.Parameter(tensor([1.0]))
            self.note = "none"

        def get_extra_state(self):
            return {"note": self.note}

        def set_extra_state(self, state):
            self.note = state["note"]

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
            self.seen = local_metadata.get("version")
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    a, b = nn.Sequential(Versioned()), nn.Sequential(Versioned())
    a[0].note = "told"
    state = a.state_dict()
    assert list(state) == ["0.p", "0._extra_state"]
    b.load_state_dict(state)
    assert (b[0].note, b[0].seen) == ("told", 3)
    del state["0._extra_state"]
    with pytest.raises(WeightsError, match=r'Missing key.*"0._extra_state"'):
        b.load_state_dict(state)
    for call in (lambda: nn.ReLU().get_extra_state(), lambda: nn.ReLU().set_extra_state(1)):
        with pytest.raises(NotImplementedError, match=r"ReLU does not define .et_extra_state"):
            call()
