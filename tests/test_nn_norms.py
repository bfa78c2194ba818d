"""Normalization layers: statistics in training and evaluation, members, state dicts, lazy ones, errors."""

import copy

import numpy as np
import op_oracles as o
import pytest
import rsconv
from rsconv import nn
from rsconv.errors import ShapeError

RANKS = (1, 2, 3)


def sample(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(2, 1.5, shape).astype(np.float32)


def spatial(rank, batch=4, seed=0):
    return sample(batch, 3, *(5, 4, 3)[:rank], seed=seed)


def scaled(layer):
    """Parameters and statistics other than those that a layer starts with."""
    for index, member in enumerate((*layer.parameters(), *layer.buffers())):
        if member.dtype.kind == "f":
            with rsconv.no_grad():
                member.copy_(np.random.default_rng(index).uniform(0.5, 1.5, member.shape))
    return layer


def affine(layer):
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


@pytest.mark.parametrize("rank", RANKS)
def test_batch_norm_uses_the_batch_in_training_and_tracks_it(rank, device):
    layer = scaled(getattr(nn, f"BatchNorm{rank}d")(3, eps=1e-3, momentum=0.3)).to(device)
    mean, var = layer.running_mean.cpu().numpy().copy(), layer.running_var.cpu().numpy().copy()
    weight, bias = affine(layer.cpu())
    layer.to(device)
    for step in range(2):
        x = spatial(rank, seed=step).astype(np.float64)
        y = layer(x.astype(np.float32))
        expected = o.batch_norm(x, weight=weight, bias=bias, training=True, eps=1e-3)
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
        axes = (0, *range(2, x.ndim))
        mean = 0.7 * mean + 0.3 * x.mean(axes)
        var = 0.7 * var + 0.3 * x.var(axes, ddof=1)
    np.testing.assert_allclose(layer.running_mean.cpu().numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.cpu().numpy(), var, rtol=1e-5)
    assert layer.num_batches_tracked.item() == 2
    x = spatial(rank, seed=5)
    expected = o.batch_norm(x.astype(np.float64), mean, var, weight, bias, eps=1e-3)
    np.testing.assert_allclose(layer.eval()(x), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.running_mean.cpu().numpy(), mean, rtol=1e-5)
    assert layer.num_batches_tracked.item() == 2


def test_momentum_none_is_the_mean_over_batches(device):
    layer = nn.BatchNorm2d(3, momentum=None).to(device)
    batches = [spatial(2, seed=seed) for seed in range(3)]
    for x in batches:
        layer(x)
    means = np.mean([x.mean((0, 2, 3)) for x in batches], 0)
    variances = np.mean([x.var((0, 2, 3), ddof=1) for x in batches], 0)
    np.testing.assert_allclose(layer.running_mean.cpu().numpy(), means, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.cpu().numpy(), variances, rtol=1e-5)


def test_batch_norm_without_tracking_always_uses_the_batch(device):
    layer = nn.BatchNorm2d(3, track_running_stats=False, affine=False).eval()
    x = spatial(2)
    with rsconv.device(device):
        y = layer(x)
    np.testing.assert_allclose(y, o.batch_norm(x, training=True), rtol=1e-4, atol=1e-5)
    # Statistics that exist but are not tracked: PyTorch uses them in evaluation only.
    layer = nn.BatchNorm2d(3)
    layer.track_running_stats = False
    layer(x)
    assert layer.running_mean.tolist() == [0] * 3
    assert layer.num_batches_tracked.item() == 0


def test_batch_norm_of_two_dimensions_and_one_value():
    x = sample(6, 3)
    np.testing.assert_allclose(nn.BatchNorm1d(3)(x), o.batch_norm(x, training=True), rtol=1e-4, atol=1e-5)
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ShapeError, match=r"more than 1 value per channel when training, .* \[1, 3\]"):
        layer(x[:1])
    assert layer.num_batches_tracked.item() == 0
    assert layer.eval()(x[:1]).shape == (1, 3)


