"""The memory of `rsconv.Tensor`: which views share it, what a write does, and what may never be written."""

import copy
import operator
import pickle

import numpy as np
import pytest
import rsconv
from hypothesis import given, settings
from hypothesis import strategies as st
from rsconv import Parameter, Tensor, tensor
from rsconv.errors import ArgumentError, DtypeError, ShapeError

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64"]
DTYPES += ["complex128", "uint16", "uint32", "uint64"]


# Shapes and indexing.

A = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
VIEWS = {
    "reshape": (lambda t: t.reshape(4, -1), A.reshape(4, 6)),
    "reshape of a list": (lambda t: t.reshape([6, 4]), A.reshape(6, 4)),
    "view": (lambda t: t.view(t.size(0), -1), A.reshape(2, 12)),
    "view_as": (lambda t: t.view_as(rsconv.zeros(24)), A.ravel()),
    "flatten": (lambda t: t.flatten(1), A.reshape(2, 12)),
    "flatten some": (lambda t: t.flatten(0, 1), A.reshape(6, 4)),
    "permute": (lambda t: t.permute(2, 0, 1), A.transpose(2, 0, 1)),
    "permute of a tuple": (lambda t: t.permute((0, -1, 1)), A.transpose(0, 2, 1)),
    "transpose": (lambda t: t.transpose(0, -1), A.swapaxes(0, 2)),
    "T": (lambda t: t.T, A.T),
    "unsqueeze": (lambda t: t.unsqueeze(-1), A[..., None]),
    "unsqueeze 0": (lambda t: t.unsqueeze(0), A[None]),
    "squeeze": (lambda t: t[:, :1].squeeze(1), A[:, 0]),
    "squeeze of more": (lambda t: t.squeeze(0), A),
    "int": (lambda t: t[1], A[1]),
    "ints": (lambda t: t[1, 2, 3], A[1, 2, 3]),
    "slices": (lambda t: t[:, 1:, ::2], A[:, 1:, ::2]),
    "ellipsis": (lambda t: t[..., 0], A[..., 0]),
    "new axis": (lambda t: t[None, :, None], A[None, :, None]),
    "data": (lambda t: t.data, A),
    "detach": (lambda t: t.detach(), A),
    "iteration": (lambda t: list(t)[1], A[1]),
    "copy.copy": (copy.copy, A),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory_and_version(name):
    view, expected = VIEWS[name]
    t = tensor(A)
    v = view(t)
    np.testing.assert_array_equal(v.numpy(), expected)
    before = t._version
    v.fill_(-1)
    assert t._version == v._version == before + 1
    assert (t.numpy() == -1).sum() == v.numel()
    t.zero_()
    assert v._version == before + 2
    assert not v.numpy().any()


COPIES = {
    "reshape of a transpose": (lambda t: t.permute(2, 1, 0).reshape(-1), A.transpose(2, 1, 0).ravel()),
    "clone": (lambda t: t.clone(), A),
    "contiguous": (lambda t: t.transpose(0, 1).contiguous(), A.swapaxes(0, 1)),
    "list": (lambda t: t[:, [2, 0]], A[:, [2, 0]]),
    "Tensor": (lambda t: t[tensor([1, 0])], A[[1, 0]]),
    "mask": (lambda t: t[t > 5], A[A > 5]),
    "array": (lambda t: t[np.array([0]), ..., np.array([1])], A[np.array([0]), ..., np.array([1])]),
    "deepcopy": (copy.deepcopy, A),
    "pickle": (lambda t: pickle.loads(pickle.dumps(t)), A),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_have_their_own_memory(name):
    take, expected = COPIES[name]
    t = tensor(A)
    c = take(t)
    np.testing.assert_array_equal(c.numpy(), expected)
    c.fill_(-1)
    assert t._version == 0
    np.testing.assert_array_equal(t.numpy(), A)


def test_functions_of_arrays_give_arrays():
    for name, args, expected in [
        ("flatten", (1,), A.reshape(2, 12)),
        ("reshape", ((4, 6),), A.reshape(4, 6)),
        ("permute", ((2, 0, 1),), A.transpose(2, 0, 1)),
        ("transpose", (0, 1), A.swapaxes(0, 1)),
        ("unsqueeze", (0,), A[None]),
        ("squeeze", (), A),
    ]:
        function = getattr(rsconv, name)
        result = function(A, *args)
        assert type(result) is np.ndarray
        assert np.shares_memory(result, A)
        np.testing.assert_array_equal(result, expected)
        t = tensor(A)
        assert function(t, *args)._storage is t._storage


def test_expand_repeats_without_a_copy_and_is_not_written():
    t = tensor([[1.0], [2.0]])
    e = t.expand(3, -1, 2)
    np.testing.assert_array_equal(e.numpy(), np.broadcast_to(t.numpy(), (3, 2, 2)))
    assert e._storage is t._storage
    assert t.expand_as(rsconv.zeros(2, 5)).shape == (2, 5)
    with pytest.raises(
        ArgumentError, match=r"cannot write to a Tensor of shape \(3, 2, 2\) whose elements share"
    ):
        e.add_(1)
    with pytest.raises(ShapeError, match=r"shape \(2, 1\) cannot be expanded to \(3, 1\)"):
        t.expand(3, 1)


def test_shape_errors():
    t = tensor(A)
    with pytest.raises(ShapeError, match=r"shape \(5, -1\) is invalid for a Tensor of shape \(2, 3, 4\)"):
        t.reshape(5, -1)
    with pytest.raises(
        ShapeError, match=r"cannot be viewed as shape \(24,\) without a copy; use reshape\(\)"
    ):
        t.permute(2, 1, 0).view(-1)
    with pytest.raises(
        ShapeError, match=r"permute\(\) of a Tensor of shape \(2, 3, 4\) needs 3 dims, but got \(0, 1\)"
    ):
        t.permute(0, 1)
    with pytest.raises(ArgumentError, match="start_dim=2, end_dim=1"):
        t.flatten(2, 1)
    with pytest.raises(ShapeError, match=r"t\(\) needs at most 2 dimensions"):
        t.t()
    with pytest.raises(IndexError, match=r"\[-3, 2\], but got 3"):
        t.size(3)
    for sized in (len, list):
        with pytest.raises(TypeError, match="without dimensions"):
            sized(tensor(1.0))


def test_setitem_matches_numpy():
    for index, value in [
        (0, 5),
        ((slice(None), 1), [1, 2, 3, 4]),
        ((..., 0), tensor([[7.9, 8, 9]])),
        (np.s_[:, [0, 2]], np.ones((2, 2, 4))),
        (A > 3, -1.0),
        ((0, 0, 0), tensor(3)),
    ]:
        t, expected = tensor(A), A.copy()
        t[index] = value
        expected[index] = np.asarray(value)
        np.testing.assert_array_equal(t.numpy(), expected)
        assert t._version == 1
    t = tensor([1.0, 2.0, 3.0])
    t[2] = tensor([[3]])
    t[1:] = t[:-1]
    assert t.tolist() == [1, 1, 2]
    with pytest.raises(ShapeError, match=r"a value of shape \(3,\) does not fit the selected shape \(2,\)"):
        t[:2] = [1, 2, 3]
    with pytest.raises(TypeError, match="cannot write a str into a Tensor"):
        t[0] = "x"


# Writes: each bumps the version, and reaches every view.

WRITES = {
    "+=": lambda t: operator.iadd(t, 1),
    "-=": lambda t: operator.isub(t, tensor([1.0])),
    "*=": lambda t: operator.imul(t, np.float32(2)),
    "/=": lambda t: operator.itruediv(t, 2),
    "//=": lambda t: operator.ifloordiv(t, 2),
    "%=": lambda t: operator.imod(t, 2),
    "**=": lambda t: operator.ipow(t, 2),
    "add_": lambda t: t.add_(1),
    "sub_": lambda t: t.sub_(1),
    "mul_": lambda t: t.mul_(3),
    "div_": lambda t: t.div_(3),
    "pow_": lambda t: t.pow_(2),
    "relu_": lambda t: t.sub_(100).relu_(),
    "setitem": lambda t: t.__setitem__(0, 9),
    "setitem mask": lambda t: t.__setitem__(t > 1, 9),
    "copy_": lambda t: t.copy_(tensor([8.0])),
    "fill_": lambda t: t.fill_(8),
    "zero_": lambda t: t.zero_(),
    "normal_": lambda t: t.normal_(),
    "uniform_": lambda t: t.uniform_(5, 6),
    "data": lambda t: t.data.mul_(5),
    "detach": lambda t: t.detach().add_(5),
    "view": lambda t: t.view(-1)[1:].add_(5),
    "row": lambda t: t[0].add_(5),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("make", [tensor, Parameter])
def test_every_write_bumps_the_version_and_empties_the_cache(name, make):
    t = make(np.array([2.0, 3.0, 4.0], np.float32))
    alias, before, values = t.data, t._version, t.tolist()
    packed = t._packed
    packed["panel"] = "of the old contents"
    with rsconv.no_grad():
        WRITES[name](t)
    assert t._version > before
    assert alias._version == t._version
    assert t._packed == {}
    assert t._packed is not packed
    assert t.tolist() != values
    assert alias.tolist() == t.tolist()


def test_only_arrays_and_numbers_are_written():
    t = tensor([1.0, 2.0])
    with pytest.raises(TypeError, match=r"copy_\(\) cannot read a dict"):
        t.copy_({})
    with pytest.raises(TypeError, match="cannot write a str into a Tensor"):
        t[0] = "1"
    assert t.tolist() == [1, 2]


def test_a_write_that_was_begun_counts_and_one_that_was_refused_does_not():
    t = tensor([1.0, 2.0])
    with pytest.raises(ShapeError):
        t.copy_([1, 2, 3])
    assert t._version == 0

    def cut_short(array):
        array[0] = 5
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        t._store(cut_short)
    assert t._version == 1


def test_only_protected_storage_keeps_packed_weights():
    plain, parameter = tensor([1.0]), Parameter(tensor([1.0]))
    for t in (plain, parameter):
        t._packed["panel"] = 1
    assert plain._packed == {}
    assert parameter._packed == {"panel": 1}


def test_views_of_one_parameter_keep_their_packed_weights_apart():
    p = Parameter(rsconv.ones(2, 2, 2))
    p[0]._packed["panel"] = "first"
    assert p[1]._packed == p._packed == p[0].T._packed == p.data[0].half()._packed == {}
    assert p.data[0]._packed == {"panel": "first"}
    p.detach()[1].zero_()
    assert p[0]._packed == {}


def test_in_place_keeps_identity_dtype_and_shape():
    t = original = tensor([1.0, 2.0]).half()
    t += tensor([0.5, 0.5])
    assert t is original
    assert t.dtype == rsconv.float16
    assert t.tolist() == [1.5, 2.5]
    mask = tensor([True, False])
    mask &= tensor([True, True])
    mask |= False
    mask ^= True
    assert mask.tolist() == [False, True]


def test_read_only_arrays_are_not_written():
    a = np.zeros(3, np.float32)
    a.flags.writeable = False
    with pytest.raises(ArgumentError, match=r"over a read-only array of shape \(3,\); clone\(\) it first"):
        rsconv.from_numpy(a).add_(1)


# Borrowed arrays: what a module wraps without a copy, and never writes.


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(2, 3, 4),
        np.arange(48.0).reshape(2, 3, 8)[:, ::-1, 1::2],
        np.arange(24.0).reshape(2, 3, 4).T,
        np.arange(24, dtype=">f8").reshape(2, 3, 4),
        np.zeros((0, 3, 2)),
    ],
)
def test_borrowed_arrays_are_copied_by_the_first_write(array):
    original = array.copy()
    t = Tensor._from_array(array, borrowed=True)
    assert t._array is array
    row, column, flat = t[:1], t[..., 1:], t.reshape(-1)
    expected = original.astype(float)
    column -= 10
    expected[..., 1:] -= 10
    row *= 2
    expected[:1] *= 2
    np.testing.assert_array_equal(array, original)
    np.testing.assert_array_equal(t.numpy(), expected)
    np.testing.assert_array_equal(row.numpy(), expected[:1])
    assert not np.shares_memory(t.numpy(), array)
    if np.shares_memory(original.reshape(-1), original) and array.flags.c_contiguous and array.size:
        np.testing.assert_array_equal(flat.numpy(), expected.ravel())


SLICES = st.tuples(
    *[st.sampled_from([slice(None), slice(None, None, -1), slice(1, None), slice(None, None, 2), 0])] * 3
)
STEPS = st.lists(st.tuples(st.integers(0, 9), st.one_of(SLICES, st.integers(-9, 9))), max_size=12)


@settings(max_examples=150, deadline=None)
@given(layout=SLICES, order=st.permutations(range(3)), steps=STEPS)
def test_views_of_borrowed_arrays_alias_as_numpys_do(layout, order, steps):
    """Each step takes a view of one Tensor so far, or adds a number to it in place."""
    whole = np.arange(4.0 * 5 * 6).reshape(4, 5, 6).transpose(order)
    array, mirror = whole[layout], whole.copy(order="K")[layout]
    assert array.strides == mirror.strides
    before = whole.copy()
    tensors, arrays = [Tensor._from_array(array, borrowed=True)], [mirror[...]]
    for which, step in steps:
        i = which % len(tensors)
        if isinstance(step, tuple):
            index = step[: tensors[i].ndim]
            if 0 not in np.empty(tensors[i].shape)[tuple(s for s in index if isinstance(s, slice))].shape:
                tensors.append(tensors[i][index])
                arrays.append(arrays[i][(*index, ...)])
        else:
            tensors[i] += step
            arrays[i][...] += step
    for t, a in zip(tensors, arrays, strict=True):
        np.testing.assert_array_equal(t.numpy(), a)
    np.testing.assert_array_equal(whole, before)


def test_borrowed_read_only_arrays_can_be_changed_in_the_copy():
    a = np.zeros(3)
    a.flags.writeable = False
    assert Tensor._from_array(a, borrowed=True).add_(1).tolist() == [1, 1, 1]
    with pytest.raises(ArgumentError, match="whose elements share memory"):
        Tensor._from_array(np.broadcast_to(np.zeros(1), (3,)), borrowed=True).add_(1)


# Parameters.


def test_parameter_is_read_only_for_numpy():
    p = Parameter(rsconv.ones(2, 3))
    for view in (p, p.data, p.detach(), p[0], p.view(-1), p.T, p[:, 1:]):
        for array in (view.numpy(), np.asarray(view), np.asarray(view)[...]):
            assert np.shares_memory(array, p._array)
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 5
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.flags.writeable = True
    assert p._version == 0
    np.array(p)[...] = 5
    p.clone().numpy()[...] = 5
    (p + 1).numpy()[...] = 5
    np.testing.assert_array_equal(p.numpy(), np.ones((2, 3)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 2), (3, 2)])
