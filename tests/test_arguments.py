"""Sizes, dimensions and numbers as arguments: NumPy's types are taken, fractions and strings are not."""

import numpy as np
import pytest
import rsconv
from rsconv import functional as F
from rsconv import nn
from rsconv.errors import ArgumentError, DtypeError

X = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
W = np.ones((4, 3, 3, 3), np.float32)
I1, I2 = np.int64(1), np.int32(2)

ALIKE = {
    "sum": (lambda dim: rsconv.sum(X, dim), I1, 1),
    "sums": (lambda dim: rsconv.tensor(X).sum(dim), np.array([0, 2]), (0, 2)),
    "max": (lambda dim: rsconv.max(X, dim).indices, I2, 2),
    "argmin": (lambda dim: rsconv.argmin(X, dim), I1, 1),
    "softmax": (lambda dim: F.softmax(X, dim), I1, 1),
    "max_pool2d": (lambda size: F.max_pool2d(X, size), np.array([2, 3]), (2, 3)),
    "stride": (lambda stride: F.max_pool2d(X, 2, stride), np.array([1, 2]), (1, 2)),
    "no stride": (lambda stride: F.avg_pool2d(X, 2, stride), np.array([]), None),
    "scale": (lambda scale: F.interpolate(X, scale_factor=scale), np.float32(2), 2.0),
    "scales": (lambda scale: F.interpolate(X, scale_factor=scale), np.array([2.0, 1.5]), (2.0, 1.5)),
    "layer_norm": (lambda sizes: F.layer_norm(X, sizes), np.int64(8), 8),
    "reshape": (lambda sizes: rsconv.tensor(X).reshape(sizes), np.array([3, 64]), (3, 64)),
    "zeros": (lambda sizes: rsconv.zeros(sizes), np.array([3, 4]), (3, 4)),
    "conv2d": (lambda stride: F.conv2d(X, W, stride=stride), np.array([1, 2]), (1, 2)),
    "prepare": (
        lambda extra: rsconv.prepare(W, input_shape=X.shape, output_padding=extra)(X),
        np.array([0]),
        0,
    ),
}


@pytest.mark.parametrize("name", ALIKE)
def test_numpy_numbers_are_as_good_as_python_s(name):
    call, given, plain = ALIKE[name]
    np.testing.assert_array_equal(call(given), call(plain))


def test_layers_take_numpy_numbers():
    given = nn.Conv2d(np.int64(3), I2, np.array([3, 1]), stride=np.array([1, 2]), groups=I1)
    assert repr(given) == repr(nn.Conv2d(3, 2, (3, 1), stride=(1, 2)))


REFUSED = [
    (lambda: rsconv.sum(X, 1.0), "dim=1.0"),
    (lambda: rsconv.sum(X, "a"), "dim='a'"),
    (lambda: rsconv.argmax(X, (0, 1)), "dim must be an integer, but got dim=(0, 1)"),
    (lambda: rsconv.max(X, (0, 1)), "dim=(0, 1)"),
    (lambda: F.softmax(X, (0, 1)), "dim=(0, 1)"),
    (lambda: F.glu(X, 1.5), "dim=1.5"),
    (lambda: rsconv.cat([X, X], (0, 1)), "dim=(0, 1)"),
    (lambda: rsconv.stack([X, X], 0.0), "dim=0.0"),
    (lambda: rsconv.gather(X, (0,), np.zeros((1, 1, 1, 1), np.int64)), "dim=(0,)"),
    (lambda: rsconv.tensor(X).transpose(0.0, 1), "dim=0.0"),
    (lambda: rsconv.tensor(X).size((0, 1)), "dim=(0, 1)"),
    (lambda: rsconv.zeros(2.7), "2.7"),
    (lambda: rsconv.tensor(X).reshape(3.0, 64), "(3.0, 64)"),
    (lambda: nn.Conv2d(3.0, 4, 3), "in_channels=3.0"),
    (lambda: nn.Conv2d(3, "4", 3), "out_channels='4'"),
    (lambda: nn.ConvTranspose1d(3, 4, 3, groups=1.0), "groups=1.0"),
]


@pytest.mark.parametrize(("call", "values"), REFUSED)
def test_what_is_no_integer_is_refused_and_named(call, values):
    with pytest.raises(TypeError) as caught:
        call()
    assert values in str(caught.value)


def test_prepare_refuses_output_padding_of_plain_convolutions():
    with pytest.raises(ArgumentError, match=r"output_padding=\[0 1\] is for transposed convolutions only"):
        rsconv.prepare(W, input_shape=X.shape, output_padding=np.array([0, 1]))


def test_numbers_in_lists_take_the_dtype_of_the_tensor_beside_them():
    for make in (lambda t, v: t + v, rsconv.add):
        exact = make(rsconv.tensor(np.zeros(1)), [0.1])
        assert (exact.dtype, exact.item()) == (rsconv.float64, 0.1)
        assert make(rsconv.ones(2, dtype=rsconv.float16), [1, 2]).dtype == rsconv.float16
        whole = make(rsconv.tensor(np.uint8([1])), [300])
        assert (whole.dtype, whole.item()) == (rsconv.int64, 301)
    assert rsconv.tensor([1]).add([0.5]).dtype == rsconv.float32


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: rsconv.add(np.array([None]), 1), "dtype object"),
        (lambda: rsconv.where(np.array([True]), np.array(["a"]), np.array(["b"])), "dtype <U1"),
        (lambda: F.conv1d(np.ones((1, 1, 4), bool), np.ones((1, 1, 2), bool)), "input has type bool"),
        (lambda: rsconv.scatter_add(np.zeros(3, bool), 0, [0], np.ones(1, bool)), "src has type bool"),
    ],
)
def test_what_cannot_be_computed_with_is_refused_and_named(call, text):
    with pytest.raises(DtypeError, match=text):
        call()
