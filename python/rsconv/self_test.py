"""A dozen operators on a GPU beside the CPU: what `rsconv doctor` runs."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from . import functional as F
from .backends.gpu import GpuArray, GpuBackend
from .backends.gpu.sentinels import Sentinels
from .tensor import Tensor

__all__ = ["CHECKS", "Check", "Outcome", "run"]


class Check(NamedTuple):
    """An operator and the shapes and dtypes of its random inputs.

    `tolerance` bounds the difference to the CPU, relative to the largest result; 0 asks for the same bits.
    """

    name: str
    run: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    dtype: Any = np.float32
    tolerance: float = 2e-5


class Outcome(NamedTuple):
    """What a check found: `status` is "passed", "differs", "failed" or "skipped", `detail` the numbers."""

    name: str
    status: str
    detail: str


def _batch_norm(x: Any, mean: Any, scale: Any) -> Any:
    return F.batch_norm(x, mean, scale * scale + 1, scale, mean)


def _index(x: Any) -> Any:
    return x[::2, 1:, [2, 0, 1]]


def _not_a_number(x: Any) -> Any:
    holes = (x > 1.5) / (x > 1.5)
    return F.max_pool2d(F.relu(x + 0 * holes), 2)


CHECKS = (
    Check("add with broadcasting", lambda x, y: x + y, ((4, 1, 33), (5, 1)), tolerance=0),
    Check("exp, erf, sin, tanh", lambda x: x.exp() + x.erf() * x.sin() - x.tanh(), ((3, 41),)),
    Check("gelu", lambda x: F.gelu(x), ((5, 1000),)),
    Check("NaN through relu and max_pool2d", _not_a_number, ((2, 3, 20, 20),), tolerance=0),
    Check("sum and max over axes", lambda x: x.sum((0, 2)) + x.amax((0, 2)), ((7, 5, 600),)),
    Check("softmax", lambda x: F.softmax(x, 1), ((6, 1000),)),
    Check("matmul", lambda x, y: x @ y, ((3, 33, 70), (3, 70, 65))),
    Check(
        "conv2d 3x3", lambda x, w, b: F.conv2d(x, w, b, padding=1), ((2, 16, 30, 31), (40, 16, 3, 3), (40,))
    ),
    Check("conv2d 1x1", lambda x, w: F.conv2d(x, w), ((2, 64, 14, 14), (96, 64, 1, 1))),
    Check(
        "conv2d of 3 channels",
        lambda x, w: F.conv2d(x, w, stride=2, padding=3),
        ((1, 3, 45, 45), (32, 3, 7, 7)),
    ),
    Check(
        "conv2d depthwise",
        lambda x, w: F.conv2d(x, w, padding=2, groups=24),
        ((2, 24, 19, 23), (24, 1, 5, 5)),
    ),
    Check(
        "conv2d grouped, dilated",
        lambda x, w: F.conv2d(x, w, padding=2, dilation=2, groups=2),
        ((2, 10, 17, 17), (6, 5, 3, 3)),
    ),
    Check("conv1d", lambda x, w: F.conv1d(x, w, padding="same"), ((2, 12, 300), (20, 12, 9))),
    Check("conv3d", lambda x, w: F.conv3d(x, w, padding=1), ((1, 8, 9, 10, 11), (16, 8, 3, 3, 3))),
    Check(
        "conv_transpose2d", lambda x, w: F.conv_transpose2d(x, w, stride=2), ((2, 12, 9, 10), (12, 8, 4, 4))
    ),
    Check("conv2d float16", lambda x, w: F.conv2d(x, w), ((2, 16, 20, 20), (24, 16, 3, 3)), np.float16, 2e-3),
    Check("batch_norm", _batch_norm, ((3, 17, 9, 9), (17,), (17,))),
    Check("avg_pool2d", lambda x: F.avg_pool2d(x, 3, 2, 1), ((2, 9, 21, 20),)),
    Check("interpolate, bilinear", lambda x: F.interpolate(x, (31, 17), mode="bilinear"), ((2, 5, 15, 15),)),
    Check("pad, reflect", lambda x: F.pad(x, (3, 2, 1, 4), mode="reflect"), ((2, 3, 9, 9),), tolerance=0),
    Check("slices and indices", _index, ((6, 7, 8),), tolerance=0),
    Check("transposition", lambda x: x.permute(2, 0, 1).contiguous(), ((33, 65, 3),), tolerance=0),
    Check("int32 arithmetic", lambda x, y: x * y - x // 3, ((70, 3), (3,)), np.int32, 0),
)


def run(backend: GpuBackend) -> Iterator[Outcome]:
    """Run the checks one by one on a GPU; each result's memory was filled with a pattern before."""
    for number, check in enumerate(CHECKS):
        if check.dtype == np.float16 and "shader-f16" not in backend.runtime.features:
            yield Outcome(check.name, "skipped", "the GPU has no float16")
            continue
        try:
            yield _compare(check, backend, number)
        except Exception as error:
            yield Outcome(check.name, "failed", f"{type(error).__name__}: {error}")


def _compare(check: Check, backend: GpuBackend, seed: int) -> Outcome:
    random = np.random.default_rng(seed)
    inputs = [(random.standard_normal(shape) * 1.5).astype(check.dtype) for shape in check.shapes]
    if check.dtype == np.int32:
        inputs = [random.integers(-1000, 1000, shape, np.int32) for shape in check.shapes]
    expected = check.run(*[Tensor._new(array) for array in inputs]).numpy()
    with Sentinels(backend.runtime) as sentinels:
        result = check.run(*[Tensor._new(backend.upload(array)) for array in inputs])
        array = result._array
        if not isinstance(array, GpuArray):
            return Outcome(check.name, "failed", "the result is not on the GPU")
        unwritten, overrun = sentinels.unwritten(array), sentinels.overrun()
    if unwritten:
        return Outcome(check.name, "differs", f"{unwritten} of {array.size} elements were not written")
    if overrun:
        return Outcome(check.name, "differs", overrun[0])
    return _judge(check, result.numpy(), expected)


def _judge(check: Check, found: Any, expected: Any) -> Outcome:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        detail = f"{found.shape} {found.dtype}, but {expected.shape} {expected.dtype} on the CPU"
        return Outcome(check.name, "differs", detail)
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return Outcome(check.name, "differs", "NaN stands in other places than on the CPU")
    known = ~np.isnan(expected)
    wide = np.float64 if expected.dtype.kind == "f" else np.int64
    apart = np.abs(found[known].astype(wide) - expected[known].astype(wide))
    scale = max(1.0, float(np.abs(expected[known].astype(wide)).max(initial=0)))
    error = float(apart.max(initial=0)) / scale
    if error <= check.tolerance:
        return Outcome(check.name, "passed", "the same" if error == 0 else f"within {error:.1e}")
    wrong = int(np.count_nonzero(apart > check.tolerance * scale))
    bound = f"{check.tolerance:.0e} is allowed"
    detail = f"{wrong} of {found.size} elements, by up to {error:.1e} of the largest; {bound}"
    return Outcome(check.name, "differs", detail)