def test_members_of_batch_norm_and_where_they_live(device):
    layer = nn.BatchNorm2d(3)
    names = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(layer.state_dict()) == names
    assert layer.state_dict()._metadata == {"": {"version": 2}}
    assert layer.num_batches_tracked.dtype == rsconv.int64
    layer.half().to(device)
    assert layer.weight.dtype == layer.running_var.dtype == rsconv.float16
    assert layer.num_batches_tracked.dtype == rsconv.int64
    assert layer.weight.device == layer.running_var.device == device
    assert layer.num_batches_tracked.device == "cpu"
    assert list(layer.state_dict()) == names
    layer.float().running_mean.fill_(3)
    layer.reset_running_stats()
    assert layer.running_mean.tolist() == [0] * 3
    assert copy.deepcopy(layer).num_batches_tracked is not layer.num_batches_tracked


def test_state_dicts_round_trip_and_older_ones_load():
    source, target = scaled(nn.BatchNorm2d(3)), nn.BatchNorm2d(3)
    source(spatial(2))
    target.load_state_dict(source.state_dict())
    x = spatial(2, seed=1)
    np.testing.assert_array_equal(target.eval()(x), source.eval()(x))
    assert target.num_batches_tracked.item() == 1
    # Before version 2 batches were not counted.
    old = {key: value for key, value in source.state_dict().items() if key != "num_batches_tracked"}
    net = nn.Sequential(nn.BatchNorm2d(3))
    assert not net.load_state_dict({f"0.{key}": value for key, value in old.items()}).missing_keys
    state = source.state_dict()
    del state["num_batches_tracked"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "num_batches_tracked"'):
        nn.BatchNorm2d(3).load_state_dict(state)


def test_sync_batch_norm_is_batch_norm():
    inner = scaled(nn.BatchNorm2d(3, eps=0.1))
    net = nn.Sequential(nn.Conv2d(3, 3, 1), inner, nn.Sequential(nn.BatchNorm1d(4)))
    x = spatial(2)
    expected = copy.deepcopy(inner)(x)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert converted is net
    assert [type(m).__name__ for m in net.modules()][2:] == ["SyncBatchNorm", "Sequential", "SyncBatchNorm"]
    assert net[1].weight is inner.weight
    np.testing.assert_array_equal(net[1](x), expected)
    assert isinstance(nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm3d(2)), nn.SyncBatchNorm)
    assert nn.SyncBatchNorm.convert_sync_batchnorm(net[1]) is net[1]


