"""The command line: `rsconv info`, `rsconv doctor` and `rsconv demo`."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `rsconv` with `arguments`, by default those of the process, and return its exit code.

    0: done; 2: the arguments, a file or a missing package stood in the way, as one line on standard error
    says. `rsconv doctor`: 1 if a GPU computes something else than the CPU, 3 if there is none.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "info":
        print(_info())
        return 0

    if options.command == "doctor":
        return _doctor(options.device, options.json)

    from rsconv.demo import DemoError, run_demo

    try:
        run_demo(options.photo, options.out, device=options.device)
    except DemoError as error:
        print(f"rsconv demo: error: {error}", file=sys.stderr)
        return 2
    return 0


def _doctor(device: str | None, as_json: bool) -> int:
    from rsconv import DeviceError
    from rsconv.doctor import diagnose

    try:
        return diagnose(device, as_json)
    except DeviceError as error:
        print(f"rsconv doctor: error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    from rsconv import __version__

    parser = argparse.ArgumentParser(prog="rsconv", description="PyTorch's convolutions for NumPy.")
    parser.add_argument("--version", action="version", version=f"rsconv {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("info", help="what rsconv runs on here, why, and the variables that change it")
    doctor = commands.add_parser(
        "doctor", help="which GPUs there are, and whether they compute what the CPU does"
    )
    doctor.add_argument(
        "--device",
        metavar="NAME",
        help='test only this GPU: "gpu", "gpu:1" or part of its name (default: all)',
    )
    doctor.add_argument("--json", action="store_true", help="write a report for programs")
    demo = commands.add_parser("demo", help="filter a photograph, compare with SciPy, write a picture")
    demo.add_argument(
        "photo", nargs="?", type=Path, metavar="PHOTO", help="an image file (default: one of matplotlib's)"
    )
    demo.add_argument(
        "--out", type=Path, default=Path("rsconv-demo.png"), metavar="FILE.png", help="default: %(default)s"
    )
    demo.add_argument(
        "--device", metavar="NAME", help='where to compute: "cpu", "gpu", "gpu:1" or part of a GPU\'s name'
    )
    return parser


def _info() -> str:
    from rsconv import _core

    info = _core.info()
    lines = [
        f"rsconv {info['version']}",
        f"ISA: {info['isa']} ({info['isa_reason']}); this machine can run {', '.join(info['isas'])}",
        f"threads: {info['threads_reason']}",
        "",
        "Environment variables:",
    ]
    for knob in info["knobs"]:
        value = "unset" if knob["value"] is None else repr(knob["value"])
        lines += [f"  {knob['name']}: {value} (default: {knob['default']})", *_indented(knob["help"])]
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent=" " * 6, subsequent_indent=" " * 6)
