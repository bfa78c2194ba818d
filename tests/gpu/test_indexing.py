"""gather, scatter_add, dropout, unfold and fold on the GPU against NumPy and loops."""

import numpy as np
import pytest
from guards import binding_limit, guarded
from rsconv._core import Geometry
from rsconv.errors import DtypeError

RNG = np.random.default_rng(8)


def placed(backend, x, order):
    return backend.permute(
        backend.upload(np.ascontiguousarray(x.transpose(order))), tuple(int(i) for i in np.argsort(order))
    )


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "bool"])
@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_gather(backend, axis, dtype):
    x = (RNG.standard_normal((3, 4, 5, 6)) * 9).astype(dtype)
    shape = [3, 4, 5, 6]
    shape[axis] = 7
    index = RNG.integers(0, x.shape[axis], shape).astype(np.int32)
    for order in ((0, 1, 2, 3), (0, 2, 3, 1), (3, 1, 0, 2)):
        device, where = placed(backend, x, order), placed(backend, index, (1, 0, 3, 2))
        with guarded(backend.runtime):
            y = backend.gather(device, axis, where)
        np.testing.assert_array_equal(backend.download(y), np.take_along_axis(x, index, axis), strict=True)


def test_gather_by_views(backend):
    x = RNG.standard_normal((4, 9, 5)).astype(np.float32)
    one = np.array([8, 0, 3, 3], np.int32)
    index = backend.expand(backend.upload(one[:, None]), (4, 4, 5))
    flipped = backend.slice(backend.upload(x), (np.s_[::-1], np.s_[:], np.s_[::-1]))
    y = backend.download(backend.gather(flipped, 1, index))
    np.testing.assert_array_equal(y, x[::-1, :, ::-1][:, one])
    wide = RNG.standard_normal((2,) * 10).astype(np.float32)
    order = (9, 0, 8, 1, 7, 2, 6, 3, 5, 4)
    places = RNG.integers(0, 2, wide.shape).astype(np.int32)
    y = backend.download(backend.gather(placed(backend, wide, order), 4, backend.upload(places)))
    np.testing.assert_array_equal(y, np.take_along_axis(wide, places, 4))
    empty = backend.gather(backend.upload(x), 1, backend.upload(np.zeros((4, 0, 5), np.int32)))
    assert empty.shape == (4, 0, 5)


def scattered(src, axis, index, size):
    shape = list(src.shape)
    shape[axis] = size
    total = np.zeros(shape)
    for place in np.ndindex(src.shape):
        to = list(place)
        to[axis] = index[place]
        total[tuple(to)] += src[place]
    return total


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scatter_add(backend, axis, dtype):
    src = (RNG.standard_normal((4, 6, 5)) * 5).astype(dtype)
    index = RNG.integers(0, 3, src.shape).astype(np.int32)
    expected = scattered(src, axis, index, 4)
    for order in ((0, 1, 2), (2, 0, 1)):
        with guarded(backend.runtime):
            y = backend.scatter_add(placed(backend, src, order), axis, backend.upload(index), 4)
        assert y.dtype == src.dtype
        bound = {"float32": 1e-5, "float16": 2e-2, "int32": 0}[dtype]
        np.testing.assert_allclose(backend.download(y), expected, atol=bound)
    one = backend.expand(backend.upload(np.array([[[1]]], np.int32)), src.shape)
    y = backend.download(backend.scatter_add(backend.upload(src), axis, one, 2))
    np.testing.assert_allclose(y.take(1, axis), src.astype(np.float64).sum(axis), atol=3e-2)
    none = backend.scatter_add(
        backend.upload(np.zeros((2, 0), np.float32)), 1, backend.upload(np.zeros((2, 0), np.int32)), 3
    )
    np.testing.assert_array_equal(backend.download(none), np.zeros((2, 3)))


def test_parts_of_large_arrays(backend):
    x = RNG.standard_normal((8, 16, 40)).astype(np.float32)
    with binding_limit(backend.runtime, 8 << 10):
        for axis in (1, 2):
            index = RNG.integers(0, x.shape[axis], x.shape).astype(np.int32)
            y = backend.download(backend.gather(backend.upload(x), axis, backend.upload(index)))
            np.testing.assert_array_equal(y, np.take_along_axis(x, index, axis))
            y = backend.download(
                backend.scatter_add(backend.upload(x), axis, backend.upload(index), x.shape[axis])
            )
            np.testing.assert_allclose(y, scattered(x, axis, index, x.shape[axis]), atol=1e-5)
        # Along the outermost axis, too, of which one line spans more than is bound.
        wide = x.repeat(8, 0)
        index = RNG.integers(0, 64, (5, 16, 40)).astype(np.int32)
        y = backend.download(backend.gather(backend.upload(wide), 0, backend.upload(index)))
        np.testing.assert_array_equal(y, np.take_along_axis(wide, index, 0))
        for dtype, bound in ((np.float32, 1e-5), (np.float16, 2e-2)):
            src, many = wide.astype(dtype), RNG.integers(0, 9, wide.shape).astype(np.int32)
            y = backend.download(backend.scatter_add(backend.upload(src), 0, backend.upload(many), 9))
            np.testing.assert_allclose(y, scattered(src, 0, many, 9), atol=bound)


