"""Convolutions on the GPU over the project's case list, by every kernel, into memory full of a pattern."""

from functools import cache

import numpy as np
import pytest
from cases import CASES, problem, references
from rsconv.backends import Geometry
from rsconv.backends.gpu import conv as gpu_conv
from rsconv.backends.gpu.sentinels import Sentinels
from rsconv.errors import ArgumentError

FLOATS = [case for case in CASES if case.dtype in ("float32", "float16")]
TILES = ("128x64_8x8_db8", "64x64_8x8_db8", "64x64_4x8_db8", "32x64_4x8_db8", "128x64_8x8_xt16")
SPLIT = ("32x64_4x8_db8/3", "64x64_4x8_db8/2")


@cache
def expected(case):
    return references(case)


def geometry_of(case, x, w, b):
    bias = None if b is None else b.shape
    return Geometry(
        case.rank,
        x.shape,
        w.shape,
        bias,
        case.stride,
        case.pairs,
        case.output_padding,
        case.groups,
        case.dilation,
        case.transposed,
    )


def problems(backend, case, force=""):
    """What the forward pass and the input gradient get wrong, and the kernels that ran."""
    x, w, b, g = case.arrays()
    geometry = geometry_of(case, x, w, b)
    y, gx, _ = expected(case)
    taps = int(np.prod(case.kernel))
    x, w, g = backend.upload(x), backend.upload(w), backend.upload(g)
    b = None if b is None else backend.upload(b)
    found, kernels = [], set()
    with Sentinels(backend.runtime) as sentinels:
        passes = (
            ("forward", y, case.inputs // case.groups * taps + 1),
            ("input_grad", gx, case.outputs // case.groups * taps),
        )
        for which, reference, terms in passes:
            try:
                weight = gpu_conv.PackedWeight(geometry, which, w, force)
            except ArgumentError as error:
                if "no such kernel" in str(error):
                    continue
                raise
            if which == "forward":
                got = gpu_conv.conv(geometry, x, weight, b)
            else:
                got = gpu_conv.conv_input_grad(geometry, w, g, force)
            kernels.update(step.variant for step in weight.plan.steps)
            wrong = problem(which, backend.download(got), reference, terms)
            if unwritten := sentinels.unwritten(got):
                wrong = f"{which}: {unwritten} elements are not written"
            if wrong:
                found.append(f"{weight.plan.kernel} on {case}: {wrong}")
        found += sentinels.overrun()
    return found, kernels


def test_every_case(backend):
    found, kernels = [], set()
    for case in FLOATS[:220:3] + FLOATS[220:]:
        wrong, used = problems(backend, case)
        found += wrong
        kernels |= used
    assert not found, "\n".join(found)
    for part in ("stem", "pointwise", "_tap_", "_any_", "direct_vec4", "direct_scalar", "depthwise_3x3s2"):
        assert any(part in kernel for kernel in kernels), part


@pytest.mark.parametrize("force", [*TILES, *SPLIT, "direct", "any"])
def test_every_kernel(backend, force):
    """A part of the cases, another one for each kernel, and a third of those of float16 or many channels."""
    start = (*TILES, *SPLIT, "direct", "any").index(force)
    large = [case for case in FLOATS if case.inputs >= 48 or case.dtype == "float16"]
    chosen = [*FLOATS[start::17], *large[start % 3 :: 3]]
    found, kernels = [], set()
    for case in chosen:
        wrong, used = problems(backend, case, force)
        found += wrong
        kernels |= used
    assert not found, "\n".join(found)
    if force in TILES:
        for part in ("tap_f32", "any_f32_rank2", "any_f32_rank3", "any_f16", "pointwise_f32"):
            assert any(f"conv_{force}_{part}" in kernel for kernel in kernels), (part, kernels)
    if force in SPLIT:
        assert any("_split" in kernel for kernel in kernels)
        assert any("conv_reduce" in kernel for kernel in kernels)
