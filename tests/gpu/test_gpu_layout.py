"""Views, copies and casts on the GPU beside NumPy's."""

import numpy as np
import pytest
from guards import binding_limit, guarded
from rsconv.backends.gpu import layout

DTYPES = [np.float32, np.float16, np.int32, np.bool_]


def numbers(shape, dtype=np.float32, seed=0):
    x = np.random.default_rng(seed).normal(0, 50, shape)
    return (x > 0) if dtype == np.bool_ else x.astype(dtype)


def test_views_share_memory(backend):
    x = numbers((4, 6, 5))
    g = backend.upload(x)
    views = [
        (backend.permute(g, (2, 0, 1)), x.transpose(2, 0, 1)),
        (backend.slice(g, (np.s_[1:3], np.s_[::-2], np.s_[4::-1])), x[1:3, ::-2, ::-1]),
        (backend.slice(g, (np.s_[3:1], np.s_[:], np.s_[:])), x[3:1]),
        (backend.expand(backend.slice(g, (np.s_[:], np.s_[2:3], np.s_[:])), (2, 4, 7, 5)), None),
        (backend.reshape(g, (3, 8, 5)), x.reshape(3, 8, 5)),
        (backend.reshape(backend.permute(g, (1, 0, 2)), (6, 2, 2, 5)), x.swapaxes(0, 1).reshape(6, 2, 2, 5)),
        (
            backend.reshape(backend.slice(g, (np.s_[:], np.s_[:], np.s_[:1])), (1, 24)),
            x[..., :1].reshape(1, 24),
        ),
        (backend.reshape(g, (1, 2, 1, 60, 1)), x.reshape(1, 2, 1, 60, 1)),
    ]
    for view, expected in views:
        if expected is None:
            expected = np.broadcast_to(x[:, 2:3], (2, 4, 7, 5))
        assert view.buffer is g.buffer
        assert view.shape == expected.shape
        np.testing.assert_array_equal(backend.download(view), expected)


def test_reshape_copies_where_no_strides_will_do(backend):
    x = numbers((4, 6, 5))
    turned = backend.permute(backend.upload(x), (0, 2, 1))
    got = backend.reshape(turned, (4, 30))
    assert got.buffer is not turned.buffer
    np.testing.assert_array_equal(backend.download(got), x.transpose(0, 2, 1).reshape(4, 30))
    assert backend.reshape(backend.upload(numbers((0, 3))), (3, 0, 5)).shape == (3, 0, 5)
    scalar = backend.reshape(backend.upload(numbers((1, 1))), ())
    assert backend.download(scalar).shape == ()


@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("source", DTYPES)
def test_casts(backend, source, target):
    x = numbers((3, 17, 8), source)
    x.flat[:3] = 0
    g = backend.upload(x)
    for view, expected in ((g, x), (backend.permute(g, (1, 2, 0)), x.transpose(1, 2, 0)), (g, x)):
        with guarded(backend.runtime):
            got = backend.copy(view, np.dtype(target))
        assert got.dtype == target
        assert got.order() is not None
        np.testing.assert_array_equal(backend.download(got), expected.astype(target))


def test_casts_of_what_is_not_finite(backend):
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-40, 65504.0, 1e-7], np.float32)
    half = backend.copy(backend.upload(x), np.dtype(np.float16))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(backend.download(half), x.astype(np.float16))
    bits = backend.download(backend.copy(backend.upload(x), np.dtype(np.bool_)))
    np.testing.assert_array_equal(bits, [True, True, True, False, True, True, True])


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 4, 6, 8), (2, 3), (2,) * 11])
def test_contiguous(backend, shape):
    x = numbers(shape)
    axes = tuple(range(len(shape)))[::-1]
    view = backend.permute(backend.upload(x), axes)
    with guarded(backend.runtime):
        got = backend.contiguous(view)
    assert got.is_contiguous()
    np.testing.assert_array_equal(backend.download(got), x.transpose(axes))
    for same in (backend.upload(x), backend.upload(numbers(())), backend.upload(numbers((0, 3)))):
        assert backend.contiguous(same) is same


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 40, 3, 33), (32, 64), (12, 13), (3, 2, 70, 5, 17)])
def test_transposes_by_tiles(backend, shape, dtype):
    x = numbers(shape, dtype)
    axes = (0, *range(2, len(shape)), 1) if len(shape) > 2 else (1, 0)
    back = tuple(int(axis) for axis in np.argsort(axes))
    with guarded(backend.runtime):
        turned = backend.contiguous(backend.permute(backend.upload(x), axes))
        again = backend.contiguous(backend.permute(turned, back))
    np.testing.assert_array_equal(backend.download(turned), x.transpose(axes))
    np.testing.assert_array_equal(backend.download(again), x)
    kind = "f16" if dtype == np.float16 else "u32"
    assert any(key[0] == f"transpose_{kind}" for key in backend.runtime.pipelines.compiled)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("channels", "padded"), [(3, 4), (5, 8), (1, 4), (4, 4)])
