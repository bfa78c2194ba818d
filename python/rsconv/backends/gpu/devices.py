"""The GPUs that this process has opened."""

import ctypes
import os
import threading
from typing import Any

from ...errors import ArgumentError, DeviceError, GpuError
from .adapters import Adapter, adapters, choose, known_adapters, software_allowed
from .backend import GpuBackend
from .runtime import Runtime

__all__ = ["adopt", "device_name", "open", "opened", "parse_bytes", "reset", "start"]

# What WebGPU promises everywhere, of what matters to kernels; they ask for no more of the latter group.
_DEFAULT_SIZES = {"max-storage-buffer-binding-size": 128 << 20, "max-buffer-size": 256 << 20}
_DEFAULTS = {
    "max-bind-groups": 4,
    "max-bindings-per-bind-group": 1000,
    "max-storage-buffers-per-shader-stage": 8,
    "max-dynamic-uniform-buffers-per-pipeline-layout": 8,
    "max-uniform-buffer-binding-size": 64 << 10,
    "max-compute-workgroup-storage-size": 16 << 10,
    "max-compute-invocations-per-workgroup": 256,
    "max-compute-workgroup-size-x": 256,
    "max-compute-workgroup-size-y": 256,
    "max-compute-workgroup-size-z": 64,
    "max-compute-workgroups-per-dimension": 65535,
}
_ALIGNMENTS = {"min-storage-buffer-offset-alignment": 256, "min-uniform-buffer-offset-alignment": 256}
_FEATURES = ("shader-f16", "timestamp-query")

_lock = threading.RLock()
_opened: dict[tuple[str, str], GpuBackend] = {}
_by_name: dict[tuple[str, bool], GpuBackend] = {}
_forked = False


def open(name: str = "gpu") -> GpuBackend:
    """The operators on the GPU that `name` means, the same object for each name of one GPU.

    Raises DeviceError if there is no such GPU, several match, or the process is a forked child; GpuError if
    the driver refuses to open it.
    """
    # What a name means may change with the variable that allows software.
    key = name, software_allowed()
    known = _by_name.get(key)
    if known is not None:
        return known
    with _lock:
        _refuse_fork()
        adapter = choose(name, adapters(), key[1])
        backend = _opened.get(adapter.identity)
        if backend is None:
            backend = _opened[adapter.identity] = GpuBackend(start(adapter), device_name(adapter))
        _by_name[key] = backend
        return backend


def opened() -> list[GpuBackend]:
    """Those that are open."""
    return list(_opened.values())


def adopt(device: Any) -> GpuBackend:
    """Run on a GPUDevice of wgpu-py that someone else made, and have its adapter's names mean it.

    Raises DeviceError if another device of that adapter is in use already.
    """
    with _lock:
        _refuse_fork()
        adapter = Adapter(device.adapter)
        known = _opened.get(adapter.identity)
        if known is None:
            known = _opened[adapter.identity] = GpuBackend(
                Runtime(device, adapter, _limit()), device_name(adapter)
            )
        elif known.runtime.device is not device:
            raise DeviceError(
                f"the GPU {adapter.name!r} is in use through another device already: call use_device() "
                "first, or rsconv.gpu.reset() to lose what is there"
            )
        return known


def reset(backend: GpuBackend) -> None:
    """Open the device afresh; arrays that are there are lost, and raise GpuError when used."""
    with _lock:
        _refuse_fork()
        old = backend.runtime
        backend.use(start(old.adapter))
        old.close(
            GpuError(
                f"GPU {old.adapter.name!r}: the device was reset, and what this Tensor held there is lost"
            )
        )


def device_name(adapter: Adapter) -> str:
    """A name that gives this adapter whenever it is looked up in this process."""
    usable = [each.identity for each in adapters() if software_allowed() or not each.software]
    if adapter.identity not in usable:
        return adapter.name.split()[0].lower().replace(":", "")
    index = usable.index(adapter.identity)
    return f"gpu:{index}" if index else "gpu"


def parse_bytes(text: str) -> int:
    """Bytes as in "1500000", "512M" or "2G" (powers of 1024). Raises ArgumentError."""
    number, factor = text.strip().upper().removesuffix("B").removesuffix("I"), 1
    if number[-1:] in ("K", "M", "G", "T"):
        factor = 1 << 10 * (1 + "KMGT".index(number[-1]))
        number = number[:-1].strip()
    if not number.isdecimal() or int(number) == 0:
        raise ArgumentError(
            f"RSCONV_GPU_MEMORY_LIMIT={text} is not valid: expected bytes, as in 1500000, 512M or 2G"
        )
    return int(number) * factor


def _limit() -> int | None:
    text = os.environ.get("RSCONV_GPU_MEMORY_LIMIT", "")
    return parse_bytes(text) if text else None


def start(adapter: Adapter) -> Runtime:
    """A new device of an adapter, with what kernels use of its limits and features. Raises GpuError."""
    limit = _limit()
    offered = adapter.limits
    limits = {name: min(value, offered.get(name, value)) for name, value in _DEFAULTS.items()}
    if os.environ.get("RSCONV_GPU_DEFAULT_LIMITS", "") not in ("", "0"):
        limits |= {name: min(value, offered.get(name, value)) for name, value in _DEFAULT_SIZES.items()}
        limits |= _ALIGNMENTS
    features = [name for name in _FEATURES if name in adapter.features]
    try:
        device = adapter.raw.request_device_sync(
            label="rsconv", required_features=features, required_limits=limits
        )
    except Exception as error:
        raise GpuError(f"GPU {adapter.name!r} could not be opened: {error}") from error
    return Runtime(device, adapter, limit)


def _refuse_fork() -> None:
    if _forked:
        raise DeviceError(_FORKED)


_FORKED = (
    "the GPU cannot be used in a process that was forked after it was used: start processes by "
    'multiprocessing.get_context("spawn"), or use the GPU in the child only'
)


def _after_fork() -> None:
    """In the child of a fork: refuse the GPU and never call the driver, whose threads are gone."""
    global _forked, _lock
    # Another thread may have held it.
    _lock = threading.RLock()
    found = known_adapters()
    if not found and not _opened:
        return
    _forked = True
    _by_name.clear()
    for backend in _opened.values():
        backend.runtime.close(DeviceError(_FORKED))
        # Never freed: the destructors of wgpu's objects would call the driver.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(backend.runtime))
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(found))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
