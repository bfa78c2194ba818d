"""Arithmetic, comparison and reductions of `rsconv.Tensor`, against NumPy and PyTorch's rules for dtypes."""

import operator

import numpy as np
import pytest
import rsconv
from rsconv import Tensor, tensor
from rsconv.errors import ArgumentError, DtypeError, ShapeError


def sample(dtype="float32", shape=(2, 3, 4), seed=0):
    values = np.random.default_rng(seed).normal(0, 3, shape)
    return np.abs(values).astype(dtype) if np.dtype(dtype).kind in "ub" else values.astype(dtype)


# Arithmetic.

BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.eq, operator.ne, operator.lt]
BINARY += [operator.le, operator.gt, operator.ge, operator.floordiv, operator.mod]


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize(
    "shapes", [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3)), ((0, 3), (3,))]
)
def test_binary_operators_match_numpy(op, shapes):
    a, b = (sample("float32", shape, seed) for seed, shape in enumerate(shapes))
    b[np.abs(b) < 0.1] = 1
    expected = op(a, b)
    for left, right in [(tensor(a), tensor(b)), (tensor(a), b), (a, tensor(b))]:
        result = op(left, right)
        assert isinstance(result, Tensor)
        assert result.dtype == expected.dtype
        np.testing.assert_array_equal(result.numpy(), expected)


@pytest.mark.parametrize(
    "op", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod]
)
def test_reflected_operators_match_numpy(op):
    a = np.array([1.5, 2.0, 3.0], np.float32)
    np.testing.assert_array_equal(op(3.0, tensor(a)).numpy(), op(np.float32(3), a))
    np.testing.assert_array_equal(
        op([3.0, 1.0, 2.0], tensor(a)).numpy(), op(np.array([3, 1, 2], np.float32), a)
    )


@pytest.mark.parametrize("op", [operator.and_, operator.or_, operator.xor])
def test_bitwise_operators(op):
    a, b = np.array([True, False, True]), np.array([True, True, False])
    np.testing.assert_array_equal(op(tensor(a), tensor(b)).numpy(), op(a, b))
    np.testing.assert_array_equal(op(6, tensor([3, 5])).numpy(), op(6, np.array([3, 5])))
    np.testing.assert_array_equal((~tensor(a)).numpy(), ~a)
    with pytest.raises(DtypeError, match="not defined for float32"):
        op(tensor([1.0]), tensor([1.0]))


# (left, right, result) as PyTorch has them; a string is the dtype of a 1-d Tensor, "0:..." of a 0-d one.
PROMOTION = [
    ("float32", 2.5, "float32"),
    ("float16", 2.5, "float16"),
    ("int32", 2, "int32"),
    ("uint8", 300, "uint8"),
    ("int32", 2.5, "float32"),
    ("bool", 1, "int64"),
    ("bool", True, "bool"),
    ("float64", 1j, "complex128"),
    ("float32", 1j, "complex64"),
    ("int64", "float32", "float32"),
    ("int64", "float16", "float16"),
    ("float16", "float32", "float32"),
    ("float32", "float64", "float64"),
    ("int8", "uint8", "int16"),
    ("int64", "complex64", "complex64"),
    ("float64", "complex64", "complex128"),
    ("float32", "0:float64", "float32"),
    ("int32", "0:int64", "int32"),
    ("int32", "0:float64", "float64"),
    ("float32", "0:complex128", "complex64"),
    ("float64", "0:complex64", "complex128"),
    ("0:int32", "0:int64", "int64"),
    ("bool", "0:uint8", "uint8"),
]


@pytest.mark.parametrize(("left", "right", "expected"), PROMOTION)
def test_dtypes_promote_as_in_pytorch(left, right, expected):
    def operand(kind):
        if not isinstance(kind, str):
            return kind
        dtype = kind.removeprefix("0:")
        return rsconv.ones((), dtype=dtype) if kind.startswith("0:") else rsconv.ones(2, dtype=dtype)

    assert (operand(left) + operand(right)).dtype == np.dtype(expected)
    assert (operand(right) + operand(left)).dtype == np.dtype(expected)


