"""The demo's filter kernels, as float32 arrays; `steps` runs them."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]

ORIENTATIONS = 8
WAVELENGTHS = (4.0, 8.0)


def gabor_bank(size: int = 21) -> Array:
    """Oriented edge filters of shape `(32, 1, size, size)`: 8 orientations x 2 wavelengths x (even, odd).

    Each is a plane wave under a Gaussian whose standard deviation is 0.56 wavelengths (one octave of
    bandwidth), made free of a mean and scaled to a unit sum of magnitudes. The squares of an even and an odd
    response add up to local energy.
    """
    half = size // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    bank = []
    for angle in np.arange(ORIENTATIONS) * np.pi / ORIENTATIONS:
        along = x * np.cos(angle) + y * np.sin(angle)
        for wavelength in WAVELENGTHS:
            sigma = 0.56 * wavelength
            envelope = np.exp(-(x**2 + y**2) / (2 * sigma**2))
            for phase in (0.0, np.pi / 2):
                wave = np.cos(2 * np.pi * along / wavelength - phase)
                wave -= np.sum(wave * envelope) / np.sum(envelope)
                kernel = wave * envelope
                bank.append(kernel / np.abs(kernel).sum())
    return np.asarray(bank, dtype=np.float32)[:, None]


def hexagon(radius: int = 20) -> Array:
    """The image of a point through an out-of-focus lens with six blades: `(2 radius + 1)` squared, sum 1.

    Every cell holds the share of its area that lies inside, so that the rim has no steps.
    """
    fine = 8
    steps = ((np.arange((2 * radius + 1) * fine) + 0.5) / fine) - radius - 0.5
    y, x = np.meshgrid(steps, steps, indexing="ij")
    inside = np.ones_like(x, dtype=bool)
    for angle in np.arange(3) * np.pi / 3 + np.pi / 12:
        inside &= np.abs(x * np.cos(angle) + y * np.sin(angle)) <= radius * np.sqrt(3) / 2
    size = 2 * radius + 1
    cells = inside.reshape(size, fine, size, fine).mean(axis=(1, 3))
    kernel: Array = (cells / cells.sum()).astype(np.float32)
    return kernel


def gaussian(sigma: float = 2.0) -> Array:
    """A 1-D Gaussian with sum 1, out to three standard deviations."""
    half = int(np.ceil(3 * sigma))
    taps = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * sigma**2))
    taps /= taps.sum()
    return taps.astype(np.float32)


def unsharp(taps: Array, amount: float) -> Array:
    """One kernel for `x + amount * (x - blurred x)`, where the blur is `taps` along both axes."""
    kernel = -amount * np.outer(taps, taps)
    half = len(taps) // 2
    kernel[half, half] += 1 + amount
    return kernel.astype(np.float32)


def cubic(scale: int = 4) -> Array:
    """The `4 scale` taps of cubic convolution (Keys 1981, a = -1/2), which upsample one axis by `scale`."""
    if scale % 2:
        raise ValueError(f"scale must be even, but got scale={scale}")
    t = np.abs((np.arange(4 * scale) - (4 * scale - 1) / 2) / scale)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, far).astype(np.float32)
