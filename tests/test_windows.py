"""Pooling and resampling on the CPU against float64 loops and PyTorch's vectors, in every instruction set."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rsconv
from hypothesis import given, settings
from hypothesis import strategies as st
from rsconv import _core
from rsconv.backends import cpu
from rsconv.backends.taps import Taps, average_taps, border_taps, resize_taps
from rsconv.backends.windows import adaptive_window, pool_window
from rsconv.errors import ArgumentError, DtypeError, ShapeError

GOLDEN = Path(__file__).parent / "golden"
INDEX = json.loads((GOLDEN / "index.json").read_text())
FLOATS = ["float16", "float32", "float64"]
KINDS = [*FLOATS, "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-14}


def random(shape, dtype, seed=0):
    values = np.random.default_rng(seed).integers(-9, 10, shape)
    if dtype == "bool":
        return values > 0
    return (np.abs(values) if dtype.startswith("uint") else values).astype(dtype)


def elements_of(window, i):
    if window.adaptive:
        first, end = i * window.size // window.outputs, -(-(i + 1) * window.size // window.outputs)
        return range(first, end)
    first = i * window.stride - window.low
    seen = (first + t * window.dilation for t in range(window.kernel))
    return [e for e in seen if 0 <= e < window.size]


def pooled(x, windows):
    """Values and indices by the definition; an empty window has index -1."""
    sizes = [w.size for w in windows]
    lead = x.shape[: x.ndim - len(windows)]
    planes = x.reshape(-1, *sizes)
    outputs = [w.outputs for w in windows]
    values, places = np.empty((len(planes), *outputs), x.dtype), np.empty((len(planes), *outputs), np.int64)
    for p, plane in enumerate(planes):
        for at in np.ndindex(*outputs):
            best, place = None, -1
            for element in itertools.product(*(elements_of(w, i) for w, i in zip(windows, at, strict=True))):
                value = plane[element]
                first_nan = value != value and best == best
                if best is None or value > best or first_nan:
                    best, place = value, np.ravel_multi_index(element, sizes)
            if best is None:
                best = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
            values[p, *at], places[p, *at] = best, place
    return values.reshape(*lead, *outputs), places.reshape(*lead, *outputs)


def check_pool(x, windows):
    expected, places = pooled(x, windows)
    values, nothing = cpu.max_pool(x, windows, False)
    assert nothing is None and values.dtype == x.dtype
    np.testing.assert_array_equal(values, expected)
    values, indices = cpu.max_pool(x, windows, True)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(indices, places)
    assert indices.dtype == np.int64
    # Sums of small integers are exact in every type.
    g = (random(values.shape, x.dtype.name, 1) % 5).astype(x.dtype)
    grad = np.zeros((*x.shape[: x.ndim - len(windows)], np.prod([w.size for w in windows])), x.dtype)
    flat_places = places.reshape(-1, np.prod(places.shape[x.ndim - len(windows) :], dtype=int))
    for plane, ps, gs in zip(
        grad.reshape(-1, grad.shape[-1]), flat_places, g.reshape(flat_places.shape), strict=True
    ):
        np.add.at(plane, ps[ps >= 0], gs[ps >= 0])
    for given_indices in (indices, indices.astype(np.int32)):
        found = cpu.max_pool_grad(g, given_indices, windows)
        np.testing.assert_array_equal(found, grad.reshape(x.shape))


POOLS = [
    (pool_window(9, 2, 2), pool_window(10, 2, 2)),
    (pool_window(9, 3, 2, 1), pool_window(70, 3, 2, 1)),
    (pool_window(9, 3, 1, 1), pool_window(37, 3, 1, 1)),
    (pool_window(13, 5, 1, 2), pool_window(30, 5, 1, 2)),
    (pool_window(8, 2, 3, 1, 2, True), pool_window(41, 4, 3, (2, 1), 2, True)),
    (pool_window(5, 5, 1), pool_window(60, 60, 1)),
    (pool_window(23, 1, 1),),
    (pool_window(2500, 3, 2, 1),),
    (pool_window(2500, 3, 1, 1),),
    (pool_window(1, 2, 1, 3, 5), pool_window(12, 2, 1, 3, 5)),
    (pool_window(4, 2, 2), pool_window(5, 3, 2, 1), pool_window(21, 3, 1, 1)),
    (adaptive_window(7, 3), adaptive_window(50, 19)),
    (adaptive_window(7, 1), adaptive_window(9, 1)),
    (adaptive_window(3, 5), pool_window(33, 2, 2)),
    (adaptive_window(6, 4), adaptive_window(5, 2), adaptive_window(11, 11)),
    (pool_window(2, 3, 1, 1), pool_window(16, 5, 1, 2)),
    (pool_window(7, 1, 1), pool_window(19, 3, 1, 1)),
    (pool_window(50, 5, 1, 2), pool_window(100, 3, 1, 1)),
    (pool_window(3, 5, 1, 2), pool_window(2100, 5, 1, 2)),
]


@pytest.mark.parametrize("windows", POOLS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
def test_max_pool(windows, dtype):
    check_pool(random((2, 3, *(w.size for w in windows)), dtype), windows)


@pytest.mark.parametrize("dtype", KINDS)
def test_max_pool_of_every_dtype(dtype):
    check_pool(random((3, 9, 20), dtype), (pool_window(9, 3, 2, 1), pool_window(20, 3, 2, 1)))


def test_max_pool_of_bools_and_complex():
    windows = (pool_window(6, 2, 2), pool_window(6, 3, 1, 1))
    x = random((2, 6, 6), "bool")
    values, indices = cpu.max_pool(x, windows, True)
    assert values.dtype == bool
    np.testing.assert_array_equal(values, pooled(x.astype("uint8"), windows)[0].astype(bool))
    np.testing.assert_array_equal(indices, pooled(x.astype("uint8"), windows)[1])
    with pytest.raises(DtypeError, match="complex64"):
        cpu.max_pool(x.astype(np.complex64), windows, False)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("windows", [POOLS[1], POOLS[2], POOLS[4], POOLS[11]], ids=str)
def test_nan_wins_and_infinities_stay(windows, dtype):
    x = random((2, *(w.size for w in windows)), dtype)
    generator = np.random.default_rng(3)
    for special in (np.nan, -np.nan, np.inf, -np.inf):
        x[generator.random(x.shape) < 0.06] = special
    check_pool(x, windows)
    check_pool(np.full_like(x, -np.inf), windows)


@st.composite
def windows_of(draw):
    if draw(st.booleans()):
        return adaptive_window(draw(st.integers(1, 12)), draw(st.integers(1, 14)))
    kernel, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    reach = dilation * (kernel - 1) + 1
    padding = draw(st.integers(0, reach // 2)), draw(st.integers(0, reach // 2))
    size = draw(st.integers(max(1, reach - sum(padding)), 25))
    return pool_window(size, kernel, draw(st.integers(1, 4)), padding, dilation, draw(st.booleans()))


@given(st.lists(windows_of(), min_size=1, max_size=3), st.sampled_from(["float32", "float64", "int8"]))
@settings(max_examples=60, deadline=None)
def test_max_pool_of_any_windows(windows, dtype):
    check_pool(random((2, *(w.size for w in windows)), dtype), tuple(windows))


def test_other_layouts_and_empty_batches():
    windows = (pool_window(6, 2, 2), pool_window(8, 2, 2))
    x = random((2, 6, 8, 3), "float32").transpose(0, 3, 1, 2)
    check_pool(x, windows)
    check_pool(x[:, ::-1, ::-1, ::-1], windows)
    check_pool(x.astype(">f4").astype("<f4"), windows)
    values, indices = cpu.max_pool(np.zeros((0, 3, 6, 8)), windows, True)
    assert values.shape == indices.shape == (0, 3, 3, 4)
    assert cpu.max_pool_grad(values, indices, windows).shape == (0, 3, 6, 8)
    swapped = cpu.max_pool(x.astype(">f4"), windows, False)[0]
    np.testing.assert_array_equal(swapped, cpu.max_pool(x, windows, False)[0])


def test_what_windows_do_not_fit_is_refused():
    windows = (pool_window(6, 2, 2),)
    with pytest.raises(ShapeError, match=r"\[5\].*\[6\]"):
        cpu.max_pool(np.zeros(5), windows, False)
    with pytest.raises(ArgumentError, match=r"99.*6 elements"):
        cpu.max_pool_grad(np.zeros(3), np.array([0, 99, 1]), windows)
    with pytest.raises(ArgumentError, match="-2"):
        cpu.max_pool_grad(np.zeros(3), np.array([0, -2, 1]), windows)
    with pytest.raises(ShapeError, match=r"indices has shape \[2\]"):
        cpu.max_pool_grad(np.zeros(3), np.zeros(2, int), windows)
    with pytest.raises(ArgumentError, match="4"):
        cpu.max_pool(np.zeros((1, 1, 1, 1)), (pool_window(1, 1, 1),) * 4, False)


def summed(x, tables):
    """Weighted sums by the definition, in float64, axis after axis."""
    y = x.astype(np.float64)
    for axis, table in zip(range(-len(tables), 0), tables, strict=True):
        if table is not None:
            y = np.moveaxis(y, axis, 0)
            total = np.zeros((table.outputs, *y.shape[1:]))
            rows = np.repeat(np.arange(table.outputs), np.diff(table.offsets))
            weights = np.ones(len(rows)) if table.weights is None else table.weights
            np.add.at(total, rows, weights.reshape(-1, *(1,) * (y.ndim - 1)) * y[table.indices])
            y = np.moveaxis(total, 0, axis)
    return y


def check_resample(shape, tables, dtype):
    for part in (tables, [None if t is None else t.transposed() for t in tables]):
        sizes = [
            n if t is None else t.size for n, t in zip(shape[len(shape) - len(part) :], part, strict=True)
        ]
        x = np.random.default_rng(5).standard_normal((*shape[: len(shape) - len(part)], *sizes)).astype(dtype)
        y = cpu.resample(x, part)
        expected = summed(x, part)
        assert y.dtype == x.dtype and y.shape == expected.shape
        bound = summed(np.abs(x), [None if t is None else absolute(t) for t in part])
        error = np.abs(y - expected)
        assert (error <= TOLERANCE[dtype] * np.maximum(bound, 1e-3)).all(), (error / bound).max()


def absolute(taps):
    weights = None if taps.weights is None else np.abs(taps.weights)
    return Taps(None, taps.size, taps.offsets, taps.indices, weights)


def random_taps(size, outputs, longest, seed):
    """Rows of any taps in any order of rows, some of them empty."""
    generator = np.random.default_rng(seed)
    rows = [sorted(generator.permutation(size)[: generator.integers(0, longest + 1)]) for _ in range(outputs)]
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    indices = np.array([i for row in rows for i in row], np.int32)
    return Taps(("random", seed), size, offsets, indices, generator.standard_normal(len(indices)))


def average(size, kernel, stride, padding=0):
    return average_taps(pool_window(size, kernel, stride, padding))


RESAMPLINGS = {
    "average 2x2": ((2, 3, 12, 50), [average(12, 2, 2), average(50, 2, 2)]),
    "average 3x3 s2 p1": ((2, 13, 51), [average(13, 3, 2, 1), average(51, 3, 2, 1)]),
    "average 3x3 s1 p1": ((2, 13, 51), [average(13, 3, 1, 1), average(51, 3, 1, 1)]),
    "average 5x3 s1": ((2, 3, 50, 100), [average(50, 5, 1, 2), average(100, 3, 1, 1)]),
    "average 3x5 s1 of what is inside": (
        (2, 2, 16),
        [
            average_taps(pool_window(2, 3, 1, 1), None, False),
            average_taps(pool_window(16, 5, 1, 2), None, False),
        ],
    ),
    "average 5 s3": ((70,), [average(70, 5, 3)]),
    "average 7x7": ((2, 5, 7, 7), [average(7, 7, 7), average(7, 7, 7)]),
    "global": ((3, 20, 45), [average_taps(adaptive_window(20, 1)), average_taps(adaptive_window(45, 1))]),
    "adaptive": ((3, 20, 45), [average_taps(adaptive_window(20, 7)), average_taps(adaptive_window(45, 19))]),
    "bilinear 2x": ((2, 9, 33), [resize_taps("linear", 9, 18), resize_taps("linear", 33, 66)]),
    "bilinear 2x of blocks": ((3, 40, 90), [resize_taps("linear", 40, 80), resize_taps("linear", 90, 180)]),
    "bicubic 2x and shrinks": ((3, 40, 16), [average(40, 3, 2, 1), resize_taps("cubic", 16, 32)]),
    "bilinear corners": ((9, 33), [resize_taps("linear", 9, 21, None, True), resize_taps("linear", 33, 50)]),
    "bilinear shrinks": ((2, 30, 66), [resize_taps("linear", 30, 15), resize_taps("linear", 66, 20)]),
    "one grows": ((2, 9, 66), [resize_taps("linear", 9, 30), resize_taps("linear", 66, 20)]),
    "bicubic 2x": ((2, 9, 33), [resize_taps("cubic", 9, 18), resize_taps("cubic", 33, 66)]),
    "bicubic": ((9, 33), [resize_taps("cubic", 9, 25), resize_taps("cubic", 33, 47)]),
    "tripled": ((9, 40), [resize_taps("linear", 9, 27), resize_taps("linear", 40, 120)]),
    "trilinear": ((2, 5, 6, 33), [resize_taps("linear", n, 2 * n) for n in (5, 6, 33)]),
    "volume shrinks": ((8, 6, 34), [average(8, 2, 2), average(6, 2, 2), average(34, 2, 2)]),
    "outer of three": ((2, 8, 6, 34), [average(8, 2, 2), None, None]),
    "middle of three": ((2, 8, 6, 34), [None, resize_taps("cubic", 6, 13), None]),
    "ends of three": ((2, 8, 6, 34), [average(8, 4, 2), None, resize_taps("linear", 34, 20)]),
    "long rows": ((2, 20000), [resize_taps("linear", 20000, 40000)]),
    "wide inner": ((4, 3, 9000), [average(3, 2, 1), None]),
    "select and weigh": ((9, 40), [resize_taps("nearest", 9, 20), resize_taps("linear", 40, 80)]),
    "any": ((3, 17, 40), [random_taps(17, 23, 6, 1), random_taps(40, 50, 9, 2)]),
    "any shrinks": ((3, 40, 40), [random_taps(40, 23, 20, 3), random_taps(40, 20, 40, 4)]),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", RESAMPLINGS)
def test_resample(name, dtype):
    shape, tables = RESAMPLINGS[name]
    check_resample(shape, tables, dtype)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 90), st.integers(1, 90), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_resample_of_any_sizes(height, width, to_height, to_width, mode):
    make = [
        lambda n, m: resize_taps("linear", n, m),
        lambda n, m: resize_taps("cubic", n, m),
        lambda n, m: resize_taps("linear", n, m, None, True),
        lambda n, m: average_taps(adaptive_window(n, m)),
        lambda n, m: average(n, min(n, 3), 1 + m % 3),
        lambda n, m: random_taps(n, m, 5, n + m),
    ][mode]
    check_resample((2, height, width), [make(height, to_height), make(width, to_width)], "float64")


SELECTIONS = {
    "nearest 2x": [resize_taps("nearest", 9, 18), resize_taps("nearest", 20, 40)],
    "nearest 4x": [resize_taps("nearest", 9, 36), resize_taps("nearest", 20, 80)],
    "nearest 3x": [resize_taps("nearest", 9, 27), resize_taps("nearest", 20, 60)],
    "nearest halves": [resize_taps("nearest", 9, 5), resize_taps("nearest", 20, 10)],
    "nearest fifth": [resize_taps("nearest", 9, 2), resize_taps("nearest-exact", 20, 4)],
    "nearest": [resize_taps("nearest", 9, 13), resize_taps("nearest-exact", 20, 33)],
    "reflect": [border_taps(9, 3, 4, "reflect"), border_taps(20, 19, 5, "reflect")],
    "circular": [border_taps(9, 3, 4, "circular"), None],
    "crop": [None, border_taps(20, -3, -2, "replicate")],
    "volume": [
        resize_taps("nearest", 3, 6), resize_taps("nearest", 9, 18), border_taps(20, 2, 2, "reflect"),
    ],
    "outer": [resize_taps("nearest", 3, 6), resize_taps("nearest", 9, 4), None],
    "ends": [resize_taps("nearest", 3, 6), None, resize_taps("nearest", 20, 40)],
}  # fmt: skip


def check_selection(tables, dtype):
    for x in (random((2, 3, 9, 20), dtype), random((2, 3, 9, 40), dtype)[:, :, ::-1, ::2]):
        expected = x
        for axis, table in zip(range(-len(tables), 0), tables, strict=True):
            if table is not None:
                expected = np.take(expected, table.indices, axis)
        y = cpu.resample(x, tables)
        assert y.dtype == x.dtype
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("dtype", [*KINDS, "bool", "complex64", "complex128"])
@pytest.mark.parametrize("name", SELECTIONS)
def test_selection_of_every_dtype(name, dtype):
    check_selection(SELECTIONS[name], dtype)


@pytest.mark.parametrize("name", RESAMPLINGS)
def test_transposed_tables_are_the_adjoint(name):
    shape, tables = RESAMPLINGS[name]
    generator = np.random.default_rng(7)
    x = generator.standard_normal(shape)
    y = cpu.resample(x, tables)
    g = generator.standard_normal(y.shape)
    back = cpu.resample(g, [None if t is None else t.transposed() for t in tables])
    assert back.shape == x.shape
    np.testing.assert_allclose((y * g).sum(), (x * back).sum(), rtol=1e-9)


def test_infinities_touch_only_their_own_outputs():
    tables = [resize_taps("linear", 20, 40), resize_taps("linear", 40, 80)]
    x = np.zeros((20, 40), np.float32)
    x[0, 0] = np.inf
    y = cpu.resample(x, tables)
    touched = summed(np.isinf(x), tables) > 0
    assert np.isposinf(y[touched]).all() and (y[~touched] == 0).all()


def test_resample_of_complex_and_refusals():
    tables = [average(8, 2, 2), resize_taps("linear", 20, 40)]
    generator = np.random.default_rng(9)
    x = generator.standard_normal((3, 8, 20)) + 1j * generator.standard_normal((3, 8, 20))
    expected = summed(x.real, tables) + 1j * summed(x.imag, tables)
    np.testing.assert_allclose(cpu.resample(x, tables), expected, rtol=1e-12, atol=1e-12)
    with pytest.raises(DtypeError, match="int32"):
        cpu.resample(np.zeros((8, 20), np.int32), tables)
    with pytest.raises(ShapeError, match=r"\[8, 19\].*20"):
        cpu.resample(np.zeros((8, 19)), tables)
    with pytest.raises(ShapeError, match="fewer axes"):
        cpu.resample(np.zeros(20), tables)
    same = cpu.resample(x, [None, None])
    assert same is not x and (same == x).all()


def test_empty_arrays():
    tables = [average(8, 2, 2), resize_taps("linear", 20, 40)]
    assert cpu.resample(np.zeros((0, 8, 20)), tables).shape == (0, 4, 40)
    assert cpu.resample(np.zeros((0, 8, 20), int), SELECTIONS["crop"]).shape == (0, 8, 15)


def pool_cases():
    found = [case for case in INDEX if "max_pool" in case["op"]]
    assert len(found) >= 30
    return pytest.mark.parametrize("case", found, ids=[case["id"] for case in found])


@pool_cases()
def test_max_pool_as_pytorch(case):
    with np.load(GOLDEN / f"{case['op']}.npz") as stored:
        x, g = (stored[case["inputs"][name]] for name in ("input", "grad_output"))
        outputs, grad = [stored[key] for key in case["outputs"]], stored[case["grads"]["input"]]
    arguments = case["args"]
    rank = int(case["op"][-2])
    if "output_size" in arguments:
        windows = tuple(adaptive_window(n, arguments["output_size"]) for n in x.shape[-rank:])
    else:
        kernel = arguments["kernel_size"]
        settings = [arguments.get(k, d) for k, d in (("stride", kernel), ("padding", 0), ("dilation", 1))]
        windows = tuple(
            pool_window(n, kernel, *settings, arguments.get("ceil_mode", False)) for n in x.shape[-rank:]
        )
    values, indices = cpu.max_pool(x, windows, True)
    np.testing.assert_array_equal(values, outputs[0])
    np.testing.assert_array_equal(cpu.max_pool(x, windows, False)[0], outputs[0])
    if len(outputs) > 1:
        np.testing.assert_array_equal(indices, outputs[1])
    np.testing.assert_allclose(cpu.max_pool_grad(g, indices, windows), grad, rtol=1e-5, atol=1e-5)


def bits():
    """Results of every kernel, on arrays that are large enough to be shared out."""
    found = []
    for windows in (POOLS[1], POOLS[2], POOLS[4], POOLS[11]):
        x = random((40, 3, *(w.size for w in windows)), "float32")
        values, indices = cpu.max_pool(x, windows, True)
        found += [values, indices, cpu.max_pool(x, windows, False)[0]]
        found.append(cpu.max_pool_grad(np.sqrt(np.abs(values)), indices, windows))
    for name in (
        "bilinear 2x",
        "average 3x3 s2 p1",
        "average 3x3 s1 p1",
        "bicubic",
        "bilinear 2x of blocks",
        "trilinear",
        "long rows",
        "any shrinks",
    ):
        shape, tables = RESAMPLINGS[name]
        for dtype in ("float32", "float16"):
            x = np.random.default_rng(1).standard_normal((8, *shape)).astype(dtype)
            found.append(cpu.resample(x, tables))
    return [array.tobytes() for array in found]


def test_any_number_of_threads_gives_the_same_bits():
    before = rsconv.get_num_threads()
    try:
        rsconv.set_num_threads(1)
        expected = bits()
        for threads in (2, 5):
            rsconv.set_num_threads(threads)
            assert bits() == expected
    finally:
        rsconv.set_num_threads(before)


@pytest.mark.parametrize("isa", _core.info()["isas"])
def test_every_instruction_set(isa):
    command = [sys.executable, __file__]
    environment = {**os.environ, "RSCONV_ISA": isa}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == f"isa={isa}\n" and done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    print(f"isa={_core.info()['isa']}")
    for windows in POOLS:
        for dtype in ("float32", "float16", "float64", "int8"):
            check_pool(random((2, *(w.size for w in windows)), dtype), windows)
    for shape, tables in RESAMPLINGS.values():
        for dtype in FLOATS:
            check_resample(shape, tables, dtype)
    for tables in SELECTIONS.values():
        for dtype in ("uint8", "float16", "float32", "complex128"):
            check_selection(tables, dtype)
