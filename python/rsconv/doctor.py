"""`rsconv doctor`: which GPUs there are, whether they compute what the CPU does, and what to do if not."""

import json
import os
import platform
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, TextIO

from . import __version__
from .backends.gpu import adapters, device_name
from .backends.gpu import open as open_gpu
from .backends.gpu.adapters import Adapter, software_allowed
from .backends.gpu.advice import no_adapter, software_only
from .errors import DeviceError, GpuError
from .self_test import Outcome, run

__all__ = ["EXIT_CODES", "diagnose"]

EXIT_CODES = {
    0: "a GPU works",
    1: "a GPU computes something else than the CPU, or fails",
    3: "no GPU, or only software that computes on the CPU",
}
_LIMITS = {
    "max-buffer-size": "largest buffer",
    "max-storage-buffer-binding-size": "largest binding",
    "max-compute-workgroup-storage-size": "workgroup memory",
    "max-compute-invocations-per-workgroup": "workgroup size",
}
_FEATURES = {"shader-f16": "float16", "timestamp-query": "timestamps", "subgroup": "subgroups"}


def diagnose(device: str | None = None, as_json: bool = False, out: TextIO | None = None) -> int:
    """Print what there is and test it: `device`, or each real GPU, or software if there is no other.

    Gives the exit code of `EXIT_CODES`. Raises DeviceError for a `device` that there is not.
    """
    out = sys.stdout if out is None else out
    report: dict[str, Any] = {"versions": _versions(), "adapters": [], "tests": {}, "advice": []}
    paper = _Paper(out, silent=as_json)
    paper.line("  ".join(f"{name} {version}" for name, version in report["versions"].items()))
    try:
        found = adapters()
    except DeviceError as error:
        found = []
        report["advice"].append(str(error))
    else:
        if not found:
            report["advice"].append(f"No GPU was found. {no_adapter()}")
    for adapter in found:
        report["adapters"].append(_describe(adapter))
        paper.adapter(report["adapters"][-1])
    real = [adapter for adapter in found if not adapter.software]
    chosen = [device] if device is not None else [device_name(adapter) for adapter in real or found[:1]]
    healthy = True
    for name in chosen:
        paper.heading(f"Self-test on {name}")
        outcomes = list(paper.outcomes(_tested(name)))
        report["tests"][name] = [outcome._asdict() for outcome in outcomes]
        healthy &= all(outcome.status in ("passed", "skipped") for outcome in outcomes)
    if found and not real and device is None:
        report["advice"].append(software_only(found[0].name))
    code = 1 if not healthy else 0 if chosen and (real or device or software_allowed()) else 3
    if code == 1:
        report["advice"].append(
            "Results that differ are mostly a driver's fault: update it, then report what this shows."
        )
    report["exit_code"], report["meaning"] = code, EXIT_CODES[code]
    paper.advice(report["advice"])
    paper.verdict(code)
    if as_json:
        json.dump(report, out, indent=2)
        out.write("\n")
    return code


def _versions() -> dict[str, str]:
    versions = {"rsconv": __version__, "Python": platform.python_version()}
    try:
        import wgpu

        versions["wgpu"] = wgpu.__version__
    except Exception as error:
        versions["wgpu"] = f"missing ({type(error).__name__})"
    versions["on"] = platform.platform(terse=True)
    return versions


def _tested(name: str) -> Iterator[Outcome]:
    """Open a GPU and run the self-test on it."""
    try:
        backend = open_gpu(name)
    except GpuError as error:
        yield Outcome("opening the device", "failed", str(error))
    else:
        yield from run(backend)


def _describe(adapter: Adapter) -> dict[str, Any]:
    return {
        "device": device_name(adapter),
        "name": adapter.name,
        "backend": adapter.backend,
        "type": adapter.type,
        "vendor": adapter.vendor,
        "driver": adapter.driver,
        "software": adapter.software,
        "limits": {name: adapter.limits.get(name) for name in _LIMITS},
        "features": [text for feature, text in _FEATURES.items() if feature in adapter.features],
        "lacks": [text for feature, text in _FEATURES.items() if feature not in adapter.features],
    }


class _Paper:
    """Writes for people: colours in a terminal that has them, ASCII where there is no Unicode."""

    def __init__(self, out: TextIO, silent: bool) -> None:
        self._out, self._silent = out, silent
        terminal = out.isatty() and os.environ.get("TERM") != "dumb"
        self._coloured = terminal and not os.environ.get("NO_COLOR")
        self._marks = {"passed": "✓", "skipped": "-", "differs": "✗", "failed": "✗"}
        try:
            "✓✗".encode(getattr(out, "encoding", None) or "ascii")
        except (UnicodeEncodeError, LookupError):
            self._marks = {"passed": "ok", "skipped": "--", "differs": "NO", "failed": "NO"}

    def line(self, text: str = "") -> None:
        if not self._silent:
            self._out.write(text + "\n")
            self._out.flush()

    def heading(self, text: str) -> None:
        self.line()
        self.line(self._painted(text, "1"))

    def adapter(self, entry: dict[str, Any]) -> None:
        self.heading(f"{entry['name']}{' (software: computes on the CPU)' if entry['software'] else ''}")
        sizes = entry["limits"]
        rows = {
            "device": repr(entry["device"]),
            "through": f"{entry['backend']}, {entry['type']}",
            "driver": entry["driver"] or "not told",
            "features": ", ".join(entry["features"]) or "none",
            **({"lacks": ", ".join(entry["lacks"])} if entry["lacks"] else {}),
            **{text: _size(name, sizes[name]) for name, text in _LIMITS.items()},
        }
        for name, value in rows.items():
            self.line(f"  {name:<17} {value}")

    def outcomes(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        colours = {"passed": "32", "skipped": "33", "differs": "31", "failed": "31"}
        for outcome in outcomes:
            mark = self._painted(self._marks[outcome.status], colours[outcome.status])
            detail = outcome.detail.strip().replace("\n", "\n      ")
            self.line(f"  {mark} {outcome.name:<34} {detail}")
            yield outcome

    def advice(self, advice: list[str]) -> None:
        if advice:
            self.heading("Advice")
        for text in advice:
            self.line(textwrap.fill(text, 100, initial_indent="  ", subsequent_indent="  "))

    def verdict(self, code: int) -> None:
        self.line()
        self.line(
            self._painted(
                f"{EXIT_CODES[code][0].upper()}{EXIT_CODES[code][1:]}.", "32" if code == 0 else "31"
            )
        )

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._coloured else text


def _size(name: str, value: int | None) -> str:
    if value is None:
        return "not told"
    if name == "max-compute-invocations-per-workgroup":
        return str(value)
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= size:
            return f"{value / size:.4g} {unit}"
    return f"{value} B"