def test_channels_last_with_zeros_behind(backend, channels, padded, dtype):
    x = numbers((2, channels, 4, 5), dtype)
    for g in (backend.upload(x), backend.copy(backend.permute(backend.upload(x), (0, 2, 3, 1)))):
        source = g if g.shape == x.shape else backend.permute(g, (0, 3, 1, 2))
        with guarded(backend.runtime):
            got = layout.relayout(source, (0, 2, 3, 1), padded)
        assert got.shape == (2, padded, 4, 5)
        assert got.order() == (0, 2, 3, 1)
        expected = np.zeros(got.shape, dtype)
        expected[:, :channels] = x
        np.testing.assert_array_equal(backend.download(got), expected)


def test_copies_keep_the_order_of_memory(backend):
    g = backend.permute(backend.upload(numbers((2, 5, 6, 3))), (0, 3, 1, 2))
    assert backend.copy(g).order() == (0, 2, 3, 1)
    part = backend.slice(g, (np.s_[:], np.s_[:], np.s_[::2], np.s_[:]))
    assert backend.copy(part).order() == (0, 2, 3, 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_assign(backend, dtype):
    x = numbers((5, 6, 8), dtype)
    index = (np.s_[1:4], np.s_[::-2], np.s_[1::3])
    value = numbers((3, 1), np.float32, 1)
    target = backend.upload(x)
    backend.assign(backend.slice(target, index), backend.upload(value))
    x[index] = value
    np.testing.assert_array_equal(backend.download(target), x)
    for number in (2.5, -3, True, 0):
        backend.assign(backend.slice(target, (np.s_[:2], np.s_[3:], np.s_[::2])), number)
        x[:2, 3:, ::2] = number
        np.testing.assert_array_equal(backend.download(target), x)


def test_assign_to_the_same_buffer(backend):
    x = numbers((6, 9))
    target = backend.upload(x)
    view = backend.slice(target, (np.s_[:], np.s_[1:]))
    backend.assign(view, backend.slice(target, (np.s_[:], np.s_[:-1])))
    x[:, 1:] = x[:, :-1].copy()
    np.testing.assert_array_equal(backend.download(target), x)
    backend.assign(target, backend.slice(target, (np.s_[::-1], np.s_[:])))
    np.testing.assert_array_equal(backend.download(target), x[::-1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_full(backend, dtype):
    for value in (0, 1, 2.75, -1):
        with guarded(backend.runtime):
            got = backend.full((3, 5), value, np.dtype(dtype))
        np.testing.assert_array_equal(backend.download(got), np.full((3, 5), value, dtype))
    assert backend.full((0, 2), 1, np.dtype(dtype)).shape == (0, 2)
    if np.dtype(dtype).kind == "f":
        for value in (np.nan, np.inf, -np.inf):
            got = backend.download(backend.full((7,), value, np.dtype(dtype)))
            np.testing.assert_array_equal(got, np.full(7, value, dtype))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_concatenate(backend, axis):
    shapes = [[4, 3, 6] for _ in range(4)]
    for i, shape in enumerate(shapes):
        shape[axis] = (2, 0, 5, 1)[i]
    arrays = [numbers(shape, np.float32, i) for i, shape in enumerate(shapes)]
    uploaded = [backend.upload(x) for x in arrays]
    turned = [backend.permute(backend.upload(x.transpose(1, 2, 0)), (2, 0, 1)) for x in arrays]
    for operands in (uploaded, turned):
        with guarded(backend.runtime):
            got = backend.concatenate(operands, axis)
        np.testing.assert_array_equal(backend.download(got), np.concatenate(arrays, axis))
    assert backend.concatenate(turned, axis).order() == turned[0].order()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_parts_of_large_arrays(backend, dtype):
    x = numbers((9, 20, 13), dtype)
    g = backend.upload(x)
    before = backend.runtime.dispatches
    with binding_limit(backend.runtime, 1536), guarded(backend.runtime):
        turned = backend.contiguous(backend.permute(g, (2, 1, 0)))
        tiled = backend.contiguous(backend.permute(g, (0, 2, 1)))
        padded = layout.relayout(backend.permute(g, (0, 2, 1)), (0, 1, 2), 24)
        full = backend.full((40, 30), 1.5, np.dtype(dtype))
        joined = backend.concatenate([g, g], 1)
    assert backend.runtime.dispatches - before > 20
    np.testing.assert_array_equal(backend.download(turned), x.transpose(2, 1, 0))
    np.testing.assert_array_equal(backend.download(tiled), x.transpose(0, 2, 1))
    expected = np.pad(x.transpose(0, 2, 1), ((0, 0), (0, 0), (0, 4)))
    np.testing.assert_array_equal(backend.download(padded), expected)
    np.testing.assert_array_equal(backend.download(full), np.full((40, 30), 1.5, dtype))
    np.testing.assert_array_equal(backend.download(joined), np.concatenate([x, x], 1))


def test_more_than_65535_workgroups(backend):
    x = np.arange(66_000 * 256 + 3, dtype=np.int32)
    turned = backend.slice(backend.upload(x), (np.s_[::-1],))
    np.testing.assert_array_equal(backend.download(backend.copy(turned)), x[::-1])
