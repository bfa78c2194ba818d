"""Recording dispatches by wgpu-native's own functions.

wgpu-py looks for errors around each of its calls, which takes longer than what wgpu-native does. Within a
compute pass there are none to find: wgpu-native notes what is wrong and tells it at the end of the pass.
"""

from collections.abc import Callable
from typing import Any

__all__ = ["Record", "recorder"]

Record = Callable[[Any, Any, int, tuple[int, int, int]], None]
"""Records a dispatch: of a pipeline, None if it is the one before, with a bind group, the place of its
parameters and the counts of workgroups."""


def recorder(compute_pass: Any) -> Record:
    """What records into a compute pass of wgpu-py."""
    return _native(compute_pass) or _by_methods(compute_pass)


def _native(compute_pass: Any) -> Record | None:
    """By the functions beneath wgpu-py, or None where a version of it does not show them."""
    from wgpu.backends import wgpu_native

    try:
        ffi, lib = wgpu_native.ffi, wgpu_native.lib
        set_pipeline = lib.wgpuComputePassEncoderSetPipeline
        set_bind_group = lib.wgpuComputePassEncoderSetBindGroup
        dispatch = lib.wgpuComputePassEncoderDispatchWorkgroups
        own = compute_pass._internal
    except AttributeError:
        return None
    offsets = ffi.new("uint32_t[1]")

    def record(pipeline: Any, group: Any, place: int, groups: tuple[int, int, int]) -> None:
        if pipeline is not None:
            set_pipeline(own, pipeline._internal)
        offsets[0] = place
        set_bind_group(own, 0, group._internal, 1, offsets)
        dispatch(own, *groups)

    return record


def _by_methods(compute_pass: Any) -> Record:
    def record(pipeline: Any, group: Any, place: int, groups: tuple[int, int, int]) -> None:
        if pipeline is not None:
            compute_pass.set_pipeline(pipeline)
        compute_pass.set_bind_group(0, group, (place,))
        compute_pass.dispatch_workgroups(*groups)

    return record
