"""How long a device works: by its own clock where it shows one, else by the host's."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .runtime import Runtime

__all__ = ["Timer"]


class Timer:
    """Times what a device does between entering and leaving; `seconds` is there afterwards.

    `on_device` says whose clock it was: the device's (the feature timestamp-query), which sees the work
    alone, or the host's, which also sees the ways to and fro.
    """

    def __init__(self, runtime: "Runtime") -> None:
        """Time the work of `runtime`."""
        self._runtime = runtime
        self.on_device = "timestamp-query" in runtime.features
        self.seconds = 0.0
        self._queries: Any = None
        self._began = 0.0

    def __enter__(self) -> "Timer":
        """Begin, when all work before is done."""
        runtime = self._runtime
        runtime.synchronize()
        if self.on_device:
            with runtime.guard("preparing timestamps"):
                self._queries = runtime.device.create_query_set(type="timestamp", count=2)
            self._mark(beginning_of_pass_write_index=0)
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the work since, and take the time."""
        if kind is not None:
            return
        if self.on_device:
            self._mark(end_of_pass_write_index=1)
            self.seconds = self._elapsed()
        else:
            self._runtime.synchronize()
            self.seconds = time.perf_counter() - self._began

    def _mark(self, **place: int) -> None:
        """Have the device note its clock after all commands so far."""
        runtime = self._runtime
        with runtime.guard("writing timestamps"):
            runtime.flush()
            encoder = runtime.device.create_command_encoder()
            encoder.begin_compute_pass(timestamp_writes={"query_set": self._queries, **place}).end()
            runtime.queue.submit([encoder.finish()])

    def _elapsed(self) -> float:
        import wgpu

        runtime = self._runtime
        usage = wgpu.BufferUsage.QUERY_RESOLVE | wgpu.BufferUsage.COPY_SRC
        with runtime.guard("reading timestamps"):
            buffer = runtime.device.create_buffer(size=256, usage=usage)
            encoder = runtime.device.create_command_encoder()
            encoder.resolve_query_set(self._queries, 0, 2, buffer, 0)
            runtime.queue.submit([encoder.finish()])
        ticks = np.empty(2, np.uint64)
        runtime.read_raw(buffer, 0, ticks)
        return int(ticks[1] - ticks[0]) * self._period() * 1e-9

    def _period(self) -> float:
        """Nanoseconds of a tick. The library has a function for it that wgpu-py 0.32 does not show."""
        from wgpu.backends import wgpu_native

        try:
            period: float = wgpu_native.lib.wgpuQueueGetTimestampPeriod(self._runtime.queue._internal)
        except AttributeError:
            return 1.0
        return period or 1.0
