"""Dropout: what it keeps, how much, and that its stream is the seed's."""

import numpy as np
import pytest
import rsconv
from rsconv import functional as F
from rsconv.autograd import grad


def test_it_zeroes_or_scales_every_element():
    x = np.random.default_rng(0).normal(1, 0.1, (50, 40)).astype(np.float32)
    for p in (0.1, 0.5, 0.8):
        y = F.dropout(x, p)
        kept = y != 0
        np.testing.assert_allclose(y[kept], x[kept] / np.float32(1 - p), rtol=1e-6)
        # Six standard deviations of a binomial count.
        assert abs(kept.mean() - (1 - p)) < 6 * np.sqrt(p * (1 - p) / x.size)


def test_nothing_and_everything():
    x = np.ones((3, 4), np.float32)
    for y in (F.dropout(x, 0.0), F.dropout(x, 0.5, training=False)):
        np.testing.assert_array_equal(y, x)
        assert not np.shares_memory(y, x)
    np.testing.assert_array_equal(F.dropout(np.full((3, 4), np.inf), 1.0), 0)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("lead", [(20, 30), (600,)])
def test_channels_go_as_a_whole(rank, lead):
    x = np.random.default_rng(1).uniform(1, 2, (*lead, *(3, 4, 5)[:rank]))
    y = getattr(F, f"dropout{rank}d")(x, 0.4)
    kept = (y != 0).reshape(*lead, -1)
    assert (kept.all(-1) == kept.any(-1)).all()
    np.testing.assert_allclose(y[y != 0], x[y != 0] / 0.6)
    assert abs(kept[..., 0].mean() - 0.6) < 6 * np.sqrt(0.24 / 600)


def test_a_seed_decides_and_calls_differ():
    x = np.ones(1000, np.float32)
    rsconv.manual_seed(7)
    first, second = F.dropout(x), F.dropout(x)
    assert (first != second).any()
    rsconv.manual_seed(7)
    np.testing.assert_array_equal(F.dropout(x), first)
    np.testing.assert_array_equal(F.dropout(rsconv.tensor(x)).numpy(), second)
    rsconv.manual_seed(8)
    assert (F.dropout(x) != first).any()


def test_drawing_other_numbers_changes_no_stream():
    x = np.ones(100)
    rsconv.manual_seed(7)
    first = F.dropout(x)
    rsconv.manual_seed(7)
    rsconv.rand(10)
    np.testing.assert_array_equal(F.dropout(x), first)


def test_in_place():
    t = rsconv.ones(200)
    version = t._version
    assert F.dropout(t, 0.5, inplace=True) is t
    assert t._version > version
    assert set(t.tolist()) == {0.0, 2.0}


@pytest.mark.parametrize(("name", "shape"), [("dropout", (30,)), ("dropout2d", (4, 5, 2, 3))])
def test_its_gradient_passes_what_it_kept(name, shape):
    x = rsconv.ones(*shape, dtype="float64", requires_grad=True)
    y = getattr(F, name)(x, 0.3)
    g = rsconv.rand(*shape, dtype="float64")
    (gradient,) = grad(y, x, g)
    np.testing.assert_allclose(gradient.numpy(), g.numpy() * y.numpy())
