"""The GPUs of this machine, and the choice of one by name."""

import os
import threading
from collections.abc import Sequence
from typing import Any

from ...errors import DeviceError
from .advice import NO_WGPU, no_adapter

__all__ = ["Adapter", "adapters", "choose", "known_adapters", "one_each", "software_allowed"]

# The best first. DX12 lacks what Vulkan has on the same card; OpenGL is the last resort.
_BACKENDS = ("Metal", "Vulkan", "D3D12", "OpenGL")
_TYPES = ("DiscreteGPU", "IntegratedGPU", "Unknown", "CPU")
_SOFTWARE = ("llvmpipe", "lavapipe", "softpipe", "swiftshader", "microsoft basic render", "warp")
_VENDORS = {0x10DE: "nvidia", 0x1002: "amd", 0x1022: "amd", 0x106B: "apple", 0x8086: "intel"}
_WORDS = {
    "nvidia": ("nvidia", "geforce", "quadro", "tesla"),
    "amd": ("amd", "radeon", "ati "),
    "apple": ("apple",),
    "intel": ("intel",),
}


class Adapter:
    """A physical device, through the best of the interfaces that reach it.

    `name` and `driver` as the driver says them; `backend` is the interface, such as Vulkan; `kind` the maker
    ("nvidia", "amd", "apple", "intel", "other") or "software" for what computes on the CPU; `raw` the object
    of wgpu-py.
    """

    __slots__ = (
        *("_ids", "backend", "driver", "features", "kind", "limits", "name", "raw", "software", "type"),
        "vendor",
    )

    def __init__(self, raw: Any) -> None:
        """Describe an adapter of wgpu-py."""
        info = raw.info
        self.raw = raw
        self.name: str = info["device"] or info["description"] or "unnamed"
        self.vendor: str = info["vendor"]
        self.backend: str = info["backend_type"]
        self.type: str = info["adapter_type"]
        self.driver: str = info["description"]
        self.limits: dict[str, int] = dict(raw.limits)
        self.features: frozenset[str] = frozenset(raw.features)
        words = f"{self.name} {self.vendor} {self.driver}".lower()
        self.software = self.type == "CPU" or any(word in words for word in _SOFTWARE)
        by_name = (kind for kind, known in _WORDS.items() if any(word in words for word in known))
        made_by = _VENDORS.get(info["vendor_id"]) or next(by_name, "other")
        self.kind = "software" if self.software else made_by
        self._ids = info["vendor_id"], info["device_id"]

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from the other devices of this machine, whenever they are listed."""
        return self.backend, self.name

    def is_also(self, other: "Adapter") -> bool:
        """Whether `other`, of another interface, is the same physical device, as far as drivers tell."""
        if other.name == self.name or (self._ids == other._ids and all(self._ids)):
            return True
        # OpenGL gives neither numbers nor the same name, MoltenVK other numbers than Metal.
        return "OpenGL" in (self.backend, other.backend) and self.kind == other.kind

    def __repr__(self) -> str:
        """Name, interface and kind of device."""
        return f"Adapter({self.name!r}, backend={self.backend!r}, type={self.type!r})"


_lock = threading.Lock()
_found: list[Adapter] | None = None


def adapters() -> list[Adapter]:
    """One entry per physical device, the best first: discrete, integrated, others, software.

    Looked up once per process, as it takes most of a second. Raises DeviceError if wgpu is missing or broken.
    """
    global _found
    with _lock:
        if _found is None:
            try:
                import wgpu
            except Exception as error:
                raise DeviceError(f"{NO_WGPU} ({type(error).__name__}: {error})") from error
            try:
                listed = wgpu.gpu.enumerate_adapters_sync()
            except Exception as error:
                raise DeviceError(
                    f"wgpu could not list the GPUs ({type(error).__name__}: {error}); {no_adapter()}"
                ) from error
            _found = one_each([Adapter(raw) for raw in listed])
        return list(_found)


def known_adapters() -> list[Adapter] | None:
    """What `adapters` found, None if it was not asked."""
    return _found


def one_each(found: Sequence[Adapter]) -> list[Adapter]:
    """Keep the best interface to each physical device, and put the best device first."""
    kept: list[Adapter] = []
    for adapter in sorted(found, key=lambda each: _rank(each.backend, _BACKENDS)):
        mac_over_vulkan = "moltenvk" in adapter.driver.lower() and any(k.backend == "Metal" for k in kept)
        others = (known for known in kept if known.backend != adapter.backend)
        if not mac_over_vulkan and not any(adapter.is_also(known) for known in others):
            kept.append(adapter)
    return sorted(kept, key=lambda each: (each.software, _rank(each.type, _TYPES)))


def software_allowed() -> bool:
    """Whether "gpu" may mean a software rasteriser."""
    return os.environ.get("RSCONV_ALLOW_SOFTWARE_GPU", "") not in ("", "0")


def choose(name: str, found: Sequence[Adapter], software: bool) -> Adapter:
    """The one of the adapters `found` that `name` means.

    "gpu" is the first, "gpu:1" the second, of those that are not software, unless `software` is allowed;
    anything else is part of a name, in upper or lower case. Raises DeviceError if none or several match, with
    the list.
    """
    if not found:
        raise DeviceError(f"device {name!r} is not available: no GPU was found. {no_adapter()}")
    kind, colon, number = name.lower().partition(":")
    usable = [adapter for adapter in found if software or not adapter.software]
    listing = ", ".join(f"{adapter.name!r} ({adapter.backend})" for adapter in found)
    if kind == "gpu" and (not colon or number.isdecimal()):
        index = int(number or 0)
        if index < len(usable):
            return usable[index]
        if not usable:
            raise DeviceError(
                f"device {name!r} is not available: the only GPU here is {listing}, which computes on the "
                f"CPU. To use it all the same, name it, as in rsconv.device({found[0].name.split()[0]!r}), "
                f"or set RSCONV_ALLOW_SOFTWARE_GPU=1. {no_adapter()}"
            )
        raise DeviceError(f"device {name!r} is not available; the GPUs are {listing}")
    matches = [adapter for adapter in found if name.strip() and name.strip().lower() in adapter.name.lower()]
    exact = [adapter for adapter in matches if adapter.name.lower() == name.strip().lower()]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    if matches:
        many = ", ".join(repr(adapter.name) for adapter in matches)
        raise DeviceError(
            f"device {name!r} is ambiguous: it is part of {many}; use more of one, or 'gpu:0' and so on"
        )
    raise DeviceError(
        f"device {name!r} is not available; the GPUs are {listing}. A device is 'cpu', 'gpu', 'gpu:1' or "
        "part of a GPU's name"
    )


def _rank(value: str, order: tuple[str, ...]) -> int:
    return order.index(value) if value in order else len(order)
