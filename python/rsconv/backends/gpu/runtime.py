"""The runtime of one device: memory, pipelines, and the batch of commands that is open."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BindingTooLarge, DtypeError, GpuError, InternalError, OutOfMemoryError
from .adapters import Adapter
from .array import Binding, GpuArray, dense_strides, stored_bytes
from .buffers import SPARE, Block, Buffer, Pool
from .pipelines import UNIFORM_BYTES, Pipelines

__all__ = ["Runtime"]

_SLOT = 256
_ARENA_BYTES = 1 << 20
_BATCH_DISPATCHES = 64
_MOST_TABLES = 512
_MOST_GROUPS_AXIS = 65535


class Runtime:
    """One device, its buffers and its pipelines.

    Dispatches and copies go, in order, into a batch of commands that is submitted when something is read
    back, at `synchronize()`, or when it is long. All methods may be called from any thread.
    """

    def __init__(self, device: Any, adapter: Adapter, memory_limit: int | None = None) -> None:
        """Take a device of wgpu-py."""
        import wgpu

        self.backend: Any = None
        self.adapter = adapter
        self.adapter_class = adapter.kind
        self.device = device
        self._queue = device.queue
        self.limits: dict[str, int] = dict(device.limits)
        self.features = frozenset(device.features)
        self.max_binding = self.limits["max-storage-buffer-binding-size"]
        self._error_type = wgpu.GPUError
        self._align = max(self.limits["min-storage-buffer-offset-alignment"], 16)
        flags = wgpu.BufferUsage
        usage = flags.STORAGE | flags.COPY_SRC | flags.COPY_DST
        self._staging_usage = flags.MAP_READ | flags.COPY_DST
        self._lock = threading.RLock()
        with self.guard("creating the parameter buffer"):
            self._arena = device.create_buffer(
                size=_ARENA_BYTES + UNIFORM_BYTES, usage=flags.UNIFORM | flags.COPY_DST | flags.COPY_SRC
            )
        self.pool = Pool(device, usage, self.limits["max-buffer-size"], memory_limit)
        self.pipelines = Pipelines(device, self._arena)
        self._tables: OrderedDict[Hashable, GpuArray] = OrderedDict()
        self._staging: Any = None
        # Parameters: the arena's contents, where each lies, and the part that the device has not seen.
        self._shadow = bytearray(_ARENA_BYTES)
        self._slots: dict[bytes, int] = {}
        self._cursor = self._written = 0
        # The open batch.
        self._encoder: Any = None
        self._pass: Any = None
        self._current: Any = None
        self._serial = 0
        self._pending = 0
        self._broken: Exception | None = None
        self.dispatches = self.submits = self.bytes_up = self.bytes_down = 0

    # Arrays.

    def check_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """The dtype in native byte order.

        Raises DtypeError if the device has no such dtype, with what to do.
        """
        native = dtype.newbyteorder("=")
        if not stored_bytes(native):
            advice = "float32" if native.kind in "fc" else "int32"
            raise DtypeError(
                f"{native.name} is not supported on the GPU {self.adapter.name!r}, which has float32, "
                f"float16, int32 and bool: convert with x.astype(np.{advice}), or compute on the CPU"
            )
        if native == np.float16 and "shader-f16" not in self.features:
            raise DtypeError(
                f"float16 is not supported on the GPU {self.adapter.name!r}, which lacks the feature "
                "shader-f16: convert with x.astype(np.float32)"
            )
        return native

    def empty(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], order: tuple[int, ...] | None = None
    ) -> GpuArray:
        """A new array of arbitrary contents, its axes in memory as in `order`, outermost first (None: C)."""
        result = GpuArray(self, None, dtype, shape, dense_strides(shape, order))  # type: ignore[arg-type]
        if self._broken is not None:
            self._refuse()
        try:
            result.buffer = self.pool.take(result.nbytes)
        except self._error_type as error:
            raise self._translated(error, f"allocating {result.nbytes:,} bytes") from error
        return result

    def table(self, key: Hashable, array: NDArray[Any]) -> GpuArray:
        """A constant that kernels read, uploaded once per `key`; the least recently used ones are dropped."""
        with self._lock:
            known = self._tables.get(key)
            if known is not None:
                self._tables.move_to_end(key)
                return known
            made = self.empty(array.shape, self.check_dtype(array.dtype))
            if array.size:
                self.write(made, np.ascontiguousarray(array, made.dtype))
            self._tables[key] = made
            if len(self._tables) > _MOST_TABLES:
                self._tables.popitem(last=False)
            return made

    def bind(self, x: GpuArray) -> Binding:
        """The part of the buffer of `x` that a shader needs: all of it if the device can bind that.

        Raises BindingTooLarge if the part that `x` touches is more than the device binds at once.
        """
        block = x.buffer.block
        if block.size <= self.max_binding:
            return Binding(x, 0, block.size, x.offset)
        low, high = x.extent()
        item = x.itemsize
        start = low * item // self._align * self._align
        end = min(high * item + SPARE, block.size)
        size = -(-(end - start) // 4) * 4
        if size > self.max_binding:
            raise BindingTooLarge(
                f"an array of shape {x.shape} ({x.dtype.name}) spans {size:,} bytes of its buffer, but the "
                f"device binds at most {self.max_binding:,} bytes at once"
            )
        return Binding(x, start, size, x.offset - start // item)

    # Commands.

    def grid(self, workgroups: int) -> tuple[int, int, int]:
        """Counts (x, y, 1) with x * y >= workgroups; a shader skips the few behind the end."""
        if workgroups <= _MOST_GROUPS_AXIS:
            return workgroups, 1, 1
        rows = -(-workgroups // _MOST_GROUPS_AXIS)
        if rows > _MOST_GROUPS_AXIS:
            raise InternalError(f"{workgroups} workgroups are more than one dispatch can have")
        return -(-workgroups // rows), rows, 1

    def dispatch(
        self,
        variant: str,
        words: bytes,
        inputs: Sequence[Binding],
        outputs: Sequence[Binding],
        groups: tuple[int, int, int],
    ) -> None:
        """Append a dispatch of `variant` to the open batch.

        `words` are the parameters, at most 512 bytes; `groups` counts workgroups. Raises GpuError.
        """
        if not (groups[0] and groups[1] and groups[2]):
            return
        with self._lock:
            if self._broken is not None:
                self._refuse()
            pipeline = self.pipelines.compiled.get((variant, len(inputs), len(outputs)))
            if pipeline is None or not pipeline.checked:
                self._first_dispatch(variant, words, inputs, outputs, groups)
            else:
                self._encode(pipeline, words, inputs, outputs, groups)

    def _encode(
        self,
        pipeline: Any,
        words: bytes,
        inputs: Sequence[Binding],
        outputs: Sequence[Binding],
        groups: tuple[int, int, int],
    ) -> None:
        slot = self._slots.get(words)
        if slot is None:
            slot = self._new_slot(words)
        layout = pipeline.layout
        serial = self._serial
        keys = []
        for binding in inputs:
            binding.buffer.block.serial = serial
            keys.append(binding.key)
        for binding in outputs:
            binding.buffer.block.serial = serial
            keys.append(binding.key)
        group = layout.groups.get(tuple(keys))
        if group is None:
            group = self.pipelines.group(layout, inputs, outputs)
        recorder = self._pass
        if recorder is None:
            recorder = self._begin_pass()
        if self._current is not pipeline:
            recorder.set_pipeline(pipeline.raw)
            self._current = pipeline
        recorder.set_bind_group(0, group, (slot,))
        recorder.dispatch_workgroups(*groups)
        self.dispatches += 1
        self._pending += 1
        if self._pending >= _BATCH_DISPATCHES:
            self.flush()

    def _first_dispatch(
        self,
        variant: str,
        words: bytes,
        inputs: Sequence[Binding],
        outputs: Sequence[Binding],
        groups: tuple[int, int, int],
    ) -> None:
        """Compile and dispatch alone, so that what fails is known to be this variant."""
        self.flush()
        if len(words) > UNIFORM_BYTES or len(words) % 16:
            raise InternalError(
                f"{variant}: {len(words)} bytes of parameters, not a multiple of 16 up to {UNIFORM_BYTES}"
            )
        shapes = ", ".join(f"{b.array.shape} {b.array.dtype.name}" for b in (*inputs, *outputs))
        with self.guard(f"{variant} on {shapes}, workgroups {groups}"):
            pipeline = self.pipelines.get(variant, len(inputs), len(outputs))
            self._encode(pipeline, words, inputs, outputs, groups)
            self.flush()
        pipeline.checked = True

    def _new_slot(self, words: bytes) -> int:
        """Where new parameters go. A full arena starts afresh after a flush."""
        if self._cursor + len(words) > _ARENA_BYTES:
            self.flush()
            self._slots.clear()
            self._cursor = self._written = 0
        slot = self._cursor
        self._shadow[slot : slot + len(words)] = words
        self._cursor = -(-(slot + len(words)) // _SLOT) * _SLOT
        self._slots[words] = slot
        return slot

    def _open(self) -> Any:
        if self._encoder is None:
            self._encoder = self.device.create_command_encoder()
        return self._encoder

    def _begin_pass(self) -> Any:
        self._pass = self._open().begin_compute_pass()
        self._current = None
        return self._pass

    def _end_pass(self) -> None:
        if self._pass is not None:
            recorder, self._pass = self._pass, None
            recorder.end()

    def copy(self, source: Block, start: int, target: Block, at: int, size: int) -> None:
        """Append a copy of bytes between two buffers to the open batch; all are multiples of 4."""
        with self._lock:
            if self._broken is not None:
                self._refuse()
            self._end_pass()
            self._open().copy_buffer_to_buffer(source.raw, start, target.raw, at, size)
            source.serial = target.serial = self._serial

    def flush(self) -> None:
        """Submit the open batch."""
        with self._lock:
            if self._encoder is None:
                return
            encoder, self._encoder = self._encoder, None
            self._serial += 1
            self._pending = 0
            with self.guard("submitting commands"):
                self._end_pass()
                commands = encoder.finish()
                if self._cursor > self._written:
                    part = memoryview(self._shadow)[self._written : self._cursor]
                    self._queue.write_buffer(self._arena, self._written, part)
                    self._written = self._cursor
                self._queue.submit([commands])
            self.submits += 1

    def synchronize(self) -> None:
        """Submit the open batch and wait until the device has done all work."""
        with self._lock:
            if self._broken is not None:
                self._refuse()
            with self.guard("waiting for the device"):
                # The wait for a small copy behind all work: wgpu-py 0.32 cannot wait for the queue itself.
                staging = self._staging_for(4)
                self._end_pass()
                self._open().copy_buffer_to_buffer(self._arena, 0, staging, 0, 4)
                self.flush()
                staging.map_async("READ", 0, 8).sync_wait()
                staging.unmap()

    # Bytes to and from buffers.

    def write(self, x: GpuArray, data: NDArray[Any]) -> None:
        """Write contiguous host memory to the bytes of `x` from its first element on."""
        raw = data.reshape(-1).view(np.uint8)
        if len(raw) % 4:
            raw = np.concatenate([raw, np.zeros(4 - len(raw) % 4, np.uint8)])
        block = x.buffer.block
        with self._lock:
            if self._broken is not None:
                self._refuse()
            # What the queue writes lands before the open batch: that must not use the block.
            if block.serial == self._serial:
                self.flush()
            with self.guard(f"uploading {len(raw):,} bytes"):
                self._queue.write_buffer(block.raw, x.offset * x.itemsize, raw)
            self.bytes_up += len(raw)

    def read(self, buffer: Buffer, start: int, out: NDArray[Any]) -> None:
        """Read bytes of a buffer from byte `start` on into contiguous host memory, after all work before."""
        block = buffer.block
        low = start // 4 * 4
        size = -(-(start + out.nbytes - low) // 4) * 4
        with self._lock:
            if self._broken is not None:
                self._refuse()
            with self.guard(f"reading {out.nbytes:,} bytes back"):
                staging = self._staging_for(size)
                self._end_pass()
                self._open().copy_buffer_to_buffer(block.raw, low, staging, 0, size)
                self.flush()
                staging.map_async("READ", 0, size).sync_wait()
                mapped = staging.read_mapped(0, size, copy=False)
                part = np.frombuffer(mapped, np.uint8, out.nbytes, start - low)
                out.reshape(-1).view(np.uint8)[:] = part
                del part, mapped
                staging.unmap()
            self.bytes_down += size

    def _staging_for(self, size: int) -> Any:
        if self._staging is None or self._staging.size < size:
            room = max(1 << 16, 1 << (size - 1).bit_length())
            self._staging = self.device.create_buffer(
                size=min(room, max(size, self.limits["max-buffer-size"])), usage=self._staging_usage
            )
        return self._staging

    # Errors.

    @contextmanager
    def guard(self, doing: str) -> Iterator[None]:
        """Turn the errors of wgpu into GpuError, saying what was done."""
        try:
            yield
        except self._error_type as error:
            raise self._translated(error, doing) from error

    def _translated(self, error: Exception, doing: str) -> Exception:
        text = f"{self.adapter.name}: {doing}: {error}"
        if "lost" in str(error).lower():
            self._broken = GpuError(text)
            return self._broken
        if "memory" in type(error).__name__.lower():
            return OutOfMemoryError(text)
        return GpuError(text)

    def _refuse(self) -> None:
        assert self._broken is not None
        raise type(self._broken)(str(self._broken))
