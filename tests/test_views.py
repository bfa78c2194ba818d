"""Views and copies of the CPU backend against NumPy's own indexing, element by element."""

import numpy as np
import pytest
from rsconv.backends import cpu

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def test_views_share_memory():
    for view in (
        cpu.reshape(X, (6, 4)),
        cpu.permute(X, (2, 0, 1)),
        cpu.slice(X, (slice(None), slice(2, None, -2), slice(1, 3))),
        cpu.expand(X[:, :1], (5, 2, 3, 4)),
        cpu.contiguous(X),
    ):
        assert np.shares_memory(view, X)


def test_views_show_the_right_elements():
    assert cpu.permute(X, (2, 0, 1))[3, 1, 2] == X[1, 2, 3]
    assert cpu.slice(X, (slice(None), slice(2, None, -2), slice(1, 3))).tolist() == X[:, ::-2, 1:3].tolist()
    assert cpu.reshape(cpu.permute(X, (1, 0, 2)), (24,)).tolist() == X.transpose(1, 0, 2).ravel().tolist()
    expanded = cpu.expand(X[:, :1], (5, 2, 3, 4))
    assert expanded.shape == (5, 2, 3, 4) and not expanded.flags.writeable
    assert (expanded == X[None, :, :1]).all()


def test_scalars_keep_having_no_axes():
    zero = np.array(2.5)
    assert cpu.contiguous(zero).shape == cpu.copy(zero).shape == cpu.full((), 1, np.dtype("f4")).shape == ()
    assert cpu.slice(zero, ()).shape == ()


@pytest.mark.parametrize("source", [X, X.transpose(2, 0, 1), X[::-1, ::2], X.astype(">f4")])
def test_copies_are_dense_native_and_apart(source):
    copied = cpu.copy(source)
    assert copied.dtype == np.float32 and copied.dtype.isnative and not np.shares_memory(copied, source)
    assert sorted(copied.strides)[0] == 4 and np.prod(copied.shape) * 4 == copied.nbytes
    assert copied.tolist() == source.tolist()
    straight = cpu.contiguous(source)
    assert straight.flags.c_contiguous and straight.dtype.isnative and straight.tolist() == source.tolist()


def test_copies_cast_as_pytorch_does():
    values = np.array([-1.5, 0.0, 2.7, np.nan, 300.0])
    assert cpu.copy(values, np.dtype(bool)).tolist() == [True, False, True, True, True]
    assert cpu.copy(values[:3], np.dtype(np.int64)).tolist() == [-1, 0, 2]
    assert cpu.copy(np.array([1 + 2j, 3j]), np.dtype(np.float32)).tolist() == [1, 0]
    assert cpu.copy(np.array([1 + 2j, 3j, 0]), np.dtype(bool)).tolist() == [True, True, False]
    assert cpu.full((2, 2), 1.9, np.dtype(np.int32)).tolist() == [[1, 1], [1, 1]]


def test_assign_writes_through_views():
    target = np.zeros((2, 3, 4), np.float16)
    cpu.assign(
        cpu.slice(target, (slice(None), slice(1, 2), slice(None, None, 2))), np.array([[[1.5]], [[2.5]]])
    )
    expected = np.zeros((2, 3, 4))
    expected[:, 1:2, ::2] = [[[1.5]], [[2.5]]]
    assert target.tolist() == expected.tolist()
    cpu.assign(target, True)
    assert (target == 1).all()


def test_concatenate():
    joined = cpu.concatenate([X, X[:, :0], X[:, 1:]], 1)
    assert joined.tolist() == np.concatenate([X, X[:, 1:]], 1).tolist()