@pytest.mark.parametrize("rank", RANKS)
def test_instance_norm_with_and_without_batch_and_statistics(rank, device):
    kind = getattr(nn, f"InstanceNorm{rank}d")
    x = spatial(rank)
    layer = scaled(kind(3, affine=True)).to(device)
    expected = o.instance_norm(x.astype(np.float64), *affine(layer.cpu()))
    layer.to(device)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.eval()(x[1]), expected[1], rtol=1e-4, atol=1e-4)
    layer = kind(3, track_running_stats=True, momentum=0.5).to(device)
    layer(x)
    axes = tuple(range(2, x.ndim))
    mean, var = x.mean(axes).mean(0) / 2, 0.5 + x.var(axes, ddof=1).mean(0) / 2
    np.testing.assert_allclose(layer.running_mean.cpu().numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.cpu().numpy(), var, rtol=1e-5)
    expected = o.batch_norm(x.astype(np.float64), mean, var)
    np.testing.assert_allclose(layer.eval()(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rank", RANKS)
def test_group_and_layer_norm_scale_and_shift(rank, device):
    x = sample(2, 4, *(5, 4, 3)[:rank])
    for layer, oracle in (
        (nn.GroupNorm(2, 4, eps=0.1), lambda w, b: o.group_norm(x.astype(np.float64), 2, w, b, 0.1)),
        (nn.LayerNorm(x.shape[2:]), lambda w, b: o.layer_norm(x.astype(np.float64), x.shape[2:], w, b)),
    ):
        weight, bias = affine(scaled(layer))
        np.testing.assert_allclose(layer.to(device)(x), oracle(weight, bias), rtol=1e-4, atol=1e-4)


def test_rms_norm_scales(device):
    x = sample(3, 4, 5)
    layer = scaled(nn.RMSNorm((4, 5)))
    rms = np.sqrt((x.astype(np.float64) ** 2).mean((1, 2), keepdims=True) + np.finfo(np.float32).eps)
    expected = x / rms * layer.weight.detach().numpy()
    np.testing.assert_allclose(layer.to(device)(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("kind", ("BatchNorm", "InstanceNorm"))
def test_lazy_norms_become_plain_ones(kind, rank, device):
    lazy = getattr(nn, f"Lazy{kind}{rank}d")(eps=0.1, momentum=0.4).to(device)
    assert lazy.has_uninitialized_params()
    with pytest.raises(ShapeError, match="the shape of an uninitialized Tensor is not known before"):
        _ = lazy.running_mean.shape
    x = spatial(rank)
    y = lazy(x)
    plain = getattr(nn, f"{kind}{rank}d")(3, 0.1, 0.4, True, True).to(device)
    assert type(lazy) is type(plain)
    assert repr(lazy) == repr(plain)
    np.testing.assert_array_equal(y, plain(x))
    for name, value in plain.state_dict().items():
        np.testing.assert_array_equal(lazy.state_dict()[name].cpu().numpy(), value.cpu().numpy())
    if kind == "InstanceNorm":
        assert getattr(nn, f"LazyInstanceNorm{rank}d")()(x[0]).shape == x[0].shape


def test_lazy_norms_load_state_dicts():
    source = scaled(nn.BatchNorm2d(3))
    lazy = nn.LazyBatchNorm2d()
    lazy.load_state_dict(source.state_dict())
    assert not lazy.has_uninitialized_params()
    x = spatial(2)
    np.testing.assert_array_equal(lazy.eval()(x), source.eval()(x))
    assert lazy.num_features == 3
    waiting = nn.LazyBatchNorm2d()
    waiting.load_state_dict(nn.LazyBatchNorm2d().state_dict())
    assert waiting.has_uninitialized_params()
    with pytest.raises(RuntimeError, match=r"cannot load running_mean: .* an uninitialized Tensor"):
        nn.BatchNorm2d(3).load_state_dict(nn.LazyBatchNorm2d().state_dict())


def test_norms_name_what_does_not_fit():
    x = spatial(2)
    for call, message in [
        (lambda: nn.BatchNorm2d(3)(x[0]), r"BatchNorm2d expected 4D input, but got 3D .* \[3, 5, 4\]"),
        (lambda: nn.BatchNorm1d(3)(x), r"BatchNorm1d expected 2D or 3D input, but got 4D"),
        (lambda: nn.BatchNorm2d(4)(x), r"running_mean should contain 3 elements.*size \[4\]"),
        (lambda: nn.SyncBatchNorm(3)(x[0, 0, 0]), "SyncBatchNorm expected 2D or 3D or 4D or 5D input, .* 1D"),
        (lambda: nn.InstanceNorm2d(3)(x[0, 0]), "InstanceNorm2d expected 3D or 4D input, but got 2D"),
        (lambda: nn.InstanceNorm2d(4, affine=True)(x), r"num_features=4 channels, but got 3"),
        (lambda: nn.InstanceNorm1d(3)(x[:, :, :1, 0]), r"more than 1 spatial element .* \[4, 3, 1\]"),
        (lambda: nn.LazyBatchNorm2d()(x[0]), "LazyBatchNorm2d expected 4D input, but got 3D"),
        (lambda: nn.LayerNorm(5)(x), r"normalized_shape=\[5\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.warns(UserWarning, match=r"num_features=4 channels, but got 3 .*not used as affine=False"):
        nn.InstanceNorm2d(4)(x)
