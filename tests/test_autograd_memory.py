"""What a tape holds: only what its rules read, until backward has passed."""

import gc
import weakref

import pytest
import rsconv
from rsconv import nn
from rsconv.autograd import grad
from rsconv.nn import functional as F


@pytest.fixture(autouse=True)
def no_collector():
    """What goes, goes by itself: graphs have no cycles."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held(*tensors):
    """Watches the memory of Tensors."""
    references = [weakref.ref(t._storage) for t in tensors]
    return lambda: [reference() is not None for reference in references]


X = (1, 2, 5, 5)


def leaf(*shape):
    return rsconv.rand(*shape).requires_grad_()


# A function of an intermediate result, and whether the tape keeps that, and its own result.
SAVES = {
    "add": (lambda h: h + leaf(*X), False, False),
    "mul by a number": (lambda h: h * 2.0, False, False),
    "mul by a constant": (lambda h: h * rsconv.rand(*X), False, False),
    "mul": (lambda h: h * leaf(*X), True, False),
    "relu": (F.relu, False, True),
    "exp": (rsconv.exp, False, True),
    "sin": (rsconv.sin, True, False),
    "sum": (lambda h: h.sum(), False, False),
    "mean": (lambda h: h.mean((0, 2)), False, False),
    "silu": (F.silu, True, False),
    "softmax": (lambda h: F.softmax(h, 1), False, True),
    "avg_pool": (lambda h: F.avg_pool2d(h, 2), False, False),
    "max_pool": (lambda h: F.max_pool2d(h, 2), False, False),
    "interpolate": (lambda h: F.interpolate(h, scale_factor=2), False, False),
    "pad": (lambda h: F.pad(h, (1, 1)), False, False),
    "cat": (lambda h: rsconv.cat([h, h]), False, False),
    "index": (lambda h: h[:, rsconv.tensor([0, 0])], False, False),
    "conv": (lambda h: F.conv2d(h, leaf(3, 2, 3, 3)), True, False),
    "conv with a constant weight": (lambda h: F.conv2d(h, rsconv.rand(3, 2, 3, 3)), False, False),
    "conv_transpose with borders": (
        lambda h: F.conv2d(h, leaf(3, 2, 3, 3), padding=1, padding_mode="circular"),
        True,
        False,
    ),
    "linear": (lambda h: F.linear(h, leaf(4, 5), leaf(4)), True, False),
    "batch_norm": (
        lambda h: F.batch_norm(h, None, None, leaf(2), leaf(2), training=True),
        True,
        False,
    ),
    "dropout": (lambda h: F.dropout(h, 0.5), False, False),
}


@pytest.mark.parametrize("name", SAVES)
def test_only_what_a_gradient_reads_is_kept(name):
    compute, keeps_input, keeps_output = SAVES[name]
    h = leaf(*X) + 1
    y = compute(h)
    # A result that keeps nothing itself.
    z = y + 1
    alive = held(h, y)
    del h, y
    assert alive() == [keeps_input, keeps_output]
    z.backward(rsconv.ones(z.shape))
    assert alive() == [False, False]
    del z


def test_a_constant_input_keeps_only_the_weights_part():
    x, w = rsconv.rand(*X), leaf(3, 2, 3, 3)
    alive = held(w)
    y = F.conv2d(x, w)
    w_grad_reads = held(x)
    del x, w
    assert (alive(), w_grad_reads()) == ([False], [True])
    y.sum().backward()


def test_activations_are_kept_once():
    """Convolution, ReLU, convolution: the second one's input is the first one's result after ReLU."""
    x, w = rsconv.rand(*X), leaf(2, 2, 1, 1)
    before = F.conv2d(x, w)
    after = F.relu(before)
    y = F.conv2d(after, w)
    alive = held(before, after)
    del before, after
    assert alive() == [False, True]
    y.sum().backward()
    assert alive() == [False, False]


def test_graphs_go_with_their_results():
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 1, 3))
    y = net(leaf(*X)).sum()
    node = weakref.ref(y.grad_fn)
    y.retain_grad()
    del y
    assert node() is None
    parameter = weakref.ref(net[0].weight)
    del net
    assert parameter() is None


def test_retained_graphs_are_kept_until_the_last_time():
    h = leaf(*X) * 1
    y = (h * h).sum()
    alive = held(h)
    del h
    y.backward(retain_graph=True)
    assert alive() == [True]
    y.backward()
    assert alive() == [False]


def test_gradients_go_as_soon_as_they_are_used():
    x = leaf(*X)
    y, references, most = x, [], []

    def watch(g):
        references.append(weakref.ref(g._storage))
        most.append(sum(r() is not None for r in references))

    for _ in range(20):
        y = y.sin()
        y.register_hook(watch)
    y.sum().backward()
    assert len(most) == 20
    # That of a result, and that of its argument.
    assert max(most) <= 2
    assert sum(r() is not None for r in references) <= 1


def test_the_first_gradient_is_not_copied():
    x, w = rsconv.rand(*X), leaf(3, 2, 3, 3)
    seen = []
    w.register_hook(lambda g: seen.append(weakref.ref(g._storage)))
    F.conv2d(x, w).sum().backward()
    assert seen[0]() is w.grad._storage


def test_second_derivatives_go_too():
    x = leaf(*X)
    (first,) = grad((x.sin() * x).sum(), x, create_graph=True)
    node = weakref.ref(first.grad_fn)
    first.sum().backward()
    del first
    assert node() is None


def test_training_steps_do_not_grow(device):
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 2))
    net.to(device)
    x = rsconv.rand(4, *X[1:]).to(device)
    counts = []
    for _ in range(4):
        net.zero_grad()
        net(x).square().mean().backward()
        gc.collect()
        counts.append(sum(isinstance(o, rsconv.Tensor) for o in gc.get_objects()))
    assert counts[1] == counts[2] == counts[3]
