"""What `rsconv` has beside operators for model code that imports it as `torch`."""

import re
from pathlib import Path

import numpy as np
import pytest
import rsconv
import rsconv as torch
import rsconv.nn.functional as F
from rsconv import ArgumentError, DeviceError, DtypeError, ShapeError, functions, methods


def test_sizes_are_tuples_that_count():
    x = torch.zeros(2, 3, 4)
    assert x.size() == x.shape == (2, 3, 4) and isinstance(x.size(), torch.Size)
    assert (x.size()[1:].numel(), x.shape.numel(), x.size(-1), x.size()[0]) == (12, 24, 4, 2)
    for joined in (x.size()[:1] + x.size()[2:], (2,) + x.shape[2:], x.shape[:1] + (4,)):  # noqa: RUF005
        assert isinstance(joined, torch.Size) and joined == (2, 4)
    assert isinstance(x.shape[:1] * 2, torch.Size) and str(x.shape) == "(2, 3, 4)"
    batch, channels, *rest = x.size()
    assert x.view(batch, channels * rest[0]).shape == (2, 12)


def test_every_method_is_there_and_the_functions_are_the_same():
    for name in methods._FUNCTIONS:
        assert vars(torch.Tensor)[name] is getattr(functions, name), name
    x = torch.tensor([[3.0, 1.0, 2.0]])
    assert x.softmax(1).sum().item() == pytest.approx(1)
    assert [part.shape for part in x.split(2, 1)] == [(1, 2), (1, 1)]
    assert x.repeat(2, 1, 2).shape == (2, 1, 6) and x.unflatten(1, (3, 1)).shape == (1, 3, 1)
    assert x.masked_fill(x > 1.5, 0).tolist() == [[0, 1, 0]]
    assert x.where(x > 1.5, torch.zeros(1)).tolist() == [[3, 0, 2]]
    assert x.topk(2).indices.tolist() == [[0, 2]] and x.sort(descending=True)[0].tolist() == [[3, 2, 1]]
    assert x.select(1, 1).tolist() == [1] and x.mT.shape == (3, 1) and x.reshape_as(x.mT).shape == (3, 1)
    assert x.movedim(0, 1).shape == x.swapaxes(0, 1).shape == (3, 1) and x.ravel().shape == (3,)
    assert x.type(torch.int64).dtype == torch.int64 and x.type() == "float32"
    assert (x.nelement(), x.ndimension(), x.element_size(), x.is_cuda, x.is_cpu) == (3, 2, 4, False, True)


def test_variances_know_unbiased_and_correction():
    x = torch.tensor([[1.0, 2.0, 6.0], [0.0, 4.0, 2.0]])
    for f, g in (
        (torch.var, np.var),
        (torch.std, np.std),
        (torch.Tensor.var, np.var),
        (torch.Tensor.std, np.std),
    ):
        for args, kwargs, ddof in (
            ((1,), {}, 1),
            ((1, False), {}, 0),
            ((1,), {"correction": 2, "unbiased": False}, 2),
        ):
            np.testing.assert_allclose(f(x, *args, **kwargs), g(x.numpy(), 1, ddof=ddof), rtol=1e-6)
        assert f(x, 0, False, True).shape == (1, 3)
    assert [part.shape for part in torch.var_mean(x, [0], unbiased=False, keepdim=True)] == [(1, 3)] * 2


def test_in_place_methods_write_what_the_functions_give(device):
    with torch.device(device):
        for name in methods._IN_PLACE:
            x = torch.tensor([0.25, 0.5, 4.0])
            other = torch.tensor([2.0, 1.0, 0.5])
            args = {
                "clamp": (0.3, 0.7),
                "clamp_min": (0.3,),
                "clamp_max": (0.7,),
                "masked_fill": (other > 1, 9.0),
                "lerp": (other, 0.5),
                "addcmul": (other, other),
                "addcdiv": (other, other),
                "index_add": (0, [0, 2, 0], other),
                "scatter": (0, [2, 1], other),
                "scatter_add": (0, [2, 1], other),
            }.get(name, ())
            expected = getattr(functions, name)(x, *args).tolist()
            assert getattr(x, f"{name}_")(*args) is x
            assert x.tolist() == expected, name


