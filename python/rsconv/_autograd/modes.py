"""Whether operators record, and whether gradients are searched for NaN: settings of a thread."""

import contextlib
import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Self

__all__ = [
    "anomaly",
    "detect_anomaly",
    "enable_grad",
    "enabled",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

enabled: ContextVar[bool] = ContextVar("enabled", default=True)
"""Whether operators record what their gradients need, where an argument requires gradients."""
anomaly: ContextVar[bool] = ContextVar("anomaly", default=False)
"""Whether each gradient is searched for NaN."""
_inference: ContextVar[bool] = ContextVar("inference", default=False)


def is_grad_enabled() -> bool:
    """Whether operators of this thread record."""
    return enabled.get()


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside of `inference_mode`."""
    return _inference.get()


class _Mode(contextlib.ContextDecorator):
    """Holds variables at given values while it is entered; also decorates functions and generators."""

    def __init__(self, *settings: tuple[ContextVar[bool], bool]) -> None:
        self._settings = settings
        self._before: list[tuple[bool, ...]] = []

    def __enter__(self) -> Self:
        """Set the variables."""
        self._before.append(tuple(variable.get() for variable, _ in self._settings))
        for variable, value in self._settings:
            variable.set(value)
        return self

    def __exit__(self, *error: object) -> None:
        """Set them back."""
        # By value: a generator may be left in another context than it was entered in.
        for (variable, _), value in zip(self._settings, self._before.pop(), strict=True):
            variable.set(value)

    def _recreate_cm(self) -> Self:
        # Several threads may run one decorated function.
        copied: Self = object.__new__(type(self))
        _Mode.__init__(copied, *self._settings)
        return copied

    def __call__(self, function: Callable[..., Any]) -> Any:
        """`function`, run in this mode; of a generator, each of its steps."""
        if not inspect.isgeneratorfunction(function):
            return super().__call__(function)

        @functools.wraps(function)
        def steps(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            resume: Callable[[], Any] = functools.partial(next, generator)
            try:
                while True:
                    try:
                        with self._recreate_cm():
                            value = resume()
                    except StopIteration as end:
                        return end.value
                    try:
                        sent = yield value
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        resume = functools.partial(generator.throw, error)
                    else:
                        resume = functools.partial(generator.send, sent)
            finally:
                with self._recreate_cm():
                    generator.close()

        return steps


class _Bare(_Mode):
    """A mode that decorates with and without parentheses."""

    _set: tuple[tuple[ContextVar[bool], bool], ...]

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """The context, or `function` decorated with it."""
        context = super().__new__(cls)
        _Mode.__init__(context, *cls._set)
        return context(function) if callable(function) else context

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        """Nothing entered yet."""


class no_grad(_Bare):
    """Operators in this context, or decorated function, record nothing: results need no gradients."""

    _set = ((enabled, False),)


class enable_grad(_Bare):
    """Operators in this context, or decorated function, record again, within `no_grad`."""

    _set = ((enabled, True),)


class inference_mode(_Mode):
    """As `no_grad`; `inference_mode(False)` leaves it."""

    def __new__(cls, mode: Any = True) -> Any:
        """The context, or a function decorated with it."""
        context = super().__new__(cls)
        if callable(mode):
            _Mode.__init__(context, (enabled, False), (_inference, True))
            return context(mode)
        return context

    def __init__(self, mode: Any = True) -> None:
        """Whether to enter or to leave it."""
        super().__init__((enabled, not mode), (_inference, bool(mode)))


class set_grad_enabled(_Mode):
    """Record (`True`) or not, from now on; as a context manager, until it ends."""

    def __init__(self, mode: bool) -> None:
        """Set at once, as in PyTorch."""
        super().__init__((enabled, bool(mode)))
        self._first: bool | None = enabled.get()
        enabled.set(bool(mode))

    def __enter__(self) -> Self:
        """Stay so until the end."""
        if self._first is not None:
            enabled.set(self._first)
            self._first = None
        return super().__enter__()

    def __call__(self, function: Callable[..., Any]) -> Any:
        """`function` in this mode, which does not hold outside of it."""
        if self._first is not None:
            enabled.set(self._first)
            self._first = None
        return super().__call__(function)

    def _recreate_cm(self) -> Self:
        copied = super()._recreate_cm()
        copied._first = None
        return copied


class set_detect_anomaly(_Mode):
    """Search each gradient for NaN (`True`) or not, from now on; as a context manager, until it ends."""

    def __init__(self, mode: bool) -> None:
        """Set at once, as in PyTorch."""
        super().__init__((anomaly, bool(mode)))
        self._first = anomaly.get()
        anomaly.set(bool(mode))

    def __exit__(self, *error: object) -> None:
        """Set back to what was before the call."""
        super().__exit__(*error)
        anomaly.set(self._first)


class detect_anomaly(_Mode):
    """In this context the first NaN in a gradient raises GradientError, naming its operator and where that
    was called."""

    def __init__(self) -> None:
        """Nothing entered yet."""
        super().__init__((anomaly, True))
