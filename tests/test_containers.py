"""Sequential, ModuleList and ModuleDict: indexing, slicing, growing, and what they refuse."""

from collections import OrderedDict

import numpy as np
import pytest
from rsconv import nn, tensor


class Add(nn.Module):
    def __init__(self, amount):
        super().__init__()
        self.amount = amount

    def forward(self, x):
        return x + self.amount

    def extra_repr(self):
        return str(self.amount)


def amounts(container):
    return [module.amount for module in container]


def test_sequential_runs_in_order_and_slices_share_modules():
    m = nn.Sequential(Add(1), nn.Sequential(Add(2), Add(3)))
    assert m(np.float64(0) + np.zeros(2)).tolist() == [6, 6]
    assert len(m) == 2
    assert m[-1] is m[1]
    assert m[:1][0] is m[0]
    assert isinstance(m[1:], nn.Sequential)
    named = nn.Sequential(OrderedDict(first=Add(1), last=Add(2)))
    assert list(named[1:]._modules) == ["last"]
    assert named.last is named[1]
    assert named(tensor(0.0)).item() == 3


@pytest.mark.parametrize(
    "make", [lambda *modules: nn.Sequential(*modules), lambda *modules: nn.ModuleList(modules)]
)
def test_list_like_containers_grow_and_shrink(make):
    m = make(Add(0), Add(1))
    assert m.append(Add(2)) is m
    m.extend([Add(3), Add(4)])
    m.insert(0, Add(-1))
    assert amounts(m) == [-1, 0, 1, 2, 3, 4]
    m[1] = Add(10)
    m[-1] = Add(40)
    assert amounts(m) == [-1, 10, 1, 2, 3, 40]
    assert m.pop().amount == 40
    assert m.pop(0).amount == -1
    del m[0]
    assert list(m._modules) == ["0", "1", "2"]
    assert amounts(m) == [1, 2, 3]
    del m[::2]
    assert amounts(m) == [2]
    assert amounts(m[0:1]) == [2]
    for index in (1, -2):
        with pytest.raises(IndexError, match=f"index {index} is out of range for a .* of 1"):
            m[index]
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        m.append(3)
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        m.insert(0, 3)
    with pytest.raises(TypeError, match=r"extend\(\) needs an iterable, but got int"):
        m.extend(3)


def test_module_list_adds():
    m = nn.ModuleList([Add(1)])
    m += [Add(2)]
    assert amounts(m) == [1, 2]
    more = m + nn.ModuleList([Add(3)])
    assert isinstance(more, nn.ModuleList)
    assert amounts(more) == [1, 2, 3]
    with pytest.raises(NotImplementedError, match="ModuleList does not define forward"):
        m(tensor(1.0))


def test_deleting_from_named_sequential_keeps_names():
    m = nn.Sequential(OrderedDict(a=Add(1), b=Add(2), c=Add(3)))
    del m[1]
    assert list(m._modules) == ["a", "c"]


def test_module_dict():
    m = nn.ModuleDict({"b": Add(1), "a": Add(2)})
    m["c"] = Add(3)
    m.update([("d", Add(4))])
    m.update(nn.ModuleDict({"e": Add(5)}))
    assert list(m) == list(m.keys()) == ["b", "a", "c", "d", "e"]
    assert [module.amount for module in m.values()] == [1, 2, 3, 4, 5]
    assert dict(m.items())["c"] is m["c"]
    assert "d" in m
    assert m.pop("d").amount == 4
    del m["e"]
    assert len(m) == 3
    assert list(nn.ModuleDict({"x": nn.Conv1d(1, 1, 1)}).state_dict()) == ["x.weight", "x.bias"]
    m.clear()
    assert len(m) == 0
    with pytest.raises(KeyError):
        m["gone"]
    with pytest.raises(TypeError, match=r"update\(\) needs a mapping or pairs, but got int"):
        m.update(3)