def test_new_tensors_follow_the_old_one(device):
    x = torch.zeros(2, 3, device=device, dtype=torch.float32)
    made = [x.new_zeros(2), x.new_ones((2,)), x.new_empty(2), x.new_full((2,), 5), x.new_tensor([1, 2])]
    made += [torch.zeros_like(x, device=device), torch.full_like(x, 2.5), torch.rand_like(x)]
    assert all(new.dtype == torch.float32 and new.device == x.device for new in made)
    assert made[3].tolist() == [5, 5] and made[6].tolist() == [[2.5] * 3] * 2
    assert torch.zeros_like(x, dtype=torch.int32).dtype == torch.int32
    assert torch.zeros_like(x, requires_grad=True, memory_format=torch.preserve_format).requires_grad


def test_random_numbers():
    torch.manual_seed(3)
    draws = torch.randint(2, 5, (1000,))
    assert draws.dtype == torch.int64 and sorted({*draws.tolist()}) == [2, 3, 4]
    assert torch.randint(3, (2, 2)).shape == (2, 2)
    assert sorted(torch.randperm(50).tolist()) == list(range(50)) != torch.randperm(50).tolist()
    ones = torch.bernoulli(torch.full((10_000,), 0.25))
    assert {*ones.tolist()} == {0.0, 1.0} and abs(ones.mean().item() - 0.25) < 0.02
    kept = torch.empty(10_000, dtype=torch.float64).bernoulli_(0.9)
    assert abs(kept.mean().item() - 0.9) < 0.02 and kept.dtype == torch.float64
    wide = torch.normal(torch.zeros(10_000) + 2, 3.0)
    assert abs(wide.mean().item() - 2) < 0.2 and abs(wide.std().item() - 3) < 0.1
    assert torch.normal(0.0, 1.0, size=(2, 3)).shape == (2, 3)
    with pytest.raises(ArgumentError, match=r"low=5, high=5, size=\(2,\)"):
        torch.randint(5, 5, (2,))
    with pytest.raises(ArgumentError, match=r"normal\(\) needs a size for numbers mean=0, std=1"):
        torch.normal(0, 1)
    with pytest.raises(ArgumentError, match=r"p=1\.5"):
        kept.bernoulli_(1.5)


def test_classes_are_counted(device):
    with torch.device(device):
        assert F.one_hot(torch.tensor([0, 2], dtype=torch.int32)).tolist() == [[1, 0, 0], [0, 0, 1]]
        assert F.one_hot(np.array([[1]]), 2).tolist() == [[[0, 1]]]


def test_questions():
    x = torch.zeros(2, 3)
    assert torch.is_tensor(x) and not torch.is_tensor(x.numpy())
    assert (
        torch.is_floating_point(x) and not torch.is_floating_point(np.arange(3)) and not torch.is_complex(x)
    )
    assert torch.numel(x) == torch.numel([[1, 2, 3], [4, 5, 6]]) == 6
    assert torch.allclose(x, x + 1e-9) and not torch.allclose(x, x + 1)
    assert torch.equal(x, torch.zeros(2, 3)) and not torch.equal(x, torch.zeros(3))
    nan = torch.tensor([float("nan")])
    assert not torch.allclose(nan, nan) and torch.allclose(nan, nan, equal_nan=True)
    assert isinstance(torch.broadcast_shapes((2, 1), (3,)), torch.Size)
    with pytest.raises(ShapeError, match=r"\(2,\) and \(3,\)"):
        torch.broadcast_shapes((2,), (3,))
    assert torch.finfo(torch.float32).max > 1e38 and torch.iinfo(torch.int8).max == 127
    with pytest.raises(AssertionError, match="two"):
        torch._assert(x.ndim == 3, "two")


attention = F.scaled_dot_product_attention


