"""PyTorch's wrappers for several GPUs, so that code and weights made with them load: they call their module.

There is one process and one device for a call.
"""

from typing import Any

from .module import Module

__all__ = ["DataParallel", "DistributedDataParallel"]


class DataParallel(Module):
    """`module`, whose members have names that begin with `module.`; the other arguments have no effect."""

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        """Own `module`."""
        super().__init__()
        self.module = module

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module computes."""
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(DataParallel):
    """As `DataParallel`."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        """Own `module`."""
        super().__init__(module)
