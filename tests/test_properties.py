"""Random geometries, strides and views, and every kind of array that NumPy users have.

About 2,100 examples a run; EXAMPLES_SCALE in the environment multiplies them.
"""

import os

import numpy as np
import oracle
import pytest
import rsconv
from cases import Case, problem, random_array, references
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rsconv import functional as F
from rsconv.backends import Geometry, cpu
from rsconv.nn import grad

SCALE = int(os.environ.get("EXAMPLES_SCALE", "1"))
QUICK = {
    "deadline": None,
    "database": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.too_slow],
}


@st.composite
def geometries(draw, dtypes=("float32", "float64", "float16", "int16", "uint8")):
    """A valid case of any rank, with sizes that cross vector lengths in the innermost dimension."""
    rank = draw(st.integers(1, 3))
    transposed = draw(st.booleans())
    groups = draw(st.sampled_from([1, 1, 2, 3, 5]))
    each_in, each_out = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    size, kernel, stride, dilation, pads, extra = [], [], [], [], [], []
    for axis in range(rank):
        k, s, d = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
        low, high = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        reach = d * (k - 1) + 1
        widest = 40 if axis == rank - 1 else 6
        if transposed:
            o = draw(st.integers(0, max(s, d) - 1))
            # The smallest input whose output is not empty.
            least = max(1, -(-(low + high - reach - o + 1) // s) + 1)
        else:
            o, least = 0, max(1, reach - low - high)
        size.append(draw(st.integers(least, max(least, widest))))
        for values, value in zip((kernel, stride, dilation, extra), (k, s, d, o), strict=True):
            values.append(value)
        pads.append((low, high))
    return Case(
        tuple(size),
        tuple(kernel),
        groups * each_in,
        groups * each_out,
        draw(st.sampled_from([None, 0, 1, 2, 3])),
        tuple(stride),
        tuple(pads),
        tuple(dilation),
        groups,
        tuple(extra),
        transposed,
        draw(st.booleans()),
        draw(st.sampled_from(dtypes)),
    )


def geometry_of(case):
    x, w, b, _ = case.arrays()
    bias = None if b is None else b.shape
    settings = (case.stride, case.pads, case.output_padding, case.groups, case.dilation, case.transposed)
    return Geometry(case.rank, x.shape, w.shape, bias, *settings)


def call(case, x, w, b, **keywords):
    """The case by its function."""
    function = getattr(F, f"conv{'_transpose' * case.transposed}{case.rank}d")
    if case.transposed:
        keywords["output_padding"] = case.output_padding
    return function(
        x, w, b, stride=case.stride, padding=case.pads, dilation=case.dilation, groups=case.groups, **keywords
    )


@given(case=geometries())
@settings(max_examples=900 * SCALE, **QUICK)
def test_any_geometry(case):
    x, w, b, g = case.arrays()
    geometry = geometry_of(case)
    assert geometry.output_shape == g.shape
    taps, pixels = int(np.prod(case.kernel)), (case.batch or 1) * int(np.prod(case.size))
    y, gx, gw = references(case)
    found = [
        problem("forward", call(case, x, w, b), y, case.inputs // case.groups * taps + 1),
        problem(
            "input gradient", cpu.conv_input_grad(geometry, w, g), gx, case.outputs // case.groups * taps
        ),
        problem("weight gradient", cpu.conv_weight_grad(geometry, x, g), gw, pixels),
    ]
    assert not any(found), found


@given(case=geometries(("float64", "complex128", "int32")))
@settings(max_examples=500 * SCALE, **QUICK)
def test_adjoint_identity(case):
    """<conv(x, w), g> = <x, input gradient> = <w, weight gradient>: exact for integers, modulo their size."""
    x, w, _, g = case.arrays()
    geometry = geometry_of(case)
    pairs = (
        (cpu.conv(geometry, x, w), g),
        (x, cpu.conv_input_grad(geometry, w, g)),
        (w, cpu.conv_weight_grad(geometry, x, g)),
    )
    with np.errstate(over="ignore"):
        values = [np.sum(np.conj(a) * b, dtype=a.dtype) for a, b in pairs]
    # np.conj(a) * b is the inner product of complex arrays, to which the adjoints belong.
    if case.dtype == "int32":
        assert values[0] == values[1] == values[2]
    else:
        scale = 1e-12 * (1 + x.size * w.size)
        np.testing.assert_allclose(values[1:], values[0], rtol=1e-9, atol=scale)


def restride(draw, array):
    """The same values in another memory layout, sometimes not writeable, sometimes with swapped bytes."""
    order = draw(st.permutations(range(array.ndim)))
    steps = [draw(st.sampled_from([1, 1, 2, -1, -2])) for _ in order]
    shape = [n * abs(s) for n, s in zip((array.shape[i] for i in order), steps, strict=True)]
    offset = draw(st.integers(0, 3))
    dtype = array.dtype.newbyteorder() if draw(st.booleans()) else array.dtype
    # Odd offsets, too: NumPy allows arrays that are not aligned.
    memory = np.full(offset + int(np.prod(shape)) * dtype.itemsize, 0x5A, np.uint8)
    view = memory[offset:].view(dtype).reshape(shape)[tuple(slice(None, None, s) for s in steps)]
    view = view.transpose(np.argsort(order))
    view[...] = array
    view.flags.writeable = draw(st.booleans())
    return view


@given(case=geometries(("float32", "float64", "float16", "int8", "int64", "complex64")), data=st.data())
@settings(max_examples=500 * SCALE, **QUICK)
def test_any_layout(case, data):
    x, w, b, g = case.arrays()
    geometry = geometry_of(case)
    views = [None if a is None else restride(data.draw, a) for a in (x, w, b, g)]
    before = [None if a is None else a.tobytes() for a in views]
    vx, vw, vb, vg = views
    plain = call(case, x, w, b)
    out = restride(data.draw, np.zeros_like(plain))
    out.flags.writeable = True
    if out.dtype.isnative:
        assert call(case, vx, vw, vb, out=out) is out
        np.testing.assert_array_equal(out, plain)
    got = call(case, vx, vw, vb)
    assert got.dtype == plain.dtype and got.flags.c_contiguous and type(got) is np.ndarray
    np.testing.assert_array_equal(got, plain)
    np.testing.assert_array_equal(cpu.conv_input_grad(geometry, vw, vg), cpu.conv_input_grad(geometry, w, g))
    np.testing.assert_array_equal(
        cpu.conv_weight_grad(geometry, vx, vg), cpu.conv_weight_grad(geometry, x, g)
    )
    assert before == [None if a is None else a.tobytes() for a in views]


@given(data=st.data(), rank=st.integers(1, 3))
@settings(max_examples=200 * SCALE, **QUICK)
def test_unfold_and_matmul_are_a_convolution(data, rank):
    size = tuple(data.draw(st.integers(3, 9)) for _ in range(rank))
    kernel = tuple(data.draw(st.integers(1, 3)) for _ in range(rank))
    arguments = {"stride": data.draw(st.integers(1, 3)), "padding": data.draw(st.integers(0, 2))}
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    x, w = rng.normal(size=(2, 3, *size)), rng.normal(size=(4, 3, *kernel))
    y = getattr(F, f"conv{rank}d")(x, w, **arguments)
    columns = F.unfold(x, kernel, **arguments)
    np.testing.assert_allclose(w.reshape(4, -1) @ columns, y.reshape(2, 4, -1), rtol=1e-9, atol=1e-9)
    g = rng.normal(size=columns.shape)
    folded = F.fold(g, size, kernel, **arguments)
    np.testing.assert_allclose((folded * x).sum(), (columns * g).sum(), rtol=1e-9, atol=1e-9)


class Labelled(np.ndarray):
    """A subclass with a label that results must not inherit."""

    label = None


def kinds(tmp_path):
    """Each kind of array of the same values, by name."""
    array = random_array(np.random.default_rng(3), (2, 3, 8, 9), "float32")
    mapped = np.memmap(tmp_path / "x.bin", np.float32, "w+", shape=array.shape)
    mapped[...] = array
    mapped.flush()
    frozen = array.copy()
    frozen.flags.writeable = False
    labelled = array.view(Labelled)
    labelled.label = "x"
    padded = np.zeros((2, 3, 8, 20), np.float32)
    padded[..., 4:13] = array
    return array, {
        "list": array.tolist(),
        "fortran": np.asfortranarray(array),
        "sliced": padded[..., 4:13],
        "negative": array[::-1, :, ::-1, ::-1].copy()[::-1, :, ::-1, ::-1],
        "channels last": array.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
        "read-only": frozen,
        "byte-swapped": array.astype(">f4"),
        "memmap": np.memmap(tmp_path / "x.bin", np.float32, "r", shape=array.shape),
        "subclass": labelled,
        "masked": np.ma.masked_array(array),
        "unaligned": np.frombuffer(b"x" + array.tobytes(), np.float32, offset=1).reshape(array.shape),
    }


def test_array_kinds(tmp_path):
    array, all_kinds = kinds(tmp_path)
    w = random_array(np.random.default_rng(4), (4, 3, 3, 3), "float32")
    for name, x in all_kinds.items():
        for function in (
            lambda x: F.conv2d(x, w, padding=1),
            lambda x: F.conv2d(x, w, padding=1, padding_mode="reflect"),
            lambda x: F.conv_transpose2d(x, w.swapaxes(0, 1)),
            lambda x: F.pad(x, (1, 2), "circular"),
            lambda x: F.unfold(x, 3),
            lambda x: rsconv.prepare(w, input_shape=(2, 3, 8, 9))(x),
        ):
            before = np.array(x).tobytes()
            got, expected = function(x), function(array)
            if name == "list":
                expected = expected.astype(got.dtype)
            assert type(got) is np.ndarray and got.dtype.isnative, name
            np.testing.assert_array_equal(got, expected, err_msg=name)
            assert np.array(x).tobytes() == before, name


def test_broadcast_inputs():
    # Stride 0 is what np.broadcast_to gives.
    x = np.broadcast_to(np.float32(0.5), (1, 3, 6, 6))
    w = np.broadcast_to(np.float32([1, 2, 3]), (2, 3, 1, 3))
    np.testing.assert_array_equal(F.conv2d(x, w), np.full((1, 2, 6, 4), 9))
    got = grad.conv2d_weight(x, (2, 3, 1, 3), np.broadcast_to(np.float32(1), (1, 2, 6, 4)))
    np.testing.assert_array_equal(got, np.full((2, 3, 1, 3), 12))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_empty_batches_and_channels(rank, transposed):
    function = getattr(F, f"conv{'_transpose' * transposed}{rank}d")
    w = np.ones((4, 4, *(2,) * rank), np.float32)
    for size in (2, 5):
        got = function(np.ones((0, 4, *(size,) * rank), np.float32), w)
        assert got.shape[:2] == (0, 4) and got.dtype == np.float32
    shape = (0, 4, *(3,) * rank)
    if not transposed:
        gw = getattr(grad, f"conv{rank}d_weight")(np.ones(shape), w.shape, np.ones((0, 4, *(2,) * rank)))
        np.testing.assert_array_equal(gw, np.zeros(w.shape))
        gx = getattr(grad, f"conv{rank}d_input")(shape, w, np.ones((0, 4, *(2,) * rank), np.float32))
        assert gx.shape == shape


def test_one_tuples_and_numpy_integers_are_broadcast():
    x, w = np.ones((1, 2, 8, 8), np.float32), np.ones((3, 2, 2, 2), np.float32)
    expected = F.conv2d(x, w, None, (2, 2), (1, 1), (1, 1))
    np.testing.assert_array_equal(F.conv2d(x, w, None, (2,), [1], np.int64(1), np.int32(1)), expected)
    np.testing.assert_array_equal(F.conv2d(x, w, None, np.array([2, 2]), ((1, 1),)), expected)


def test_oracle_takes_what_cases_give():
    case = Case((5,), (3,), transposed=True, stride=2, output_padding=1)
    assert references(case)[0].shape == (
        2,
        4,
        *oracle.output_size((5,), (3,), (2,), ((0, 0),), (1,), (1,), True),
    )