EQUATIONS = [
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("ij,jk", (3, 4), (4, 5)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("...ij,...jk->...ik", (2, 3, 4, 5), (2, 3, 5, 2)),
    ("i,j->ji", (3,), (4,)),
    ("ij,ij->", (3, 4), (3, 4)),
    ("ijk->ki", (2, 3, 4)),
    ("bi,ij,bj->b", (2, 3), (3, 4), (2, 4)),
    ("nctkv,kvw->nctw", (2, 3, 4, 2, 5), (2, 5, 6)),
]


@pytest.mark.parametrize("equation, shapes", [(e, s) for e, *s in EQUATIONS])
def test_einsum_is_numpys(equation, shapes, device):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    with torch.device(device):
        found = torch.einsum(equation, *map(torch.tensor, arrays))
        np.testing.assert_allclose(found.cpu(), np.einsum(equation, *arrays), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(torch.einsum(equation, arrays), found.cpu(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "equation, error, text",
    [
        ("ij->ij", ArgumentError, "names 1 operands, but got 2"),
        ("ii,ij->j", ArgumentError, "letters that differ, but got 'ii'"),
        ("i,ij->j", ArgumentError, r"names 1 axes of operand number 0 of size \[2, 3\]"),
        ("ij,jk->iz", ArgumentError, "'iz'"),
        ("ij,ik->jk", None, ""),
        ("ij,kj->ik", ShapeError, r"sizes 3 and 4 for 'j', the latter in operand number 1 of size \[2, 4\]"),
    ],
)
def test_einsum_says_what_is_wrong(equation, error, text):
    a, b = torch.zeros(2, 3), torch.zeros(2, 4)
    if error is None:
        assert torch.einsum(equation, a, b).shape == (3, 4)
    else:
        with pytest.raises(error, match=text):
            torch.einsum(equation, a, b)


def test_grids_and_broadcasts():
    rows, columns = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
    assert rows.tolist() == [[0] * 3, [1] * 3] and columns.tolist() == [[0, 1, 2]] * 2
    arrays = [np.array([1.0, 2.0]), np.array([5.0, 6.0, 7.0]), np.array([0.0])]
    for given in (arrays, arrays[:1]):
        for found, expected in zip(torch.meshgrid(given, indexing="xy"), np.meshgrid(*given), strict=True):
            np.testing.assert_array_equal(found, expected)
    a, b = torch.broadcast_tensors(torch.zeros(2, 1), torch.zeros(3))
    assert a.shape == b.shape == (2, 3)


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda x: x.repeat(2), ShapeError, r"size \[2, 3\], but got \(2,\)"),
        (lambda x: x.repeat(2, -1), ArgumentError, r"\(2, -1\)"),
        (
            lambda x: x.repeat_interleave(torch.tensor([1, 2]), 1),
            ShapeError,
            r"3 repeats, but got size \[2\]",
        ),
        (lambda x: x.repeat_interleave(-1, 1), ArgumentError, "-1"),
        (lambda x: x.roll((1, 2), 1), ArgumentError, r"dims=1, but got shifts=\(1, 2\)"),
        (lambda x: torch.meshgrid(x), ShapeError, r"\[2, 3\] for array number 0"),
        (lambda x: torch.meshgrid(x[0], indexing="yx"), ArgumentError, "'yx'"),
        (lambda x: torch.outer(x, x[0]), ShapeError, r"input of size \[2, 3\]"),
        (lambda x: torch.dot(x, x[0]), ShapeError, r"\[2, 3\] and \[3\]"),
        (lambda x: x.masked_fill(x, 0), DtypeError, "bools, but got dtype float32"),
        (lambda x: x.masked_fill(x > 0, x), ShapeError, r"one element, but got one of size \[2, 3\]"),
        (lambda x: x.long().masked_fill(x > 0, 0.5), DtypeError, "value of float32 into an input of int64"),
        (lambda x: x[0].tril(), ShapeError, r"tril needs at least 2 dimensions, but got input of size \[3\]"),
        (lambda x: x.topk(4), ArgumentError, "k from 0 to 3, the size of dimension -1, but got k=4"),
        (lambda x: x.to(torch.complex64).sort(), DtypeError, "sort is not defined for complex64"),
        (lambda x: x.norm("nuc"), ArgumentError, "p='nuc'"),
        (lambda x: x.movedim((0, 1), 0), ArgumentError, r"\(0, 1\) and 0"),
        (lambda x: x.unflatten(1, (2, 2)), ShapeError, r"sizes \(2, 2\) of dimension 1 of shape \(2, 3\)"),
        (lambda x: x.diff(-1), ArgumentError, "n=-1"),
        (lambda x: torch.mv(x, x), ShapeError, r"mv .* sizes \[2, 3\] and \[2, 3\]"),
        (lambda x: F.one_hot(x), DtypeError, "one_hot needs indices of whole numbers, but got dtype float32"),
        (lambda x: attention(x, x, x, x, is_causal=True), ArgumentError, "attn_mask or is_causal=True"),
        (lambda x: x.cuda(), DeviceError, r'no CUDA; Tensors and Modules go to any GPU by to\("gpu"\)'),
        (lambda x: rsconv.nn.ReLU().cuda(), DeviceError, r'no CUDA; .* to\("gpu"\)'),
        (lambda x: x.to("gpu").sort(), DeviceError, r"sort runs on the CPU only, .* use input\.cpu\(\)"),
    ],
)
def test_errors_have_names_and_values(call, error, text, device):
    if device == "cpu" and '"gpu"' in text and "sort" in text:
        return
    with pytest.raises(error, match=text):
        call(torch.zeros(2, 3))


