"""`rsconv.profiler` counts each operator once, by name, and leaves the device as it was."""

import numpy as np
import pytest
import rsconv
from rsconv import functional as F


def test_operators_of_a_training_step_are_counted(device, capsys):
    x = rsconv.tensor(np.ones((2, 3, 6, 6), np.float32), device=device)
    w = rsconv.tensor(np.ones((4, 3, 3, 3), np.float32), device=device, requires_grad=True)
    with rsconv.profiler(device) as profile:
        for _ in range(2):
            F.relu(F.conv2d(x, w)).sum().backward()
    calls = {name: count for name, (count, _) in profile.operators.items()}
    assert calls["conv"] == calls["elementwise relu"] == calls["reduce sum"] == calls["conv_weight_grad"] == 2
    assert "conv_input_grad" not in calls
    assert 0 < sum(seconds for _, seconds in profile.operators.values()) <= profile.seconds
    printed = capsys.readouterr().out
    assert printed == f"{profile}\n"
    assert "conv_weight_grad" in printed and "outside of operators" in printed
    before = profile.operators["conv"]
    F.conv2d(x, w)
    assert profile.operators["conv"] == before


def test_an_exception_ends_the_block_without_a_table(capsys):
    with pytest.raises(KeyError), rsconv.profiler():
        raise KeyError
    with rsconv.profiler(print=False) as profile:
        F.relu(np.ones(3, np.float32))
    assert profile.operators["elementwise relu"][0] == 1
    assert capsys.readouterr().out == ""


def test_blocks_do_not_nest():
    with (
        rsconv.profiler(print=False),
        pytest.raises(RuntimeError, match="a profiler of cpu is open already"),
        rsconv.profiler(print=False),
    ):
        pass
