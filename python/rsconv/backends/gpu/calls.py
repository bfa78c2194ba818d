"""Calls by plan: what a function dispatched once, for arrays of some layouts, is dispatched again for others.

Operators, and functions made of them, decide on kernels, parameters, grids and temporary arrays by the
layouts of their arrays and their other arguments alone. So a first call is recorded, and later ones of the
same signature only fill in their buffers.
"""

import functools
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Sequence
from operator import itemgetter
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .array import Binding, GpuArray
from .buffers import Buffer

if TYPE_CHECKING:
    from .faults import Faults
    from .pipelines import Pipeline
    from .runtime import Runtime

__all__ = ["Packed", "Plans", "Recording", "Step", "by_plan", "planned"]

_MOST_PLANS = 4096
# Dispatches of a plan; longer calls do not mind the time to think.
_MOST_STEPS = 64
_Operator = TypeVar("_Operator", bound=Callable[..., Any])


class Packed:
    """Arrays that an operator laid out for itself: those of one `plan` are read alike."""

    __slots__ = ("arrays", "plan")

    arrays: Sequence[GpuArray]
    plan: Hashable


class Step(NamedTuple):
    """A dispatch on buffers that are bound whole: `pick` chooses them, by their numbers `places`."""

    pipeline: "Pipeline"
    words: bytes
    groups: tuple[int, int, int]
    places: tuple[int, ...]
    pick: Callable[[Sequence[int]], Any]


class _Plan(NamedTuple):
    """The buffers of a plan are those of the inputs, new ones of `sizes` bytes, and `constants`, in this
    order.

    `results` are the layout of the new array that is returned and the number of its buffer, None, or a tuple
    of such.
    """

    steps: tuple[Step, ...]
    sizes: tuple[int, ...]
    constants: tuple[Buffer, ...]
    # Bytes that all steps write.
    written: int
    # What checks the indices that they met, if they note wrong ones.
    faults: "Faults | None"
    results: Any


class Recording:
    """What one call takes and dispatches; `sound` as long as it could be done again with other buffers."""

    def __init__(self, inputs: Sequence[GpuArray]) -> None:
        """Nothing yet; `inputs` are the arrays that the call was given."""
        self.sound = True
        # Other threads may take buffers meanwhile.
        self._thread = get_ident()
        self._inputs = inputs
        self._made: list[Buffer] = []
        self._constants: list[Buffer] = []
        self._steps: list[tuple[Pipeline, bytes, tuple[int, int, int], list[Buffer], int]] = []
        self._written = 0
        self._faults: Faults | None = None

    def spoil(self) -> None:
        """Note that the call did what is not recorded."""
        self.sound = False
        self._made.clear()
        self._constants.clear()
        self._steps.clear()

    def made(self, buffer: Buffer) -> None:
        """Note a new buffer, and keep it until the call is over."""
        if self.sound and self._thread == get_ident():
            self._made.append(buffer)

    def constant(self, buffer: Buffer) -> None:
        """Note a buffer whose contents are always the same."""
        self._constants.append(buffer)

    def notes(self, faults: "Faults") -> None:
        """Note that dispatches may write to `faults`, which is there for all calls."""
        self._faults = faults
        self.constant(faults.array.buffer)

    def dispatched(
        self,
        pipeline: "Pipeline",
        words: bytes,
        inputs: Sequence[Binding],
        outputs: Sequence[Binding],
        groups: tuple[int, int, int],
    ) -> None:
        """Note a dispatch."""
        bindings = (*inputs, *outputs)
        whole = all(binding.key == binding.buffer.block.uid for binding in bindings)
        if not whole or len(self._steps) == _MOST_STEPS:
            self.spoil()
        if self.sound:
            buffers = [binding.buffer for binding in bindings]
            self._steps.append((pipeline, words, groups, buffers, len(outputs)))
            self._written += sum(binding.bytes for binding in outputs)

    def plan(self, returned: Any) -> _Plan | None:
        """The plan of the call, which returned an array, None, or a tuple of them; None if there is none."""
        if not self.sound:
            return None
        known = [*(x.buffer for x in self._inputs), *self._made, *self._constants]
        places: dict[int, int] = {}
        for number, buffer in enumerate(known):
            places.setdefault(id(buffer), number)
        new = range(len(self._inputs), len(self._inputs) + len(self._made))
        written = {*new} if self._faults is None else {*new, places[id(self._faults.array.buffer)]}
        steps = []
        for pipeline, words, groups, buffers, outputs in self._steps:
            numbers = tuple([places.get(id(buffer), -1) for buffer in buffers])
            if -1 in numbers or not written.issuperset(numbers[-outputs:]):
                # Of something that may change, or to something that was there before.
                return None
            pick: Any = itemgetter(*numbers) if len(numbers) > 1 else functools.partial(_only, numbers[0])
            steps.append(Step(pipeline, words, groups, numbers, pick))
        try:
            results = _results(returned, places, new)
        except _NotNew:
            return None
        sizes = tuple([buffer.block.size for buffer in self._made])
        return _Plan(tuple(steps), sizes, tuple(self._constants), self._written, self._faults, results)


class _NotNew(Exception):
    """A call did not return new arrays."""


