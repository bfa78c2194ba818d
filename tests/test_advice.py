"""What a machine without a GPU is told, on machines that are made up."""

import ctypes
import platform
import sys
from pathlib import Path

import pytest
from rsconv.backends.gpu import advice

MACHINES = {
    "macOS": ({"platform": "darwin"}, "Metal needs a session"),
    "Windows": ({"platform": "win32"}, "Install the graphics driver"),
    "other": ({"platform": "plan9"}, "wgpu may not support"),
    "WSL": ({"release": "6.6.87-Microsoft-standard-WSL2"}, "dozen"),
    "no loader": ({"loader": False}, "no Vulkan loader: install libvulkan1"),
    "restricted": ({"VK_ICD_FILENAMES": "/a/b.json"}, "restricts Vulkan to /a/b.json: unset it"),
    "container": ({"container": True}, "--device /dev/dri"),
    "no driver": ({}, "no driver of a GPU: install mesa-vulkan-drivers"),
}


@pytest.mark.parametrize("name", MACHINES)
def test_each_machine_is_told_what_it_lacks(name, monkeypatch):
    machine, expected = MACHINES[name]

    def load(name, *_):
        if not machine.get("loader", True):
            raise OSError(name)

    monkeypatch.setattr(sys, "platform", machine.get("platform", "linux"))
    monkeypatch.setattr(platform, "release", lambda: machine.get("release", "6.1.0"))
    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(Path, "exists", lambda path: machine.get("container", False))
    for variable in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.delenv(variable, raising=False)
        if variable in machine:
            monkeypatch.setenv(variable, machine[variable])
    assert expected in advice.no_adapter()
    assert expected in advice.software_only("llvmpipe")


def test_a_software_adapter_is_told_apart():
    told = advice.software_only("llvmpipe")
    assert "The only GPU is llvmpipe, which computes on the CPU" in told
    assert "RSCONV_ALLOW_SOFTWARE_GPU=1" in told
