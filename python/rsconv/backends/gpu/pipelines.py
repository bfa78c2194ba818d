"""Compute pipelines by the name of their variant, their layouts, and the bind groups of their buffers."""

from collections.abc import Sequence
from typing import Any

from ... import _core
from ...errors import InternalError
from .array import Binding
from .buffers import Block
from .parameters import WINDOW

__all__ = ["Layout", "Pipeline", "Pipelines"]

_MOST_BUFFERS = 8
_MOST_GROUPS = 8192


class Layout:
    """The layout of all variants with so many inputs and outputs, and their bind groups.

    A bind group leaves when one of its buffers does, or as the oldest of too many.
    """

    __slots__ = ("_blocks", "groups", "pipeline_layout", "raw")

    def __init__(self, raw: Any, pipeline_layout: Any) -> None:
        """A layout without bind groups."""
        self.raw, self.pipeline_layout = raw, pipeline_layout
        self.groups: dict[tuple[Any, ...], Any] = {}
        self._blocks: dict[tuple[Any, ...], list[Block]] = {}

    def keep(self, bindings: Sequence[Binding], group: Any) -> None:
        """Keep the bind group of `bindings`."""
        if len(self.groups) >= _MOST_GROUPS:
            self.drop(next(iter(self.groups)))
        key = tuple([binding.key for binding in bindings])
        self.groups[key] = group
        blocks = self._blocks[key] = [binding.buffer.block for binding in bindings]
        for block in blocks:
            block.groups.add((self, key))

    def drop(self, key: tuple[Any, ...]) -> None:
        """Forget a bind group."""
        self.groups.pop(key, None)
        for block in self._blocks.pop(key, ()):
            block.groups.discard((self, key))


class Pipeline:
    """A compiled variant. `checked` once its first dispatch went through."""

    __slots__ = ("checked", "layout", "raw", "variant")

    def __init__(self, variant: str, raw: Any, layout: Layout) -> None:
        """A pipeline that was not yet dispatched."""
        self.variant, self.raw, self.layout = variant, raw, layout
        self.checked = False


class Pipelines:
    """What a device has compiled: `compiled` by variant and counts of inputs and outputs.

    `sources` are shader texts that stand in for those of the table of variants.
    """

    def __init__(self, device: Any, parameters: Any) -> None:
        """Nothing compiled yet; `parameters` is the buffer of all parameters."""
        self._device, self._parameters = device, parameters
        self._layouts: dict[tuple[int, int], Layout] = {}
        self.compiled: dict[tuple[str, int, int], Pipeline] = {}
        self.sources: dict[str, str] = {}
        self.groups_created = 0

    def group(self, layout: Layout, bindings: Sequence[Binding]) -> Any:
        """A new bind group, which the layout keeps."""
        parts: list[dict[str, Any]] = [{"buffer": self._parameters, "offset": 0, "size": WINDOW}]
        parts += [{"buffer": b.buffer.block.raw, "offset": b.offset, "size": b.bytes} for b in bindings]
        entries = [{"binding": number, "resource": part} for number, part in enumerate(parts)]
        group = self._device.create_bind_group(layout=layout.raw, entries=entries)
        layout.keep(bindings, group)
        self.groups_created += 1
        return group

    def compile(self, variant: str, inputs: int, outputs: int) -> Pipeline:
        """The new pipeline of a variant that binds so many inputs and outputs."""
        source = self.sources.get(variant) or _core.render_shader(variant)
        layout = self._layout(variant, inputs, outputs)
        module = self._device.create_shader_module(label=variant, code=source)
        stage = {"module": module, "entry_point": "main"}
        raw = self._device.create_compute_pipeline(
            label=variant, layout=layout.pipeline_layout, compute=stage
        )
        pipeline = self.compiled[variant, inputs, outputs] = Pipeline(variant, raw, layout)
        return pipeline

    def group_count(self) -> int:
        """The bind groups that are kept."""
        return sum(len(layout.groups) for layout in self._layouts.values())

    def _layout(self, variant: str, inputs: int, outputs: int) -> Layout:
        known = self._layouts.get((inputs, outputs))
        if known is not None:
            return known
        if outputs < 1 or inputs + outputs > _MOST_BUFFERS:
            raise InternalError(
                f"{variant}: {inputs} inputs and {outputs} outputs, but kernels have an output and up to "
                f"{_MOST_BUFFERS} buffers"
            )
        kinds: list[dict[str, Any]] = [{"type": "uniform", "has_dynamic_offset": True}]
        kinds += [{"type": "read-only-storage"}] * inputs + [{"type": "storage"}] * outputs
        entries = [
            {"binding": number, "visibility": "COMPUTE", "buffer": kind} for number, kind in enumerate(kinds)
        ]
        raw = self._device.create_bind_group_layout(entries=entries)
        whole = self._device.create_pipeline_layout(bind_group_layouts=[raw])
        layout = self._layouts[inputs, outputs] = Layout(raw, whole)
        return layout
