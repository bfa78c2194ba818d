"""Dispatches, and those kept by the layouts of their arrays.

Kept are those of operators that write to arrays which exist, or with other numbers in every call, and so have
no plan: see `calls.py`.
"""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from .array import Binding, GpuArray

__all__ = ["Dispatch", "again", "keep", "send"]

_MOST_KEPT = 4096


class Dispatch(NamedTuple):
    """A dispatch without its buffers; `whole` if it binds all of each."""

    variant: str
    words: bytes
    groups: tuple[int, int, int]
    whole: bool


_kept: dict[Hashable, Dispatch] = {}


def send(
    variant: str,
    words: bytes,
    inputs: Sequence[Binding],
    outputs: Sequence[Binding],
    threads: int,
    workgroup: int = 64,
) -> Dispatch:
    """Dispatch a kernel whose workgroups have `workgroup` threads each."""
    runtime = outputs[0].array.runtime
    groups = runtime.grid(-(-threads // workgroup))
    runtime.dispatch(variant, words, inputs, outputs, groups)
    whole = all(part.key == part.buffer.block.uid for part in (*inputs, *outputs))
    return Dispatch(variant, words, groups, whole)


def keep(key: Hashable, made: Dispatch | None) -> None:
    """Remember a dispatch for what `key` says of the arrays and the other arguments.

    Nothing is kept of operators that took several dispatches (None), or bound parts of buffers.
    """
    if made is not None and made.whole:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        _kept[key] = made


def again(
    key: Hashable,
    inputs: Sequence[GpuArray],
    outputs: Sequence[GpuArray],
    patch: tuple[int, bytes] | None = None,
) -> bool:
    """Dispatch what was kept for `key`; False if there is nothing, or not all can be bound whole.

    `patch` is a place in the parameters and what stands there in this call.
    """
    kept = _kept.get(key)
    if kept is None:
        return False
    runtime = outputs[0].runtime
    limit = runtime.max_binding
    for array in (*inputs, *outputs):
        if array.buffer.block.size > limit:
            return False
    variant, words, groups, _ = kept
    if patch is not None:
        at, part = patch
        words = words[:at] + part + words[at + len(part) :]
    bind = runtime.bind
    runtime.dispatch(variant, words, [bind(x) for x in inputs], [bind(y) for y in outputs], groups)
    return True
