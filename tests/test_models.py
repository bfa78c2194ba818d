"""Model definitions written for PyTorch run with their imports swapped, and compute what PyTorch does."""

import importlib.util

import numpy as np
import pytest
import rsconv
from model_definitions import (
    DEFINITIONS,
    FOLDER,
    SMALL,
    definition,
    draw_small,
    fingerprint,
    input_of,
    swapped,
    without_chance,
)
from rsconv import nn

spec = importlib.util.spec_from_file_location("materialize", FOLDER / "materialize.py")
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)
EXPECTED = np.load(FOLDER / "expected.npz")
ARGUMENTS = {"googlenet": {"aux_logits": False}}
FILES = {"resnet18": "resnet", "resnet50": "resnet", "squeezenet1_1": "squeezenet", "r3d_18": "r3d"}
# A forward pass of each on the GPU too; small, for a GPU in software.
ON_GPU = ["resnet18", "mobilenet_v3_small", "squeezenet1_1", "unet3d", "dcgan", "discriminator", "tcn"]


def uninitialised(monkeypatch):
    """Skip the draws of `nn.init`, which the test's weights replace."""
    monkeypatch.setattr(rsconv.random, "normal", lambda shape, *args: np.zeros(shape))
    monkeypatch.setattr(rsconv.random, "uniform", lambda shape, *args, **kwargs: np.zeros(shape))


def small(name):
    """The network of a definition with the weights that `expected.npz` was computed with, and its input."""
    file, args, shape = SMALL[name]
    network = getattr(definition(file), name)(**args)
    state = {key: draw_small(key, value.shape) for key, value in network.state_dict().items()}
    network.load_state_dict({key: rsconv.from_numpy(value) for key, value in state.items()})
    return without_chance(network), input_of(shape)


def near(found, expected, tolerance):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=tolerance * scale)


def test_only_imports_are_swapped():
    assert sorted(path.stem for path in DEFINITIONS.glob("*.py")) == sorted(
        {*FILES.values()} | {s[0] for s in SMALL.values()}
    )
    for path in DEFINITIONS.glob("*.py"):
        before, after = path.read_text().splitlines(), swapped(path.read_text()).splitlines()
        changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert changed and all(a.startswith(("import torch", "from torch")) for a, _ in changed)
        assert not any(line.startswith(("import torch", "from torch")) for line in after)


@pytest.mark.parametrize("name", fixtures.MODELS)
def test_fixtures_outputs_are_pytorchs(name, monkeypatch):
    uninitialised(monkeypatch)
    network = getattr(definition(FILES.get(name, name)), name)(**ARGUMENTS.get(name, {})).eval()
    state = network.state_dict()
    weights = {key: rsconv.from_numpy(value) for key, value in fixtures.weights(name).items()}
    counters = {key for key in state if key.endswith("num_batches_tracked")}
    assert set(weights) == set(state) - counters
    assert sum(p.numel() for p in network.parameters()) == fixtures.MODELS[name]["parameters"]
    network.load_state_dict(weights | {key: state[key] for key in counters})
    x = input_of(fixtures.MODELS[name]["input"])
    near(network(x), np.load(FOLDER / f"{name}.npz")["output0"], 2e-5)


@pytest.mark.parametrize("name", SMALL)
def test_names_shapes_and_outputs_are_pytorchs(name, monkeypatch):
    uninitialised(monkeypatch)
    network, x = small(name)
    assert fingerprint(network.state_dict()) == EXPECTED[f"{name} state"]
    y = network.eval()(x)
    assert type(y) is np.ndarray
    near(y, EXPECTED[f"{name} eval"], 5e-5)


@pytest.mark.parametrize("name", ON_GPU)
def test_outputs_on_a_gpu(name, monkeypatch, device):
    if device == "cpu":
        return
    uninitialised(monkeypatch)
    network, x = small(name)
    y = network.eval().to(device)(rsconv.tensor(x, device=device))
    assert y.device == device
    near(y.cpu(), EXPECTED[f"{name} eval"], 2e-4)


def test_a_file_that_pytorch_saved_loads_strictly():
    resnet = definition("resnet")
    network = resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=4, width=2)
    missing, unexpected = network.load_state_dict(rsconv.load(FOLDER / "resnet.pt"))
    assert not missing and not unexpected
    assert network.bn1.num_batches_tracked.item() == 1
    near(network.eval()(input_of((2, 3, 32, 32))), EXPECTED["resnet.pt"], 1e-5)


def test_initialisation_reaches_every_module():
    rsconv.manual_seed(0)
    network = definition("resnet").resnet50(num_classes=10, width=16, zero_init_residual=True)
    assert not any(m.bn3.weight.numpy().any() for m in network.modules() if hasattr(m, "bn3"))
    spread = network.layer1[0].conv2.weight.std().item()
    assert spread == pytest.approx((2 / (16 * 9)) ** 0.5, rel=0.1)
    assert isinstance(network.layer1, nn.Sequential) and len(network.layer3) == 6
    vgg = definition("vgg").vgg11(num_classes=10, hidden=32)
    assert vgg.classifier[0].weight.std().item() == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("name", SMALL)
def test_training_has_pytorchs_loss_and_gradients(name, monkeypatch):
    """In float64, so that an error of a rule is no matter of rounding."""
    uninitialised(monkeypatch)
    network, x = small(name)
    y = network.double().train()(rsconv.from_numpy(x.astype(np.float64)))
    loss = sum((part**2).mean() for part in (y if isinstance(y, tuple) else (y,)))
    assert loss.item() == pytest.approx(EXPECTED[f"{name} loss"].item(), rel=1e-9)
    loss.backward()
    found = [p.grad.norm().item() for p in network.parameters()]
    expected = EXPECTED[f"{name} gradients"]
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-12 * expected.max())


@pytest.mark.parametrize("name", ["dcgan", "discriminator", "tcn"])
def test_a_training_step(name, monkeypatch, device):
    """PyTorch's loss and gradients in float32, and a step of SGD that lowers the loss."""
    uninitialised(monkeypatch)
    network, x = small(name)
    network.to(device).train()
    x = rsconv.tensor(x, device=device)
    optimizer = rsconv.optim.SGD(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(2):
        loss = (network(x) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        if len(losses) == 1:
            found = [p.grad.norm().item() for p in network.parameters()]
            expected = EXPECTED[f"{name} gradients"]
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * expected.max())
        optimizer.step()
    assert losses[0] == pytest.approx(EXPECTED[f"{name} loss"].item(), rel=1e-4)
    assert losses[1] < losses[0]


def test_steps_with_a_gradient_penalty(monkeypatch):
    """Second derivatives, AdamW in groups, a schedule, clipping, averaged weights: PyTorch's numbers."""
    uninitialised(monkeypatch)
    network, x = small("blocks")
    found = definition("blocks").train(network.double(), rsconv.from_numpy(x.astype(np.float64)))
    np.testing.assert_allclose(found, EXPECTED["blocks trained"], rtol=1e-7)
