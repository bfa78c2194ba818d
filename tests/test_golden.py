"""Vectors that PyTorch computed, forward and backward, on every device.

Each case of `golden/index.json` has inputs, outputs, and gradients of `sum(output * grad_output)`.
"""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import rsconv
from rsconv import functional as F
from rsconv.nn import grad

GOLDEN = Path(__file__).parent / "golden"
INDEX = json.loads((GOLDEN / "index.json").read_text())
CONVOLUTIONS = [f"conv{kind}{rank}d" for kind in ("", "_transpose") for rank in (1, 2, 3)]


@functools.cache
def vectors(op):
    with np.load(GOLDEN / f"{op}.npz") as archive:
        return dict(archive)


def load(case):
    """Inputs, keyword arguments, outputs, output gradient, and expected gradients."""
    stored = vectors(case["op"])
    inputs = {name: stored[key] for name, key in case["inputs"].items()}
    arguments = {name: tuple(v) if isinstance(v, list) else v for name, v in case["args"].items()}
    if case["op"] == "batch_norm":
        arguments = {
            **{name: None for name in ("running_mean", "running_var") if name not in inputs},
            **arguments,
        }
    gradients = {name: stored[key] for name, key in case["grads"].items()}
    outputs = [stored[key] for key in case["outputs"]]
    return inputs, arguments, outputs, inputs.pop("grad_output"), gradients


def check(got, reference, terms):
    """Float32 vectors carry PyTorch's own rounding."""
    assert type(got) is np.ndarray and got.shape == reference.shape
    if reference.dtype.kind == "i":
        np.testing.assert_array_equal(got, reference)
        return
    assert got.dtype == reference.dtype
    if reference.dtype == np.float64:
        np.testing.assert_allclose(got, reference, rtol=1e-10, atol=1e-10)
    else:
        scale = max(1.0, float(np.abs(reference).max(initial=0)))
        np.testing.assert_allclose(got, reference, rtol=0, atol=1e-5 * scale * max(terms**0.5 / 8, 1))


def terms_of(case, inputs, grad_output):
    """How many products make one element, of the output or of a gradient."""
    return max(inputs["weight"].size if "weight" in inputs else 1, grad_output.size)


def differentiable(inputs, gradients, device):
    """Tensors of a device, whose gradients are wanted as the vectors say.

    Classes stay in host memory: a GPU has no int64, and takes them as int32.
    """
    return {
        name: rsconv.from_numpy(array).to(device).requires_grad_(name in gradients)
        if array.dtype.kind == "f"
        else array
        for name, array in inputs.items()
    }


def cases_of(found):
    return pytest.mark.parametrize("case", found, ids=[case["id"] for case in found])


def test_every_case_is_run():
    assert len(INDEX) == 426
    assert sum(case["op"] in CONVOLUTIONS for case in INDEX) == 274


@cases_of(INDEX)
def test_forward_and_gradients(case, device):
    if case["dtype"] == "float64" and device != "cpu":
        return
    inputs, arguments, outputs, grad_output, gradients = load(case)
    tensors = differentiable(inputs, gradients, device)
    results = getattr(F, case["op"])(**tensors, **arguments)
    results = results if isinstance(results, tuple) else (results,)
    terms = terms_of(case, inputs, grad_output)
    for result, reference in zip(results, outputs, strict=True):
        check(result.detach().cpu().numpy(), reference, terms)
    upstream = rsconv.from_numpy(grad_output).to(device)
    results[0].backward(upstream)
    for name, reference in gradients.items():
        check(tensors[name].grad.cpu().numpy(), reference, terms)


HALF = 2.0**-10


def near(got, reference, terms):
    """Within the roundings of inputs and result, relative to the largest element; those of inputs add up.

    Sums are float32, so nothing else is lost.
    """
    assert got.dtype == np.float16 and got.shape == reference.shape
    scale = max(1.0, float(np.abs(reference).max(initial=0)))
    np.testing.assert_allclose(got, reference, rtol=0, atol=HALF * scale * (1 + terms**0.5 / 8))


@cases_of([case for case in INDEX if case["dtype"] == "float32"])
def test_float16_within_bounds(case, device):
    """The vectors of float32, their inputs rounded to float16."""
    inputs, arguments, outputs, grad_output, gradients = load(case)
    halves = {n: a.astype(np.float16) if a.dtype.kind == "f" else a for n, a in inputs.items()}
    tensors = differentiable(halves, gradients, device)
    results = getattr(F, case["op"])(**tensors, **arguments)
    results = results if isinstance(results, tuple) else (results,)
    terms = terms_of(case, inputs, grad_output)
    near(results[0].detach().cpu().numpy(), outputs[0], terms)
    if len(results) > 1 and not np.array_equal(results[1].cpu().numpy(), outputs[1]):
        # Rounding made two elements of a window equal, of which the first counts as the largest; the gradient
        # goes there.
        assert case["id"] == "max_pool2d/6"
        return
    upstream = rsconv.from_numpy(grad_output.astype(np.float16)).to(device)
    results[0].backward(upstream)
    for name, reference in gradients.items():
        near(tensors[name].grad.cpu().numpy(), reference, terms)


@cases_of([case for case in INDEX if case["op"] in CONVOLUTIONS and "transpose" not in case["op"]])
def test_gradient_functions_of_convolutions(case):
    inputs, arguments, _, grad_output, gradients = load(case)
    x, w = inputs["input"], inputs["weight"]
    grad_input = getattr(grad, f"{case['op']}_input")(x.shape, w, grad_output, **arguments)
    grad_weight = getattr(grad, f"{case['op']}_weight")(x, w.shape, grad_output, **arguments)
    check(grad_input, gradients["input"], w.size)
    check(grad_weight, gradients["weight"], grad_output.size)
