"""Where the time of a program goes, operator by operator."""

import functools
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

from .backends import cpu, named
from .device import device as Device

__all__ = ["Profile", "profiler"]

# The operators of `Backend` that work; the others describe an array or view it.
_WORK = (
    *("upload", "download", "full", "reshape", "copy", "contiguous", "assign", "concatenate", "index"),
    *("index_assign", "elementwise", "update", "reduce", "arg_reduce", "moments", "softmax", "matmul"),
    *("conv", "conv_input_grad", "conv_weight_grad", "pack", "unfold", "fold", "max_pool", "max_pool_grad"),
    *("resample", "pad", "pad_grad", "gather", "scatter_add", "dropout"),
)
# Those whose first argument says which of many they are.
_NAMED = ("elementwise", "update", "reduce", "arg_reduce")


class Profile:
    """The table of one `with rsconv.profiler()` block.

    `operators` has `(calls, seconds)` by operator; `seconds` is how long the block took.
    """

    def __init__(self) -> None:
        """Nothing was called yet."""
        self.operators: dict[str, tuple[int, float]] = {}
        self.seconds = 0.0
        self._lock = threading.Lock()

    def _count(self, operator: str, seconds: float) -> None:
        with self._lock:
            calls, spent = self.operators.get(operator, (0, 0.0))
            self.operators[operator] = calls + 1, spent + seconds

    def __str__(self) -> str:
        """The operators by time, and the rest: Python and what runs beside rsconv."""
        rows = [(name, calls, spent) for name, (calls, spent) in self.operators.items()]
        rows.sort(key=lambda row: -row[2])
        rest = max(0.0, self.seconds - sum(spent for _, _, spent in rows))
        whole = max(self.seconds, 1e-9)
        lines = [f"{'operator':<32}{'calls':>8}{'ms':>11}{'share':>8}{'us a call':>12}"]
        lines += [
            f"{name:<32}{calls:>8}{1e3 * spent:>11.2f}{spent / whole:>8.1%}{1e6 * spent / calls:>12.1f}"
            for name, calls, spent in rows
        ]
        lines.append(f"{'outside of operators':<32}{'':>8}{1e3 * rest:>11.2f}{rest / whole:>8.1%}")
        lines.append(f"{'all':<32}{'':>8}{1e3 * self.seconds:>11.2f}{1:>8.1%}")
        return "\n".join(lines)


class profiler:  # a context manager that reads like a function, as `device` and `no_grad`
    """Count and time every operator of a device within a block, and print the table at its end.

        with rsconv.profiler() as profile:
            net(x)

    An operator is one of the backend's: the passes of a convolution (`conv`, `conv_input_grad`,
    `conv_weight_grad`), `elementwise relu`, `reduce sum` and so on; gradients call the same ones. On a GPU
    each call is waited for, so that its time is its own, and the whole is slower than without. Calls of all
    threads count, and the block's time is that of its own thread. What `rsconv.prepare` made before the block
    is not seen. `print=False` only collects. Blocks do not nest.

    Raises DeviceError if the device is not there, RuntimeError for a block within another on one device.
    """

    _open: ClassVar[set[int]] = set()

    def __init__(self, device: str | Device = "cpu", print: bool = True) -> None:
        """Profile a device; on the GPU, "gpu"."""
        self._backend = device._backend if isinstance(device, Device) else named(device)
        self._print = print

    def __enter__(self) -> Profile:
        """Begin, with an empty table."""
        backend = self._backend
        if id(backend) in self._open:
            raise RuntimeError(f"a profiler of {backend.name} is open already")
        self._open.add(id(backend))
        self._profile = Profile()
        self._replaced = {name: vars(backend).get(name) for name in (*_WORK, "by_plan")}
        for name in _WORK:
            setattr(backend, name, self._timed(name, getattr(backend, name)))
        # A plan of several operators would hide them, so functions call each of them.
        backend.by_plan = cpu.by_plan  # type: ignore[method-assign]
        self._begin = time.perf_counter()
        return self._profile

    def __exit__(self, *error: object) -> None:
        """End, and print unless an exception ended the block."""
        self._profile.seconds = time.perf_counter() - self._begin
        for name, own in self._replaced.items():
            # A module has its operators itself, an object has them of its class.
            if own is None:
                delattr(self._backend, name)
            else:
                setattr(self._backend, name, own)
        self._open.discard(id(self._backend))
        if self._print and error[0] is None:
            print(self._profile)

    def _timed(self, name: str, operator: Callable[..., Any]) -> Callable[..., Any]:
        profile, runtime = self._profile, getattr(self._backend, "runtime", None)

        @functools.wraps(operator)
        def timed(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            result = operator(*args, **kwargs)
            if runtime is not None:
                runtime.synchronize()
            label = f"{name} {args[0]}" if name in _NAMED else name
            profile._count(label, time.perf_counter() - begin)
            return result

        return timed
