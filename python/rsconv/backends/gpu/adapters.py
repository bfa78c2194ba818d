"""The GPUs of this machine, and the choice of one by name."""

import os
from typing import Any

from ...errors import DeviceError

__all__ = ["Adapter", "adapters", "choose"]

_BACKENDS = ("Metal", "Vulkan", "D3D12", "OpenGL")
_SOFTWARE = ("llvmpipe", "lavapipe", "softpipe", "swiftshader", "microsoft basic render", "warp")
_VENDORS = {0x10DE: "nvidia", 0x1002: "amd", 0x1022: "amd", 0x106B: "apple", 0x8086: "intel"}


class Adapter:
    """A physical device, through the best of the graphics interfaces that reach it."""

    __slots__ = (
        "backend",
        "driver",
        "features",
        "kind",
        "limits",
        "name",
        "raw",
        "software",
        "type",
        "vendor",
    )

    def __init__(self, raw: Any) -> None:
        """Describe an adapter of wgpu-py."""
        info = raw.info
        self.raw = raw
        self.name: str = info["device"]
        self.vendor: str = info["vendor"]
        self.backend: str = info["backend_type"]
        self.type: str = info["adapter_type"]
        self.driver: str = info["description"]
        self.limits: dict[str, int] = dict(raw.limits)
        self.features: frozenset[str] = frozenset(raw.features)
        lower = f"{self.name} {self.vendor} {self.driver}".lower()
        self.software = self.type == "CPU" or any(word in lower for word in _SOFTWARE)
        self.kind = "software" if self.software else _VENDORS.get(info["vendor_id"], "other")


def adapters() -> list[Adapter]:
    """One entry per physical device."""
    import wgpu

    found = [Adapter(raw) for raw in wgpu.gpu.enumerate_adapters_sync()]
    found.sort(key=lambda a: _BACKENDS.index(a.backend) if a.backend in _BACKENDS else len(_BACKENDS))
    kept: dict[str, Adapter] = {}
    for adapter in found:
        kept.setdefault(adapter.name, adapter)
    return list(kept.values())


def choose(name: str) -> Adapter:
    """The adapter that `name` means."""
    found = adapters()
    if not found:
        raise DeviceError("no GPU was found")
    kind, _, number = name.partition(":")
    if kind == "gpu":
        allowed = os.environ.get("RSCONV_ALLOW_SOFTWARE_GPU") == "1"
        real = [a for a in found if allowed or not a.software]
        index = int(number or 0)
        if index < len(real):
            return real[index]
        raise DeviceError(f"device {name!r} is not available")
    for adapter in found:
        if name.lower() in adapter.name.lower():
            return adapter
    raise DeviceError(f"device {name!r} is not available")