@pytest.mark.parametrize("limit", [1 << 10, 128 << 20])
def test_indices_out_of_range(backend, limit):
    """They read nothing, and raise when the device is waited for: once, with the operator's name."""
    x = RNG.standard_normal((4, 300)).astype(np.float32)
    good = np.zeros((1, 300), np.int32)
    for value in (4, -1, 2**31 - 1, -(2**31)):
        bad = good.copy()
        bad[0, 7] = value
        for operator in ("gather", "scatter_add"):
            with binding_limit(backend.runtime, limit):
                for _ in range(2):
                    arrays = backend.upload(x[: 4 if operator == "gather" else 1]), 0, backend.upload(bad)
                    y = getattr(backend, operator)(*arrays, *[4] * (operator == "scatter_add"))
                    # What comes between does not hide it.
                    backend.elementwise("add", (y, 1.0))
                    text = f"index {value} is out of bounds for dimension with size 4 in {operator}"
                    with pytest.raises(IndexError, match=text):
                        backend.runtime.synchronize()
            found = backend.download(y)
            expected = np.where(bad == 0, x[:1], 0)
            np.testing.assert_array_equal(found[:1], expected)
    y = backend.gather(backend.upload(x), 0, backend.upload(good))
    np.testing.assert_array_equal(backend.download(y), x[:1])
    with pytest.raises(IndexError, match="gather cannot take elements along a dimension with size 0"):
        backend.gather(backend.upload(x[:0]), 0, backend.upload(good))


def test_more_workgroups_than_one_dimension_has(backend):
    x = np.arange(65535 * 64 + 5000, dtype=np.int32).reshape(-1, 1)
    flipped = backend.slice(backend.upload(x), (np.s_[::-1], np.s_[:]))
    index = backend.upload(np.zeros_like(x))
    y = backend.download(backend.gather(flipped, 1, index))
    np.testing.assert_array_equal(y, x[::-1])


def test_refusals(backend):
    x, index = backend.upload(np.ones((2, 2), bool)), backend.upload(np.zeros((2, 2), np.int32))
    with pytest.raises(
        DtypeError, match="scatter_add on the GPU takes float32, float16 or int32, but got bool"
    ):
        backend.scatter_add(x, 0, index, 2)
    with pytest.raises(DtypeError, match="gather on the GPU takes indices of int32, but got bool"):
        backend.gather(index, 0, x)
    with pytest.raises(DtypeError, match="dropout on the GPU takes float32 or float16, but got int32"):
        backend.dropout(index, 0.5, 0, 0)
    with pytest.raises(DtypeError, match="fold on the GPU takes float32 or float16, but got bool"):
        backend.fold(Geometry(1, (2, 2), (1, 2, 1)), x)


# Dropout.


