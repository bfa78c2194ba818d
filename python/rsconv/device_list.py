"""What can run here: `rsconv.devices()`."""

from collections.abc import Sequence
from typing import Any, NamedTuple, overload

from .backends.gpu import adapters, device_name
from .backends.gpu.adapters import Adapter
from .errors import DeviceError

__all__ = ["DeviceEntry", "DeviceList", "devices"]


class DeviceEntry(NamedTuple):
    """A device: `device` is its name for `rsconv.device`, the rest describes it.

    `largest_buffer` and `largest_binding` are the most bytes of one Tensor and of what a kernel sees of it at
    once; `features` of those that matter here. `software` GPUs compute on the CPU.
    """

    device: str
    name: str
    backend: str
    type: str
    driver: str
    vendor: str
    software: bool
    largest_buffer: int | None
    largest_binding: int | None
    features: tuple[str, ...]


class DeviceList(Sequence[DeviceEntry]):
    """The devices, the CPU first; printed as a table. `problem` says why there is no GPU."""

    def __init__(self, entries: Sequence[DeviceEntry], problem: str | None = None) -> None:
        """A list of entries."""
        self._entries = tuple(entries)
        self.problem = problem

    @overload
    def __getitem__(self, index: int) -> DeviceEntry: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[DeviceEntry]: ...

    def __getitem__(self, index: Any) -> Any:
        """One entry, or several."""
        return self._entries[index]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._entries)

    def __repr__(self) -> str:
        """A table of the devices."""
        rows = [("device", "name", "through", "driver", "largest buffer", "features")]
        for entry in self._entries:
            largest = "" if entry.largest_buffer is None else f"{entry.largest_buffer / 2**30:.1f} GiB"
            name = f"{entry.name} (software)" if entry.software else entry.name
            rows.append(
                (repr(entry.device), name, entry.backend, entry.driver, largest, ", ".join(entry.features))
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join(lines if self.problem is None else [*lines, self.problem])


def devices() -> DeviceList:
    """The devices of this machine: the CPU, and one entry for each GPU, the best first.

    Software rasterisers are listed, but "gpu" does not mean them unless RSCONV_ALLOW_SOFTWARE_GPU=1.
    """
    cpu = DeviceEntry("cpu", "this machine's CPU", "", "CPU", "", "", False, None, None, ("all dtypes",))
    try:
        found = adapters()
    except DeviceError as error:
        return DeviceList([cpu], str(error))
    return DeviceList([cpu, *map(_entry, found)])


def _entry(adapter: Adapter) -> DeviceEntry:
    limits = adapter.limits
    known = {"shader-f16": "float16", "timestamp-query": "timestamps", "subgroup": "subgroups"}
    return DeviceEntry(
        device=device_name(adapter),
        name=adapter.name,
        backend=adapter.backend,
        type=adapter.type,
        driver=adapter.driver,
        vendor=adapter.vendor,
        software=adapter.software,
        largest_buffer=limits["max-buffer-size"],
        largest_binding=limits["max-storage-buffer-binding-size"],
        features=tuple(text for feature, text in known.items() if feature in adapter.features),
    )
