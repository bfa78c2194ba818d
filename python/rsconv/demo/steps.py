"""The demo's four steps: each as an rsconv Module, and by NumPy and SciPy to check and time it against.

The references use the fastest formulation that SciPy has for a step: FFTs for large kernels, one pass per
axis where the kernel separates, polyphase filtering for the upsampling.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import rsconv
from rsconv import nn

from . import filters
from .filters import Array

UNSHARP_AMOUNT = 0.8
SCALE = 4


@dataclass(frozen=True)
class Step:
    """One thing done to the photograph, twice."""

    name: str
    module: nn.Module
    input: Array
    reference_name: str
    reference: Callable[[Array], Array]
    terms: int
    """How many products one output is the sum of."""
    gain: float
    """The largest sum of the magnitudes of the weights in one output."""

    @property
    def tolerance(self) -> float:
        """What rounding explains: the bound of a float32 sum of `terms` terms, and some for the reference."""
        unit = np.finfo(np.float32).eps / 2
        return float((self.terms + 64) * unit * self.gain * np.abs(self.input).max())


@dataclass(frozen=True)
class Result:
    """A step's output and what it cost."""

    step: Step
    output: Array
    seconds: float
    reference_seconds: float
    difference: float
    """The largest distance between the two outputs."""


def steps(photo: Array) -> list[Step]:
    """The four steps over `photo`, an array `(3, height, width)` in 0..1."""
    from scipy import ndimage, signal

    luma = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), photo, 1)[None]

    bank = filters.gabor_bank()
    half = bank.shape[-1] // 2
    edges = _conv(
        nn.Conv2d(1, len(bank), 2 * half + 1, padding=half, bias=False, padding_mode="replicate"), bank
    )

    def edges_reference(x: Array) -> Array:
        padded = np.pad(x, ((0, 0), (half, half), (half, half)), mode="edge")
        y: Array = signal.fftconvolve(padded, bank[:, 0, ::-1, ::-1], mode="valid", axes=(1, 2))
        return y

    aperture = filters.hexagon()
    radius = aperture.shape[-1] // 2
    blur = _per_channel(aperture, padding=radius, padding_mode="replicate")

    def blur_reference(x: Array) -> Array:
        padded = np.pad(x, ((0, 0), (radius, radius), (radius, radius)), mode="edge")
        y: Array = signal.oaconvolve(padded, aperture[None, ::-1, ::-1], mode="valid", axes=(1, 2))
        return y

    taps = filters.gaussian()
    sharpen = _per_channel(
        filters.unsharp(taps, UNSHARP_AMOUNT), padding=len(taps) // 2, padding_mode="replicate"
    )

    def sharpen_reference(x: Array) -> Array:
        soft = ndimage.correlate1d(
            ndimage.correlate1d(x, taps, axis=1, mode="nearest"), taps, axis=2, mode="nearest"
        )
        y: Array = x + np.float32(UNSHARP_AMOUNT) * (x - soft)
        return y

    cubic = filters.cubic(SCALE)
    # Two samples of margin feed the four taps; the padding then cuts off what the margin itself became.
    grow = _conv(
        nn.ConvTranspose2d(
            3, 3, 4 * SCALE, stride=SCALE, padding=2 * SCALE + 3 * SCALE // 2, groups=3, bias=False
        ),
        np.broadcast_to(np.outer(cubic, cubic), (3, 1, 4 * SCALE, 4 * SCALE)),
    )
    upsample = nn.Sequential(nn.ReplicationPad2d(2), grow)

    def upsample_reference(x: Array) -> Array:
        y = np.pad(x, ((0, 0), (2, 2), (2, 2)), mode="edge")
        cut = 2 * SCALE + 3 * SCALE // 2
        for axis in (1, 2):
            y = np.moveaxis(signal.upfirdn(cubic, y, SCALE, axis=axis), axis, 0)[cut:-cut]
            y = np.moveaxis(y, 0, axis)
        return y

    sharpen_gain = 1 + 2 * UNSHARP_AMOUNT
    cubic_gain = float(np.abs(cubic).reshape(4, SCALE).sum(axis=0).max()) ** 2
    return [
        Step("32 oriented edge filters", edges, luma, "fftconvolve", edges_reference, bank[0].size, 1.0),
        Step("lens blur", blur, photo, "oaconvolve", blur_reference, aperture.size, 1.0),
        Step("unsharp mask", sharpen, photo, "correlate1d", sharpen_reference, taps.size**2, sharpen_gain),
        Step("upsampling x4", upsample, photo, "upfirdn", upsample_reference, 16, cubic_gain),
    ]


def run(step: Step, rounds: int = 5, enough: float = 2.0) -> Result:
    """Compute `step` both ways in turn after a first time, take the median times.

    At most `rounds` times, and not again after `enough` seconds: a GPU that is computed on the CPU is slow.
    """
    output = np.asarray(step.module(step.input))
    reference = step.reference(step.input)
    if output.shape != reference.shape or output.dtype != reference.dtype:
        raise rsconv.errors.InternalError(
            f"{step.name}: rsconv gave {output.dtype} {output.shape}, "
            f"{step.reference_name} gave {reference.dtype} {reference.shape}"
        )
    difference = float(np.abs(output - reference).max())
    if not difference <= step.tolerance:  # a NaN must fail, too
        raise rsconv.errors.InternalError(
            f"{step.name}: rsconv and {step.reference_name} differ by {difference:.3g}, "
            f"but rounding explains at most {step.tolerance:.3g}"
        )
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(_seconds(lambda: step.module(step.input)))
        theirs.append(_seconds(lambda: step.reference(step.input)))
        if sum(ours) + sum(theirs) > enough:
            break
    return Result(step, output, statistics.median(ours), statistics.median(theirs), difference)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _conv(module: nn.Module, weight: Array) -> nn.Module:
    module.load_state_dict({"weight": weight})
    return module


def _per_channel(kernel: Array, *, padding: int, padding_mode: str) -> nn.Module:
    """A depthwise convolution of the three colours with one kernel."""
    size = kernel.shape[-1]
    module = nn.Conv2d(3, 3, size, padding=padding, groups=3, bias=False, padding_mode=padding_mode)
    return _conv(module, np.broadcast_to(kernel, (3, 1, size, size)))
