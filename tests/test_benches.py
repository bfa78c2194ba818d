"""The benchmark: its command runs, its cases mean what they say, and a wrong output stops it."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHES = Path(__file__).parent.parent / "benches"


@pytest.fixture(scope="module")
def benches():
    """The benchmark's modules by name, imported as its command imports them."""
    names = ("shapes", "peers", "run")
    sys.path.insert(0, str(BENCHES))
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(BENCHES))
        for name in names:
            sys.modules.pop(name, None)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", BENCHES / "run.py", *arguments], capture_output=True, text=True
    )


def test_the_command_prints_a_table_and_writes_json(tmp_path):
    done = command("--cases", "^tiny", "--rounds", "1", "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    machine, _, header, row = done.stdout.splitlines()
    assert "1 thread, peak " in machine
    assert header.split()[:4] == ["GFLOP/s", "rsconv", "prepared", "NumPy"]
    assert row.startswith("tiny 3x3 3->8@16 ")
    assert row.split()[-2].endswith("%")
    (record,) = json.loads((tmp_path / "out.json").read_text())["cases"]
    assert record["gflops"]["NumPy"] == pytest.approx(
        3 * 8 * 9 * 16 * 16 * 2 / 1e9 / record["seconds"]["NumPy"]
    )


def test_a_pattern_without_a_case_is_refused():
    done = command("--cases", "nothing")
    assert done.returncode == 1
    assert done.stderr.startswith("no case matches 'nothing'; there are: 3x3 64@56, ")


def test_training_steps_of_a_network_are_timed_and_profiled():
    script = [sys.executable, "-W", "error", BENCHES / "training.py", "--networks", "ResNet"]
    done = subprocess.run([*script, "--rounds", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ResNet-18, 8 x 3 x 64 x 64, 2 threads: rsconv " in done.stdout
    done = subprocess.run([*script, "--profile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "conv_weight_grad                      20 " in done.stdout


def small_cases(shapes):
    case = shapes.Case
    return [
        case("1-D", 2, 4, 6, (9,), (3,), stride=2, padding=2, dilation=2, groups=2),
        case("2-D", 1, 3, 4, (7, 8), (3, 2), padding=1),
        case("3-D", 1, 2, 2, (4, 5, 6), (2, 3, 1), groups=2),
        case(
            "transposed", 2, 4, 6, (5, 6), (3, 3), stride=2, padding=1, dilation=2, groups=2, transposed=True
        ),
        case("transposed without padding", 1, 2, 3, (5,), (2,), stride=3, transposed=True),
    ]


@pytest.mark.parametrize("index", range(5))
def test_peers_agree(index, benches):
    case = small_cases(benches["shapes"])[index]
    outputs = {}
    for name, peer in benches["peers"].PEERS.items():
        if peer.installed():
            outputs[name] = peer(1).prepare(case)()
    assert {"rsconv", "prepared", "NumPy"} <= outputs.keys()
    assert outputs["NumPy"].shape == (case.n, case.c_out, *case.output_size)
    benches["run"].check(case, outputs)


def test_a_wrong_output_stops_it(benches):
    case = small_cases(benches["shapes"])[1]
    right = benches["peers"].PEERS["NumPy"](1).prepare(case)()
    wrong = right.copy()
    wrong.flat[3] += np.float32(0.01)
    with pytest.raises(SystemExit, match=r"2-D: other is off by .* of the largest output"):
        benches["run"].check(case, {"NumPy": right, "other": wrong})
    with pytest.raises(SystemExit, match="2-D: other gives the shape"):
        benches["run"].check(case, {"NumPy": right, "other": right[:, 1:]})
    wrong.flat[3] = np.nan
    with pytest.raises(SystemExit, match="off by nan"):
        benches["run"].check(case, {"NumPy": right, "other": wrong})


def test_case_names_are_unique(benches):
    names = [case.name for case in benches["shapes"].CASES]
    assert len(set(names)) == len(names) > 20


def test_the_memory_of_training_is_measured(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, BENCHES / "training_memory.py", "--size", "8", "--width", "2"),
            *("--rounds", "1", "--json", tmp_path / "out.json"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out.json").read_text())["rsconv"]
    # The first activations alone: 2 channels of 8^3 float32 numbers.
    assert found["peak_mib"] > 2 * 8**3 * 4 / 2**20
    assert found["loss"] > 0
