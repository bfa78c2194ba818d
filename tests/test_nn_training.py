"""Gradients through layers, of their inputs and parameters, against small steps in float64."""

import copy

import numpy as np
import pytest
import rsconv
from rsconv import nn
from rsconv.nn import utils
from rsconv.nn.utils import parametrizations

STEP = 1e-5


def sample(*shape, seed=0):
    """Away from the whole numbers and halves, where activations have kinks, and with no two equal."""
    rng = np.random.default_rng([seed, *shape])
    return np.floor(2 * rng.normal(0, 1.5, shape)) / 2 + rng.uniform(0.1, 0.4, shape)


LAYERS = [
    *((kind(), (3, 4)) for kind in (nn.ReLU, nn.ReLU6, nn.SELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.ELU)),
    *((kind(), (3, 4)) for kind in (nn.Hardsigmoid, nn.Sigmoid, nn.Tanh, nn.LogSigmoid, nn.Softsign)),
    *((kind(), (3, 4)) for kind in (nn.Tanhshrink, nn.LeakyReLU, nn.Hardtanh, nn.Softplus, nn.GELU)),
    *((kind(), (3, 4)) for kind in (nn.CELU, nn.GLU, nn.Hardshrink, nn.Softshrink)),
    *((nn.Threshold(0.6, 2.0), (3, 4)), (nn.RReLU().eval(), (3, 4)), (nn.PReLU(4), (3, 4))),
    *(
        (nn.Softmax(1), (3, 4)),
        (nn.LogSoftmax(1), (3, 4)),
        (nn.Softmin(0), (3, 4)),
        (nn.Softmax2d(), (4, 2, 2)),
    ),
    *((nn.Linear(4, 3), (2, 4)), (nn.LazyLinear(3), (2, 4)), (nn.Embedding(5, 3), None)),
    *((nn.BatchNorm1d(3), (4, 3)), (nn.BatchNorm2d(3), (2, 3, 2, 2)), (nn.BatchNorm3d(2), (2, 2, 2, 2, 1))),
    *(
        (nn.BatchNorm2d(3).eval(), (2, 3, 2, 2)),
        (nn.SyncBatchNorm(3), (2, 3, 4)),
        (nn.LazyBatchNorm1d(), (4, 3)),
    ),
    *((nn.InstanceNorm2d(3, affine=True), (3, 2, 3)), (nn.GroupNorm(2, 4), (2, 4, 3))),
    *((nn.LayerNorm((3, 2)), (2, 3, 2)), (nn.RMSNorm(4), (2, 4)), (nn.LocalResponseNorm(3), (2, 4, 3))),
    *((nn.MaxPool2d(2), (1, 4, 5)), (nn.AvgPool1d(3, 2, 1), (2, 6)), (nn.LPPool1d(2, 2), (2, 6))),
    *((nn.AdaptiveAvgPool3d((2, 1, 2)), (1, 3, 2, 3)), (nn.AdaptiveMaxPool1d(2), (2, 5))),
    *((nn.Upsample(scale_factor=2), (1, 1, 2, 3)), (nn.UpsamplingBilinear2d((4, 5)), (1, 1, 3, 3))),
    *((nn.PixelShuffle(2), (4, 2, 1)), (nn.PixelUnshuffle(2), (1, 2, 4)), (nn.ChannelShuffle(2), (1, 4, 2))),
    *((nn.Flatten(), (2, 3, 2)), (nn.Unflatten(1, (2, -1)), (2, 4)), (nn.ReflectionPad1d(1), (2, 4))),
    *((nn.Conv2d(2, 4, 2, groups=2), (1, 2, 3, 3)), (nn.ConvTranspose1d(2, 3, 3, 2), (1, 2, 4))),
    *(
        (utils.weight_norm(nn.Conv1d(2, 3, 2)), (1, 2, 4)),
        (parametrizations.weight_norm(nn.Linear(4, 2)), (2, 4)),
    ),
]


def shown(value):
    return repr(value).split("(")[0] if isinstance(value, nn.Module) else ""


def fresh(layer, shape):
    """A layer with values of its own, and an input."""
    if not layer._forward_pre_hooks:
        layer = copy.deepcopy(layer)
    layer.double()
    if shape is None:
        x = rsconv.tensor([[0, 3, 1], [1, 1, 4]], dtype=rsconv.int32)
    else:
        x = rsconv.tensor(sample(*shape))
    layer(x)
    for index, parameter in enumerate(layer.parameters()):
        with rsconv.no_grad():
            parameter.copy_(sample(*parameter.shape, seed=index + 2))
            parameter.grad = None
    return layer, x if shape is None else x.requires_grad_()


def backward(layer, x):
    y = layer(x)
    upstream = sample(*y.shape, seed=1)
    (y * rsconv.tensor(upstream.astype(y.dtype), device=y.device)).sum().backward()
    return upstream, [tensor for tensor in (x, *layer.parameters()) if tensor.requires_grad]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=shown)
def test_gradients_match_small_steps(layer, shape):
    layer, x = fresh(layer, shape)
    upstream, tensors = backward(layer, x)

    def loss():
        with rsconv.no_grad():
            return (layer(x).numpy() * upstream).sum()

    assert len(tensors) == (shape is not None) + len(list(layer.parameters()))
    for tensor in tensors:
        found, memory = tensor.grad.numpy(), tensor.detach()
        for place in np.ndindex(*tensor.shape):
            value = memory[place].item()
            memory[place] = value + STEP
            above = loss()
            memory[place] = value - STEP
            below = loss()
            memory[place] = value
            assert found[place] == pytest.approx((above - below) / (2 * STEP), rel=2e-5, abs=2e-7)


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=shown)
def test_gradients_are_the_same_on_every_device(layer, shape, device):
    layer, x = fresh(layer, shape)
    _, tensors = backward(layer, x)
    expected = [tensor.grad.numpy().copy() for tensor in tensors]
    for parameter in layer.parameters():
        parameter.grad = None
    x = x.detach().to(device) if shape is None else x.detach().float().to(device).requires_grad_()
    _, tensors = backward(layer.float().to(device), x)
    layer.cpu()
    for tensor, gradient in zip(tensors, expected, strict=True):
        assert tensor.grad.dtype == rsconv.float32
        np.testing.assert_allclose(tensor.grad.cpu().numpy(), gradient, rtol=2e-3, atol=2e-4)