def test_equal_elements_keep_their_order():
    x = np.array([2.0, 1.0, 2.0, np.nan, 1.0])
    assert torch.argsort(x).tolist() == [1, 4, 0, 2, 3]
    assert torch.argsort(x, descending=True).tolist() == [3, 0, 2, 1, 4]


def test_stubs_of_what_is_not_there():
    assert not torch.jit.is_scripting() and not torch.jit.is_tracing() and not torch.cuda.is_available()
    assert torch.jit.annotate(int, 3) == 3 and torch.jit.isinstance([1], list[int])
    assert (
        torch.device("cuda" if torch.cuda.is_available() else "cpu") == "cpu"
        and not torch.cuda.device_count()
    )

    @torch.jit.script
    @torch.jit.unused
    @torch.jit.ignore
    @torch.jit.ignore(drop=True)
    @torch.jit.export
    @torch.fx.wrap
    def double(x):
        return 2 * x

    assert double(4) == 8 and torch.jit.trace(double, 1) is double and torch.fx.wrap("double") == "double"
    import rsconv.utils.checkpoint as cp
    from rsconv.utils.checkpoint import checkpoint

    assert cp.checkpoint is checkpoint is torch.utils.checkpoint.checkpoint
    assert checkpoint(double, 4, use_reentrant=False) == 8
    assert cp.checkpoint_sequential([double, double], 2, 1) == 4
    with pytest.raises(ArgumentError, match="segments=0"):
        cp.checkpoint_sequential([double], 0, 1)
    with pytest.raises(ArgumentError, match=r"fetch https://x/y\.pth yourself .* rsconv\.load"):
        torch.hub.load_state_dict_from_url("https://x/y.pth", progress=True)


@pytest.mark.parametrize(
    "module", ["", "nn", "nn.functional", "nn.init", "jit", "fx", "hub", "cuda", "utils"]
)
def test_a_missing_name_leads_to_the_page(module):
    import importlib

    found = importlib.import_module(f"rsconv.{module}".rstrip("."))
    with pytest.raises(AttributeError, match=r"has no attribute 'spectral_magic'.*docs/porting\.md"):
        _ = found.spectral_magic
    assert (rsconv.errors.__name__, found.__name__.split(".")[0]) == ("rsconv.errors", "rsconv")


def test_the_page_lists_names_that_are_missing():
    """Each is missing, and what its row names instead is there."""
    page = (Path(__file__).parent.parent / "docs" / "porting.md").read_text()
    rows = [row.split("|")[1:3] for row in page.split("## Missing on purpose")[1].splitlines() if "`" in row]
    known = {"torch": torch, "nn": rsconv.nn, "F": F}
    missing = [name for row in rows for name in re.findall(r"`([\w.]+)`", row[0])]
    assert len(missing) > 25
    for name in missing:
        owner, *path = name.split(".")
        if path[0] == "Tensor":
            assert not hasattr(torch.Tensor, path[1]), name
        else:
            assert not hasattr(known[owner], path[0]), name
    for _, instead in rows:
        for owner, name in re.findall(r"\b(torch|nn|F)\.(\w+)", instead):
            assert hasattr(known[owner], name), name