def _results(returned: Any, places: dict[int, int], new: range) -> Any:
    if returned is None:
        return None
    if type(returned) is tuple:
        return tuple([_results(part, places, new) for part in returned])
    if type(returned) is not GpuArray or places.get(id(returned.buffer)) not in new:
        raise _NotNew
    return returned.model(), places[id(returned.buffer)]


def _only(number: int, uids: Sequence[int]) -> tuple[int, ...]:
    return (uids[number],)


def _filled(results: Any, buffers: Sequence[Buffer]) -> Any:
    if results is None:
        return None
    if type(results[0]) is GpuArray:
        model, place = results
        return model.over(buffers[place])
    return tuple([_filled(part, buffers) for part in results])


class Plans:
    """The plans of one runtime, by signature; the least recently used ones are dropped."""

    def __init__(self, runtime: "Runtime") -> None:
        """No plans yet."""
        self._runtime = runtime
        # None for what has no plan.
        self._plans: OrderedDict[Hashable, _Plan | None] = OrderedDict()

    def __len__(self) -> int:
        """How many there are."""
        return sum(plan is not None for plan in self._plans.values())

    def clear(self) -> None:
        """Forget all plans."""
        self._plans.clear()

    def call(
        self,
        key: Hashable,
        inputs: Sequence[GpuArray],
        operator: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """What `operator` returns for arguments of the signature `key`, whose arrays are `inputs`."""
        runtime, plans = self._runtime, self._plans
        with runtime.lock:
            plan = plans.get(key, _UNKNOWN)
            if plan is None or runtime.recording is not None or runtime.sentinels is not None:
                return operator(*args, **kwargs)
            if plan is _UNKNOWN:
                return self._record(key, inputs, operator, args, kwargs)
            limit = runtime.max_binding
            buffers = []
            for x in inputs:
                buffer = x.buffer
                if buffer.block.size > limit or x.runtime is not runtime:
                    return operator(*args, **kwargs)
                buffers.append(buffer)
            plans.move_to_end(key)
            steps, sizes, constants, written, faults, results = plan
            if sizes:
                buffers += runtime.pool.lend(sizes)
            if constants:
                buffers += constants
            runtime.dispatch_again(steps, buffers, written)
            if faults is not None:
                faults.pending = True
        return _filled(results, buffers)

    def _record(
        self,
        key: Hashable,
        inputs: Sequence[GpuArray],
        operator: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
    ) -> Any:
        recording = self._runtime.recording = Recording(inputs)
        try:
            returned = operator(*args, **kwargs)
        finally:
            self._runtime.recording = None
        self._plans[key] = recording.plan(returned)
        if len(self._plans) > _MOST_PLANS:
            self._plans.popitem(last=False)
        return returned


_UNKNOWN: Any = object()


def by_plan(
    operator: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    run: Callable[[], Any] | None = None,
) -> Any:
    """`operator` of the arguments, among which are arrays, by plan where there is one.

    It must compute new arrays of its arguments' arrays, and be a function of their layouts and of the other
    arguments: what it reads of the contents is not seen when it is called again. `run`, if given, is called
    in its place, without arguments.
    """
    key: list[Any] = [operator]
    inputs: list[GpuArray] = []
    if not _sign(args, key, inputs) or (kwargs and not _sign(kwargs.values(), key, inputs)) or not inputs:
        return operator(*args, **kwargs) if run is None else run()
    if kwargs:
        key += kwargs
    if len(inputs) > 1:
        buffers = [id(x.buffer) for x in inputs]
        if len(set(buffers)) < len(buffers):
            # A plan knows arrays by their buffers: `x - x` is none for `x - y`.
            key.append(tuple(map(buffers.index, buffers)))
    runtime = inputs[0].runtime
    key.append(runtime.max_binding)
    if run is None:
        return runtime.plans.call(tuple(key), inputs, operator, *args, **kwargs)
    return runtime.plans.call(tuple(key), inputs, run)


def _sign(args: Collection[Any], key: list[Any], inputs: list[GpuArray]) -> bool:
    """Append to `key` what a plan depends on, and the arrays among `args`, or within them, to `inputs`.

    False if there can be no plan.
    """
    # With their types, as 1, True and NumPy's 1 are equal.
    kinds = tuple(map(type, args))
    key.append(kinds)
    if _PLAIN.issuperset(kinds):
        key += args
        return True
    for arg, kind in zip(args, kinds, strict=True):
        if kind in _PLAIN:
            key.append(arg)
        elif kind is GpuArray:
            inputs.append(arg)
            key.append(arg._layout or arg.layout)
        elif kind is tuple or kind is list:
            if not _sign(arg, key, inputs):
                return False
        elif kind is float:
            # 0.0 and -0.0 are equal, and NaN is not.
            key.append(arg.hex())
        elif issubclass(kind, Packed):
            key.append(arg.plan)
            inputs += arg.arrays
        elif kind.__hash__ is None or kind is complex:
            return False
        else:
            key.append(arg)
    return True


_PLAIN = frozenset((int, bool, str, type(None)))


def planned(operator: _Operator) -> _Operator:
    """`operator` by `by_plan`."""

    @functools.wraps(operator)
    def call(*args: Any, **kwargs: Any) -> Any:
        return by_plan(operator, args, kwargs)

    return call  # type: ignore[return-value]
