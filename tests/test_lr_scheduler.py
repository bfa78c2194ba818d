"""Learning rates step by step: PyTorch's sequences, the closed formulas, state and errors."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from rsconv import Parameter, optim, tensor
from rsconv.errors import ArgumentError, WeightsError
from rsconv.optim import lr_scheduler

# Sequences of torch.optim.lr_scheduler of PyTorch 2.15 for two groups, of rates 0.1 and 0.25.
SEQUENCES = json.loads((Path(__file__).parent / "golden" / "lr_schedules.json").read_text())


def make_optimizer(name="SGD", **options):
    first, second = Parameter(tensor([1.0])), Parameter(tensor([1.0]))
    return getattr(optim, name)([{"params": first}, {"params": second, "lr": 0.25}], lr=0.1, **options)


def make(optimizer, case):
    if "schedulers" not in case:
        return getattr(lr_scheduler, case["cls"])(optimizer, **case["kwargs"])
    parts = [make(optimizer, part) for part in case["schedulers"]]
    if case["cls"] == "ChainedScheduler":
        return lr_scheduler.ChainedScheduler(parts, optimizer)
    return lr_scheduler.SequentialLR(optimizer, parts, **case["kwargs"])


def momenta(optimizer):
    return [group["betas"][0] if "betas" in group else group["momentum"] for group in optimizer.param_groups]


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


def steps(case, optimizer, scheduler, start=0):
    """Rates and momenta before each of the case's steps from `start` on."""
    for step in range(start, case["steps"]):
        yield rates(optimizer), momenta(optimizer)
        if step + 1 < case["steps"]:
            optimizer.step()
            scheduler.step(*([case["metrics"][step]] if "metrics" in case else []))
            assert scheduler.get_last_lr() == rates(optimizer)


def case_name(case):
    return case["cls"] + "-" + "-".join(case["kwargs"])


@pytest.mark.parametrize("case", SEQUENCES, ids=case_name)
def test_sequences_of_pytorch(case):
    optimizer = make_optimizer(case["optimizer"], **case["options"])
    found = list(steps(case, optimizer, make(optimizer, case)))
    np.testing.assert_allclose([lr for lr, _ in found], case["lr"], rtol=1e-12, atol=1e-16)
    if "momentum" in case:
        np.testing.assert_allclose([momentum for _, momentum in found], case["momentum"], rtol=1e-12)


@pytest.mark.parametrize("case", SEQUENCES, ids=case_name)
def test_training_that_is_resumed(case):
    optimizer = make_optimizer(case["optimizer"], **case["options"])
    scheduler = make(optimizer, case)
    # Past a phase, a restart or a milestone.
    for _, _ in zip(range(8), steps(case, optimizer, scheduler), strict=False):
        pass
    state, options = json.loads(json.dumps(scheduler.state_dict())), optimizer.state_dict()
    if "milestones" in state:
        state["milestones"] = scheduler.state_dict()["milestones"]
    other = make_optimizer(case["optimizer"], **case["options"])
    resumed = make(other, case)
    other.load_state_dict(options)
    resumed.load_state_dict(state)
    got = [lr for lr, _ in steps(case, other, resumed, 7)]
    np.testing.assert_allclose(got, case["lr"][7:], rtol=1e-12, atol=1e-16)


