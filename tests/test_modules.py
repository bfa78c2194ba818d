"""`rsconv.nn.Module`: reprs and layouts from PyTorch, members, hooks, copies, conversions."""

import copy
import json
import math
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import rsconv
from rsconv import nn, tensor
from rsconv.errors import DeviceError, DtypeError

GOLDEN_FILES = [Path(__file__).parent / "golden" / name for name in ("modules.json", "more_modules.json")]
GOLDEN = [case for path in GOLDEN_FILES for case in json.loads(path.read_text())]
KNOWN = [case for case in GOLDEN if "args" in case and not case["cls"].startswith("Lazy")]
LAZY = [case for case in GOLDEN if case["cls"].startswith("Lazy")]


def network():
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(3, 4, 3), act=nn.ReLU(), body=nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Identity()])
        )
    )


# Against PyTorch.


def test_every_layer_of_this_package_has_golden_cases():
    others = {
        "Module",
        "ModuleDict",
        "ModuleList",
        "Parameter",
        "ParameterDict",
        "ParameterList",
        "Sequential",
    }
    others |= {"UninitializedBuffer", "UninitializedParameter", "functional", "grad", "init", "utils"}
    others |= {"DataParallel", "common_types", "modules", "parallel"}
    assert {case["cls"] for case in KNOWN + LAZY} == set(nn.__all__) - others


@pytest.mark.parametrize("case", LAZY, ids=lambda case: case["repr"])
def test_lazy_layers_have_pytorchs_repr_and_keys(case):
    module = getattr(nn, case["cls"])(*case["args"], **case["kwargs"])
    assert repr(module) == case["repr"]
    assert list(module.state_dict()) == case["state_dict"]
    assert [name for name, _ in module.named_parameters()] == case["parameters"]
    assert [name for name, _ in module.named_buffers()] == case["buffers"]


@pytest.mark.parametrize("case", KNOWN, ids=lambda case: case["repr"])
def test_repr_and_layout_are_pytorchs(case):
    module = getattr(nn, case["cls"])(*case["args"], **case["kwargs"])
    assert repr(module) == case["repr"]
    assert {name: list(t.shape) for name, t in module.state_dict().items()} == case["state_dict"]
    assert [name for name, _ in module.named_parameters()] == case["parameters"]
    assert [name for name, _ in module.named_buffers()] == case["buffers"]


@pytest.mark.parametrize(
    "case", [case for case in KNOWN if case["parameters"]], ids=lambda case: case["repr"]
)
def test_initial_values_have_pytorchs_bound_and_spread(case):
    rsconv.manual_seed(len(case["repr"]))
    module = getattr(nn, case["cls"])(*case["args"], **case["kwargs"])
    fan_in = math.prod(case["state_dict"]["weight"][1:])
    for name, parameter in module.named_parameters():
        values = np.abs(parameter.numpy())
        assert parameter.dtype == rsconv.float32
        assert parameter.requires_grad
        if case["std"].get(name, 0) == 0 and name in case["std"]:
            assert np.all(values == np.float32(case["max_abs"][name]))
        elif case["cls"] != "Embedding":
            assert values.max() <= np.float32(1 / math.sqrt(fan_in))
        if parameter.numel() > 1000:
            # PyTorch's own draws differ; their largest and their spread agree.
            normal = case["cls"] == "Embedding"
            assert values.max() == pytest.approx(case["max_abs"][name], rel=0.3 if normal else 0.02)
            assert parameter.numpy().std() == pytest.approx(case["std"][name], rel=0.06)


def test_manual_seed_repeats_initial_values():
    def values():
        rsconv.manual_seed(3)
        return nn.Conv2d(2, 3, 3).weight.tolist()

    assert values() == values()
    assert nn.Conv2d(2, 3, 3).weight.tolist() != values()