def words(count, seed, offset, first=0):
    """Philox4x32-10 as its paper has it, in Python integers: one word for each place from `first` on."""
    stream = []
    for block in range(first // 4, (first + count + 3) // 4):
        c = [block & 0xFFFFFFFF, block >> 32, offset & 0xFFFFFFFF, offset >> 32]
        k = [seed & 0xFFFFFFFF, seed >> 32]
        for _ in range(10):
            a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
            k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
        stream += c
    return np.array(stream[first % 4 :][:count], np.uint64)


def test_the_stream_is_philox():
    # A vector of the authors' library, Random123: counter and key of all ones.
    assert [hex(int(w)) for w in words(4, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF, (2**64 - 1) * 4)] == [
        "0x408f276d",
        "0x41c83b0e",
        "0xa20bc7c6",
        "0x6d5451fd",
    ]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(("seed", "offset"), [(0, 0), (2**63 + 12345, 7), (99, 2**40 + 5)])
def test_dropout(backend, seed, offset, dtype):
    x = RNG.standard_normal((3, 5, 7, 2)).astype(dtype)
    kept = (words(x.size, seed, offset) >= 0.3 * 2.0**32).reshape(x.shape)
    expected = np.where(kept, x.astype(np.float64) / 0.7, 0)
    for order in ((0, 1, 2, 3), (0, 2, 3, 1)):
        with guarded(backend.runtime):
            y = backend.dropout(placed(backend, x, order), 0.3, seed, offset)
        assert y.dtype == x.dtype
        np.testing.assert_allclose(backend.download(y), expected, rtol=1e-3 if dtype == "float16" else 1e-6)


def test_dropout_of_all_and_none(backend):
    x = np.array([1, np.nan, np.inf, -0.0, 5], np.float32)
    np.testing.assert_array_equal(backend.download(backend.dropout(backend.upload(x), 0.0, 1, 2)), x)
    np.testing.assert_array_equal(
        backend.download(backend.dropout(backend.upload(x), 1.0, 1, 2)), np.zeros(5)
    )
    half = backend.download(backend.dropout(backend.upload(x), 0.5, 1, 2))
    kept = words(5, 1, 2) >= 2**31
    np.testing.assert_array_equal(half, np.where(kept, x * 2, 0))


def test_dropout_in_parts_is_the_same(backend):
    x = RNG.standard_normal((6, 33, 41)).astype(np.float32)
    whole = backend.download(backend.dropout(backend.upload(x), 0.5, 3, 4))
    with binding_limit(backend.runtime, 8 << 10):
        for order in ((0, 1, 2), (2, 0, 1)):
            y = backend.download(backend.dropout(placed(backend, x, order), 0.5, 3, 4))
            np.testing.assert_array_equal(y, whole)


# Unfold and fold.

WINDOWS = [
    ((2, 3, 9), (4, 3, 3), {"padding": 1, "stride": 2}),
    ((2, 4, 6, 7), (1, 4, 3, 2), {"padding": ((1, 2), (0, 1)), "stride": (2, 1), "dilation": (1, 2)}),
    ((1, 2, 5, 4, 6), (1, 2, 2, 3, 2), {"padding": (0, 1, 1), "stride": (1, 2, 2), "dilation": (2, 1, 1)}),
    ((3, 6, 7), (1, 3, 2, 2), {}),
]


def columns_of(geometry, x):
    """Every window's elements, by loops."""
    rank = geometry.rank
    kernel, blocks = geometry.weight_shape[2:], geometry.output_shape[-rank:]
    lead = x.shape[:-rank]
    columns = np.zeros((*lead, *kernel, *blocks), x.dtype)
    for tap in np.ndindex(*kernel):
        for block in np.ndindex(*blocks):
            at = [
                o * s + t * d - low
                for o, s, t, d, (low, _) in zip(
                    block, geometry.stride, tap, geometry.dilation, geometry.padding, strict=True
                )
            ]
            if all(0 <= i < n for i, n in zip(at, x.shape[-rank:], strict=True)):
                columns[(..., *tap, *block)] = x[(..., *at)]
    return columns.reshape(*lead[:-1], lead[-1] * int(np.prod(kernel)), int(np.prod(blocks)))


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
@pytest.mark.parametrize(("shape", "weight", "options"), WINDOWS)
def test_unfold_and_fold(backend, shape, weight, options, dtype):
    geometry = Geometry(
        len(weight) - 2, shape, weight if len(shape) == len(weight) else (1, *weight[1:]), **options
    )
    x = (RNG.standard_normal(shape) * 9).astype(dtype)
    expected = columns_of(geometry, x)
    turned = tuple(reversed(range(x.ndim)))
    for order in (tuple(range(x.ndim)), turned):
        with guarded(backend.runtime):
            columns = backend.unfold(geometry, placed(backend, x, order))
        np.testing.assert_array_equal(backend.download(columns), expected, strict=True)
    if dtype == "int32":
        return
    values = RNG.standard_normal(expected.shape).astype(dtype)
    # The adjoint: place numbers are unfolded, and sums go where they say (0 is padding).
    places = columns_of(geometry, np.arange(1, x.size + 1).reshape(shape))
    total = np.zeros(x.size + 1)
    np.add.at(total, places, values.astype(np.float64))
    for order in (tuple(range(values.ndim)), tuple(reversed(range(values.ndim)))):
        with guarded(backend.runtime):
            y = backend.fold(geometry, placed(backend, values, order))
        assert y.dtype == x.dtype
        bound = 2e-2 if dtype == "float16" else 1e-5
        np.testing.assert_allclose(backend.download(y), total[1:].reshape(shape), atol=bound)


def test_unfold_in_parts(backend):
    geometry = Geometry(2, (4, 3, 12, 12), (1, 3, 3, 3), padding=1)
    x = RNG.standard_normal((4, 3, 12, 12)).astype(np.float32)
    with binding_limit(backend.runtime, 20 << 10):
        columns = backend.unfold(geometry, backend.upload(x))
        np.testing.assert_array_equal(backend.download(columns), columns_of(geometry, x))
        y = backend.download(backend.fold(geometry, columns))
    counts = backend.download(backend.fold(geometry, backend.upload(np.ones(columns.shape, np.float32))))
    np.testing.assert_allclose(y, x * counts, atol=1e-5)
