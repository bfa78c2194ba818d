"""The runtime of one device: memory, pipelines, and the batch of commands that is open."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BindingTooLarge, DtypeError, GpuError, InternalError, OutOfMemoryError
from .adapters import Adapter
from .array import Binding, GpuArray, dense_strides, stored_bytes
from .buffers import SPARE, Block, Buffer, Pool
from .parameters import WINDOW, Arena
from .pipelines import Pipeline, Pipelines
from .staging import Downloads, Uploads

if TYPE_CHECKING:
    from .backend import GpuBackend
    from .sentinels import Sentinels

__all__ = ["Runtime"]

# A batch is submitted at the first of these counts of dispatches after a wait, so that an idle device starts
# early, and at the last of them from then on.
_BATCHES = (16, 32, 64)
_BATCH_BYTES = 512 << 20
_MOST_TABLES = 512
_MOST_GROUPS = 65535


class Runtime:
    """One device, its buffers and its pipelines.

    Dispatches and copies go, in order, into a batch of commands that is submitted when something is read
    back, at `synchronize()`, or when it is long. Any thread may call any method.
    """

    backend: "GpuBackend"
    """Set by the backend that runs on this."""

    def __init__(self, device: Any, adapter: Adapter, memory_limit: int | None = None) -> None:
        """Run on `device`, a GPUDevice of wgpu-py."""
        import wgpu

        self.adapter, self.device, self.queue = adapter, device, device.queue
        self.adapter_class = adapter.kind
        self.limits: dict[str, int] = dict(device.limits)
        self.features = frozenset(device.features)
        self.max_binding = self.limits["max-storage-buffer-binding-size"] // 16 * 16
        self._align = max(self.limits["min-storage-buffer-offset-alignment"], 16)
        self._errors = (wgpu.GPUError, wgpu.GPUPipelineError)
        self._lock = threading.RLock()
        self._broken: Exception | None = None
        flags = wgpu.BufferUsage
        with self.guard("creating the parameter buffer"):
            self._arena = Arena(device, flags)
        usage = flags.STORAGE | flags.COPY_SRC | flags.COPY_DST
        self.pool = Pool(self._creator(usage), self.limits["max-buffer-size"], memory_limit)
        self.pipelines = Pipelines(device, self._arena.raw)
        self.uploads = Uploads(self, flags.MAP_WRITE | flags.COPY_SRC)
        self.downloads = Downloads(self, flags.MAP_READ | flags.COPY_DST)
        self._tables: OrderedDict[Hashable, GpuArray] = OrderedDict()
        self.sentinels: Sentinels | None = None
        # The open batch: `serial` is its number, `_batch` the pipelines it dispatches.
        self.serial = 0
        self._encoder: Any = None
        self._pass: Any = None
        self._current: Pipeline | None = None
        self._batch: list[Pipeline] = []
        self._batch_bytes = self._stage = 0
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
        """A new array of arbitrary contents, its axes in memory as in `order`, outermost first (None: C).

        Raises OutOfMemoryError.
        """
        if self._broken is not None:
            self._refuse()
        size = 1
        for length in shape:
            size *= length
        buffer = self.pool.take(size * stored_bytes(dtype))
        result = GpuArray(self, buffer, dtype, shape, dense_strides(shape, order))
        if self.sentinels is not None:
            self.sentinels.fill(result)
        return result

    def table(self, key: Hashable, array: NDArray[Any]) -> GpuArray:
        """A constant that kernels read, uploaded once per `key`; the least recently used ones are dropped."""
        with self._lock:
            known = self._tables.get(key)
            if known is not None:
                self._tables.move_to_end(key)
                return known
            made = self.empty(array.shape, self.check_dtype(array.dtype))
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
            return Binding(x, 0, block.size & ~3, x.offset, block.uid)
        low, high = x.extent()
        item = x.itemsize
        start = low * item // self._align * self._align
        size = (min(high * item + SPARE, block.size) - start + 3) & ~3
        if size > self.max_binding:
            raise BindingTooLarge(
                f"an array of shape {x.shape} ({x.dtype.name}) spans {size:,} bytes of its buffer, but the "
                f"device binds at most {self.max_binding:,} bytes at once"
            )
        return Binding(x, start, size, x.offset - start // item, (block.uid, start, size))

    # Commands.

    def grid(self, workgroups: int) -> tuple[int, int, int]:
        """Counts (x, y, 1) with x * y >= workgroups; a shader skips the few behind the end."""
        if workgroups <= _MOST_GROUPS:
            return workgroups, 1, 1
        rows = -(-workgroups // _MOST_GROUPS)
        if rows > _MOST_GROUPS:
            raise InternalError(f"{workgroups:,} workgroups are more than one dispatch can have")
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

        `words` are the parameters, at most 512 bytes; `groups` counts workgroups, each at most 65,535. An
        input in the buffer of an output is copied first. Raises GpuError.
        """
        x, y, z = groups
        if not (x and y and z):
            return
        with self._lock:
            if self._broken is not None:
                self._refuse()
            pipeline = self.pipelines.compiled.get((variant, len(inputs), len(outputs)))
            # One comparison for all three counts, which nearly always are small.
            if pipeline is None or not pipeline.checked or (x | y | z) > _MOST_GROUPS:
                self._first_dispatch(variant, words, inputs, outputs, groups)
            else:
                self._encode(pipeline, words, inputs, outputs, groups)

    def _encode(
        self,
        pipeline: Pipeline,
        words: bytes,
        inputs: Sequence[Binding],
        outputs: Sequence[Binding],
        groups: tuple[int, int, int],
    ) -> None:
        place = self._arena.places.get(words)
        if place is None:
            place = self._new_place(words)
        serial = self.serial
        keys = []
        for binding in inputs:
            block = binding.buffer.block
            for output in outputs:
                if output.buffer.block is block:
                    return self._encode(pipeline, words, self._apart(inputs, outputs), outputs, groups)
            block.serial = serial
            keys.append(binding.key)
        for binding in outputs:
            binding.buffer.block.serial = serial
            keys.append(binding.key)
            self._batch_bytes += binding.bytes
        group = pipeline.layout.groups.get(tuple(keys))
        if group is None:
            group = self._new_group(pipeline, (*inputs, *outputs))
        recorder = self._pass or self._begin_pass()
        if self._current is not pipeline:
            recorder.set_pipeline(pipeline.raw)
            self._current = pipeline
        recorder.set_bind_group(0, group, (place,))
        recorder.dispatch_workgroups(*groups)
        self.dispatches += 1
        batch = self._batch
        batch.append(pipeline)
        if len(batch) >= _BATCHES[self._stage] or self._batch_bytes > _BATCH_BYTES:
            self.flush()

    def _first_dispatch(
        self,
        variant: str,
        words: bytes,
        inputs: Sequence[Binding],
        outputs: Sequence[Binding],
        groups: tuple[int, int, int],
    ) -> None:
        """Check, compile and dispatch alone, so that what fails is known to be this."""
        shapes = ", ".join(f"{b.array.shape} {b.array.dtype.name}" for b in (*inputs, *outputs))
        what = f"{variant} on {shapes or 'nothing'}, workgroups {groups}"
        if len(words) > WINDOW or len(words) % 16:
            raise InternalError(
                f"{what}: {len(words)} bytes of parameters, not a multiple of 16 up to {WINDOW}"
            )
        if max(groups) > _MOST_GROUPS:
            raise InternalError(f"{what}: at most {_MOST_GROUPS} workgroups are possible along an axis")
        key = variant, len(inputs), len(outputs)
        with self.guard(what):
            self.flush()
            pipeline = self.pipelines.compiled.get(key) or self.pipelines.compile(*key)
            self._encode(pipeline, words, inputs, outputs, groups)
            self.flush(what)
        pipeline.checked = True

    def _new_place(self, words: bytes) -> int:
        place = self._arena.place(words)
        if place is None:
            self.flush()
            self._arena.reset()
            place = self._arena.place(words)
        if place is None:
            raise InternalError(f"{len(words)} bytes of parameters")
        return place

    def _new_group(self, pipeline: Pipeline, bindings: Sequence[Binding]) -> Any:
        shapes = ", ".join(f"{b.array.shape} {b.array.dtype.name}" for b in bindings)
        with self.guard(f"binding {shapes} to {pipeline.variant}"):
            return self.pipelines.group(pipeline.layout, bindings)

    def _apart(self, inputs: Sequence[Binding], outputs: Sequence[Binding]) -> list[Binding]:
        """The inputs, copied where they share a buffer with an output, which no dispatch may have."""
        written = {output.buffer.block.uid for output in outputs}
        apart = []
        for binding in inputs:
            if binding.buffer.block.uid in written:
                source = binding
                buffer = self.pool.take(source.bytes)
                self.copy_raw(source.buffer.block.raw, source.offset, buffer.block, 0, source.bytes)
                array = source.array
                moved = GpuArray(self, buffer, array.dtype, array.shape, array.strides, source.first)
                binding = Binding(moved, 0, source.bytes, source.first, (buffer.block.uid, 0, source.bytes))
            apart.append(binding)
        return apart

    def _open(self) -> Any:
        """The encoder of the batch, outside of a pass."""
        if self._pass is not None:
            recorder, self._pass = self._pass, None
            recorder.end()
        if self._encoder is None:
            self._encoder = self.device.create_command_encoder()
        return self._encoder

    def _begin_pass(self) -> Any:
        with self.guard("opening a batch of commands"):
            self._pass = self._open().begin_compute_pass()
        self._current = None
        return self._pass

    def copy_raw(self, source: Any, start: int, target: Block, at: int, size: int) -> None:
        """Append a copy of bytes, multiples of 4, from a buffer of wgpu to a block."""
        with self._lock:
            self._open().copy_buffer_to_buffer(source, start, target.raw, at, size)
            target.serial = self.serial

    def copy_out(self, source: Any, start: int, staging: Any, size: int) -> None:
        """Copy bytes, multiples of 4, from a buffer of wgpu to staging memory, and submit everything."""
        self._open().copy_buffer_to_buffer(source, start, staging, 0, size)
        self.flush()

    def flush(self, what: str | None = None) -> None:
        """Submit the open batch; `what` tells errors what is in it."""
        with self._lock:
            if self._encoder is None:
                return
            batch, self._batch = self._batch, []
            with self.guard(what, batch):
                try:
                    commands = self._open().finish()
                    self._arena.send()
                    self.queue.submit([commands])
                finally:
                    self._encoder = self._pass = None
                    self.serial += 1
                    self._batch_bytes = 0
            self.submits += 1
            self._stage = min(self._stage + 1, len(_BATCHES) - 1)

    def synchronize(self) -> None:
        """Submit the open batch and wait until the device has done all work."""
        with self.guard("waiting for the device"):
            with self._lock:
                if self._broken is not None:
                    self._refuse()
                # A small copy behind all work: wgpu-py 0.32 cannot wait for the queue itself.
                staging = self.downloads.start(self._arena.raw, 0, 8)
                self._stage = 0
            self.downloads.wait(staging)

    # Bytes to and from buffers.

    def write(self, x: GpuArray, data: NDArray[Any]) -> None:
        """Write contiguous host memory to the buffer of `x`, from its first element on."""
        if data.size == 0:
            return
        raw = data.reshape(-1).view(np.uint8)
        if len(raw) % 4:
            raw = np.concatenate([raw, np.zeros(-len(raw) % 4, np.uint8)])
        with self._lock, self.guard(f"uploading {len(raw):,} bytes"):
            if self._broken is not None:
                self._refuse()
            self.uploads.write(x.buffer.block, x.offset * x.itemsize, raw)
            self.bytes_up += len(raw)

    def read(self, buffer: Buffer, start: int, out: NDArray[Any]) -> None:
        """Read a buffer from byte `start` on into contiguous host memory, after all work before it."""
        if out.size == 0:
            return
        low = start & ~3
        size = (start + out.size * stored_bytes(out.dtype) - low + 3) & ~3
        with self.guard(f"reading {size:,} bytes back"):
            with self._lock:
                if self._broken is not None:
                    self._refuse()
                staging = self.downloads.start(buffer.block.raw, low, size)
                self._stage = 0
                self.bytes_down += size
            self.downloads.finish(staging, start - low, out)

    # Errors.

    def _creator(self, usage: int) -> Callable[[int], Any]:
        def create(size: int) -> Any:
            with self.guard(f"allocating {size:,} bytes"):
                return self.device.create_buffer(size=size, usage=usage)

        return create

    @contextmanager
    def guard(self, what: str | None, batch: Sequence[Pipeline] = ()) -> Iterator[None]:
        """Turn errors of wgpu into GpuError that says what was done: `what`, or submitting `batch`."""
        try:
            yield
        except (*self._errors, RuntimeError) as error:
            # wgpu-py also raises bare RuntimeErrors; their subclasses are our own exceptions.
            if not isinstance(error, self._errors) and type(error) is not RuntimeError:
                raise
            names = ", ".join(sorted({pipeline.variant for pipeline in batch}))
            doing = what or f"submitting {names or 'copies'}; their results are lost"
            text = f"GPU {self.adapter.name!r}, {doing}: {str(error).strip()}"
            if "device is lost" in text.lower() or "device lost" in text.lower():
                text += (
                    "\nThe device is lost, with all that was on it; rsconv.gpu.reset() opens it again. Usual "
                    "causes: the driver restarted, the GPU was unplugged, or a kernel ran too long."
                )
                self._broken = GpuError(text)
                raise self._broken from error
            if isinstance(error, MemoryError):
                raise OutOfMemoryError(text) from error
            raise GpuError(text) from error

    def close(self, error: Exception) -> None:
        """Have every later call raise `error`."""
        self._broken = error

    def _refuse(self) -> None:
        assert self._broken is not None
        raise type(self._broken)(str(self._broken))
