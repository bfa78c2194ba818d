"""`rsconv doctor`: what it finds, what it says, its exit codes."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from rsconv import cli, doctor, self_test
from rsconv.errors import GpuError
from rsconv.self_test import Check
from rsconv.tensor import Tensor

RIGHT = Check("right", lambda x: x + x, ((5, 7),), tolerance=0)
NO_DRIVER = {
    **{"VK_ICD_FILENAMES": "/nonexistent", "VK_DRIVER_FILES": "/nonexistent"},
    **{"__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent", "RSCONV_ALLOW_SOFTWARE_GPU": ""},
}


def on_gpu(x):
    return x.device != "cpu"


def outcomes(backend, monkeypatch, *checks):
    monkeypatch.setattr(self_test, "CHECKS", checks)
    return [(outcome.status, outcome.detail) for outcome in self_test.run(backend)]


def test_this_gpu_computes_what_the_cpu_does(backend):
    found = list(self_test.run(backend))
    assert len(found) == len(self_test.CHECKS) > 20
    assert [outcome for outcome in found if outcome.status not in ("passed", "skipped")] == []


def test_what_is_right_passes(backend, monkeypatch):
    assert outcomes(backend, monkeypatch, RIGHT) == [("passed", "the same")]


def test_what_is_wrong_is_told_with_numbers(backend, monkeypatch):
    def off(x):
        return x + 1e-3 if on_gpu(x) else x * 1.0

    def holes(x):
        return x / x * 0 if on_gpu(x) else x * 0

    def longer(x):
        return x.reshape(35) if on_gpu(x) else x + 0

    def breaks(x):
        if on_gpu(x):
            raise ValueError("no such\nkernel")
        return x

    def lazy(x):
        return Tensor._new(x._array.runtime.empty(x.shape, x.dtype)) if on_gpu(x) else x

    def greedy(x):
        if not on_gpu(x):
            return x + x
        small = x._array.runtime.empty((3,), x.dtype)
        Tensor._new(small.view((5, 7), (7, 1), 0)).copy_(x)
        return x + x

    shape = ((5, 7),)
    inputs = {"off": off, "holes": holes, "longer": longer, "breaks": breaks, "lazy": lazy, "greedy": greedy}
    checks = [Check(name, function, shape) for name, function in inputs.items()]
    zero = Check("zeros", lambda x: x - x if on_gpu(x) else (x - x) / (x - x), shape)
    found = dict(zip([*inputs, "zero"], outcomes(backend, monkeypatch, *checks, zero), strict=True))
    status, detail = found["off"]
    assert status == "differs" and detail.startswith("35 of 35 elements, by up to ") and "2e-05" in detail
    assert found["zero"] == ("differs", "NaN stands in other places than on the CPU")
    assert found["holes"][0] == "passed"
    assert found["longer"] == ("differs", "(35,) float32, but (5, 7) float32 on the CPU")
    assert found["breaks"] == ("failed", "ValueError: no such\nkernel")
    assert found["lazy"] == ("differs", "35 of 35 elements were not written")
    status, detail = found["greedy"]
    assert status == "differs" and detail.startswith("31 words behind GpuArray(shape=(3,)")


def test_float16_is_skipped_where_there_is_none(fresh, monkeypatch):
    fresh.runtime.features = frozenset()
    half = Check("half", lambda x: x, ((3,),), np.float16)
    assert outcomes(fresh, monkeypatch, half) == [("skipped", "the GPU has no float16")]


def test_the_report_for_people(backend, monkeypatch, capsys):
    monkeypatch.setattr(self_test, "CHECKS", (RIGHT,))
    assert cli.main(["doctor", "--device", "gpu"]) == 0
    shown = capsys.readouterr().out
    adapter = backend.runtime.adapter
    assert (
        adapter.name in shown and adapter.driver in shown and f"through           {adapter.backend}" in shown
    )
    assert "largest binding" in shown and "workgroup memory" in shown
    assert "✓ right" in shown and shown.endswith("A GPU works.\n")
    assert "\x1b[" not in shown


def test_failure_is_an_exit_code(backend, monkeypatch, capsys):
    wrong = Check("wrong", lambda x: x + 1 if on_gpu(x) else x, ((3,),))
    monkeypatch.setattr(self_test, "CHECKS", (RIGHT, wrong))
    assert cli.main(["doctor", "--device", "gpu"]) == 1
    shown = capsys.readouterr().out
    assert "✗ wrong" in shown and "update it" in shown
    assert shown.endswith("A GPU computes something else than the CPU, or fails.\n")


def test_the_report_for_programs(backend, monkeypatch, capsys):
    monkeypatch.setattr(self_test, "CHECKS", (RIGHT,))
    assert cli.main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == 0 and report["meaning"] == "a GPU works"
    assert {"rsconv", "Python", "wgpu", "on"} == set(report["versions"])
    entry = report["adapters"][0]
    assert entry["device"] == backend.name and entry["name"] == backend.runtime.adapter.name
    assert entry["limits"]["max-buffer-size"] >= 256 << 20
    assert report["tests"][backend.name] == [{"name": "right", "status": "passed", "detail": "the same"}]


def test_a_gpu_that_does_not_open_is_a_failure(backend, monkeypatch, capsys):
    def refuse(name):
        raise GpuError(f"{name} could not be opened")

    monkeypatch.setattr(doctor, "open_gpu", refuse)
    assert cli.main(["doctor"]) == 1
    assert "✗ opening the device" in capsys.readouterr().out


def test_software_alone_is_no_gpu(backend, monkeypatch):
    monkeypatch.setattr(self_test, "CHECKS", (RIGHT,))
    monkeypatch.setenv("RSCONV_ALLOW_SOFTWARE_GPU", "0")
    out = io.StringIO()
    code = doctor.diagnose(as_json=True, out=out)
    report = json.loads(out.getvalue())
    only_software = all(entry["software"] for entry in report["adapters"])
    assert code == report["exit_code"] == (3 if only_software else 0)
    advice = " ".join(report["advice"])
    assert ("computes on the CPU" in advice and "RSCONV_ALLOW_SOFTWARE_GPU=1" in advice) == only_software
    assert all(test["status"] == "passed" for tests in report["tests"].values() for test in tests)


class Screen(io.StringIO):
    """A terminal, in colours and Unicode or not."""

    encoding = "utf-8"

    def isatty(self):
        return True


def test_colours_are_for_terminals_that_want_them(backend, monkeypatch):
    monkeypatch.setattr(self_test, "CHECKS", (RIGHT,))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Screen()
    doctor.diagnose("gpu", out=screen)
    assert "\x1b[32m✓\x1b[0m right" in screen.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Screen()
    plain.encoding = "ascii"
    doctor.diagnose("gpu", out=plain)
    assert "  ok right" in plain.getvalue() and plain.getvalue().isascii()


def doctor_process(*arguments, **environment):
    command = [sys.executable, "-m", "rsconv", "doctor", *arguments]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=60, encoding="utf-8"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="hides drivers as Linux finds them")
def test_without_a_driver():
    done = doctor_process(**NO_DRIVER)
    assert done.returncode == 3, done.stdout + done.stderr
    words = " ".join(done.stdout.split())
    assert "No GPU was found. VK_DRIVER_FILES or VK_ICD_FILENAMES restricts Vulkan to /nonexistent" in words
    assert words.endswith("No GPU, or only software that computes on the CPU.")
    report = json.loads(doctor_process("--json", **NO_DRIVER).stdout)
    assert report["adapters"] == [] and report["tests"] == {} and report["exit_code"] == 3


def test_a_device_that_there_is_not(backend, capsys):
    assert cli.main(["doctor", "--device", "voodoo"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("rsconv doctor: error: device 'voodoo' is not available; the GPUs are ")
