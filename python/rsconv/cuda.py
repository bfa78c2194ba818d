"""`torch.cuda` for code that asks whether there is any: there is not. GPUs are `rsconv.devices()`."""

from typing import Any

from .names import missing_attribute

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "manual_seed_all", "synchronize"]


def is_available() -> bool:
    """False: GPUs of all makers are reached by `to("gpu")`."""
    return False


def device_count() -> int:
    """0."""
    return 0


def synchronize(device: Any = None) -> None:
    """Wait for nothing. See `rsconv.gpu.synchronize`."""


def empty_cache() -> None:
    """Free nothing. See `rsconv.gpu`."""


def manual_seed(seed: int) -> None:
    """Seed nothing: `rsconv.manual_seed` is of all devices."""


manual_seed_all = manual_seed


def __getattr__(name: str) -> Any:
    raise missing_attribute(f"module {__name__!r}", name, __all__)
