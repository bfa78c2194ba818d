"""The case list over every instruction set of the machine: forward, prepared, and both gradients."""

import os
import subprocess
import sys
from pathlib import Path

import cases
import numpy as np
import oracle
import pytest
from rsconv import _core


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """The oracle's results, computed once for all instruction sets."""
    path = tmp_path_factory.mktemp("references") / "all.npz"
    parts = {
        f"{i}/{part}": array
        for i, case in enumerate(cases.CASES)
        for part, array in enumerate(cases.references(case))
    }
    np.savez(path, **parts)
    return path


@pytest.mark.parametrize("isa", _core.info()["isas"])
def test_case_list(isa, references):
    script = Path(cases.__file__)
    run = subprocess.run(
        [sys.executable, str(script), str(references)],
        env={**os.environ, "RSCONV_ISA": isa},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.stdout.startswith(f"isa={isa}\n"), run.stdout[:500] + run.stderr
    assert run.returncode == 0, run.stdout + run.stderr


def test_case_names_are_unique():
    # The name seeds a case's data, and finds it in a report.
    names = [str(case) for case in cases.CASES]
    assert len(set(names)) == len(names)


def test_oracle_agrees_with_numpy_convolve():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=20), rng.normal(size=5)
    expected = np.convolve(x, w[::-1], "valid")
    settings = {"stride": (1,), "pads": ((0, 0),), "dilation": (1,), "groups": 1}
    got = oracle.gather(x.reshape(1, 1, -1), w.reshape(1, 1, -1), (16,), **settings)
    np.testing.assert_allclose(got[0, 0], expected)
    got = oracle.scatter(x.reshape(1, 1, -1), w.reshape(1, 1, -1), (24,), **settings)
    np.testing.assert_allclose(got[0, 0], np.convolve(x, w, "full"))


def test_the_tolerance_sees_one_missing_tap():
    reference = np.ones((1, 1, 4))
    got = reference.astype(np.float32)
    assert cases.problem("y", got, reference, 1000) is None
    got[0, 0, 2] += 1e-3
    assert "1 of 4 wrong, first at (0, 0, 2)" in cases.problem("y", got, reference, 1000)
    assert "shape (1, 1, 4), expected (2,)" in cases.problem("y", got, np.ones(2), 1)
    assert "wrong" in cases.problem("y", np.float32([np.nan]), np.ones(1), 1)
    assert cases.problem("y", np.int8([1]), np.int64([257]), 1) is None
    assert "wrong" in cases.problem("y", np.int8([1]), np.int64([258]), 1)
