"""The rules of leaves, graphs and accumulation: PyTorch's, with messages that say what to do."""

import threading

import numpy as np
import pytest
import rsconv
from rsconv import nn, tensor
from rsconv.autograd import Function, grad
from rsconv.errors import ArgumentError, DeviceError, DtypeError, GradientError
from rsconv.nn import functional as F


def leaf(values, device="cpu", dtype=rsconv.float32):
    return tensor(np.array(values), dtype=dtype, device=device).requires_grad_()


def test_a_chain_of_operators(device):
    x, w = leaf([1.0, 2.0, 3.0], device), leaf([2.0, 2.0, 2.0], device)
    y = ((x * w + 1) ** 2).sum()
    y.backward()
    inner = np.array([1, 2, 3]) * 2 + 1
    np.testing.assert_allclose(x.grad.tolist(), 2 * inner * 2)
    np.testing.assert_allclose(w.grad.tolist(), 2 * inner * np.array([1, 2, 3]))
    assert x.grad.device == x.device


def test_what_is_a_leaf():
    x = leaf([1.0])
    y = x * 2
    assert (x.is_leaf, y.is_leaf, x.grad_fn, y.requires_grad) == (True, False, None, True)
    assert y.grad_fn.name() == "MulBackward0"
    assert repr(y) == "tensor([2.], grad_fn=<MulBackward0>)"
    assert y.grad_fn.next_functions[0][0].name() == "AccumulateGrad"
    assert (y.detach().is_leaf, y.detach().requires_grad) == (True, False)
    assert tensor([1.0]).is_leaf
    with pytest.raises(GradientError, match=r"requires_grad of a result \(of 'mul', shape \(1,\)\)"):
        y.requires_grad = False
    with pytest.raises(DtypeError, match=r"only floating-point and complex Tensors .* this is int64"):
        tensor([1]).requires_grad_()
    assert not (x > 0).requires_grad
    assert not x.argmax().requires_grad
    assert not x.long().requires_grad


def test_gradients_accumulate():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    assert x.grad is first
    assert x.grad.tolist() == [4, 8]
    x.grad = None
    (x + x + x).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_a_gradient_never_shares_memory_with_what_the_user_holds():
    x, z = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    mine = np.ones(2, np.float32)
    upstream = rsconv.from_numpy(mine)
    (x + z).backward(upstream)
    x.grad.add_(5)
    assert mine.tolist() == upstream.tolist() == z.grad.tolist() == [1, 1]
    (x + z).backward(mine)
    x.grad.mul_(5)
    assert mine.tolist() == [1, 1]
    seen = []
    x.grad = None
    x.register_hook(seen.append)
    (x * 2).sum().backward()
    x.grad.add_(1)
    assert seen[0].tolist() == [2, 2]


def test_one_gradient_for_two_leaves_is_two():
    x, z = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    ((x + z) * 3).sum().backward()
    x.grad.zero_()
    assert z.grad.tolist() == [3, 3]


def test_results_keep_no_gradient_unless_told():
    x = leaf([3.0])
    y = x * x
    y.retain_grad()
    assert y.retains_grad
    (y * 2).backward()
    assert (y.grad.tolist(), x.grad.tolist()) == ([2], [12])
    with pytest.raises(GradientError, match="cannot retain_grad"):
        tensor([1.0]).retain_grad()


def test_backward_twice():
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 8]
    with pytest.raises(GradientError, match=r"the graph is gone: the gradients of 'mul'.*retain_graph=True"):
        y.backward()
    # What keeps nothing may be gone through again.
    z = x + x
    for _ in range(2):
        z.backward(rsconv.ones(2))


def test_what_backward_refuses(device):
    x = leaf([1.0, 2.0], device)
    with pytest.raises(GradientError, match=r"only for scalar outputs, but this one has shape \(2,\)"):
        (x * 2).backward()
    with pytest.raises(GradientError, match=r"output 0, a Tensor of shape \(2,\), does not require grad"):
        tensor([1.0, 2.0], device=device).backward()
    with pytest.raises(GradientError, match=r"the gradient has shape \(3,\) and the output shape \(2,\)"):
        (x * 2).backward(rsconv.ones(3, device=device))
    with rsconv.no_grad():
        y = (x * 2).sum()
    with pytest.raises(GradientError, match=r"computed inside of no_grad\(\)"):
        y.backward()


