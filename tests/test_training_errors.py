"""What goes wrong in training loops, on every device: each an error with names and values in it."""

import math

import numpy as np
import pytest
import rsconv
from rsconv import nn, optim
from rsconv.errors import ArgumentError, DeviceError, GradientError, ShapeError
from rsconv.nn import functional as F


def scores(device):
    return rsconv.tensor([[1.0, 2.0, 3.0]], device=device).requires_grad_()


def backward_twice(x):
    loss = (x * x).sum()
    loss.backward()
    loss.backward()


def written_after_it_was_saved(x):
    h = x * 1
    loss = (h * h).sum()
    h.add_(1)
    loss.backward()


def nan_loss(x):
    with rsconv.autograd.detect_anomaly():
        F.mse_loss(x * math.nan, x.detach()).backward()


def nan_gradients(x):
    F.mse_loss(x * math.nan, x.detach()).backward()
    nn.utils.clip_grad_norm_([x], 1.0, error_if_nonfinite=True)


def label(x, number):
    return F.cross_entropy(x, rsconv.tensor([number], device=x.device)).item()


BAD = {
    "backward twice": (
        backward_twice,
        GradientError,
        r"gradients of 'mul' were computed.*retain_graph",
    ),
    "backward of more than one": (lambda x: (x * x).backward(), GradientError, r"only for scalar.*\(1, 3\)"),
    "backward of nothing": (lambda x: x.detach().sum().backward(), GradientError, "does not require grad"),
    "in place": (written_after_it_was_saved, GradientError, r"\(1, 3\) .*'mul' needs .*version 1, not 0"),
    "NaN loss": (nan_loss, GradientError, r"a Tensor of shape \(\) made by 'mean', has NaN"),
    "NaN gradients": (nan_gradients, ArgumentError, "total norm of order 2.0 of the gradients is nan"),
    "no parameters": (lambda x: optim.SGD([], lr=0.1), ArgumentError, "params is empty"),
    "a result as parameter": (lambda x: optim.Adam([x * 2]), ArgumentError, r"params\[0\] of shape \(1, 3\)"),
    "label too large": (lambda x: label(x, 5), IndexError, r"5 is out of bounds for .*3"),
    "label too small": (lambda x: label(x, -2), IndexError, r"-2 is out of bounds for .*3"),
    "label in a list": (lambda x: F.nll_loss(x, [3]), IndexError, "Target 3 .* 3 classes in nll_loss"),
    "norm of one": (lambda x: nn.BatchNorm1d(3).to(x.device)(x), ShapeError, r"more than 1 value.*\[1, 3\]"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_goes_wrong_is_named(name, device):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call(scores(device))


def test_devices_are_not_mixed(device):
    x, other = scores("cpu"), scores(device)
    for call, names in (
        (lambda: F.mse_loss(x, other), "input is on cpu and target on gpu"),
        (lambda: F.cross_entropy(other, rsconv.tensor([1])), "input is on gpu and target on cpu"),
        (lambda: nn.Linear(3, 2)(other), "input is on gpu and weight on cpu"),
        (lambda: x + other, "the Tensors are on cpu and gpu"),
    ):
        if device == "gpu":
            with pytest.raises(DeviceError, match=names):
                call()
        else:
            call()


def test_without_the_search_nan_goes_on_as_in_pytorch(device):
    x = scores(device)
    optimizer = optim.SGD([x], lr=0.1)
    F.mse_loss(x * math.nan, x.detach()).backward()
    optimizer.step()
    assert np.isnan(x.detach().cpu().numpy()).all()
