"""nn.utils: clipping, vectors, fusion, weight and spectral normalization, against NumPy."""

import copy
import math

import numpy as np
import pytest
import rsconv
from rsconv import nn
from rsconv.errors import ArgumentError, ShapeError
from rsconv.nn import utils
from rsconv.nn.utils import parametrizations, parametrize


def sample(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


def values(tensor):
    return tensor.detach().cpu().numpy()


# Gradients.


def with_gradients(device="cpu"):
    layer = nn.Linear(4, 3).to(device)
    gradients = [sample(3, 4), sample(3)]
    for parameter, gradient in zip(layer.parameters(), gradients, strict=True):
        parameter.grad = rsconv.tensor(gradient, device=device)
    return layer, np.concatenate([g.ravel() for g in gradients])


def gradients_of(layer):
    return np.concatenate([values(p.grad).ravel() for p in layer.parameters()])


@pytest.mark.parametrize("norm_type", (2.0, 1.0, 3, math.inf))
def test_clip_grad_norm_scales_all_gradients_by_one_factor(norm_type, device):
    layer, flat = with_gradients(device)
    norm = np.linalg.norm(flat.astype(np.float64), norm_type)
    assert utils.clip_grad_norm_(layer.parameters(), norm * 2, norm_type).item() == pytest.approx(
        norm, rel=1e-5
    )
    np.testing.assert_allclose(gradients_of(layer), flat, rtol=1e-6)
    total = utils.clip_grad_norm_(layer.parameters(), 0.5, norm_type)
    assert total.item() == pytest.approx(norm, rel=1e-5)
    clipped = gradients_of(layer)
    np.testing.assert_allclose(clipped, flat * 0.5 / norm, rtol=1e-4)


def test_clip_grad_norm_of_nothing_and_of_nan():
    assert utils.clip_grad_norm_([nn.Parameter(rsconv.ones(2))], 1.0).item() == 0
    layer, _ = with_gradients()
    layer.bias.grad[0] = math.nan
    with pytest.raises(ArgumentError, match=r"total norm of order 2.0 of the gradients is nan"):
        utils.clip_grad_norm_(layer.parameters(), 1.0, error_if_nonfinite=True)
    assert math.isnan(utils.clip_grad_norm_(layer.parameters(), 1.0).item())
    with pytest.raises(ArgumentError, match="norm_type must be positive, but got norm_type=0"):
        utils.clip_grad_norm_(layer.parameters(), 1.0, 0)


def test_clip_grad_value_limits_each_element(device):
    layer, flat = with_gradients(device)
    utils.clip_grad_value_(layer.parameters(), 0.3)
    clipped = gradients_of(layer)
    np.testing.assert_array_equal(clipped, np.clip(flat, np.float32(-0.3), np.float32(0.3)))


def test_parameters_as_a_vector():
    layer, other = nn.Linear(4, 3), nn.Linear(4, 3)
    vector = utils.parameters_to_vector(layer.parameters())
    np.testing.assert_array_equal(
        values(vector), np.concatenate([values(layer.weight).ravel(), values(layer.bias)])
    )
    utils.vector_to_parameters(vector.detach(), other.parameters())
    x = sample(2, 4)
    np.testing.assert_array_equal(layer(x), other(x))
    with pytest.raises(ShapeError, match=r"a vector of 15 elements, but got size \[14\]"):
        utils.vector_to_parameters(vector.detach()[:14], other.parameters())


# Fusion.


def trained(bn):
    for index, name in enumerate(("running_mean", "running_var", "weight", "bias")):
        member = getattr(bn, name)
        if member is not None:
            with rsconv.no_grad():
                member.copy_(np.random.default_rng(index).uniform(0.5, 1.5, member.shape))
    return bn.eval()


@pytest.mark.parametrize("rank", (1, 2, 3))
@pytest.mark.parametrize("affine", (True, False))
def test_fused_convolutions_compute_the_same(rank, affine, device):
    x = sample(2, 4, *(6, 5, 4)[:rank])
    bn = trained(getattr(nn, f"BatchNorm{rank}d")(6, eps=0.1, affine=affine))
    for kind, transpose, options in (
        ("Conv", False, {"groups": 2, "bias": affine}),
        ("ConvTranspose", True, {"bias": not affine}),
    ):
        conv = getattr(nn, f"{kind}{rank}d")(4, 6, 3, **options).eval()
        fused = utils.fuse_conv_bn_eval(conv, bn, transpose).to(device)
        np.testing.assert_allclose(fused(x), bn(conv(x)), rtol=1e-4, atol=1e-5)
        assert type(fused) is type(conv)
        assert fused is not conv
        assert fused.bias is not None


def test_fused_linear_layers_and_what_cannot_be_fused():
    x = sample(3, 4)
    linear, bn = nn.Linear(4, 5).eval(), trained(nn.BatchNorm1d(5))
    fused = utils.fuse_linear_bn_eval(linear, bn)
    np.testing.assert_allclose(fused(x), bn(linear(x)), rtol=1e-5, atol=1e-6)
    with pytest.raises(ArgumentError, match="out_features=4 to equal num_features=5"):
        utils.fuse_linear_bn_eval(nn.Linear(4, 4).eval(), bn)
    with pytest.raises(ArgumentError, match=r"Linear.training=True and BatchNorm1d.training=False"):
        utils.fuse_linear_bn_eval(nn.Linear(4, 5), bn)
    with pytest.raises(ArgumentError, match="BatchNorm1d has no running statistics"):
        utils.fuse_linear_bn_eval(linear, nn.BatchNorm1d(5, track_running_stats=False).eval())
    with pytest.raises(ArgumentError, match="can be fused if groups=1, but got groups=2"):
        utils.fuse_conv_bn_eval(
            nn.ConvTranspose1d(4, 4, 1, groups=2).eval(), trained(nn.BatchNorm1d(4)), True
        )


# Weight normalization.

LAYERS = [
    (lambda: nn.Conv1d(4, 6, 3), 0, (4, 9)),
    (lambda: nn.Conv2d(4, 6, 3), None, (4, 5, 5)),
    (lambda: nn.ConvTranspose1d(4, 6, 3), 0, (4, 9)),
    (lambda: nn.ConvTranspose1d(4, 6, 3), 1, (4, 9)),
    (lambda: nn.Linear(4, 6), 0, (3, 4)),
]


@pytest.mark.parametrize(("make", "dim", "shape"), LAYERS)
@pytest.mark.parametrize("form", (utils.weight_norm, parametrizations.weight_norm))
def test_weight_norm_splits_length_and_direction(form, make, dim, shape, device):
    layer, x = make(), sample(2, *shape)
    weight, before = values(layer.weight).copy(), layer(x)
    assert form(layer, dim=dim) is layer
    layer.to(device)
    np.testing.assert_allclose(layer(x), before, rtol=1e-4, atol=1e-5)
    state = layer.state_dict()
    old = form is utils.weight_norm
    names = ("weight_g", "weight_v") if old else tuple(f"parametrizations.weight.original{i}" for i in (0, 1))
    assert list(state) == ["bias", *names]
    axes = None if dim is None else tuple(a for a in range(weight.ndim) if a != dim)
    lengths = np.sqrt((weight**2).sum(axes, keepdims=dim is not None))
    assert values(state[names[0]]).shape == lengths.shape
    np.testing.assert_allclose(values(state[names[0]]), lengths, rtol=1e-5)
    with rsconv.no_grad():
        state[names[0]].mul_(2)
        state[names[1]].mul_(5)
    layer(x)
    np.testing.assert_allclose(values(layer.weight), 2 * weight, rtol=1e-4, atol=1e-6)
    if old:
        utils.remove_weight_norm(layer)
    else:
        parametrize.remove_parametrizations(layer, "weight")
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    assert type(layer) is type(make())
    assert isinstance(layer.weight, nn.Parameter)
    np.testing.assert_allclose(values(layer.weight), 2 * weight, rtol=1e-4, atol=1e-6)


def test_parametrized_layers_print_and_load_as_pytorchs():
    layer = parametrizations.weight_norm(nn.Conv1d(2, 3, 3))
    assert repr(layer) == (
        "ParametrizedConv1d(\n"
        "  2, 3, kernel_size=(3,), stride=(1,)\n"
        "  (parametrizations): ModuleDict(\n"
        "    (weight): ParametrizationList(\n"
        "      (0): _WeightNorm()\n"
        "    )\n"
        "  )\n"
        ")"
    )
    assert isinstance(layer, nn.Conv1d)
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    older = utils.weight_norm(nn.Conv1d(2, 3, 3))
    net = nn.Sequential(layer)
    net.load_state_dict({f"0.{key}": value for key, value in older.state_dict().items()})
    x = sample(1, 2, 5)
    np.testing.assert_allclose(net(x), older(x), rtol=1e-5, atol=1e-6)
    twin = copy.deepcopy(layer)
    with rsconv.no_grad():
        twin.parametrizations.weight.original0.zero_()
    assert np.abs(values(layer.weight)).max() > 0
    assert not values(twin.weight).any()


def test_registered_parametrizations_compose():
    class Symmetric(nn.Module):
        def forward(self, x):
            return (x + x.t()) / 2

    class Doubled(nn.Module):
        def forward(self, x):
            return x * 2

        def right_inverse(self, x):
            return x / 2

    layer = nn.Linear(3, 3)
    weight = values(layer.weight).copy()
    parametrize.register_parametrization(layer, "weight", Symmetric())
    np.testing.assert_allclose(values(layer.weight), (weight + weight.T) / 2)
    parametrize.register_parametrization(layer, "weight", Doubled())
    np.testing.assert_allclose(values(layer.weight), (weight + weight.T) / 2, rtol=1e-6)
    assert len(layer.parametrizations.weight) == 2
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert type(layer) is nn.Linear
    with pytest.raises(ArgumentError, match="Linear has no parametrization of 'weight'"):
        parametrize.remove_parametrizations(layer, "weight")
    with pytest.raises(ArgumentError, match="Linear has no Parameter 'kernel' to parametrize"):
        parametrize.register_parametrization(layer, "kernel", Doubled())
    parametrizations.weight_norm(layer)
    with pytest.raises(ArgumentError, match="'weight' has 2 originals, so that it can only be left"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


# Spectral normalization.


@pytest.mark.parametrize("form", (utils.spectral_norm, parametrizations.spectral_norm))
def test_spectral_norm_divides_by_the_largest_singular_value(form, device):
    rsconv.manual_seed(0)
    for layer, order, shape in (
        (nn.Conv2d(3, 5, 2), (0, 1, 2, 3), (3, 4, 4)),
        (nn.ConvTranspose2d(3, 5, 2), (1, 0, 2, 3), (3, 4, 4)),
        (nn.Linear(4, 6), (0, 1), (4,)),
    ):
        weight = values(layer.weight).copy()
        matrix = weight.transpose(order).reshape(weight.shape[order[0]], -1)
        expected = weight / np.linalg.svd(matrix)[1][0]
        assert form(layer, n_power_iterations=3) is layer
        layer.to(device)
        x = sample(2, *shape)
        for _ in range(30):
            layer(x)
        layer.eval()(x)
        np.testing.assert_allclose(values(layer.weight), expected, rtol=1e-3, atol=1e-4)
        u = "weight_u" if form is utils.spectral_norm else "parametrizations.weight.0._u"
        before = values(layer.state_dict()[u]).copy()
        layer(x)
        np.testing.assert_array_equal(values(layer.state_dict()[u]), before)
        if form is utils.spectral_norm:
            assert list(layer.state_dict()) == ["bias", "weight_orig", "weight_u", "weight_v"]
            utils.remove_spectral_norm(layer)
        else:
            parametrize.remove_parametrizations(layer, "weight")
        np.testing.assert_allclose(values(layer.weight), expected, rtol=1e-3, atol=1e-4)
        assert sorted(layer.state_dict()) == ["bias", "weight"]


def test_normalizations_name_what_they_refuse():
    layer = utils.weight_norm(nn.Linear(2, 2))
    spectral = utils.spectral_norm(nn.Linear(2, 2))
    for call, message in [
        (lambda: utils.weight_norm(layer), "two weight_norm hooks on the same parameter weight"),
        (lambda: utils.remove_weight_norm(spectral), "weight_norm of 'weight' not found in Linear"),
        (
            lambda: utils.weight_norm(nn.LazyLinear(2)),
            "weight_norm needs the shape of 'weight', .* uninitialized",
        ),
        (lambda: utils.spectral_norm(spectral), "two spectral_norm hooks on the same parameter weight"),
        (lambda: utils.remove_spectral_norm(layer), "spectral_norm of 'weight' not found in Linear"),
        (lambda: utils.spectral_norm(nn.LazyLinear(2)), "spectral_norm needs the shape of 'weight'"),
        (lambda: utils.spectral_norm(nn.Linear(2, 2), n_power_iterations=0), "got n_power_iterations=0"),
        (lambda: parametrizations.spectral_norm(nn.Linear(2, 2), "kernel"), "no Parameter 'kernel'"),
        (
            lambda: parametrizations.spectral_norm(nn.Linear(2, 2), n_power_iterations=0),
            "got n_power_iterations=0",
        ),
    ]:
        with pytest.raises(ArgumentError, match=message):
            call()
    with pytest.raises(AttributeError, match=r"'rsconv.nn.utils' has no attribute 'clip_norm'"):
        utils.clip_norm  # noqa: B018
