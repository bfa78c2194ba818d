"""The open batch of commands of one device: dispatches and copies, in order, until they are submitted."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...errors import GpuError, InternalError, OutOfMemoryError
from .adapters import Adapter
from .array import Binding, GpuArray
from .buffers import Block, Buffer, Pool
from .calls import Recording, Step
from .native import Record, recorder
from .parameters import WINDOW, Arena
from .pipelines import Pipeline, Pipelines

__all__ = ["Commands"]

# A batch is submitted at the first of these counts of dispatches after a wait, so that an idle device starts
# early, and at the last of them from then on.
_BATCHES = (16, 32, 64)
_BATCH_BYTES = 512 << 20
_MOST_GROUPS = 65535


class Commands:
    """Records commands on a device and submits them; `serial` is the number of the batch that is open.

    `dispatches` and `submits` count them.
    """

    pool: Pool

    def __init__(self, device: Any, adapter: Adapter) -> None:
        """Record for `device`, a GPUDevice of wgpu-py."""
        import wgpu

        self.adapter, self.device, self.queue = adapter, device, device.queue
        self._errors = (wgpu.GPUError, wgpu.GPUPipelineError)
        self.lock = threading.RLock()
        """Guards all that is here; held throughout a call that is recorded."""
        self._broken: Exception | None = None
        with self.guard("creating the parameter buffer"):
            self._arena = Arena(device, wgpu.BufferUsage)
        self.pipelines = Pipelines(device, self._arena.raw)
        self.serial = 0
        self._encoder: Any = None
        self._pass: Any = None
        self._record: Record | None = None
        self._current: Pipeline | None = None
        self._batch: list[Pipeline] = []
        self._batch_bytes = self._stage = 0
        self.dispatches = self.submits = 0
        self.recording: Recording | None = None
        """What records the call that holds the lock."""

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
        with self.lock:
            if self._broken is not None:
                self._refuse()
            pipeline = self.pipelines.compiled.get((variant, len(inputs), len(outputs)))
            # One comparison for all three counts, which nearly always are small.
            if pipeline is None or not pipeline.checked or (x | y | z) > _MOST_GROUPS:
                pipeline = self._first_dispatch(variant, words, inputs, outputs, groups)
            else:
                self._encode(pipeline, words, inputs, outputs, groups)
            if self.recording is not None:
                self.recording.dispatched(pipeline, words, inputs, outputs, groups)

    def dispatch_again(self, steps: Sequence[Step], buffers: Sequence[Buffer], written: int) -> None:
        """Append dispatches that went through before, of `buffers`, whose outputs are no inputs.

        `written` counts the bytes of all outputs. The caller holds the lock.
        """
        if self._broken is not None:
            self._refuse()
        blocks = [buffer.block for buffer in buffers]
        uids = [block.uid for block in blocks]
        for pipeline, words, groups, places, pick in steps:
            place = self._arena.places.get(words)
            if place is None:
                place = self._new_place(words)
            group = pipeline.layout.groups.get(pick(uids))
            if group is None:
                group = self._new_group(pipeline, [self._whole(buffers[number]) for number in places])
            record = self._record or self._begin_pass()
            record(None if self._current is pipeline else pipeline.raw, group, place, groups)
            self._current = pipeline
            self._batch.append(pipeline)
        self.dispatches += len(steps)
        serial = self.serial
        for block in blocks:
            block.serial = serial
        self._batch_bytes += written
        if len(self._batch) >= _BATCHES[self._stage] or self._batch_bytes > _BATCH_BYTES:
            self.flush()

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
        record = self._record or self._begin_pass()
        record(None if self._current is pipeline else pipeline.raw, group, place, groups)
        self._current = pipeline
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
    ) -> Pipeline:
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
            try:
                self._encode(pipeline, words, inputs, outputs, groups)
                self.flush(what)
            except BaseException:
                # What was recorded would fail again with whatever comes next.
                self._drop_batch()
                raise
        pipeline.checked = True
        return pipeline

    def _new_place(self, words: bytes) -> int:
        place = self._arena.place(words)
        if place is None:
            self.flush()
            self._arena.reset()
            place = self._arena.place(words)
        if place is None:
            raise InternalError(f"{len(words)} bytes of parameters")
        return place

    def _whole(self, buffer: Buffer) -> Binding:
        """All of a buffer."""
        size = buffer.block.size & ~3
        words = GpuArray(self, buffer, np.dtype(np.int32), (size // 4,), (1,))  # type: ignore[arg-type]
        return Binding(words, 0, size, 0, buffer.block.uid)

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
                moved = GpuArray(array.runtime, buffer, array.dtype, array.shape, array.strides, source.first)
                binding = Binding(moved, 0, source.bytes, source.first, (buffer.block.uid, 0, source.bytes))
            apart.append(binding)
        return apart

    def _open(self) -> Any:
        """The encoder of the batch, outside of a pass."""
        if self._pass is not None:
            ended, self._pass, self._record = self._pass, None, None
            ended.end()
        if self._encoder is None:
            self._encoder = self.device.create_command_encoder()
        return self._encoder

    def _begin_pass(self) -> Record:
        with self.guard("opening a batch of commands"):
            self._pass = self._open().begin_compute_pass()
            self._record = recorder(self._pass)
        self._current = None
        return self._record

    def copy_raw(self, source: Any, start: int, target: Block, at: int, size: int) -> None:
        """Append a copy of bytes, multiples of 4, from a buffer of wgpu to a block."""
        with self.lock:
            self.spoil_recording()
            self._open().copy_buffer_to_buffer(source, start, target.raw, at, size)
            target.serial = self.serial

    def spoil_recording(self) -> None:
        """Note that a call which is recorded does more than dispatch."""
        if self.recording is not None:
            self.recording.spoil()

    def copy_out(self, source: Any, start: int, staging: Any, size: int) -> None:
        """Copy bytes, multiples of 4, from a buffer of wgpu to staging memory, and submit everything."""
        self._open().copy_buffer_to_buffer(source, start, staging, 0, size)
        self.flush()

    def flush(self, what: str | None = None) -> None:
        """Submit the open batch; `what` tells errors what is in it."""
        with self.lock:
            if self._encoder is None:
                return
            with self.guard(what, self._batch):
                try:
                    commands = self._open().finish()
                    self._arena.send()
                    self.queue.submit([commands])
                finally:
                    self._drop_batch()
            self.submits += 1
            self._stage = min(self._stage + 1, len(_BATCHES) - 1)

    def _drop_batch(self) -> None:
        self._encoder = self._pass = self._record = None
        self._batch = []
        self._batch_bytes = 0
        self.serial += 1

    # Errors.

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
        """Have every later call raise `error`, also in a forked child, where other threads held locks."""
        self._broken = error
        self.lock = self.pool.lock = threading.RLock()

    def _refuse(self) -> None:
        assert self._broken is not None
        raise type(self._broken)(str(self._broken))
