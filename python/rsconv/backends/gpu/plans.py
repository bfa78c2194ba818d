"""Dispatches by the layouts of their arrays, so that a second call of the same shapes computes nothing."""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .array import Binding, GpuArray
from .runtime import Runtime

__all__ = ["Step", "keep", "layout_key", "replay", "send"]

_MOST_PLANS = 4096
# Threads of a workgroup of the kernels that have one output for each thread.
_THREADS = 64


class Step(NamedTuple):
    """A dispatch without its buffers; `whole` if it binds all of each."""

    variant: str
    words: bytes
    groups: tuple[int, int, int]
    whole: bool


class _Plan(NamedTuple):
    step: Step
    # Shape, dtype and order of each output.
    outputs: tuple[tuple[tuple[int, ...], np.dtype[Any], tuple[int, ...] | None], ...]


_plans: dict[Hashable, _Plan] = {}


def send(
    variant: str,
    words: bytes,
    inputs: Sequence[Binding],
    outputs: Sequence[Binding],
    threads: int,
    width: int = 1,
) -> Step:
    """Dispatch a kernel whose threads have `width` outputs each."""
    runtime = outputs[0].array.runtime
    whole = all(part.bytes == part.buffer.block.size for part in (*inputs, *outputs))
    step = Step(variant, words, runtime.grid(-(-threads // (_THREADS * width))), whole)
    runtime.dispatch(variant, words, inputs, outputs, step.groups)
    return step


def layout_key(x: GpuArray) -> tuple[Any, ...]:
    """All that a kernel's parameters depend on, if the device binds the whole buffer of `x`."""
    return x.shape, x.strides, x.offset, x.dtype


def keep(key: Hashable, step: Step | None, outputs: Sequence[GpuArray]) -> None:
    """Remember the step that filled `outputs`, new arrays, for what `key` says of its inputs.

    Nothing is kept of operators that took several steps (None), or bound parts of buffers.
    """
    if step is None or not step.whole:
        return
    if len(_plans) >= _MOST_PLANS:
        _plans.clear()
    _plans[key] = _Plan(step, tuple((y.shape, y.dtype, y.order()) for y in outputs))


def replay(
    key: Hashable,
    runtime: Runtime,
    inputs: Sequence[GpuArray],
    patch: tuple[int, bytes] | None = None,
    beside: Sequence[GpuArray] = (),
) -> list[GpuArray] | None:
    """New outputs by the step kept for `key`; None if there is none, or not all can be bound whole.

    `patch` is a place in the parameters and what stands there in this call; `beside` are arrays that are
    written, too, and not new.
    """
    plan = _plans.get(key)
    if plan is None:
        return None
    limit = runtime.max_binding
    outputs = [runtime.empty(*output) for output in plan.outputs]
    for array in (*inputs, *outputs):
        if array.buffer.block.size > limit:
            return None
    variant, words, groups, _ = plan.step
    if patch is not None:
        at, part = patch
        words = words[:at] + part + words[at + len(part) :]
    bind = runtime.bind
    runtime.dispatch(
        variant, words, [bind(x) for x in inputs], [bind(y) for y in (*outputs, *beside)], groups
    )
    return outputs