CLOSED = {
    "StepLR": (lambda t: 0.5 ** (t // 3), {"step_size": 3, "gamma": 0.5}),
    "MultiStepLR": (lambda t: 0.5 ** ((t >= 2) + 2 * (t >= 6)), {"milestones": [6, 2, 6], "gamma": 0.5}),
    "ExponentialLR": (lambda t: 0.8**t, {"gamma": 0.8}),
    "ConstantLR": (lambda t: 0.2 if t < 4 else 1, {"factor": 0.2, "total_iters": 4}),
    "LinearLR": (
        lambda t: 0.1 + 0.8 * min(t, 6) / 6,
        {"start_factor": 0.1, "end_factor": 0.9, "total_iters": 6},
    ),
    "PolynomialLR": (lambda t: (1 - min(t, 5) / 5) ** 2, {"total_iters": 5, "power": 2}),
    "LambdaLR": (lambda t: 1 / (1 + t), {"lr_lambda": lambda t: 1 / (1 + t)}),
    "CosineAnnealingLR": (lambda t: (1 + math.cos(math.pi * t / 7)) / 2, {"T_max": 7}),
    "CosineAnnealingWarmRestarts": (
        lambda t: (1 + math.cos(math.pi * (t / 4 if t < 4 else (t - 4) / 8))) / 2,
        {"T_0": 4, "T_mult": 2},
    ),
}


@pytest.mark.parametrize("name", CLOSED)
def test_step_by_step_and_at_once(name):
    factor, options = CLOSED[name]
    optimizer = make_optimizer()
    scheduler = getattr(lr_scheduler, name)(optimizer, **options)
    for t in range(12):
        np.testing.assert_allclose(
            rates(optimizer), np.multiply([0.1, 0.25], factor(t)), rtol=1e-9, atol=1e-12
        )
        optimizer.step()
        scheduler.step()
    for t in (5, 2, 9):
        scheduler.step(t)
        assert scheduler.last_epoch == t
        np.testing.assert_allclose(
            rates(optimizer), np.multiply([0.1, 0.25], factor(t)), rtol=1e-9, atol=1e-12
        )


def test_restarts_at_fractions_of_epochs():
    optimizer = make_optimizer()
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 5, 3)
    # After 5 + 15 + 45 epochs.
    for epoch, share in [(2.5, 0.5), (5, 0), (12.5, 0.5), (20, 0), (65, 0), (65 + 13.5, 0.1)]:
        scheduler.step(epoch)
        assert rates(optimizer)[0] == pytest.approx(0.1 * (1 + math.cos(math.pi * share)) / 2)
    with pytest.raises(ArgumentError, match="epoch must be at least 0, but got epoch=-1"):
        scheduler.step(-1)


def test_functions_of_each_group_and_their_state():
    class Power:
        def __init__(self, base):
            self.base = base

        def __call__(self, step):
            return self.base**step

    def run(base):
        optimizer = make_optimizer()
        return optimizer, lr_scheduler.LambdaLR(optimizer, [Power(base), lambda step: 1.0])

    optimizer, scheduler = run(0.5)
    optimizer.step()
    scheduler.step()
    assert rates(optimizer) == [0.05, 0.25]
    state = scheduler.state_dict()
    assert state["lr_lambdas"] == [{"base": 0.5}, None]
    other, resumed = run(0.1)
    other.step()
    resumed.load_state_dict(state)
    resumed.step()
    assert rates(other) == [0.025, 0.25]


def test_rates_that_are_tensors_stay_so():
    lr = tensor(0.5)
    optimizer = optim.SGD([Parameter(tensor([1.0]))], lr=lr)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is lr and lr.item() == 0.25
    assert scheduler.base_lrs == [0.5]


def test_a_scheduler_of_ones_own():
    class Halves(lr_scheduler.LRScheduler):
        def get_lr(self):
            return [lr / 2**self.last_epoch for lr in self.base_lrs]

    optimizer = make_optimizer()
    scheduler = Halves(optimizer)
    optimizer.step()
    scheduler.step()
    assert rates(optimizer) == [0.05, 0.125]
    with pytest.raises(NotImplementedError, match=r"LRScheduler has no get_lr\(\)"):
        lr_scheduler.LRScheduler(make_optimizer())


def test_resuming_by_last_epoch():
    optimizer = make_optimizer()
    with pytest.raises(
        ArgumentError, match=r"param_groups\[0\] has no 'initial_lr' to resume from at last_epoch=4"
    ):
        lr_scheduler.StepLR(optimizer, 3, last_epoch=4)
    for group in optimizer.param_groups:
        group["initial_lr"] = 1.0
    assert lr_scheduler.CosineAnnealingLR(optimizer, 10, last_epoch=4).base_lrs == [1.0, 1.0]


def test_a_step_too_early_is_warned_of():
    scheduler = lr_scheduler.StepLR(make_optimizer(), 3)
    with pytest.warns(UserWarning, match=r"scheduler.step\(\) was called before optimizer.step\(\)"):
        scheduler.step()


def test_plateaus_of_nan_and_of_tensors():
    optimizer = make_optimizer()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    scheduler.step(tensor(1.0))
    assert scheduler.best == 1
    scheduler.step(math.nan)
    assert rates(optimizer) == [0.05, 0.125]
    optimizer.add_param_group({"params": Parameter(tensor([1.0]))})
    with pytest.raises(ArgumentError, match="has 3 groups, but had 2 when this scheduler was made"):
        scheduler.step(2)


def test_one_cycle_ends():
    optimizer = make_optimizer()
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, 3)
    optimizer.step()
    for _ in range(3):
        scheduler.step()
    with pytest.raises(ArgumentError, match="step 4 is beyond the total_steps=3"):
        scheduler.step()


