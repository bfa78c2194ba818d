"""`rsconv demo`: convolutions on a photograph, checked and timed against SciPy, and one picture of it all.

Needs the packages of the `demo` extra; nothing of them is imported before `run_demo` is called.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import rsconv
from rsconv.backends import select

if TYPE_CHECKING:
    from .filters import Array
    from .steps import Result

LONGEST_SIDE = 1024
SHORTEST_SIDE = 64


class DemoError(Exception):
    """What the person at the keyboard can put right: the message is one line that says how."""


def run_demo(
    photo: Path | None, out: Path, say: Callable[[str], None] = print, device: str | None = None
) -> None:
    """Filter `photo` (default: one that matplotlib ships), write the picture `out`, `say` the table by lines.

    rsconv computes on `device` (default: the CPU, or what RSCONV_DEVICE names). Photographs with more than
    1024 pixels on a side are reduced to that first.

    Raises:
        DemoError: the photograph cannot be read, is not an image or has fewer than 64 pixels on a side; `out`
            is not a `.png` or cannot be written; a package of the demo extra is missing; the device is not
            available.
        InternalError: a result differs from NumPy's and SciPy's by more than rounding.
    """
    try:
        from . import picture, steps

        _check_out(out)
        path = photo or _default_photo()
        image = _read(path)
        with rsconv.device(device or select().name) as place:
            todo = steps.steps(image)
    except rsconv.DeviceError as error:
        raise DemoError(str(error)) from error
    except ModuleNotFoundError as error:
        raise DemoError(f"the demo needs {error.name}: pip install 'rsconv[demo]'") from error

    info = rsconv._core.info()
    threads = "1 thread" if info["threads"] == 1 else f"{info['threads']} threads"
    where = f"{info['isa']}, {threads}" if place.type == "cpu" else f"{place.name} ({place})"
    say(f"rsconv {info['version']} on {where}; {path.name}, {_size(image.shape)}\n")
    say(_row("step", "input", "output", "rsconv", "SciPy", "speed-up", "differs by"))
    results = []
    for step in todo:
        result = steps.run(step)
        say(_line(result))
        results.append(result)
    say("\nBoth times are for float32 arrays, medians of up to 5; every difference is within rounding.")
    try:
        out.write_bytes(picture.write_png(picture.compose(image, results)))
    except OSError as error:
        raise DemoError(f"cannot write {out}: {error.strerror or error}") from error
    say(f"Wrote {out}")


def _check_out(out: Path) -> None:
    """Find out before the work, not after it."""
    if out.suffix.lower() != ".png":
        raise DemoError(f"the picture is a PNG, so its name must end in .png, but got {out}")
    if out.is_dir():
        raise DemoError(f"cannot write {out}: it is a directory")
    if not out.parent.is_dir():
        raise DemoError(f"cannot write {out}: there is no directory {out.parent}")


def _default_photo() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


def _read(path: Path) -> Array:
    """The photograph upright and in RGB, as `(3, height, width)` float32 in 0..1."""
    import warnings

    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                image = ImageOps.exif_transpose(file).convert("RGB")
    except FileNotFoundError as error:
        raise DemoError(f"there is no file {path}") from error
    except UnidentifiedImageError as error:
        raise DemoError(f"{path} is not an image that Pillow can read") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DemoError(f"{path} is too large: {error}") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise DemoError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if min(image.size) < SHORTEST_SIDE:
        raise DemoError(
            f"{path} is {image.width} x {image.height} pixels, but the demo needs at least "
            f"{SHORTEST_SIDE} x {SHORTEST_SIDE}"
        )
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(image, dtype=np.float32).transpose(2, 0, 1) / 255)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _line(result: Result) -> str:
    times = result.seconds, result.reference_seconds
    return _row(
        result.step.name,
        _size(result.step.input.shape),
        _size(result.output.shape),
        *(f"{1e3 * seconds:.1f} ms" for seconds in times),
        f"{times[1] / times[0]:.1f}x",
        f"{result.difference:.0e}",
    )


def _row(*cells: str) -> str:
    step, given, got, *numbers = cells
    return f"{step:<26}{given:<16}{got:<18}" + "".join(
        f"{cell:>{w}}" for cell, w in zip(numbers, (9, 11, 10, 12), strict=True)
    )
