"""The runtime of one device: its arrays, what goes to and from them, and the commands over them."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BindingTooLarge, DtypeError, GpuError, ShapeError
from .adapters import Adapter
from .array import Binding, GpuArray, dense_strides, stored_bytes
from .buffers import SPARE, Buffer, Pool
from .calls import Plans
from .commands import Commands
from .faults import Faults
from .sentinels import GUARD, Sentinels
from .staging import Downloads, Uploads

if TYPE_CHECKING:
    from .backend import GpuBackend

__all__ = ["Runtime"]

# The largest alignment of offsets that WebGPU lets a device ask for.
_ALIGN = 256
_MOST_TABLES = 512
# Elements of a binding have numbers that fit 32 bits, with a sign; some adapters would bind more.
_LARGEST_BINDING = (1 << 32) - 16


class Runtime(Commands):
    """One device, its buffers and its pipelines.

    Dispatches and copies go, in order, into a batch of commands that is submitted when something is read
    back, at `synchronize()`, or when it is long. Any thread may call any method.
    """

    backend: "GpuBackend"
    """Set by the backend that runs on this."""

    def __init__(self, device: Any, adapter: Adapter, memory_limit: int | None = None) -> None:
        """Run on `device`, a GPUDevice of wgpu-py."""
        import wgpu

        super().__init__(device, adapter)
        self.adapter_class = adapter.kind
        self.limits: dict[str, int] = dict(device.limits)
        self.features = frozenset(device.features)
        self.max_binding = min(self.limits["max-storage-buffer-binding-size"], _LARGEST_BINDING) // 16 * 16
        flags = wgpu.BufferUsage
        self._usage = int(flags.STORAGE | flags.COPY_SRC | flags.COPY_DST)
        largest = self.limits["max-buffer-size"]
        self.pool = Pool(self._create_buffer, self.synchronize, self.lock, largest, memory_limit)
        self.uploads = Uploads(self, flags.MAP_WRITE | flags.COPY_SRC)
        self.downloads = Downloads(self, flags.MAP_READ | flags.COPY_DST)
        self._tables: OrderedDict[Hashable, GpuArray] = OrderedDict()
        self.sentinels: Sentinels | None = None
        self.plans = Plans(self)
        self._faults: Faults | None = None
        self.bytes_up = self.bytes_down = 0

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
        size *= stored_bytes(dtype)
        buffer = self.pool.take(size if self.sentinels is None else size + GUARD)
        if self.recording is not None:
            self.recording.made(buffer)
        result = GpuArray(self, buffer, dtype, shape, dense_strides(shape, order))
        if self.sentinels is not None:
            self.sentinels.fill(result)
        return result

    def table(self, key: Hashable, make: NDArray[Any] | Callable[[], NDArray[Any]]) -> GpuArray:
        """A constant that kernels read, uploaded (and made) once per `key`; the least recently used ones are
        dropped."""
        with self.lock:
            known = self._tables.get(key)
            if known is not None:
                self._tables.move_to_end(key)
                return self._constant(known)
            array = make() if callable(make) else make
            with self._unrecorded():
                made = self.empty(array.shape, self.check_dtype(array.dtype))
                self.write(made, np.ascontiguousarray(array, made.dtype))
            self._tables[key] = made
            if len(self._tables) > _MOST_TABLES:
                self._tables.popitem(last=False)
            return self._constant(made)

    @contextmanager
    def _unrecorded(self) -> Iterator[None]:
        """What is made for all calls is no part of the one that asks for it first; the lock is held."""
        recording, self.recording = self.recording, None
        try:
            yield
        finally:
            self.recording = recording

    def _constant(self, x: GpuArray) -> GpuArray:
        if self.recording is not None:
            self.recording.constant(x.buffer)
        return x

    def bind(self, x: GpuArray) -> Binding:
        """The part of the buffer of `x` that a shader needs: all of it if the device can bind that.

        Raises BindingTooLarge if the part that `x` touches is more than the device binds at once.
        """
        block = x.buffer.block
        if block.size <= self.max_binding:
            return Binding(x, 0, block.size & ~3, x.offset, block.uid)
        low, high = x.extent()
        item = x.itemsize
        start = low * item // _ALIGN * _ALIGN
        # To the end of the last vec4, and of an empty view something.
        end = -(-max(high * item, low * item + 1) // SPARE) * SPARE
        size = (min(end, block.size) - start + 3) & ~3
        if size > self.max_binding:
            raise BindingTooLarge(
                f"an array of shape {x.shape} ({x.dtype.name}) spans {size:,} bytes of its buffer, but the "
                f"device binds at most {self.max_binding:,} bytes at once"
            )
        return Binding(x, start, size, x.offset - start // item, (block.uid, start, size))

    def adopt(
        self,
        raw: Any,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        strides: tuple[int, ...] | None,
        offset: int,
    ) -> GpuArray:
        """An array over a buffer of this device that someone else made. Raises DtypeError, GpuError."""
        dtype = self.check_dtype(dtype)
        usage = raw.usage
        if usage & self._usage != self._usage:
            raise GpuError(
                f"a buffer of usage {usage:#x} cannot hold an array, which needs STORAGE, COPY_SRC and "
                f"COPY_DST ({self._usage:#x})"
            )
        strides = dense_strides(shape) if strides is None else tuple(strides)
        if len(strides) != len(shape):
            raise ShapeError(f"strides {strides} and shape {shape} differ in length")
        return GpuArray(self, self.pool.adopt(raw), dtype, shape, strides, offset)

    @property
    def faults(self) -> Faults:
        """Where kernels leave indices that are out of range."""
        with self.lock:
            if self._faults is None:
                with self._unrecorded():
                    self._faults = Faults(self)
            if self.recording is not None:
                self.recording.notes(self._faults)
            return self._faults

    def empty_cache(self) -> None:
        """Let go of all memory that no array holds, here and on the host."""
        with self.lock:
            self._tables.clear()
            self.plans.clear()
            self.pool.empty_cache()
            self.uploads.empty_cache()
            self.downloads.empty_cache()

    def stats(self) -> dict[str, int]:
        """Counts of what there is and was: see `rsconv.gpu.memory_stats`."""
        pool = self.pool
        pool.collect()
        return {
            "bytes_in_use": pool.in_use,
            "bytes_pooled": pool.pooled,
            "bytes_peak": pool.peak,
            "bytes_uploaded": self.bytes_up,
            "bytes_downloaded": self.bytes_down,
            "buffers": pool.created - pool.dropped,
            "buffers_created": pool.created,
            "bind_groups": self.pipelines.group_count(),
            "bind_groups_created": self.pipelines.groups_created,
            "pipelines": len(self.pipelines.compiled),
            "dispatches": self.dispatches,
            "submits": self.submits,
        }

    # Bytes to and from buffers.

    def write(self, x: GpuArray, data: NDArray[Any]) -> None:
        """Write contiguous host memory to the buffer of `x`, from its first element on."""
        if data.size == 0:
            return
        raw = data.reshape(-1).view(np.uint8)
        if len(raw) % 4:
            raw = np.concatenate([raw, np.zeros(-len(raw) % 4, np.uint8)])
        with self.lock, self.guard(f"uploading {len(raw):,} bytes"):
            if self._broken is not None:
                self._refuse()
            self.spoil_recording()
            self.uploads.write(x.buffer.block, x.offset * x.itemsize, raw)
            self.bytes_up += len(raw)

    def read(self, buffer: Buffer, start: int, out: NDArray[Any]) -> None:
        """Read a buffer from byte `start` on into contiguous host memory, after all work before it."""
        self.read_raw(buffer.block.raw, start, out)

    def read_raw(self, raw: Any, start: int, out: NDArray[Any]) -> None:
        """`read` for a buffer of wgpu."""
        if out.size:
            with self.guard(f"reading {out.nbytes:,} bytes back"):
                self.downloads.read(raw, start, out)
            with self.lock:
                self.bytes_down += out.nbytes
            if self._faults is not None and self._faults.pending:
                self._faults.check()

    def begin_read(self, raw: Any, at: int, size: int) -> Any:
        """Submit everything and a copy of bytes, multiples of 4, to staging memory, which is returned."""
        with self.lock:
            if self._broken is not None:
                self._refuse()
            self.spoil_recording()
            staging = self.downloads.staging(size)
            self.copy_out(raw, at, staging, size)
            self._stage = 0
        return staging

    def synchronize(self) -> None:
        """Submit the open batch and wait until the device has done all work.

        Raises IndexError for indices out of range that were met since the last wait, as `read` does.
        """
        with self.guard("waiting for the device"):
            # A small copy behind all work: wgpu-py 0.32 cannot wait for the queue itself.
            self.downloads.wait(self.begin_read(self._arena.raw, 0, 8))
        if self._faults is not None and self._faults.pending:
            self._faults.check()

    def _create_buffer(self, size: int) -> Any:
        with self.guard(f"allocating {size:,} bytes"):
            return self.device.create_buffer(size=size, usage=self._usage)