def test_devices_must_agree(device):
    if device == "cpu":
        return
    x = leaf([1.0, 2.0], device)
    with pytest.raises(DeviceError, match="the gradient is on cpu and the output on gpu"):
        (x * 2).backward(rsconv.ones(2))
    with pytest.raises(GradientError, match="grad of a Tensor of device gpu must have that device"):
        x.grad = rsconv.ones(2)


def test_gradients_cross_devices_and_dtypes(device):
    x = leaf([1.0, 2.0])
    y = (x.to(device) * 3).cpu().double()
    (y * y).sum().backward()
    assert (x.grad.dtype, x.grad.device) == (rsconv.float32, "cpu")
    assert x.grad.tolist() == [18, 36]
    h = leaf([1.0, 2.0], device)
    target = rsconv.zeros(2)
    target.copy_(h * 2)
    target.sum().backward()
    assert h.grad.tolist() == [2, 2]


def test_assigned_gradients_must_fit():
    x = leaf([1.0, 2.0])
    with pytest.raises(GradientError, match=r"of shape \(2,\) must have that shape, but got shape \(1,\)"):
        x.grad = tensor([1.0])
    with pytest.raises(GradientError, match="must have that dtype, but got dtype float64"):
        x.grad = tensor([1.0, 2.0], dtype=rsconv.float64)
    with pytest.raises(TypeError, match="grad must be a Tensor or None, but got ndarray"):
        x.grad = np.ones(2)
    del x.grad
    assert x.grad is None


def test_grad_of_some_inputs():
    x, w, other = leaf([2.0]), leaf([3.0]), leaf([1.0])
    middle = x * w
    y = middle * middle
    of_x, of_middle = grad(y, [x, middle], retain_graph=True)
    assert (of_x.tolist(), of_middle.tolist()) == ([36], [12])
    assert x.grad is w.grad is None
    with pytest.raises(GradientError, match=r"do not depend on inputs\[0\].*allow_unused=True"):
        grad(y, other, retain_graph=True)
    assert grad(y, other, allow_unused=True, retain_graph=True) == (None,)
    assert grad(y, other, materialize_grads=True, retain_graph=True)[0].tolist() == [0]
    with pytest.raises(GradientError, match=r"inputs\[0\], a Tensor of shape \(1,\), does not require grad"):
        grad(y, tensor([1.0]))
    with pytest.raises(TypeError, match=r"inputs\[1\] must be a Tensor, but got float"):
        grad(y, [x, 1.0])
    with pytest.raises(ArgumentError, match="got 2 gradients for 1 outputs"):
        grad([y], [x], [tensor([1.0]), tensor([1.0])])
    y.backward(inputs=[w])
    assert (w.grad.tolist(), x.grad) == ([24], None)
    with pytest.raises(ArgumentError, match=r"inputs of backward\(\) cannot be empty"):
        (x * 2).backward(inputs=[])


def test_several_outputs_share_a_graph():
    x = leaf([1.0, 2.0])
    h = x * x
    rsconv.autograd.backward([h.sum(), (h * 2).sum()], retain_graph=True)
    assert x.grad.tolist() == [6, 12]
    (found,) = grad([h, h], x, [rsconv.ones(2), tensor([0.0, 1.0])])
    assert found.tolist() == [2, 8]


def test_modes():
    x = leaf([1.0])
    assert rsconv.is_grad_enabled()
    with rsconv.no_grad():
        assert not rsconv.is_grad_enabled()
        assert not (x * 2).requires_grad
        with rsconv.enable_grad():
            assert (x * 2).requires_grad
        assert not rsconv.is_grad_enabled()
    with rsconv.inference_mode():
        assert rsconv.is_inference_mode_enabled()
        assert not (x * 2).requires_grad
    assert not rsconv.is_inference_mode_enabled()
    with rsconv.set_grad_enabled(False):
        assert not rsconv.is_grad_enabled()
    assert rsconv.is_grad_enabled()
    rsconv.set_grad_enabled(False)
    assert not rsconv.is_grad_enabled()
    rsconv.set_grad_enabled(True)

    @rsconv.no_grad()
    def plain():
        return (x * 2).requires_grad

    @rsconv.no_grad
    def bare():
        return (x * 2).requires_grad

    @rsconv.no_grad()
    def steps():
        sent = yield rsconv.is_grad_enabled()
        yield sent, rsconv.is_grad_enabled()

    assert (plain(), bare()) == (False, False)
    generator = steps()
    assert next(generator) is False
    assert rsconv.is_grad_enabled()
    assert generator.send(5) == (5, False)
    with pytest.raises(ZeroDivisionError), rsconv.no_grad():
        raise ZeroDivisionError
    assert rsconv.is_grad_enabled()


