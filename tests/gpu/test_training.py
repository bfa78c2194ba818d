"""Training on a GPU: what steps cost beside their dispatches."""

import gc

import numpy as np
import pytest
import rsconv
from rsconv import functional as F
from rsconv import nn, optim

CREATED = ("pipelines", "buffers_created", "bind_groups_created")
KEPT = ("buffers", "bind_groups", "bytes_in_use", "bytes_pooled")

OPTIMIZERS = {
    "SGD": lambda parameters: optim.SGD(parameters, lr=0.01, momentum=0.9),
    "AdamW": lambda parameters: optim.AdamW(parameters, lr=0.001),
}


def network():
    rsconv.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Conv2d(8, 8, 3, stride=2, groups=2),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_thousand_dispatches_of_training_do_not_grow(backend, name):
    """Nothing is left to the garbage collector either: it would free buffers in another order every time."""
    net = network().to("gpu").train()
    optimizer = OPTIMIZERS[name](net.parameters())
    rng = np.random.default_rng(0)
    images = rng.standard_normal((4, 3, 16, 16)).astype(np.float32)

    def step():
        x = rsconv.tensor(images, device="gpu")
        target = rsconv.tensor(np.int32([0, 3, 1, 4]), device="gpu")
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), target)
        loss.backward()
        optimizer.step()
        return loss.item()

    first = step()
    step()
    step()
    gc.collect()
    gc.disable()
    try:
        before = rsconv.gpu.memory_stats("gpu")
        steps = 0
        while rsconv.gpu.memory_stats("gpu")["dispatches"] < before["dispatches"] + 10_000:
            last = step()
            steps += 1
        after = rsconv.gpu.memory_stats("gpu")
    finally:
        gc.enable()
    for counted in (*CREATED, *KEPT):
        assert after[counted] == before[counted], counted
    assert after["bytes_uploaded"] == before["bytes_uploaded"] + steps * (images.nbytes + 16)
    assert last < first
