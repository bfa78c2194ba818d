"""Vectors that PyTorch computed: forward and gradients of the convolutions, pad, unfold and fold.

Each case of `golden/index.json` has inputs, outputs, and gradients of `sum(output * grad_output)`.
"""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
from rsconv import functional as F
from rsconv.backends import Geometry, cpu
from rsconv.nn import grad

GOLDEN = Path(__file__).parent / "golden"
INDEX = json.loads((GOLDEN / "index.json").read_text())
CONVOLUTIONS = [f"conv{kind}{rank}d" for kind in ("", "_transpose") for rank in (1, 2, 3)]
LAYOUTS = ["pad", "unfold", "fold"]


@functools.cache
def vectors(op):
    with np.load(GOLDEN / f"{op}.npz") as archive:
        return dict(archive)


def load(case):
    """Inputs, keyword arguments, output, output gradient, and expected gradients."""
    stored = vectors(case["op"])
    inputs = {name: stored[key] for name, key in case["inputs"].items()}
    arguments = {name: tuple(v) if isinstance(v, list) else v for name, v in case["args"].items()}
    gradients = {name: stored[key] for name, key in case["grads"].items()}
    return inputs, arguments, stored[case["outputs"][0]], inputs.pop("grad_output"), gradients


def check(got, reference, terms):
    """Float32 vectors carry PyTorch's own rounding."""
    assert type(got) is np.ndarray and got.shape == reference.shape and got.dtype == reference.dtype
    if reference.dtype == np.float64:
        np.testing.assert_allclose(got, reference, rtol=1e-10, atol=1e-10)
    else:
        scale = max(1.0, float(np.abs(reference).max(initial=0)))
        np.testing.assert_allclose(got, reference, rtol=0, atol=1e-5 * scale * max(terms**0.5 / 8, 1))


def cases_of(ops):
    found = [case for case in INDEX if case["op"] in ops]
    return pytest.mark.parametrize("case", found, ids=[case["id"] for case in found])


def test_every_operator_has_cases():
    assert {case["op"] for case in INDEX} >= {*CONVOLUTIONS, *LAYOUTS}
    assert sum(case["op"] in CONVOLUTIONS for case in INDEX) == 274


@cases_of(CONVOLUTIONS)
def test_convolution_forward(case):
    inputs, arguments, output, _, _ = load(case)
    terms = inputs["weight"][0].size * inputs["weight"].shape[0]
    check(getattr(F, case["op"])(**inputs, **arguments), output, terms)


@cases_of(CONVOLUTIONS)
def test_convolution_gradients(case):
    inputs, arguments, _, grad_output, gradients = load(case)
    x, w = inputs["input"], inputs["weight"]
    rank = w.ndim - 2
    if "transpose" in case["op"]:
        geometry = Geometry(rank, x.shape, w.shape, transposed=True, **arguments)
        grad_input = cpu.conv_input_grad(geometry, w, grad_output)
        grad_weight = cpu.conv_weight_grad(geometry, x, grad_output)
    else:
        grad_input = getattr(grad, f"{case['op']}_input")(x.shape, w, grad_output, **arguments)
        grad_weight = getattr(grad, f"{case['op']}_weight")(x, w.shape, grad_output, **arguments)
    check(grad_input, gradients["input"], w.size)
    check(grad_weight, gradients["weight"], grad_output.size)
    if "bias" in gradients:
        bias = grad_output.reshape(-1, *grad_output.shape[-rank - 1 :]).sum((0, *range(2, rank + 2)))
        check(bias, gradients["bias"], grad_output.size)


@cases_of(LAYOUTS)
def test_layout_forward(case):
    inputs, arguments, output, _, _ = load(case)
    if case["op"] == "pad" and arguments["mode"] != "constant":
        assert arguments.get("value") is None
    check(getattr(F, case["op"])(**inputs, **arguments), output, 1)


@cases_of(LAYOUTS)
def test_layout_gradients(case):
    inputs, arguments, _, grad_output, gradients = load(case)
    shape = inputs["input"].shape
    if case["op"] == "pad":
        pads, mode = arguments["pad"], arguments["mode"]
        pairs = tuple(zip(pads[::2], pads[1::2], strict=True))[::-1]
        got = cpu.pad_grad(grad_output, ((0, 0),) * (len(shape) - len(pairs)) + pairs, mode)
    elif case["op"] == "unfold":
        got = F.fold(grad_output, shape[2:], **arguments)
    else:
        size = arguments.pop("output_size")
        got = F.unfold(grad_output, **arguments)
        assert grad_output.shape[2:] == size
    check(got, gradients["input"], 9)