def test_modes_are_of_one_thread():
    seen = []
    with rsconv.no_grad():
        thread = threading.Thread(target=lambda: seen.append(rsconv.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_hooks():
    x = leaf([1.0, 2.0])
    y = x * 3
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: g + 1)
    y.sum().backward()
    assert seen == [[1, 1]]
    assert x.grad.tolist() == [7, 7]
    handle.remove()
    handle.remove()
    (x * 3).sum().backward()
    assert len(seen) == 1
    z = x * 2
    z.register_hook(lambda g: g.sum())
    with pytest.raises(GradientError, match=r"a hook of a gradient of shape \(2,\) returned a Tensor"):
        z.sum().backward()
    with pytest.raises(GradientError, match="cannot register a hook"):
        tensor([1.0]).register_hook(print)


def test_anomalies_are_named():
    x = leaf([0.0, 1.0])
    with rsconv.autograd.detect_anomaly():
        y = (x.sqrt() * 0).sum()
        with pytest.raises(GradientError, match=r"'input' of 'sqrt', shape \(2,\), has NaN; .*test_autograd"):
            y.backward()
    with rsconv.autograd.detect_anomaly():
        loss = (x / 0 - x / 0).sum()
        with pytest.raises(GradientError, match=r"output 0, a Tensor of shape \(\) made by 'sum', has NaN"):
            loss.backward()
    y = (x.sqrt() * 0).sum()
    y.backward()
    with rsconv.autograd.set_detect_anomaly(True):
        y = (x.sqrt() * 0).sum()
    y.backward()


class Cube(Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x * x * x * factor, x.sign()

    @staticmethod
    def backward(ctx, g, _):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g * ctx.factor, None


def test_functions_of_ones_own():
    x = leaf([1.0, -2.0])
    y, sign = Cube.apply(x, 2)
    assert y.grad_fn.name() == "CubeBackward"
    (first,) = grad(y.sum() + sign.sum(), x, create_graph=True)
    assert first.tolist() == [6, 24]
    (second,) = grad(first.sum(), x)
    assert second.tolist() == [12, -24]
    y, _ = Cube.apply(x, 2)
    y.sum().backward()
    with pytest.raises(GradientError, match="'Cube' saved was dropped"):
        y.backward(rsconv.ones(2))

    class Wrong(Cube):
        @staticmethod
        def backward(ctx, g, _):
            return g.sum(), None

    with pytest.raises(GradientError, match=r"Wrong.backward\(\) returned a gradient of shape \(\) for arg"):
        Wrong.apply(x, 1)[0].sum().backward()


def test_deep_graphs():
    x = leaf([1.0])
    y = x
    for _ in range(10_000):
        y = y + 1
    y.backward()
    assert x.grad.tolist() == [1]


def test_complex_numbers_follow_pytorchs_convention():
    """The gradient of a real L is dL/da + i dL/db for z = a + ib."""
    rng = np.random.default_rng(0)
    z, w = (rng.normal(size=(2, 1, 1, 4, 4)) @ np.eye(4) for _ in range(2))
    x = rsconv.from_numpy(z[0] + 1j * z[1]).requires_grad_()
    k = rsconv.from_numpy((w[0] + 1j * w[1])[:, :, :2, :2]).requires_grad_()

    def loss(x, k):
        return (F.conv2d(x, k) * x[:, :, 1:, 1:] + x[:, :, :3, :3].exp()).abs().square().sum()

    loss(x, k).backward()
    for t, other in ((x, lambda v: loss(v, k.detach())), (k, lambda v: loss(x.detach(), v))):
        base, place = t.detach().numpy(), (0, 0, 1, 1)
        found = t.grad.numpy()[place]
        steps = []
        for direction in (1e-6, 1e-6j):
            ends = []
            for sign in (1, -1):
                moved = base.copy()
                moved[place] += sign * direction
                ends.append(other(rsconv.from_numpy(moved)).item())
            steps.append((ends[0] - ends[1]) / 2e-6)
        assert abs(found - complex(*steps)) < 1e-5 * abs(found)
    with pytest.raises(GradientError, match="'sign' has no gradient of complex numbers"):
        x.sign().abs().sum().backward()
    with pytest.raises(GradientError, match="only for real outputs, but got complex128"):
        (x * x).sum().backward()


def test_numpy_arrays_record_nothing():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    assert type(net(np.ones((1, 1, 5, 5), np.float32))) is np.ndarray
    assert type(rsconv.mul(np.ones(2), 2.0)) is np.ndarray
    assert net(rsconv.ones(1, 1, 5, 5)).requires_grad


def test_arrays_beside_tensors_are_kept_as_they_were():
    x, factor = leaf([1.0, 2.0]), np.array([3.0, 4.0], np.float32)
    y = (x * factor).sum()
    factor[:] = 0
    y.backward()
    assert x.grad.tolist() == [3, 4]


def test_a_convolution_that_writes_to_out_has_no_gradient():
    x, w = rsconv.ones(1, 1, 3, 3), leaf(np.ones((1, 1, 3, 3)))
    with pytest.raises(GradientError, match=r"out= has no gradient, but weight requires grad"):
        F.conv2d(x, w, out=rsconv.zeros(1, 1, 1, 1))
    with rsconv.no_grad():
        F.conv2d(x, w, out=rsconv.zeros(1, 1, 1, 1))


def test_a_penalty_on_gradients(device):
    """Gulrajani et al., 2017: the gradient of a loss of the norm of a gradient, against small steps."""
    dtype = rsconv.float64 if device == "cpu" else rsconv.float32
    rsconv.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.Conv2d(4, 2, 3), nn.Tanh())
    net = net.to(device, dtype)
    head = nn.Linear(2 * 3 * 3, 1).to(device, dtype)
    x = rsconv.randn(3, 2, 7, 7).to(device, dtype).requires_grad_()

    def penalty():
        y = head(net(x).flatten(1)).sum()
        (g,) = grad(y, x, create_graph=True)
        return ((g * g).sum((1, 2, 3)).sqrt() - 1).square().mean()

    loss = penalty()
    loss.backward()
    weight = net[0].weight
    found = weight.grad.cpu().numpy()
    direction = np.random.default_rng(1).normal(size=weight.shape)
    step = 1e-5 if device == "cpu" else 1e-2
    ends = []
    for sign in (1, -1):
        with rsconv.no_grad():
            weight += tensor(sign * step * direction, dtype=dtype, device=device)
        ends.append(penalty().item())
        with rsconv.no_grad():
            weight -= tensor(sign * step * direction, dtype=dtype, device=device)
    slope = (ends[0] - ends[1]) / (2 * step)
    assert abs(np.sum(found * direction) - slope) < (1e-6 if device == "cpu" else 3e-2) * max(1, abs(slope))


def test_a_prepared_convolution_has_no_gradient():
    call = rsconv.prepare(rsconv.ones(1, 1, 1, 1), input_shape=(1, 1, 2, 2))
    with pytest.raises(
        GradientError, match="a prepared convolution has no gradient, but input requires grad"
    ):
        call(leaf(np.ones((1, 1, 2, 2))))


@pytest.mark.parametrize(
    ("compute", "slope"),
    [
        (lambda x: 2**x, lambda x: 2**x * np.log(2)),
        (lambda x: 0**x, lambda x: 0 * x),
        (lambda x: 1.5**x, lambda x: 1.5**x * np.log(1.5)),
        (lambda x: x**2, lambda x: 2 * x),
        (lambda x: 2 / x, lambda x: -2 / x**2),
        (lambda x: 3 - x, lambda x: -np.ones(3)),
        (lambda x: 7 % x, lambda x: -(7 // x)),
        (lambda x: rsconv.where(x > 1, x, 0), lambda x: (x > 1) * 1.0),
    ],
)
def test_numbers_stand_on_either_side(device, compute, slope):
    given = np.array([0.5, 1.25, 3.0])
    x = rsconv.tensor(given.astype(np.float32), device=device).requires_grad_()
    compute(x).sum().backward()
    np.testing.assert_allclose(x.grad.cpu().numpy(), slope(given), rtol=1e-5)