def test_nested_repr():
    assert repr(network()) == (
        "Sequential(\n"
        "  (stem): Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1))\n"
        "  (act): ReLU()\n"
        "  (body): ModuleList(\n"
        "    (0): Conv2d(4, 4, kernel_size=(1, 1), stride=(1, 1))\n"
        "    (1): Identity()\n"
        "  )\n"
        ")"
    )
    assert repr(nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.ReLU(), nn.Identity()])) == (
        "ModuleList(\n  (0-2): 3 x ReLU()\n  (3): Identity()\n)"
    )
    assert repr(nn.ModuleDict({"a": nn.ReLU()})) == "ModuleDict(\n  (a): ReLU()\n)"
    assert repr(nn.Sequential()) == "Sequential()"
    assert repr(nn.Unfold(3)) == "Unfold(kernel_size=3, dilation=1, padding=0, stride=1)"
    assert repr(nn.Fold((4, 5), 3, stride=2)) == (
        "Fold(output_size=(4, 5), kernel_size=3, dilation=1, padding=0, stride=2)"
    )


def test_functional_is_the_one_functional():
    import rsconv.nn.functional as F

    assert F is nn.functional is rsconv.functional
    with pytest.raises(
        AttributeError, match=r"'rsconv.nn' has no attribute 'Conv2D'; the nearest names are: Conv2d"
    ):
        nn.Conv2D  # noqa: B018


def test_pytorchs_module_paths_lead_to_the_same_classes():
    import rsconv.nn.modules.conv
    from rsconv.nn.common_types import _size_2_t
    from rsconv.nn.modules.batchnorm import _BatchNorm, _NormBase
    from rsconv.nn.modules.utils import _ntuple, _pair, _reverse_repeat_tuple, _triple

    assert isinstance(nn.BatchNorm2d(2), _BatchNorm)
    assert isinstance(nn.InstanceNorm2d(2), _NormBase)
    assert not isinstance(nn.InstanceNorm2d(2), _BatchNorm)
    assert rsconv.nn.modules.conv.Conv2d is nn.Conv2d is nn.modules.Conv2d
    assert isinstance(nn.LazyConvTranspose1d(2, 2), nn.modules.conv._ConvTransposeNd)
    assert nn.modules.pooling.AdaptiveAvgPool2d is nn.AdaptiveAvgPool2d
    assert _pair(3) == (3, 3)
    assert _triple([1, 2, 3]) == (1, 2, 3)
    assert _ntuple(4)("ab") == ("a", "b")
    assert _reverse_repeat_tuple((1, 2), 2) == (2, 2, 1, 1)
    assert _size_2_t == int | tuple[int, int]
    with pytest.raises(AttributeError, match=r"'rsconv.nn.modules' has no attribute 'Conv2D'; .* Conv2d"):
        nn.modules.Conv2D  # noqa: B018


# Attributes.


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(rsconv.ones(2))
        self.register_buffer("count", rsconv.zeros(1, dtype="int64"))
        self.register_buffer("scratch", rsconv.zeros(1), persistent=False)
        self.register_parameter("absent", None)

    def forward(self, x):
        return x * self.scale


def test_members_are_found_by_kind():
    m = nn.Sequential(Counter(), nn.Conv1d(1, 1, 1))
    assert [n for n, _ in m.named_parameters()] == ["0.scale", "1.weight", "1.bias"]
    assert next(m.named_parameters(prefix="net"))[0] == "net.0.scale"
    assert list(m.parameters(recurse=False)) == []
    assert [n for n, _ in m.named_buffers()] == ["0.count", "0.scratch"]
    assert [n for n, _ in m.named_modules()] == ["", "0", "1"]
    assert [n for n, _ in m.named_children()] == ["0", "1"]
    assert list(m.children()) == [m[0], m[1]]
    assert list(m.modules()) == [m, m[0], m[1]]
    assert list(m.state_dict()) == ["0.scale", "0.count", "1.weight", "1.bias"]
    assert m[0].absent is None
    assert {"scale", "count", "absent"} <= set(dir(m[0]))


