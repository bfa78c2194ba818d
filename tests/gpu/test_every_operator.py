"""Every operator on the GPU: the same bits in every run, the CPU's gradients, one build for all shapes."""

import re

import numpy as np
import pytest
from op_case import tolerance
from op_cases import CASES
from rsconv import _core, functions
from rsconv import functional as F
from rsconv.autograd import grad
from rsconv.backends import Geometry, cpu, gpu
from rsconv.backends.gpu import conv as gpu_conv
from rsconv.backends.gpu import devices, runtime
from rsconv.backends.gpu.sentinels import Sentinels
from rsconv.errors import BindingTooLarge
from rsconv.tensor import Tensor

OPS = {case.op: [other for other in CASES if other.op == case.op] for case in CASES}


def function_of(case):
    return getattr(F, case.op, None) or getattr(functions, case.op)


def dtype_of(case):
    """One that a GPU has."""
    return next((d for d in case.dtypes if d in ("float32", "int32")), None)


def run(case, arrays, backend):
    """All results, and the gradients of the first one, in host memory."""

    def on(array):
        return Tensor._new(backend.upload(array))

    smooth = []
    if case.gradient:
        smooth = [
            name
            for name, array in case.arrays.items()
            if array.smooth and name not in case.fixed and arrays[name].dtype.kind == "f"
        ]
    tensors = {name: on(array).requires_grad_(name in smooth) for name, array in arrays.items()}
    found = case.call(function_of(case), tensors)
    results = tuple(found) if isinstance(found, tuple) else (found,)
    gradients = []
    if smooth:
        upstream = np.random.default_rng(1).normal(0, 1, results[0].shape).astype(results[0].dtype)
        gradients = grad(results[0], [tensors[name] for name in smooth], on(upstream), allow_unused=True)
    return [None if x is None else x.cpu().numpy() for x in (*results, *gradients)]


def narrowed(arrays):
    """Indices as a GPU has them."""
    return {name: a.astype(np.int32) if a.dtype == np.int64 else a for name, a in arrays.items()}


@pytest.mark.parametrize("op", OPS)
def test_every_run_gives_the_same_bits_and_writes_them_all(op, backend):
    for case in OPS[op][::3]:
        dtype = dtype_of(case)
        if dtype is None:
            continue
        arrays = narrowed(case.make(dtype))
        # What is not written stays a pattern in the one run, and whatever was there in the other.
        with Sentinels(backend.runtime) as sentinels:
            first = run(case, arrays, backend)
            assert sentinels.overrun() == [], case
        for once, again in zip(first, run(case, arrays, backend), strict=True):
            assert (None if once is None else once.tobytes()) == (None if again is None else again.tobytes())


def check_beside_cpu(case, arrays, backend):
    for got, expected in zip(run(case, arrays, backend), run(case, arrays, cpu), strict=True):
        assert (got is None) == (expected is None), case
        if got is None:
            continue
        assert got.shape == expected.shape
        if expected.dtype.kind != "f":
            np.testing.assert_array_equal(got, expected)
            continue
        scale = float(np.abs(expected[np.isfinite(expected)]).max(initial=0))
        atol = 8 * tolerance(case, np.dtype(np.float32), scale)
        np.testing.assert_allclose(got, expected, rtol=0, atol=atol, err_msg=str(case))


@pytest.mark.parametrize("op", OPS)
def test_results_and_gradients_are_those_of_the_cpu(op, backend):
    for case in OPS[op]:
        if "float32" in case.dtypes:
            check_beside_cpu(case, narrowed(case.make("float32")), backend)


# What binds a whole row of an image, or all weights of a group.
BOUND = re.compile(r"conv[23]d")


