"""Losses as modules, against float64 NumPy: classes, probabilities, weights, reductions, on every device."""

import numpy as np
import op_oracles as o
import pytest
import rsconv
from rsconv import nn

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 4)).astype(np.float32)
CLASSES = np.array([0, 3, 1, 2, 3, 1])
TARGET = RNG.normal(size=(6, 4)).astype(np.float32)
CHANCES = RNG.uniform(0.05, 0.95, (6, 4)).astype(np.float32)
ROWS = (CHANCES / CHANCES.sum(1, keepdims=True)).astype(np.float32)
WEIGHT = np.float32([0.5, 1, 2, 0.25])
IMAGE = RNG.normal(size=(2, 4, 3, 5)).astype(np.float32)
MAP = RNG.integers(0, 4, (2, 3, 5))
LOG_P = o.log_softmax(LOGITS, 1)

LOSSES = [
    (nn.CrossEntropyLoss(), LOGITS, CLASSES, lambda x, t: o.cross_entropy(x, t)),
    (nn.CrossEntropyLoss(WEIGHT), LOGITS, CLASSES, lambda x, t: o.cross_entropy(x, t, WEIGHT)),
    (
        nn.CrossEntropyLoss(WEIGHT, ignore_index=3, label_smoothing=0.1),
        LOGITS,
        CLASSES,
        lambda x, t: o.cross_entropy(x, t, WEIGHT, 3, label_smoothing=0.1),
    ),
    (nn.CrossEntropyLoss(reduction="none"), IMAGE, MAP, lambda x, t: o.cross_entropy(x, t, reduction="none")),
    (
        nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.2),
        LOGITS,
        ROWS,
        lambda x, t: o.cross_entropy(x, t, WEIGHT, label_smoothing=0.2),
    ),
    (nn.NLLLoss(WEIGHT, reduction="sum"), LOG_P, CLASSES, lambda x, t: o.nll_loss(x, t, WEIGHT, -100, "sum")),
    (nn.NLLLoss2d(ignore_index=1), IMAGE, MAP, lambda x, t: o.nll_loss(x, t, None, 1)),
    (nn.MSELoss(), LOGITS, TARGET, lambda x, t: ((x - t) ** 2).mean()),
    (nn.MSELoss(size_average=False), LOGITS, TARGET, lambda x, t: ((x - t) ** 2).sum()),
    (nn.MSELoss(reduce=False), LOGITS, TARGET, lambda x, t: (x - t) ** 2),
    (nn.L1Loss(reduction="sum"), LOGITS, TARGET, lambda x, t: np.abs(x - t).sum()),
    (nn.SmoothL1Loss(beta=0.5), LOGITS, TARGET, lambda x, t: o.smooth_l1_loss(x, t, beta=0.5)),
    (nn.HuberLoss("sum", 0.5), LOGITS, TARGET, lambda x, t: o.huber_loss(x, t, "sum", 0.5)),
    (nn.KLDivLoss(reduction="batchmean"), LOG_P, ROWS, lambda x, t: o.kl_div(x, t, "sum") / 6),
    (nn.KLDivLoss(log_target=True), LOG_P, LOGITS, lambda x, t: o.kl_div(x, t, log_target=True)),
    (nn.BCELoss(WEIGHT), CHANCES, ROWS, lambda x, t: o.binary_cross_entropy(x, t, WEIGHT)),
    (
        nn.BCEWithLogitsLoss(WEIGHT, reduction="none", pos_weight=WEIGHT + 1),
        LOGITS,
        CHANCES,
        lambda x, t: o.binary_cross_entropy_with_logits(x, t, WEIGHT, "none", WEIGHT + 1),
    ),
]


@pytest.mark.parametrize(("loss", "x", "target", "oracle"), LOSSES, ids=lambda value: repr(value)[:30])
def test_losses_match_numpy(loss, x, target, oracle, device):
    wide = target.astype(np.float64) if target.dtype.kind == "f" else target
    expected = oracle(x.astype(np.float64), wide)
    loss.to(device)
    with rsconv.device(device):
        found = loss(x, target)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    # A target from the host, beside a Tensor on a device.
    t = loss(rsconv.tensor(x, device=device), target)
    assert t.device == device
    np.testing.assert_array_equal(t.cpu().numpy(), found)
    loss.cpu()


def test_weights_of_losses_are_buffers():
    loss = nn.BCEWithLogitsLoss(pos_weight=WEIGHT)
    assert list(loss.state_dict()) == ["pos_weight"]
    assert loss.weight is None
    assert nn.CrossEntropyLoss().double()(LOGITS.astype(np.float64), CLASSES).dtype == np.float64
    assert nn.CrossEntropyLoss(WEIGHT).double().weight.dtype == rsconv.float64
    assert nn.CrossEntropyLoss(rsconv.tensor(WEIGHT)).weight.tolist() == WEIGHT.tolist()


def test_losses_name_what_they_refuse():
    with pytest.raises(ValueError, match="'none', 'mean' or 'sum', but got reduction='avg'"):
        nn.MSELoss(reduction="avg")(LOGITS, TARGET)
    with pytest.raises(ValueError, match=r"target of size \[6, 3\] and input of size \[6, 4\]"):
        nn.L1Loss()(LOGITS, TARGET[:, :3])
    with pytest.raises(IndexError, match="4"):
        nn.CrossEntropyLoss()(LOGITS, CLASSES + 1)
