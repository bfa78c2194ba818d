"""Which adapters count as one device, and what names mean; on lists that are made up."""

import os
import subprocess
import sys
import types

import pytest
import rsconv
from rsconv.backends.gpu.adapters import Adapter, choose, one_each
from rsconv.device_list import DeviceList
from rsconv.errors import DeviceError

LIMITS = {"max-buffer-size": 1 << 30, "max-storage-buffer-binding-size": 1 << 27}


def adapter(name, backend="Vulkan", type="DiscreteGPU", driver="", vendor="", ids=(0, 0), features=()):
    info = {
        **{"device": name, "vendor": vendor, "backend_type": backend, "adapter_type": type},
        **{"description": driver, "vendor_id": ids[0], "device_id": ids[1]},
    }
    return Adapter(types.SimpleNamespace(info=info, limits=LIMITS, features=set(features)))


RADEON = adapter("AMD Radeon RX 6800 (RADV NAVI21)", ids=(0x1002, 0x73BF))
RADEON_GL = adapter("AMD Radeon RX 6800 (radeonsi, navi21)", "OpenGL", "Unknown", ids=(0x1002, 0))
GEFORCE = adapter("NVIDIA GeForce RTX 4070", ids=(0x10DE, 0x2786))
GEFORCE_DX = adapter("NVIDIA GeForce RTX 4070", "D3D12", ids=(0x10DE, 0x2786))
IRIS = adapter("Intel(R) Iris(R) Xe Graphics", type="IntegratedGPU", ids=(0x8086, 0x46A6))
APPLE = adapter("Apple M2", "Metal", "IntegratedGPU")
MOLTEN = adapter("Apple M2 Vulkan", "Vulkan", "IntegratedGPU", "MoltenVK 1.2", ids=(0x106B, 1))
LAVAPIPE = adapter("llvmpipe (LLVM 15.0.6, 256 bits)", type="CPU", vendor="llvmpipe", ids=(0x10005, 0))
LAVAPIPE_GL = adapter("llvmpipe (LLVM 15.0.6, 256 bits)", "OpenGL", "CPU")
WARP = adapter("Microsoft Basic Render Driver", "D3D12", "Unknown", ids=(0x1414, 0x8C))
SWIFTSHADER = adapter("SwiftShader Device (LLVM 10.0.0)", type="Unknown", vendor="Google")


def test_software_is_known_by_its_type_and_names():
    assert all(
        each.software and each.kind == "software" for each in (LAVAPIPE, WARP, SWIFTSHADER, LAVAPIPE_GL)
    )
    real = {RADEON: "amd", GEFORCE: "nvidia", IRIS: "intel", APPLE: "apple", MOLTEN: "apple"}
    assert {each: each.kind for each in real} == real
    assert not any(each.software for each in real)
    assert adapter("Mali-G78").kind == "other"


@pytest.mark.parametrize(
    "found, kept",
    [
        ([RADEON_GL, RADEON], [RADEON]),
        ([GEFORCE_DX, GEFORCE], [GEFORCE]),
        ([GEFORCE_DX], [GEFORCE_DX]),
        ([RADEON_GL], [RADEON_GL]),
        ([MOLTEN, APPLE], [APPLE]),
        ([LAVAPIPE_GL, LAVAPIPE], [LAVAPIPE]),
        # The best first: discrete, integrated, software.
        ([LAVAPIPE, IRIS, GEFORCE, LAVAPIPE_GL], [GEFORCE, IRIS, LAVAPIPE]),
        ([WARP, IRIS, GEFORCE_DX, GEFORCE], [GEFORCE, IRIS, WARP]),
        # Two cards of one make are two devices, each reached by two interfaces.
        ([GEFORCE, GEFORCE_DX, GEFORCE, GEFORCE_DX], [GEFORCE, GEFORCE]),
        ([], []),
    ],
)
def test_one_entry_for_each_physical_device(found, kept):
    assert one_each(found) == kept


ALL = [GEFORCE, RADEON, IRIS, LAVAPIPE]


@pytest.mark.parametrize(
    "name, expected",
    [
        ("gpu", GEFORCE),
        ("gpu:0", GEFORCE),
        ("gpu:1", RADEON),
        ("GPU:2", IRIS),
        ("geforce", GEFORCE),
        ("Radeon RX", RADEON),
        ("intel", IRIS),
        (" iris ", IRIS),
        ("llvmpipe", LAVAPIPE),
        ("AMD Radeon RX 6800 (RADV NAVI21)", RADEON),
    ],
)
def test_names(name, expected):
    assert choose(name, ALL, software=False) is expected