def test_read_only_views_have_every_dtype_and_shape(dtype, shape):
    p = Parameter(np.ones(shape, dtype), requires_grad=False)
    assert (p.numpy().dtype, p.numpy().shape) == (np.dtype(dtype), shape)
    np.testing.assert_array_equal(p.T.numpy(), np.ones(shape, dtype).T)


def test_parameter_shares_what_only_tensors_hold_and_copies_the_rest():
    t = rsconv.ones(3)
    p = Parameter(t)
    t.add_(1)
    assert p.tolist() == [2, 2, 2]
    assert p._version == 1
    with pytest.raises(ValueError, match="read-only"):
        t.numpy()[0] = 9

    exposed = rsconv.ones(3)
    array = exposed.numpy()
    p = Parameter(exposed)
    array[0] = 9
    assert p.tolist() == [1, 1, 1]

    array = np.ones(3, np.float32)
    tensors = [array, rsconv.from_numpy(array), Tensor._from_array(array, borrowed=True)]
    parameters = [Parameter(t) for t in tensors]
    array[0] = 9
    assert [p.tolist() for p in parameters] == [[1, 1, 1]] * 3


def test_assigning_data_replaces_the_memory():
    p = Parameter(rsconv.ones(3))
    p._packed["panel"] = 1
    array = np.zeros((2, 2), np.float64)
    p.data = rsconv.from_numpy(array)
    array[:] = 7
    assert (p.shape, p.dtype, p._packed) == ((2, 2), rsconv.float64, {})
    assert not p.numpy().any()
    assert not p.numpy().flags.writeable
    with pytest.raises(TypeError, match="data must be a Tensor, but got ndarray"):
        p.data = array


def test_parameter_is_a_leaf_with_flags_that_survive_copies():
    p = Parameter(rsconv.ones(2), requires_grad=False)
    p.note = "mine"
    p.grad = rsconv.zeros(2)
    for q in (copy.deepcopy(p), pickle.loads(pickle.dumps(p)), copy.copy(p)):
        assert (type(q), q.requires_grad, q.note) == (Parameter, False, "mine")
        assert q.tolist() == [1, 1]
        assert q._storage.protected
    assert copy.deepcopy(p).grad.tolist() == [0, 0]
    assert copy.copy(p)._storage is p._storage
    assert type(p + 1) is type(p.data) is type(p[0]) is Tensor
    assert Parameter(rsconv.ones(2)).requires_grad
    assert Parameter().shape == (0,)
    with pytest.raises(DtypeError, match="require gradients, but this is int64"):
        Parameter(tensor([1]))
