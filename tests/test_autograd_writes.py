"""In-place operators and writes through views, against the same computed without them."""

import numpy as np
import pytest
import rsconv
from rsconv import nn, tensor
from rsconv.errors import GradientError
from rsconv.nn import functional as F

X = np.array([[0.5, -1.5, 2.0], [1.0, 0.75, -0.25]], np.float32)
W = np.array([[1.5, 0.5, -1.0], [2.0, -0.5, 0.25]], np.float32)
MASK = np.array([[True, False, True], [False, True, False]])


def put(h, index, value):
    """`h` with `value` at an index, without a write."""
    places = np.zeros(h.shape, bool)
    places[index] = True
    wide = rsconv.zeros(*h.shape, device=h.device)
    return rsconv.where(tensor(places, device=h.device), wide + value, h)


# Of a result h and a leaf w: with writes, and without.
PAIRS = {
    "add_": (lambda h, w: h.add_(w), lambda h, w: h + w),
    "+=": (lambda h, w: h.__iadd__(w * 2), lambda h, w: h + w * 2),
    "sub_": (lambda h, w: h.sub_(w), lambda h, w: h - w),
    "mul_": (lambda h, w: h.mul_(w), lambda h, w: h * w),
    "mul_ by itself": (lambda h, w: h.mul_(h) + w, lambda h, w: h * h + w),
    "mul_ by its view": (lambda h, w: h.mul_(h[:1]) + w, lambda h, w: h * h[:1] + w),
    "div_": (lambda h, w: h.div_(w), lambda h, w: h / w),
    "div, then written": (lambda h, w: (w / h).add_(1) * 2, lambda h, w: (w / h + 1) * 2),
    "pow_": (lambda h, w: h.pow_(3) + w, lambda h, w: h**3 + w),
    "relu_": (lambda h, w: h.relu_() * w, lambda h, w: h.relu() * w),
    "leaky_relu": (
        lambda h, w: F.leaky_relu(h, 0.1, inplace=True) * w,
        lambda h, w: F.leaky_relu(h, 0.1) * w,
    ),
    "silu": (lambda h, w: F.silu(h, inplace=True) * w, lambda h, w: F.silu(h) * w),
    "square_": (lambda h, w: h.square_() * w, lambda h, w: h.square() * w),
    "clamp_": (lambda h, w: h.clamp_(-1, 2) * w, lambda h, w: rsconv.clamp(h, -1, 2) * w),
    "lerp_": (lambda h, w: h.lerp_(w, 0.3), lambda h, w: rsconv.lerp(h, w, 0.3)),
    "masked_fill_": (
        lambda h, w: h.masked_fill_(tensor(MASK, device=h.device), 2.0) * w,
        lambda h, w: put(h, MASK, 2) * w,
    ),
    "zero_": (lambda h, w: h.zero_() + w, lambda h, w: h * 0 + w),
    "copy_": (lambda h, w: h.copy_(w * 3), lambda h, w: w * 3 + h * 0),
    "copy_ of a row": (lambda h, w: h.copy_(w[0]), lambda h, w: w[0] + h * 0),
    "element": (lambda h, w: h.__setitem__((0, 1), w[1, 2]) or h, lambda h, w: put(h, (0, 1), w[1, 2])),
    "row": (lambda h, w: h.__setitem__(1, w[0]) or h, lambda h, w: put(h, 1, w[0])),
    "number": (lambda h, w: h.__setitem__(slice(1), 3) or h * w, lambda h, w: put(h, slice(1), 3) * w),
    "mask": (lambda h, w: h.__setitem__(MASK, 0) or h * w, lambda h, w: put(h, MASK, 0) * w),
    "indices": (
        lambda h, w: h.__setitem__(([0, 1], [2, 0]), w[0, 0]) or h * w,
        lambda h, w: put(h, ([0, 1], [2, 0]), w[0, 0]) * w,
    ),
    "view": (lambda h, w: h[1].mul_(w[0]) is None or h, lambda h, w: put(h, 1, h[1] * w[0])),
    "view of a view": (
        lambda h, w: h.view(-1)[1:4][1:].copy_(w.view(-1)[:2]) is None or h * w,
        lambda h, w: rsconv.cat([h.view(-1)[:2], w.view(-1)[:2], h.view(-1)[4:]]).view(2, 3) * w,
    ),
    "transposed view": (
        lambda h, w: h.t()[2].add_(w[0, :2]) is None or h,
        lambda h, w: put(h, (slice(None), 2), (h[:, 2] + w[0, :2]).unsqueeze(1)),
    ),
    "transpose_": (
        lambda h, w: h.mul_(w).transpose_(0, 1).add_(w.t()).t_() * w,
        lambda h, w: (h * w + w) * w,
    ),
    "squeeze_ of a view": (
        lambda h, w: h[:1].squeeze_(0).unsqueeze_(-1).mul_(w[0].unsqueeze(1)) is None or h,
        lambda h, w: put(h, 0, h[0] * w[0]),
    ),
    "twice": (lambda h, w: h.mul_(w).add_(w).mul_(w), lambda h, w: (h * w + w) * w),
}