OPTIMIZER, OTHER = make_optimizer(), make_optimizer()
S = lr_scheduler
REFUSED = [
    (lambda: S.StepLR(OPTIMIZER, 0), "step_size must be a whole number of at least 1, but got step_size=0"),
    (lambda: S.StepLR(OPTIMIZER, 2.5), "step_size=2.5"),
    (lambda: S.CosineAnnealingLR(OPTIMIZER, 0), "T_max=0"),
    (lambda: S.CosineAnnealingWarmRestarts(OPTIMIZER, -1), "T_0=-1"),
    (lambda: S.CosineAnnealingWarmRestarts(OPTIMIZER, 1, 0), "T_mult=0"),
    (lambda: S.ConstantLR(OPTIMIZER, 1.5), "factor must be above 0 and at most 1, but got factor=1.5"),
    (lambda: S.LinearLR(OPTIMIZER, 0), "start_factor must be above 0 and at most 1, but got start_factor=0"),
    (lambda: S.LinearLR(OPTIMIZER, 0.5, 2), "end_factor must be from 0 to 1, but got end_factor=2"),
    (lambda: S.LinearLR(OPTIMIZER, total_iters=0), "total_iters=0"),
    (lambda: S.PolynomialLR(OPTIMIZER, 0), "total_iters=0"),
    (lambda: S.LambdaLR(OPTIMIZER, [abs]), "one function or 2, one for each group, but got 1"),
    (lambda: S.OneCycleLR(OPTIMIZER, 1), "total_steps=None, epochs=None, steps_per_epoch=None"),
    (lambda: S.OneCycleLR(OPTIMIZER, 1, 0), "total_steps=0"),
    (lambda: S.OneCycleLR(OPTIMIZER, 1, epochs=2, steps_per_epoch=0), "steps_per_epoch=0"),
    (lambda: S.OneCycleLR(OPTIMIZER, 1, 5, pct_start=1.5), "pct_start=1.5"),
    (lambda: S.OneCycleLR(OPTIMIZER, 1, 5, anneal_strategy="exp"), "'cos' or 'linear', but got 'exp'"),
    (
        lambda: S.OneCycleLR(OPTIMIZER, [1, 2, 3], 5),
        r"max_lr must be one number or 2, .* got max_lr=\[1, 2, 3\]",
    ),
    (
        lambda: S.OneCycleLR(optim.Optimizer([Parameter(tensor(1.0))], {"lr": 1}), 1, 5),
        "Optimizer has neither",
    ),
    (lambda: S.ReduceLROnPlateau(OPTIMIZER, factor=1), "factor must be less than 1, but got factor=1"),
    (lambda: S.ReduceLROnPlateau(OPTIMIZER, "mean"), "mode must be 'min' or 'max', but got mode='mean'"),
    (lambda: S.ReduceLROnPlateau(OPTIMIZER, threshold_mode="x"), "threshold_mode='x'"),
    (
        lambda: S.SequentialLR(OPTIMIZER, [], []),
        r"SequentialLR needs at least one scheduler, .* schedulers=\[\]",
    ),
    (
        lambda: S.SequentialLR(OPTIMIZER, [S.StepLR(OPTIMIZER, 1)], [2]),
        r"1 schedulers need 0 milestones, .*\[2\]",
    ),
    (lambda: S.SequentialLR(OPTIMIZER, [S.StepLR(OTHER, 1)], []), r"schedulers\[0\] .* another optimizer"),
    (lambda: S.ChainedScheduler([S.ReduceLROnPlateau(OPTIMIZER)]), "a ReduceLROnPlateau, whose steps need"),
]


@pytest.mark.parametrize(("build", "message"), REFUSED)
def test_refused(build, message):
    with pytest.raises(ArgumentError, match=message):
        build()


def test_wrong_types():
    for build in (S.StepLR, S.LambdaLR, S.OneCycleLR, S.ReduceLROnPlateau):
        with pytest.raises(TypeError, match="optimizer must be an Optimizer, but got str"):
            build("SGD", *([] if build is S.ReduceLROnPlateau else [1]))
    with pytest.raises(TypeError, match="lr_lambda must be a function, but got int"):
        S.LambdaLR(OPTIMIZER, 3)
    with pytest.raises(TypeError, match=r"schedulers\[0\] of ChainedScheduler is a int"):
        S.ChainedScheduler([3])


def test_state_of_other_groups():
    state = S.StepLR(make_optimizer(), 1).state_dict()
    optimizer = optim.SGD([Parameter(tensor([1.0]))])
    with pytest.raises(WeightsError, match="the state has 2 learning rates, but the optimizer has 1 groups"):
        S.StepLR(optimizer, 1).load_state_dict(state)