@pytest.fixture(scope="module")
def small(backend):
    """The same GPU, as if it bound no more than 1 KiB at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "_LARGEST_BINDING", 1024)
        limited = gpu.GpuBackend(devices.start(backend.runtime.adapter), backend.name)
    assert limited.runtime.max_binding == 1024
    return limited


@pytest.mark.parametrize("op", OPS)
def test_arrays_beyond_a_lowered_limit(op, small):
    """They are computed in parts, and right; or refused with numbers, if a row or a weight is too large."""
    done = 0
    cases = [case for case in OPS[op] if "float32" in case.dtypes]
    for case in cases:
        try:
            check_beside_cpu(case, narrowed(case.make("float32")), small)
            done += 1
        except BindingTooLarge as error:
            assert BOUND.fullmatch(op) and re.search(r"\d bytes.*\b1,?024\b", str(error)), (case, error)
    # Of convolutions the rows of one image are cut, too: `test_gpu_conv_limits.py`.
    assert done or not cases or BOUND.fullmatch(op)


@pytest.mark.parametrize("op", OPS)
def test_float16(op, backend):
    """Also where the case list leaves it to float32; beside the oracle."""
    for case in OPS[op][::3]:
        if "float32" not in case.dtypes or "float16" in case.dtypes:
            continue
        arrays = narrowed(case.make("float16"))
        expected = case.expected(arrays)
        for got, reference in zip(run(case, arrays, backend), expected, strict=False):
            assert got.shape == reference.shape
            if got.dtype.kind != "f":
                np.testing.assert_array_equal(got, reference)
                continue
            assert got.dtype == np.float16
            scale = float(np.abs(reference[np.isfinite(reference)]).max(initial=0))
            atol = tolerance(case, got.dtype, scale)
            np.testing.assert_allclose(got, reference, rtol=0, atol=atol, err_msg=str(case))


def test_no_kernel_uses_atomics():
    variants = _core.shader_variants()
    assert len(variants) > 500
    for name in variants:
        assert "atomic" not in re.sub(r"//.*", "", _core.render_shader(name)), name


def calls():
    """Operators by name, as functions of a batch and a size.

    Tiles and whether rows come in fours are of the kernel, too: the shapes are alike in that.
    """

    def x(*shape):
        return np.random.default_rng(0).standard_normal(shape).astype(np.float32)

    w, point, stem, deep = x(40, 32, 3, 3), x(40, 32, 1, 1), x(40, 3, 3, 3), x(40, 32, 3, 3, 3)
    deconv, depthwise, b, rows = x(32, 40, 3, 3), x(32, 1, 3, 3), x(32), x(8, 32)
    return {
        "conv2d": lambda on, n, s: F.conv2d(on(x(n, 32, s, s + 1)), on(w), padding=1),
        "conv2d 1x1": lambda on, n, s: F.conv2d(on(x(n, 32, s, s + 1)), on(point)),
        "conv2d stem": lambda on, n, s: F.conv2d(on(x(n, 3, s, s + 1)), on(stem), stride=2),
        "conv2d depthwise": lambda on, n, s: F.conv2d(on(x(n, 32, s, s + 1)), on(depthwise), groups=32),
        "conv3d": lambda on, n, s: F.conv3d(on(x(n, 32, 4, s, s)), on(deep), padding=1),
        "conv_transpose2d": lambda on, n, s: F.conv_transpose2d(on(x(n, 32, s, s)), on(deconv), stride=2),
        "max_pool2d": lambda on, n, s: F.max_pool2d(on(x(n, 32, s, s + 1)), 3, 2, 1),
        "avg_pool2d": lambda on, n, s: F.avg_pool2d(on(x(n, 32, s, s + 1)), 2),
        "interpolate": lambda on, n, s: F.interpolate(
            on(x(n, 32, s, s + 1)), scale_factor=2, mode="bilinear"
        ),
        "group_norm": lambda on, n, s: F.group_norm(on(x(n, 32, s, 4)), 4, on(b), on(b)),
        "linear": lambda on, n, s: F.linear(on(x(s, 32)), on(rows)),
        "softmax": lambda on, n, s: F.softmax(on(x(n, s, 32)), 2),
        "gelu": lambda on, n, s: F.gelu(on(x(n, 4 * s))),
        "add": lambda on, n, s: on(x(n, s, 32)) + on(b),
        "cat": lambda on, n, s: functions.cat([on(x(n, s, 4)), on(x(n, s, 8))], 2),
        "pad": lambda on, n, s: F.pad(on(x(n, 4, s, s)), (1, 2, 3, 1), "reflect"),
        "dropout": lambda on, n, s: F.dropout(on(x(n, s, 32)), 0.5),
    }


@pytest.mark.parametrize("name", calls())
def test_a_second_shape_compiles_nothing(name, fresh):
    call = calls()[name]
    counts = []
    for batch, size in ((2, 17), (1, 17), (3, 19), (2, 23), (4, 18)):
        call(lambda array: Tensor._new(fresh.upload(array)), batch, size)
        counts.append(len(fresh.runtime.pipelines.compiled))
    assert counts[0] > 0 and len(set(counts)) == 1, sorted(key[0] for key in fresh.runtime.pipelines.compiled)


@pytest.mark.parametrize("force", ["32x64_4x8_db8/3", "64x64_4x8_db8/2", "128x64_8x8_db8", ""])
def test_sums_in_parts_are_the_same_bits_in_every_run(backend, force):
    """A small map of many channels, whose sums several workgroups share, and its gradients."""
    rng = np.random.default_rng(6)
    x, w, g = (
        backend.upload(rng.standard_normal(shape).astype(np.float32))
        for shape in ((2, 256, 7, 7), (96, 256, 3, 3), (2, 96, 7, 7))
    )
    geometry = Geometry(2, x.shape, w.shape, None, 1, 1, 0, 1, 1, False)

    def bits():
        return [
            backend.download(y).tobytes()
            for y in (
                gpu_conv.conv(geometry, x, gpu_conv.pack(geometry, w, force)),
                gpu_conv.conv_input_grad(geometry, w, g, force),
                backend.conv_weight_grad(geometry, x, g),
            )
        ]

    first = bits()
    assert all(bits() == first for _ in range(4))


def test_ten_thousand_calls_do_not_grow(fresh):
    rng = np.random.default_rng(0)
    x, w, b = (
        Tensor._new(fresh.upload(rng.standard_normal(shape).astype(np.float32)))
        for shape in ((1, 8, 6, 6), (8, 8, 3, 3), (1, 8, 1, 1))
    )

    def ten_calls():
        y = F.relu(F.conv2d(x, w, padding=1) + b)
        y = F.max_pool2d(y[:, :, 1:], 2) * 0.5
        return F.softmax(F.pad(y, (1, 1)).sum((2, 3)), 1)

    counts = []
    for turn in range(1000):
        result = ten_calls()
        if turn % 100 == 99:
            assert result.numpy().shape == (1, 8)
            stats = fresh.runtime.stats()
            names = ("buffers", "bind_groups", "pipelines", "bytes_in_use", "bytes_pooled")
            counts.append([stats[name] for name in names])
    assert all(count == counts[1] for count in counts[2:])