def gradients(compute, device):
    x, w = (tensor(a, device=device).requires_grad_() for a in (X, W))
    y = compute(x * 2, w)
    assert y.requires_grad
    (y * y).sum().backward()
    return [y.detach().cpu().numpy(), x.grad.cpu().numpy(), w.grad.cpu().numpy()]


@pytest.mark.parametrize("name", PAIRS)
def test_writes_have_the_gradients_of_what_they_compute(name, device):
    for got, expected in zip(*(gradients(compute, device) for compute in PAIRS[name]), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_a_buffer_that_is_written_part_by_part(device):
    x = tensor(X, device=device).requires_grad_()
    rows = rsconv.zeros(3, 2, 3, device=device)
    first, last = rows[0], rows[2]
    for i in range(3):
        rows[i] = x * (i + 1)
    assert rows.requires_grad
    assert first.requires_grad
    assert not last.is_leaf
    (rows.sum() + 10 * last.sum()).backward()
    np.testing.assert_allclose(x.grad.cpu().numpy(), np.full((2, 3), 1 + 2 + 3 + 30))


def test_views_follow_their_base():
    x = tensor(X).requires_grad_()
    h = x * 1
    view, other = h[0], h.view(-1)
    h.mul_(3)
    view.add_(x[1])
    (view.sum() + 2 * other.sum()).backward()
    np.testing.assert_allclose(x.grad.tolist(), [[9] * 3, [6 + 3] * 3])


def test_views_follow_a_base_whose_shape_changes(device):
    x = tensor(X, device=device).requires_grad_()
    h = x * 1
    row, column = h[1], h[:, 2]
    assert h.t_() is h
    assert h.unsqueeze_(0).shape == (1, 3, 2)
    h.mul_(3)
    row.add_(1)
    assert column.tolist() == [6.0, 0.25]
    assert h.squeeze_().shape == (3, 2)
    (h.sum() + 2 * row.sum() + 4 * column.sum()).backward()
    assert x.grad.tolist() == [[3, 3, 15], [9, 9, 21]]
    with pytest.raises(GradientError, match="leaf"):
        x.squeeze_()
    weight = nn.Parameter(rsconv.ones(3))
    with rsconv.no_grad():
        assert weight.unsqueeze_(0) is weight
    assert (weight.shape, weight.requires_grad, weight.is_leaf) == ((1, 3), True, True)


def test_leaves_are_not_written():
    x = tensor(X).requires_grad_()
    row = x[0]
    message = r"a leaf Tensor of shape \(2, 3\) that requires grad is being written to in place; .*no_grad"
    for write in (
        lambda: x.add_(1),
        lambda: x.__setitem__(0, 1),
        x.zero_,
        x.relu_,
        x.normal_,
        lambda: F.dropout(x, inplace=True),
        lambda: row.mul_(2),
        lambda: x.view(-1)[1:].fill_(0),
    ):
        with pytest.raises(GradientError, match=message):
            write()
    np.testing.assert_array_equal(x.detach().numpy(), X)
    with rsconv.no_grad():
        x.mul_(2)
        row.add_(1)
    x.detach().zero_()
    assert x.is_leaf
    assert x.tolist() == [[0] * 3] * 2
    (x * 3).sum().backward()
    assert x.grad.tolist() == [[3] * 3] * 2


def test_what_a_gradient_needs_is_not_written_unnoticed():
    x = tensor(X).requires_grad_()
    h = x * 2
    y = h * h
    h.add_(1)
    with pytest.raises(
        GradientError,
        match=r"a Tensor of shape \(2, 3\) and dtype float32 that 'mul' needs .*at version 1, not 0 as then",
    ):
        y.sum().backward()
    weight = nn.Parameter(rsconv.ones(1, 1, 1, 1))
    y = F.conv2d(x.view(1, 1, 2, 3), weight)
    with rsconv.no_grad():
        weight.add_(1)
    with pytest.raises(GradientError, match="that 'conv' needs"):
        y.sum().backward()
    # An operator whose gradient does not read it does not mind.
    h = x * 2
    y = h + 1
    h.add_(5)
    (y.sum() + h.sum()).backward()


def test_a_write_that_is_refused_is_none():
    x = tensor(X).requires_grad_()
    h = x * 2
    y = h * h
    wrong = rsconv.ones(4)
    for write in (
        lambda: h.add_(wrong),
        lambda: h.copy_(wrong),
        lambda: h.div_(wrong),
        lambda: h.__setitem__(0, wrong),
        lambda: h.__setitem__(7, 0),
        lambda: h.add_(1j),
    ):
        with pytest.raises((ValueError, IndexError)):
            write()
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 8 * X)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
def test_activations_whose_result_is_kept_leave_their_input_free(name, device):
    x = tensor(X, device=device).requires_grad_()
    h = x * 1
    y = getattr(rsconv, name)(h)
    h.zero_()
    y.sum().backward(retain_graph=True)
    wanted = tensor(X, device=device).requires_grad_()
    getattr(rsconv, name)(wanted).sum().backward()
    assert x.grad.tolist() == wanted.grad.tolist()
    y.detach().zero_()
    with pytest.raises(GradientError, match=f"'{name}' needs"):
        y.sum().backward()