def test_whole_numbers():
    assert (tensor([7]) / 2).dtype == rsconv.float32
    assert (tensor([7], dtype="uint8") + 300).item() == (7 + 300) % 256
    assert (tensor([250], dtype="uint8") - (-10)).item() == 4
    assert (tensor([-7]) // 2).item() == -4
    assert (tensor([-7]) % 3).item() == 2
    assert (tensor([255], dtype="uint8") == -1).item() is False
    assert tensor([4]).sqrt().dtype == rsconv.float32
    with pytest.raises(ArgumentError, match="int64 has no negative powers"):
        tensor([2]) ** -1
    with pytest.raises(DtypeError, match="lt is not defined for complex64"):
        tensor([1j]) < 2  # noqa: B015
    for op in (operator.floordiv, operator.mod):
        with pytest.raises(ZeroDivisionError, match="of whole numbers by zero"):
            op(tensor([1]), 0)


def test_inf_and_nan_come_without_warnings():
    assert (tensor([1.0]) / 0).tolist() == [float("inf")]
    assert np.isnan((tensor([0.0]) / tensor([0.0])).item())
    assert np.isnan(tensor([-1.0]).sqrt().item())
    assert tensor([70000.0]).half().item() == float("inf")
    assert np.isnan(tensor([]).mean().item())
    tensor([float("nan")]).long()


def test_unary_functions():
    a = np.array([0.5, 2.0], np.float32)
    t = tensor(a)
    for result, expected in [
        (-t, -a),
        (abs(-t), a),
        (t.exp(), np.exp(a)),
        (t.log(), np.log(a)),
        (t.sqrt(), np.sqrt(a)),
    ]:
        np.testing.assert_allclose(result.numpy(), expected, rtol=2e-7)
    np.testing.assert_array_equal(tensor([-1.0, 2.0, float("nan")]).relu().numpy(), [0, 2, np.nan])


def test_functions_that_a_dtype_does_not_have():
    with pytest.raises(DtypeError, match="neg is not defined for bool"):
        -tensor([True])


def test_matmul():
    a, b = sample("float32", (2, 3, 4)), sample("float32", (4, 5), 1)
    for left, right in [(tensor(a), tensor(b)), (tensor(a), b), (a, tensor(b))]:
        assert isinstance(left @ right, Tensor)
        np.testing.assert_array_equal((left @ right).numpy(), a @ b)
    ones = rsconv.ones(1, 4096, dtype="float16")
    assert (ones @ ones.T).item() == 4096
    with pytest.raises(ShapeError, match=r"shapes \(2, 3, 4\) and \(5, 4\) cannot be multiplied"):
        tensor(a) @ tensor(b).T
    with pytest.raises(DtypeError, match="same dtype on both sides, but got float32 and float64"):
        tensor(a) @ tensor(b).double()


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ShapeError, match=r"shapes \(2,\) and \(3,\) do not broadcast in add"):
        tensor([1, 2]) + tensor([1, 2, 3])
    t = tensor([1.0, 2.0])
    with pytest.raises(
        ShapeError, match=r"add gives shape \(3, 2\), which does not fit in place of shape \(2,\)"
    ):
        t += rsconv.ones(3, 2)
    with pytest.raises(DtypeError, match="div gives float32, which does not fit in place of int64"):
        tensor([1]).div_(2)
    with pytest.raises(TypeError):
        t + "x"


REDUCTION_DIMS = [None, 0, -1, (0, 2), [1, -1], ()]


@pytest.mark.parametrize("dim", REDUCTION_DIMS)
@pytest.mark.parametrize("keepdim", [False, True])
def test_reductions_match_numpy(dim, keepdim):
    a = sample("float64")
    axis = None if dim in (None, ()) else tuple(np.atleast_1d(dim))
    for name, oracle in [("sum", np.sum), ("mean", np.mean), ("amax", np.max), ("amin", np.min)]:
        result = getattr(tensor(a), name)(dim, keepdim)
        expected = oracle(a, axis=axis, keepdims=keepdim)
        assert result.shape == expected.shape
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-14)


def test_max_and_min_over_a_dim_give_indices():
    a = sample()
    for name in ("max", "min"):
        values, indices = getattr(tensor(a), name)(dim=1)
        np.testing.assert_array_equal(values.numpy(), getattr(np, name)(a, 1))
        np.testing.assert_array_equal(indices.numpy(), getattr(np, "arg" + name)(a, 1))
        assert getattr(tensor(a), name)(2, keepdim=True).values.shape == (2, 3, 1)
        assert getattr(tensor(a), name)().item() == getattr(a, name)()
        np.testing.assert_array_equal(
            getattr(tensor(a), name)(tensor(-a)).numpy(), getattr(np, name + "imum")(a, -a)
        )
        assert getattr(tensor(a), "arg" + name)().item() == getattr(a, "arg" + name)()


def test_reductions_choose_pytorchs_dtypes():
    assert tensor([True, True]).sum().dtype == rsconv.int64
    assert tensor([200, 200], dtype="uint8").sum().item() == 400
    assert rsconv.ones(4096, dtype="float16").sum().item() == 4096
    assert rsconv.ones(3).sum(dtype="float64").dtype == rsconv.float64
    assert tensor([1, 2]).mean(dtype="float32").item() == 1.5
    assert rsconv.full((70000,), 1.0).half().mean().item() == 1
    assert np.isnan(tensor([1.0, float("nan")]).max().item())
    assert tensor([0, 1]).any().item() is True
    assert tensor([[0, 1], [1, 1]]).all(1).tolist() == [False, True]
    with pytest.raises(DtypeError, match=r"mean\(\) needs a floating-point or complex dtype, but got int64"):
        tensor([1, 2]).mean()


def test_reductions_refuse_bad_dims():
    with pytest.raises(IndexError, match=r"expected to be in range of \[-2, 1\], but got 2"):
        rsconv.ones(2, 2).sum(2)
    with pytest.raises(ArgumentError, match=r"more than once in dim=\(0, -2\)"):
        rsconv.ones(2, 2).sum((0, -2))
    with pytest.raises(
        ShapeError, match=r"max\(\) has nothing to choose from: dimension 0 of shape \(0, 2\)"
    ):
        rsconv.ones(0, 2).max()
    with pytest.raises(DtypeError, match=r"max\(\) is not defined for complex64"):
        tensor([1j]).max()
    with pytest.raises(TypeError, match="takes no out="):
        np.sum(tensor([1.0]), out=np.zeros(()))