def test_software_is_never_picked_silently():
    with pytest.raises(DeviceError, match="device 'gpu:3' is not available; the GPUs are") as caught:
        choose("gpu:3", ALL, software=False)
    assert "'NVIDIA GeForce RTX 4070' (Vulkan)" in str(caught.value) and "llvmpipe" in str(caught.value)
    assert choose("gpu:3", ALL, software=True) is LAVAPIPE
    with pytest.raises(DeviceError) as caught:
        choose("gpu", [LAVAPIPE], software=False)
    text = str(caught.value)
    assert "computes on the CPU" in text and "RSCONV_ALLOW_SOFTWARE_GPU=1" in text
    assert "rsconv.device('llvmpipe')" in text
    assert choose("gpu", [LAVAPIPE], software=True) is LAVAPIPE
    assert choose("llvm", [LAVAPIPE], software=False) is LAVAPIPE


def test_unknown_and_ambiguous_names():
    with pytest.raises(
        DeviceError, match=r"device 'voodoo' is not available; the GPUs are '.*4070'.* part of a GPU"
    ):
        choose("voodoo", ALL, software=False)
    with pytest.raises(DeviceError, match=r"'r' is ambiguous: it is part of 'NVIDIA .*', 'AMD .*'gpu:0'"):
        choose("r", ALL, software=False)
    for name in ("", " ", "gpu:x", "gpu:-1", "gpu:"):
        with pytest.raises(DeviceError, match="is not available"):
            choose(name, ALL, software=False)
    with pytest.raises(DeviceError, match="device 'gpu' is not available: no GPU was found"):
        choose("gpu", [], software=False)


def test_a_name_that_is_part_of_another_is_not_ambiguous():
    plain, super_ = adapter("RTX 4070"), adapter("RTX 4070 SUPER")
    assert choose("rtx 4070", [super_, plain], software=False) is plain


def test_the_list_of_devices(backend):
    found = rsconv.devices()
    assert found[0].device == "cpu" and len(found) >= 2
    assert found[1].name == backend.runtime.adapter.name
    lines = repr(found).splitlines()
    assert lines[0].split()[:2] == ["device", "name"] and lines[1].startswith("'cpu'")
    assert found[1].device in lines[2] and found[1].name in lines[2]
    assert "(software)" in lines[2] or not found[1].software
    for entry in found:
        assert str(rsconv.device(entry.device)) == entry.device
    assert repr(DeviceList(found[:1], "no driver")).endswith("\nno driver")
    assert [entry.device for entry in found[:1]] == ["cpu"]


def test_one_backend_for_all_names_of_a_device(backend):
    from rsconv.backends import gpu

    name = backend.runtime.adapter.name
    assert gpu.open("gpu:0") is backend and gpu.open(name) is backend and gpu.open(name.upper()) is backend


def python(code, **environment):
    cleared = {"RSCONV_ALLOW_SOFTWARE_GPU": "", "RSCONV_DEVICE": ""}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | cleared | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="hides drivers as Linux finds them")
def test_without_a_driver_the_error_says_what_to_do():
    hidden = dict.fromkeys(
        ["VK_ICD_FILENAMES", "VK_DRIVER_FILES", "__EGL_VENDOR_LIBRARY_FILENAMES"], "/nonexistent"
    )
    done = python("import rsconv; print(rsconv.devices()); rsconv.device('gpu')", **hidden)
    assert "this machine's CPU" in done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert "DeviceError: device 'gpu' is not available: no GPU was found." in last
    assert "VK_ICD_FILENAMES restricts Vulkan to /nonexistent: unset it" in last


def test_without_wgpu_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['wgpu'] = None; import rsconv; print(rsconv.devices()); rsconv.device('gpu')"
    )
    done = python(code)
    assert "pip install 'wgpu>=0.32'" in done.stdout and "'cpu'" in done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert "DeviceError: the GPU needs the package wgpu" in last and "pip install 'wgpu>=0.32'" in last


def test_a_library_that_fails_is_told():
    code = (
        "import rsconv, wgpu\n"
        "def fail(): raise RuntimeError('no instance')\n"
        "wgpu.gpu.enumerate_adapters_sync = fail\n"
        "rsconv.device('gpu')\n"
    )
    last = python(code).stderr.strip().splitlines()[-1]
    assert "DeviceError: wgpu could not list the GPUs (RuntimeError: no instance)" in last


def test_the_variable_names_the_device(backend):
    code = (
        "import numpy as np, rsconv\n"
        "print(rsconv.zeros(3).device, rsconv.gpu.memory_stats()['buffers'] > 0)\n"
        "with rsconv.device('cpu'): print(rsconv.zeros(3).device)\n"
    )
    done = python(code, RSCONV_DEVICE="gpu:0", RSCONV_ALLOW_SOFTWARE_GPU="1")
    assert done.stdout == "gpu True\ncpu\n", done.stderr


def test_software_named_outright_needs_no_variable(backend):
    if not backend.runtime.adapter.software:
        name = backend.runtime.adapter.name
    else:
        name = backend.runtime.adapter.name.split()[0].upper()
    code = (
        f"import rsconv; device = rsconv.device({name!r})\n"
        "print(rsconv.zeros(2, device=device).numpy(), rsconv.device(str(device)) == device)"
    )
    assert python(code).stdout == "[0. 0.] True\n"