def test_numbers_that_were_indices_may_change():
    x = tensor(X).requires_grad_()
    rows = np.array([1, 1, 0])
    y = x[rows]
    rows[:] = 0
    y.sum().backward()
    assert x.grad.tolist() == [[1] * 3, [2] * 3]
    x.grad = None
    labels = np.array([[2], [0]])
    y = rsconv.gather(x, 1, labels)
    labels[:] = 1
    y.sum().backward()
    assert x.grad.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_detach_in_place():
    x = tensor(X).requires_grad_()
    h = x * 2
    view = h[0]
    with pytest.raises(GradientError, match="cannot detach views in place"):
        view.detach_()
    assert h.detach_() is h
    assert (h.is_leaf, h.requires_grad) == (True, False)


def test_dropout_in_place_passes_what_it_kept():
    x = rsconv.ones(50).requires_grad_()
    h = F.dropout(x * 1, 0.5, inplace=True)
    h.sum().backward()
    assert x.grad.tolist() == h.tolist()
    assert 0 < np.count_nonzero(x.grad.numpy()) < 50


def test_results_are_not_deep_copied():
    import copy

    x = tensor(X).requires_grad_()
    with pytest.raises(GradientError, match=r"only leaves can be deep-copied.*result of 'mul'"):
        copy.deepcopy(x * 2)
    assert copy.copy(x * 2).grad_fn is not None
    assert copy.deepcopy(x).requires_grad
