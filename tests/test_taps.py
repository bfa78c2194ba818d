"""Tables of taps and windows against loops written from PyTorch's documented rules, and its vectors as
matrices."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rsconv.backends.taps import average_taps, border_taps, resize_taps
from rsconv.backends.windows import adaptive_window, pool_window
from rsconv.errors import ArgumentError

GOLDEN = Path(__file__).parent / "golden"
INDEX = json.loads((GOLDEN / "index.json").read_text())
MODES = {"nearest": "nearest", "nearest-exact": "nearest-exact", "bicubic": "cubic"}


def dense(taps):
    """The table as a matrix; checks its form."""
    assert taps.offsets[0] == 0 and taps.offsets[-1] == len(taps.indices)
    assert {taps.offsets.dtype, taps.indices.dtype} == {np.dtype(np.int32)}
    matrix = np.zeros((taps.outputs, taps.size))
    longest = 0
    for i in range(taps.outputs):
        row = slice(taps.offsets[i], taps.offsets[i + 1])
        indices = taps.indices[row].tolist()
        assert indices == sorted(set(indices)), "a row is ascending, without repetition"
        matrix[i, indices] = 1 if taps.weights is None else taps.weights[row]
        longest = max(longest, len(indices))
    assert taps.longest == longest
    return matrix


def apply(x, tables):
    """Matrices along the last axes."""
    for axis, table in zip(range(-len(tables), 0), tables, strict=True):
        x = np.moveaxis(np.tensordot(dense(table), x, (1, axis)), 0, axis)
    return x


def cases_of(*ops):
    found = [case for case in INDEX if case["op"] in ops]
    assert found
    return pytest.mark.parametrize("case", found, ids=[case["id"] for case in found])


def golden(case):
    with np.load(GOLDEN / f"{case['op']}.npz") as stored:
        inputs = {name: stored[key] for name, key in case["inputs"].items()}
        return (
            inputs["input"],
            inputs["grad_output"],
            stored[case["outputs"][0]],
            stored[case["grads"]["input"]],
        )


def check(case, tables):
    """The tables, and transposed ones for the gradient."""
    x, grad_output, y, grad = golden(case)
    np.testing.assert_allclose(apply(x.astype(float), tables), y, rtol=1e-5, atol=1e-5)
    back = [table.transposed() for table in tables]
    np.testing.assert_allclose(apply(grad_output.astype(float), back), grad, rtol=1e-5, atol=1e-5)


@cases_of("interpolate")
def test_interpolation_as_pytorch(case):
    x, _, y, _ = golden(case)
    arguments = case["args"]
    mode = MODES.get(arguments["mode"], "linear")
    tables = [
        resize_taps(mode, n, m, arguments.get("scale_factor"), arguments.get("align_corners", False))
        for n, m in zip(x.shape[2:], y.shape[2:], strict=True)
    ]
    check(case, tables)


@cases_of(*(f"{kind}avg_pool{rank}d" for kind in ("", "adaptive_") for rank in (1, 2, 3)))
def test_average_pooling_as_pytorch(case):
    x, _, y, _ = golden(case)
    arguments = case["args"]
    if "output_size" in arguments:
        windows = [adaptive_window(n, m) for n, m in zip(x.shape[2:], y.shape[2:], strict=True)]
    else:
        kernel = arguments["kernel_size"]
        windows = [
            pool_window(
                n,
                kernel,
                arguments.get("stride", kernel),
                arguments.get("padding", 0),
                1,
                arguments.get("ceil_mode", False),
            )
            for n in x.shape[2:]
        ]
    assert [window.outputs for window in windows] == list(y.shape[2:])
    check(case, [average_taps(w, include_pad=arguments.get("count_include_pad", True)) for w in windows])


@given(
    st.integers(1, 40),
    st.integers(1, 90),
    st.one_of(st.none(), st.floats(0.2, 5)),
    st.sampled_from(["nearest", "nearest-exact"]),
)
def test_nearest_rounds_in_float32(size, outputs, scale, mode):
    step = np.float32(1 / scale) if scale else np.float32(size) / np.float32(outputs)
    expected = []
    for i in range(outputs):
        at = np.float32(i) * step if mode == "nearest" else np.float32((i + 0.5) * float(step))
        expected.append(min(math.floor(at), size - 1))
    taps = resize_taps(mode, size, outputs, scale)
    assert taps.selection
    assert taps.indices.tolist() == expected


def test_nearest_where_float32_and_float64_differ():
    # 27 * (10 / 30) is exactly 9, but rounds below it or not as the step does.
    for size, outputs in [(10, 30), (7, 49), (29, 87), (83, 166 * 3)]:
        step = np.float32(size) / np.float32(outputs)
        expected = [min(int(np.floor(np.float32(i) * step)), size - 1) for i in range(outputs)]
        assert resize_taps("nearest", size, outputs).indices.tolist() == expected


def keys_kernel(d, a=-0.75):
    d = abs(d)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


@given(
    st.integers(1, 30),
    st.integers(1, 60),
    st.one_of(st.none(), st.floats(0.2, 5)),
    st.booleans(),
    st.booleans(),
)
def test_linear_and_cubic(size, outputs, scale, align_corners, cubic):
    if not cubic and size == outputs:
        expected = np.eye(size)
    else:
        expected = np.zeros((outputs, size))
        for i in range(outputs):
            if align_corners:
                at = i * (size - 1) / (outputs - 1) if outputs > 1 else 0.0
            else:
                at = (i + 0.5) / scale - 0.5 if scale else (i + 0.5) * size / outputs - 0.5
            if not cubic:
                at = max(at, 0.0)
            first = min(math.floor(at), size - 1)
            t = min(max(at - first, 0.0), 1.0)
            for j in range(-1, 3) if cubic else range(2):
                weight = keys_kernel(t - j) if cubic else 1 - abs(t - j)
                expected[i, min(max(first + j, 0), size - 1)] += weight
    table = resize_taps("cubic" if cubic else "linear", size, outputs, scale, align_corners)
    np.testing.assert_allclose(dense(table), expected, atol=1e-9)
    np.testing.assert_allclose(dense(table.transposed()), expected.T, atol=1e-9)
    assert table.weights is None or (table.weights != 0).all()


def window_elements(window, i):
    """Elements that output i sees, from the definition."""
    if window.adaptive:
        first = math.floor(i * window.size / window.outputs)
        return list(range(first, math.ceil((i + 1) * window.size / window.outputs)))
    first = i * window.stride - window.low
    return [first + t * window.dilation for t in range(window.kernel)]


@st.composite
def regular_windows(draw):
    kernel, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    reach = dilation * (kernel - 1) + 1
    low, high = draw(st.integers(0, reach // 2)), draw(st.integers(0, reach // 2))
    size = draw(st.integers(max(1, reach - low - high), 30))
    ceil_mode, stride = draw(st.booleans()), draw(st.integers(1, 6))
    return pool_window(size, kernel, stride, (low, high), dilation, ceil_mode), high, ceil_mode


@given(regular_windows())
def test_the_number_of_windows(drawn):
    window, high, ceil_mode = drawn
    reach = window.dilation * (window.kernel - 1) + 1
    count = 0
    while True:
        start = count * window.stride - window.low
        fits = start + reach <= window.size + high
        # The last window of ceil mode is the first that overhangs, if it starts before the high padding.
        previous = start - window.stride + reach < window.size + high
        if not fits and not (ceil_mode and previous and start < window.size):
            break
        count += 1
    assert window.outputs == count


@given(regular_windows(), st.booleans(), st.one_of(st.none(), st.just(3.0)))
def test_averages(drawn, include_pad, divisor):
    window, high, _ = drawn
    expected = np.zeros((window.outputs, window.size))
    for i in range(window.outputs):
        seen = window_elements(window, i)
        inside = [e for e in seen if 0 <= e < window.size]
        count = sum(e < window.size + high for e in seen) if include_pad else len(inside)
        for e in inside:
            expected[i, e] = 1 / (divisor or count)
    table = average_taps(window, high, include_pad, divisor)
    np.testing.assert_allclose(dense(table), expected, rtol=1e-15)


@given(st.integers(1, 40), st.integers(1, 60))
def test_adaptive_averages(size, outputs):
    window = adaptive_window(size, outputs)
    seen = [window_elements(window, i) for i in range(outputs)]
    assert window.kernel == max(map(len, seen))
    expected = np.zeros((outputs, size))
    for i, elements in enumerate(seen):
        expected[i, elements] = 1 / len(elements)
    np.testing.assert_allclose(dense(average_taps(window)), expected, rtol=1e-15)


@given(st.integers(1, 12), st.data(), st.sampled_from(["reflect", "replicate", "circular"]))
def test_borders_as_numpy_pads(size, data, mode):
    crops = st.integers(-(size // 3), 0)
    low, high = data.draw(crops), data.draw(crops)
    kept = size + low + high
    limit = {"reflect": kept - 1, "circular": kept, "replicate": 20}[mode]
    grow_low, grow_high = data.draw(st.booleans()), data.draw(st.booleans())
    core = np.arange(size)[-low if not grow_low else 0 : size + (high if not grow_high else 0)]
    limit = min(limit, len(core) - (mode == "reflect")) if mode != "replicate" else limit
    low = data.draw(st.integers(0, limit)) if grow_low else low
    high = data.draw(st.integers(0, limit)) if grow_high else high
    name = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    expected = np.pad(core, (max(low, 0), max(high, 0)), mode=name)
    taps = border_taps(size, low, high, mode)
    assert taps.selection
    assert taps.indices.tolist() == expected.tolist()


def test_tables_are_built_once():
    assert resize_taps("cubic", 5, 9) is resize_taps("cubic", 5, 9, None, False)
    assert average_taps(adaptive_window(9, 4)) is average_taps(adaptive_window(9, 4))
    assert border_taps(5, 1, 2, "reflect") is border_taps(5, 1, 2, "reflect")


def test_unknown_modes_are_named():
    with pytest.raises(ArgumentError, match="'lanczos'"):
        resize_taps("lanczos", 3, 4)
    with pytest.raises(ArgumentError, match="'constant'"):
        border_taps(3, 1, 1, "constant")
