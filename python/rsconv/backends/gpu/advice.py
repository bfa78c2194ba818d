"""What to do when there is no GPU to be found, on this machine."""

import os
import platform
import sys
from pathlib import Path

__all__ = ["NO_WGPU", "no_adapter", "software_only"]

NO_WGPU = "the GPU needs the package wgpu, which could not be imported: pip install 'wgpu>=0.32'"


def software_only(name: str) -> str:
    """What to say where the one GPU is software."""
    return (
        f"The only GPU is {name}, which computes on the CPU, slower than device 'cpu'. rsconv uses it only "
        "where it is named, or with RSCONV_ALLOW_SOFTWARE_GPU=1. If this machine has a GPU, its driver is "
        f"missing. {no_adapter()}"
    )


def no_adapter() -> str:
    """Why a machine like this one may show no GPU, in a sentence or two."""
    if sys.platform == "darwin":
        return (
            "On macOS, Metal needs a session with access to the GPU: processes over ssh, in virtual machines "
            "and on hosted CI may have none."
        )
    if sys.platform == "win32":
        return "Install the graphics driver of the GPU's maker; Microsoft's basic driver computes on the CPU."
    if sys.platform.startswith("linux"):
        return _linux()
    return f"wgpu may not support {platform.system() or sys.platform}."


def _linux() -> str:
    if "microsoft" in platform.release().lower():
        return (
            "WSL shows GPUs to Vulkan only through Mesa's dozen driver: install mesa-vulkan-drivers of a "
            "recent distribution, or run on Windows itself."
        )
    if not _vulkan_loader():
        return (
            "There is no Vulkan loader: install libvulkan1 (Debian, Ubuntu) or vulkan-loader (Fedora, Arch: "
            "vulkan-icd-loader), then your GPU's driver (mesa-vulkan-drivers for AMD and Intel, NVIDIA's own "
            "for NVIDIA)."
        )
    forced = os.environ.get("VK_DRIVER_FILES") or os.environ.get("VK_ICD_FILENAMES")
    if forced:
        return (
            f"VK_DRIVER_FILES or VK_ICD_FILENAMES restricts Vulkan to {forced}: unset it, or name a driver."
        )
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return (
            "In a container the GPU must be passed in: --device /dev/dri for AMD and Intel, --gpus all with "
            "NVIDIA_DRIVER_CAPABILITIES=all for NVIDIA, and the driver installed inside."
        )
    return (
        "The Vulkan loader is here, but no driver of a GPU: install mesa-vulkan-drivers for AMD and Intel or "
        "NVIDIA's driver, and see that you may read /dev/dri (group render)."
    )


def _vulkan_loader() -> bool:
    import ctypes

    try:
        ctypes.CDLL("libvulkan.so.1")
    except OSError:
        return False
    return True