def test_shared_members_come_once():
    conv = nn.Conv1d(1, 1, 1)
    m = nn.Sequential(conv, conv)
    assert len(list(m.parameters())) == 2
    assert len(list(m.modules())) == 2
    assert len(list(m.named_modules(remove_duplicate=False))) == 3
    assert [n for n, _ in m.named_parameters(remove_duplicate=False)] == [
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
    ]
    assert list(m.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_assignment_moves_a_name_from_kind_to_kind():
    m = Counter()
    m.count = nn.Parameter(rsconv.zeros(1))
    assert "count" in dict(m.named_parameters())
    assert "count" not in dict(m.named_buffers())
    m.plain = 3
    m.plain = nn.ReLU()
    assert "plain" not in m.__dict__
    assert m.plain is m.get_submodule("plain")
    m.scratch = None
    del m.scale, m.plain, m.scratch
    assert list(m.state_dict()) == ["count"]
    with pytest.raises(AttributeError):
        del m.scale


def test_assignment_refuses_other_kinds():
    m = Counter()
    m.child = nn.ReLU()
    for name, value, message in [
        (
            "scale",
            rsconv.ones(2),
            r"cannot assign 'Tensor' as parameter 'scale' \(nn.Parameter or None expected\)",
        ),
        ("scale", np.ones(2), r"cannot assign 'ndarray' as parameter 'scale'"),
        ("count", 3, r"cannot assign 'int' as buffer 'count' \(Tensor or None expected\)"),
        ("child", 3, r"cannot assign 'int' as child module 'child' \(nn.Module or None expected\)"),
    ]:
        with pytest.raises(TypeError, match=message):
            setattr(m, name, value)


def test_registration_checks_names_and_kinds():
    m = Counter()
    registrations = (
        (m.register_buffer, rsconv.zeros(1)),
        (m.register_parameter, nn.Parameter(rsconv.zeros(1))),
        (m.add_module, nn.ReLU()),
    )
    for register, value in registrations:
        for name in ("", "a.b"):
            with pytest.raises(KeyError, match="be empty or contain"):
                register(name, value)
        with pytest.raises(KeyError, match="attribute 'forward' already exists"):
            register("forward", value)
        with pytest.raises(TypeError, match=r"name should be a string. Got int"):
            register(3, value)
        with pytest.raises(TypeError, match="str"):
            register("fresh", "no such kind")
    with pytest.raises(AttributeError, match=r"cannot assign 'weight' before Module.__init__\(\) call"):

        class Early(nn.Module):
            def __init__(self):
                self.weight = nn.Parameter(rsconv.ones(1))

        Early()
    with pytest.raises(TypeError, match=r"got arguments that it does not take: 3, size"):
        nn.Module(3, size=4)
    with pytest.raises(NotImplementedError, match=r"Module does not define forward\(\)"):
        nn.Module()(1)


def test_get_by_dotted_name():
    m = nn.Sequential(OrderedDict(inner=nn.Sequential(Counter())))
    assert m.get_submodule("") is m
    assert m.get_submodule("inner.0") is m.inner[0]
    assert m.get_parameter("inner.0.scale") is m.inner[0].scale
    assert m.get_buffer("inner.0.count") is m.inner[0].count
    with pytest.raises(
        AttributeError, match="'Sequential' object has no attribute 'iner'; the nearest names are: inner"
    ):
        m.get_submodule("iner")
    with pytest.raises(AttributeError, match=r"'inner.0.count' is not a Parameter, but a Tensor"):
        m.get_parameter("inner.0.count")
    with pytest.raises(AttributeError, match=r"'inner.0.scale' is not a buffer, but a Parameter"):
        m.get_buffer("inner.0.scale")
    with pytest.raises(AttributeError, match=r"'scale' of 'inner.0.scale' is not a Module, but a Parameter"):
        m.get_submodule("inner.0.scale")


# Hooks.


def test_hooks_see_and_change_tensors_in_order():
    m, seen = nn.Identity(), []

    def before(module, args):
        seen.append(("before", module is m, type(args[0]).__name__))
        return args[0] + 1

    def after(module, args, output):
        seen.append(("after", args[0].item(), output.item()))
        return output * 2

    m.register_forward_pre_hook(before)
    m.register_forward_hook(after)
    first = m.register_forward_hook(lambda module, args, output: seen.append("first"), prepend=True)
    result = m(np.array(1.0))
    assert isinstance(result, np.ndarray)
    assert result == 4
    assert seen == [("before", True, "Tensor"), "first", ("after", 2.0, 2.0)]
    first.remove()
    first.remove()
    with m.register_forward_hook(lambda *_: tensor(0.0)):
        assert m(tensor(1.0)).item() == 0
    assert m(tensor(1.0)).item() == 4


def test_hooks_with_keyword_arguments():
    class Scale(nn.Module):
        def forward(self, x, by=1):
            return x * by

    m = Scale()
    m.register_forward_pre_hook(lambda module, args, kwargs: (args, {"by": 3}), with_kwargs=True)
    m.register_forward_hook(lambda module, args, kwargs, output: output + kwargs["by"], with_kwargs=True)
    assert m(tensor(2.0), by=1).item() == 9
    m.register_forward_pre_hook(lambda module, args, kwargs: 5, with_kwargs=True)
    with pytest.raises(RuntimeError, match="must return None or a tuple of new args and kwargs, but got 5"):
        m(tensor(2.0))


def test_always_called_hooks_run_after_an_error():
    class Broken(nn.Module):
        def forward(self, x):
            raise ArithmeticError("no")

    m, seen = Broken(), []
    m.register_forward_hook(lambda *args: seen.append(args[-1]))
    m.register_forward_hook(lambda *args: seen.append(args[-1]), always_call=True)
    with pytest.raises(ArithmeticError):
        m(1)
    assert seen == [None]


# Changing a whole module.


def test_train_eval_apply_and_flags():
    m, order = network(), []
    assert m.training
    assert m.eval() is m
    assert not any(child.training for child in m.modules())
    assert all(child.training for child in m.train().modules())
    assert m.apply(lambda module: order.append(type(module).__name__)) is m
    assert order == ["Conv2d", "ReLU", "Conv2d", "Identity", "ModuleList", "Sequential"]
    assert not any(p.requires_grad for p in m.requires_grad_(False).parameters())
    m.stem.bias.grad = rsconv.ones(4)
    m.zero_grad(set_to_none=False)
    assert m.stem.bias.grad.tolist() == [0] * 4
    m.zero_grad()
    assert m.stem.bias.grad is None
    with pytest.raises(ValueError, match="training mode is expected to be boolean, but got 'yes'"):
        m.train("yes")


def test_conversion_keeps_identity_and_whole_numbers():
    m = Counter()
    p = m.scale
    p.grad = rsconv.ones(2)
    for convert, dtype in [
        (m.half, "float16"),
        (m.double, "float64"),
        (m.float, "float32"),
        (lambda: m.to(rsconv.float64), "float64"),
        (lambda: m.to("cpu", dtype="float16"), "float16"),
        (lambda: m.to(tensor(1.0)), "float32"),
    ]:
        assert convert() is m
        assert m.scale is p
        assert p.dtype == p.grad.dtype == m.scratch.dtype == np.dtype(dtype)
        assert m.count.dtype == rsconv.int64
        assert p.tolist() == [1, 1]
        assert p._storage.protected
    assert m.cpu() is m
    with pytest.raises(
        DtypeError, match=r"Module.to\(\) takes floating-point and complex dtypes, but got int64"
    ):
        m.to(rsconv.int64)
    with pytest.raises(DeviceError, match="device 'cuda' is not available"):
        m.to("cuda")


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_whole_and_apart(duplicate):
    m = nn.Sequential(nn.Conv2d(1, 2, 3), Counter())
    m.append(m[0])
    m.eval()
    other = duplicate(m)
    assert repr(other) == repr(m)
    assert other[0] is other[2]
    assert not other[0].training
    x = np.ones((1, 1, 4, 4), np.float32)
    np.testing.assert_array_equal(other[0](x), m[0](x))
    before = m[0](x)
    other[0].weight.detach().zero_()
    np.testing.assert_array_equal(m[0](x), before)
    assert not np.array_equal(other[0](x), before)
    other[1].register_buffer("more", rsconv.zeros(1))
    assert "more" not in dict(m[1].named_buffers())


def test_a_copied_hook_belongs_to_the_copy():
    m = nn.Identity()
    handle = m.register_forward_hook(_plus_one)
    m.handle = handle
    other = copy.deepcopy(m)
    other.handle.remove()
    handle.remove()
    assert m(tensor(1.0)).item() == 1
    assert other(tensor(1.0)).item() == 2


def _plus_one(module, args, output):
    return output + 1
