"""Gradients through methods that write in place, and where composed functions bend."""

import numpy as np
import pytest
import rsconv as torch


@pytest.mark.parametrize(
    "write, expected",
    [
        (lambda y: y.clamp_(0, 1), [0, 1, 0]),
        (lambda y: y.masked_fill_(y > 1, 0.0), [1, 1, 0]),
        (lambda y: y.exp_(), np.exp([-1, 0.5, 2])),
        (lambda y: y.square_(), [-2, 1, 4]),
        (lambda y: y.lerp_(torch.zeros(3, device=y.device), 0.25), [0.75] * 3),
        (lambda y: y.addcmul_(y.detach() * 3, y.detach() + 0, value=2), [1] * 3),
    ],
)
def test_writes_in_place_pass_gradients_on(write, expected, device):
    x = torch.tensor([-1.0, 0.5, 2.0], device=device, requires_grad=True)
    y = x * 1
    assert write(y) is y
    y.sum().backward()
    np.testing.assert_allclose(x.grad.cpu(), expected, rtol=1e-5)


def test_a_norm_has_no_slope_at_zero(device):
    x = torch.zeros(2, 3, device=device, requires_grad=True)
    for p in (2, 3, 1):
        x.grad = None
        torch.norm(x, p, dim=1).sum().backward()
        assert x.grad.tolist() == [[0] * 3] * 2
    x.grad = None
    torch.nn.functional.normalize(x).sum().backward()
    assert np.isfinite(x.grad.cpu().numpy()).all()


def test_logsumexp_of_infinities(device):
    x = torch.tensor([[-float("inf")] * 2, [0.0, float("inf")], [1000.0, 1000.0]], device=device)
    found = torch.logsumexp(x, 1).tolist()
    assert found[:2] == [-float("inf"), float("inf")] and found[2] == pytest.approx(1000 + np.log(2))


def test_attention_that_sees_its_past_only():
    q = torch.randn(1, 4, 3, requires_grad=True)
    y = torch.nn.functional.scaled_dot_product_attention(q, q.detach(), q.detach(), is_causal=True)
    y[:, 0].sum().backward()
    np.testing.assert_allclose(y[:, 0].detach(), q[:, 0].detach(), rtol=1e-6)
    assert not q.grad[:, 1:].numpy().any()


def test_einsum_has_gradients():
    a, b = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in "ab")
    torch.einsum("ij,kj->ik", a, b).sum().backward()
    np.testing.assert_allclose(a.grad, np.tile(b.detach().numpy().sum(0), (3, 1)))
    np.testing.assert_allclose(b.grad, np.tile(a.detach().numpy().sum(0), (3, 1)))


def test_sorted_values_carry_gradients_to_where_they_stood():
    x = torch.tensor([3.0, 1.0, 2.0], requires_grad=True)
    (x.topk(2).values * torch.tensor([10.0, 20.0])).sum().backward()
    assert x.grad.tolist() == [10, 0, 20]


def test_alpha_scales_what_is_added(device):
    x = torch.tensor([1.0, 2.0], device=device, requires_grad=True)
    other = torch.tensor([10.0, 20.0], device=device, requires_grad=True)
    (x.add(other, alpha=0.5) + x.sub(other, alpha=2)).sum().backward()
    assert (x.grad.tolist(), other.grad.tolist()) == ([2, 2], [-1.5, -1.5])
    with torch.no_grad():
        assert x.mul_(0.5).add_(other, alpha=0.1).tolist() == pytest.approx([1.5, 3])
        assert x.sub_(other, alpha=0.1).tolist() == pytest.approx([0.5, 1])
    assert other.div(3, rounding_mode="floor").tolist() == [3, 6]
    with pytest.raises(TypeError, match="str and a Tensor"):
        x.add("1")
    with pytest.raises(TypeError):
        _ = x + "1"