def test_embedding_gives_its_padding_row_no_gradient(device):
    layer = nn.Embedding(4, 3, padding_idx=1).to(device)
    layer(np.array([[0, 1], [1, 3]]))
    layer(rsconv.tensor(np.int32([0, 1, 3, 3]), device=device)).sum().backward()
    assert layer.weight.grad.tolist() == [[1] * 3, [0] * 3, [0] * 3, [2] * 3]


def test_windows_of_zeros_have_a_norm_with_gradient_zero(device):
    x = rsconv.tensor(np.float32([[0, 0, 1, 0]]), device=device).requires_grad_()
    nn.LPPool1d(2, 2)(x).sum().backward()
    assert x.grad.tolist() == [[0, 0, 1, 0]]


def test_statistics_of_batch_norm_are_no_part_of_the_graph():
    layer = nn.BatchNorm1d(3, momentum=1.0)
    x = rsconv.tensor(sample(4, 3).astype(np.float32)).requires_grad_()
    layer(x).sum().backward()
    assert not layer.running_mean.requires_grad
    np.testing.assert_allclose(layer.running_mean.numpy(), x.detach().numpy().mean(0), rtol=1e-5)
    with rsconv.no_grad():
        assert not layer(x).requires_grad


def test_dropout_gives_gradients_to_what_it_keeps(device):
    x = rsconv.ones(50, 4, 3, device=device).requires_grad_()
    for layer in (nn.Dropout(0.5), nn.Dropout1d(0.5), nn.AlphaDropout(0.5), nn.FeatureAlphaDropout(0.5)):
        x.grad = None
        y = layer(x)
        y.sum().backward()
        found = x.grad.cpu().numpy()
        assert len(np.unique(found)) == 2
        kept = y.detach().cpu().numpy() == y.detach().cpu().numpy().max()
        np.testing.assert_array_equal(found != 0, kept)


def test_a_small_network_learns(device):
    rsconv.manual_seed(0)
    stem = [nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    net = nn.Sequential(*stem, nn.Flatten(), nn.LazyLinear(2)).to(device)
    x = np.random.default_rng(0).normal(size=(16, 1, 8, 8)).astype(np.float32)
    labels = (x[:, 0, 0:4].mean((1, 2)) > x[:, 0, 4:].mean((1, 2))).astype(np.int64)
    images, criterion = rsconv.tensor(x, device=device), nn.CrossEntropyLoss()
    losses = []
    for _ in range(30):
        loss = criterion(net(images), labels)
        net.zero_grad()
        loss.backward()
        assert utils.clip_grad_norm_(net.parameters(), 5.0).item() > 0
        with rsconv.no_grad():
            for parameter in net.parameters():
                parameter -= 0.2 * parameter.grad
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    assert (net.eval()(x).argmax(1) == labels).mean() > 0.8


# Backward hooks.


def test_full_backward_hooks_see_and_replace_gradients(device):
    layer = nn.Linear(3, 2).to(device)
    weight = layer.weight.detach().cpu().numpy()
    seen = []
    pre = layer.register_full_backward_pre_hook(lambda m, out: (out[0] * 2,))
    last = layer.register_full_backward_hook(lambda m, into, out: seen.append((m is layer, into, out)))
    scaled = layer.register_full_backward_hook(lambda m, into, out: (into[0] * 10,))
    x = rsconv.ones(4, 3, device=device).requires_grad_()
    layer(x).sum().backward()
    ((own, into, out),) = seen
    assert own
    assert out[0].tolist() == [[2, 2]] * 4
    np.testing.assert_allclose(into[0].cpu().numpy(), np.tile(2 * weight.sum(0), (4, 1)), rtol=1e-6)
    np.testing.assert_allclose(x.grad.cpu().numpy(), np.tile(20 * weight.sum(0), (4, 1)), rtol=1e-6)
    assert layer.bias.grad.tolist() == [8, 8]
    for handle in (pre, last, scaled):
        handle.remove()
    x.grad = None
    layer(x).sum().backward()
    np.testing.assert_allclose(x.grad.cpu().numpy(), np.tile(weight.sum(0), (4, 1)), rtol=1e-6)
    assert len(seen) == 1


def test_backward_hooks_without_gradients_of_inputs_and_with_several_results():
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(rsconv.ones(1))

        def forward(self, x, skipped):
            y = x * self.scale
            return y[:2], y[2:], "text"

    module, seen = Halves(), []
    module.register_full_backward_hook(lambda m, into, out: seen.append((into, out)))
    a, b, text = module(rsconv.arange(4.0), None)
    assert text == "text"
    (a.sum() + 3 * b.sum()).backward()
    assert module.scale.grad.tolist() == [0 + 1 + 3 * (2 + 3)]
    ((into, out),) = seen
    assert into == (None, None)
    assert [g.tolist() for g in out] == [[1, 1], [3, 3]]
    with rsconv.no_grad():
        module(rsconv.arange(4.0), None)
    module.register_full_backward_hook(lambda m, into, out: (None, None, None))
    with pytest.raises(RuntimeError, match="returned 3 gradients, but there are 2"):
        module(rsconv.arange(4.0), None)[0].sum().backward()
