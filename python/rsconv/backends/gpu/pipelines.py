"""Compute pipelines by the name of their variant, their layouts, and the bind groups of their buffers."""

from collections.abc import Sequence
from typing import Any

from ... import _core
from ...errors import InternalError
from .array import Binding

__all__ = ["UNIFORM_BYTES", "Layout", "Pipeline", "Pipelines"]

UNIFORM_BYTES = 512
"""The window of the arena that a shader sees as its parameters."""
_MOST_GROUPS = 8192


class Layout:
    """The bind group layout of all variants with so many inputs and outputs, and their bind groups."""

    __slots__ = ("groups", "pipeline_layout", "raw")

    def __init__(self, raw: Any, pipeline_layout: Any) -> None:
        """A layout without bind groups."""
        self.raw, self.pipeline_layout = raw, pipeline_layout
        self.groups: dict[tuple[Any, ...], Any] = {}


class Pipeline:
    """A compiled variant. `checked` once its first dispatch went through."""

    __slots__ = ("checked", "layout", "raw")

    def __init__(self, raw: Any, layout: Layout) -> None:
        """A pipeline that was not yet dispatched."""
        self.raw, self.layout = raw, layout
        self.checked = False


class Pipelines:
    """What a device has compiled."""

    def __init__(self, device: Any, arena: Any) -> None:
        """Nothing compiled yet; `arena` is the buffer of all parameters."""
        self._device, self._arena = device, arena
        self._layouts: dict[tuple[int, int], Layout] = {}
        self.compiled: dict[tuple[str, int, int], Pipeline] = {}
        self.sources: dict[str, str] = {}
        self.groups_created = 0

    def get(self, variant: str, inputs: int, outputs: int) -> Pipeline:
        """The pipeline of a variant that binds so many inputs and outputs."""
        pipeline = self.compiled.get((variant, inputs, outputs))
        return pipeline or self._compile(variant, inputs, outputs)

    def group(self, layout: Layout, inputs: Sequence[Binding], outputs: Sequence[Binding]) -> Any:
        """A new bind group, which is kept until one of its buffers goes."""
        entries = [{"binding": 0, "resource": {"buffer": self._arena, "offset": 0, "size": UNIFORM_BYTES}}]
        bindings = (*inputs, *outputs)
        for number, binding in enumerate(bindings, 1):
            part = {"buffer": binding.buffer.block.raw, "offset": binding.offset, "size": binding.bytes}
            entries.append({"binding": number, "resource": part})
        group = self._device.create_bind_group(layout=layout.raw, entries=entries)
        self.groups_created += 1
        if len(layout.groups) >= _MOST_GROUPS:
            for key in list(layout.groups)[: _MOST_GROUPS // 2]:
                del layout.groups[key]
        key = tuple([binding.key for binding in bindings])
        layout.groups[key] = group
        for binding in bindings:
            binding.buffer.block.groups.append((layout.groups, key))
        return group

    def _compile(self, variant: str, inputs: int, outputs: int) -> Pipeline:
        source = self.sources.get(variant)
        if source is None:
            source = _core.render_shader(variant)
        layout = self._layout(inputs, outputs)
        module = self._device.create_shader_module(label=variant, code=source)
        raw = self._device.create_compute_pipeline(
            label=variant, layout=layout.pipeline_layout, compute={"module": module, "entry_point": "main"}
        )
        pipeline = self.compiled[variant, inputs, outputs] = Pipeline(raw, layout)
        return pipeline

    def _layout(self, inputs: int, outputs: int) -> Layout:
        layout = self._layouts.get((inputs, outputs))
        if layout is None:
            if outputs < 1 or inputs + outputs > 8:
                raise InternalError(
                    f"{inputs} inputs and {outputs} outputs are more than 8 buffers, or no output"
                )
            kinds = ["read-only-storage"] * inputs + ["storage"] * outputs
            entries = [{"binding": 0, "visibility": "COMPUTE", "buffer": _UNIFORM}]
            for number, kind in enumerate(kinds, 1):
                entries.append({"binding": number, "visibility": "COMPUTE", "buffer": {"type": kind}})
            raw = self._device.create_bind_group_layout(entries=entries)
            whole = self._device.create_pipeline_layout(bind_group_layouts=[raw])
            layout = self._layouts[inputs, outputs] = Layout(raw, whole)
        return layout


_UNIFORM = {"type": "uniform", "has_dynamic_offset": True}
