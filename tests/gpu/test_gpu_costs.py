"""The bench of counted costs: its command runs, and what it counts of a network is right."""

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "benches" / "gpu_costs.py"


def test_the_command_counts_calls_and_networks(backend, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", BENCH, "--rounds", "1", "--json", tmp_path / "costs.json"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert backend.runtime.adapter.name in done.stdout.splitlines()[0]
    rows = json.loads((tmp_path / "costs.json").read_text())
    assert len(done.stdout.splitlines()) == len(rows) + 5
    for name, row in rows.items():
        assert row["created_later"] == [0, 0, 0], name
        assert row["dispatches"] >= 1 and row["microseconds"] > 0
    # A convolution and a ReLU for each layer, and the layout of the input.
    assert rows["network of 1 layer"]["dispatches"] == 3 and rows["network of 20 layers"]["dispatches"] == 41
    one, twenty = rows["ndarrays, 1 layer"], rows["ndarrays, 20 layers"]
    # And that of the output.
    assert one["dispatches"] == 4 and twenty["dispatches"] == 42
    assert (
        one["bytes_up"] == one["bytes_down"] == twenty["bytes_up"] == twenty["bytes_down"] == 4 * 16 * 32 * 32
    )
    assert rows["relu"]["bytes_up"] == rows["relu"]["bytes_down"] == 0
    assert rows["relu"]["dispatches"] == 1
