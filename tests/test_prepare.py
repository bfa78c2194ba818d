"""`prepare`: a convolution packed once."""

import numpy as np
import pytest
import rsconv
from rsconv import functional as F

RNG = np.random.default_rng(5)


def normal(*shape, dtype="float32"):
    return RNG.normal(size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "int8"])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_prepared_call_is_the_plain_one(dtype, transposed):
    x, w, b = (
        normal(2, 6, 9, 8) * 9,
        normal(6, 6 // (1 + transposed), 3, 3) * 9,
        normal(6 // (1 + transposed)) * 9,
    )
    x, w, b = (a.astype(dtype) for a in (x, w, b))
    arguments = {"stride": 2, "padding": 1, "dilation": 1}
    function = F.conv_transpose2d if transposed else F.conv2d
    if transposed:
        arguments["output_padding"] = 1
    p = rsconv.prepare(w, b, input_shape=x.shape, transposed=transposed, **arguments)
    expected = function(x, w, b, **arguments)
    got = p(x)
    tolerance = 1e-2 if dtype == "float16" else 1e-4
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    assert got.dtype == expected.dtype
    out = np.empty_like(got)
    assert p(x, out) is out
    np.testing.assert_array_equal(out, got)


def test_later_writes_to_weight_and_bias_change_nothing():
    for dtype in ("float32", "int16", "complex128"):
        x, w, b = normal(1, 2, 9).astype(dtype), (normal(3, 2, 3) * 9).astype(dtype), np.ones(3, dtype)
        p = rsconv.prepare(w, b, input_shape=x.shape)
        before = p(x)
        w[...] = 0
        b[...] = 0
        np.testing.assert_array_equal(p(x), before)


def test_arrays_in_arrays_out_and_tensors_in_tensors_out():
    x, w = normal(1, 2, 9), normal(3, 2, 3)
    p = rsconv.prepare(rsconv.Parameter(rsconv.tensor(w)), input_shape=list(x.shape))
    expected = p(x)
    assert type(expected) is np.ndarray
    got = p(rsconv.tensor(x))
    assert isinstance(got, rsconv.Tensor)
    np.testing.assert_array_equal(got.numpy(), expected)
    out = rsconv.zeros(expected.shape)
    version = out._version
    assert p(x, out) is out and out._version > version
    np.testing.assert_array_equal(out.numpy(), expected)
    np.testing.assert_array_equal(p(x.tolist()), expected)
    target = np.zeros(expected.shape, np.float32).view(type("Sub", (np.ndarray,), {}))
    assert p(x, target) is target
    np.testing.assert_array_equal(np.asarray(target), expected)


def test_repr_says_what_it_maps():
    p = rsconv.prepare(normal(3, 2, 3), input_shape=(1, 2, 9))
    assert repr(p) == "Prepared(conv1d, weight=(3, 2, 3), (1, 2, 9) -> (1, 3, 7))"
    assert p.geometry.output_shape == (1, 3, 7)


def test_superset_padding():
    x, w = normal(1, 2, 9), normal(3, 2, 4)
    for padding in ("same", "same_lower", "causal", ((2, 1),)):
        got = rsconv.prepare(w, input_shape=x.shape, padding=padding)(x)
        np.testing.assert_allclose(got, F.conv1d(x, w, padding=padding), rtol=1e-4, atol=1e-5)
