"""The demo's picture: a grid of equal panels, drawn with Pillow."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import filters
from .filters import Array
from .steps import SCALE, Result

if TYPE_CHECKING:
    from PIL import Image

Pixels = npt.NDArray[np.uint8]
Point = tuple[int, int]

MARGIN, GAP, SEAM, CAPTION = 28, 20, 4, 56
PANEL_AREA = 288 * 338
LUMA = 0.62
BACKGROUND, INK, FAINT = (17, 19, 25), (238, 240, 245), (146, 153, 168)


def compose(photo: Array, results: list[Result]) -> Image.Image:
    """Photograph, feature maps and results as one RGB picture.

    `photo` is `(3, height, width)` in 0..1 and `results` are those of `steps.steps(photo)`, in their order.
    """
    edges, blurred, sharpened, upsampled = results
    height, width = photo.shape[1:]
    page = _Page(aspect=width / height)
    energy = local_energy(edges.output)
    rows, columns = window_of_detail(energy.sum(axis=0), page.height // SCALE, page.width // SCALE)
    detail = photo[:, rows, columns]
    upsampled_detail = upsampled.output[:, _times(SCALE, rows), _times(SCALE, columns)]

    page.panel(0, 0, to_pixels(photo), "Photograph", f"{width} x {height}")
    page.panel(0, 1, orientation_map(energy), "Edges", "colour: direction, brightness: strength")
    page.panel(1, 0, to_pixels(blurred.output), "Lens blur", _short(blurred))
    page.panel(1, 1, to_pixels(sharpened.output), "Unsharp mask", _short(sharpened))
    page.panel(1, 2, to_pixels(detail), "Detail", f"{detail.shape[2]} x {detail.shape[1]}")
    page.panel(1, 3, to_pixels(upsampled_detail), f"Upsampled x{SCALE}", _short(upsampled))
    maps = [feature_map(energy, i) for i in range(filters.ORIENTATIONS)]
    stamps = [_stamp(kernel) for kernel in _odd_kernels(edges)]
    note = f"{_short(edges)}: strength in each of {len(maps)} directions, and its filter"
    page.tiles(0, 2, maps, stamps, "Feature maps", note)
    return page.image


def write_png(image: Image.Image) -> bytes:
    """The picture as a PNG of 256 colours, which is a third of the size and looks the same."""
    from PIL import Image

    # A ninth of the pixels gives as good a palette in a ninth of the time.
    sample = image.resize((image.width // 3, image.height // 3), Image.Resampling.NEAREST)
    palette = sample.quantize(256, Image.Quantize.MEDIANCUT, kmeans=4)
    file = io.BytesIO()
    image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(file, "PNG", optimize=True)
    return file.getvalue()


def local_energy(edges: Array) -> Array:
    """Each orientation's strength, `(8, height, width)`: even and odd squared, over both wavelengths."""
    shape = (filters.ORIENTATIONS, len(filters.WAVELENGTHS), 2, *edges.shape[1:])
    energy: Array = np.sqrt(np.square(edges.reshape(shape)).sum(axis=2)).sum(axis=1)
    return energy


def orientation_map(energy: Array) -> Pixels:
    """Hue says the direction that an edge has, brightness how strong it is."""
    angles = np.arange(filters.ORIENTATIONS) * 2 * np.pi / filters.ORIENTATIONS
    mean = np.tensordot(np.exp(1j * angles), energy, 1)
    hue = np.angle(mean) / (2 * np.pi) % 1
    strength = np.abs(mean)
    return _coloured(hue, _toned(strength, *np.percentile(strength, (30, 99.5))))


def feature_map(energy: Array, orientation: int) -> Pixels:
    """One orientation's energy, in that orientation's hue of `orientation_map`; all maps share one scale."""
    hue = np.full(energy.shape[1:], orientation / filters.ORIENTATIONS)
    return _coloured(hue, _toned(energy[orientation], *np.percentile(energy, (50, 98))))


def window_of_detail(strength: Array, height: int, width: int) -> tuple[slice, slice]:
    """The rows and columns of a window with many edges, rather a little above the middle, where faces are."""
    height, width = min(height, strength.shape[0]), min(width, strength.shape[1])
    sums = np.pad(strength.astype(np.float64), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    totals = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    y, x = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in totals.shape)
    totals *= np.exp(-4 * ((y[:, None] + 0.2) ** 2 + x**2))
    top, left = divmod(int(totals.argmax()), totals.shape[1])
    return slice(top, top + height), slice(left, left + width)


def to_pixels(image: Array) -> Pixels:
    """`(3, height, width)` in 0..1, or somewhat beyond, as 8-bit `(height, width, 3)`."""
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)


def _toned(strength: Array, black: np.floating[Any], white: np.floating[Any]) -> Array:
    """Into 0..1: up to `black`, the level of the grain, it is 0, from `white` on 1, between them lifted."""
    toned: Array = np.clip((strength - black) / max(float(white - black), 1e-12), 0, 1) ** 0.7
    return toned


def _coloured(hue: Array, value: Array) -> Pixels:
    """A colour wheel of three cosines a third of a turn apart, evened out so that all hues look as bright."""
    phase = 2 * np.pi * (hue[..., None] - np.array([0, 1, 2]) / 3)
    rgb = 0.58 + 0.42 * np.cos(phase)
    # Dark hues move towards white, light ones towards black: luma by the weights of Rec. 601.
    luma = (rgb @ np.array([0.299, 0.587, 0.114]))[..., None]
    rgb = np.where(luma < LUMA, 1 - (1 - rgb) * (1 - LUMA) / (1 - luma), rgb * LUMA / luma)
    pixels: Pixels = (np.clip(rgb * value[..., None], 0, 1) * 255 + 0.5).astype(np.uint8)
    return pixels


def _odd_kernels(edges: Result) -> Array:
    """The odd kernel of the longest wavelength of each orientation, the one that shows an edge best."""
    weight = np.asarray(edges.step.module.state_dict()["weight"])
    return weight.reshape(filters.ORIENTATIONS, -1, *weight.shape[-2:])[:, -1]


def _stamp(kernel: Array) -> Pixels:
    grey = (kernel / np.abs(kernel).max() * 0.5 + 0.5) * 255
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)


def _times(factor: int, cut: slice) -> slice:
    return slice(factor * cut.start, factor * cut.stop)


def _short(result: Result) -> str:
    """The module that did it, without the arguments that only handle the rim."""
    module = list(result.step.module.modules())[-1]
    arguments = [str(module.in_channels), str(module.out_channels)]
    arguments += [str(module.kernel_size[0])]
    if module.stride[0] != 1:
        arguments.append(f"stride={module.stride[0]}")
    if module.groups != 1:
        arguments.append(f"groups={module.groups}")
    return f"{type(module).__name__}({', '.join(arguments)})"


class _Page:
    """Panels of one size in two rows of four, each with a caption below it."""

    def __init__(self, aspect: float) -> None:
        from PIL import Image, ImageDraw, ImageFont

        # Multiples of the upsampling's factor show its pixels one to one.
        self.width = SCALE * round(math.sqrt(PANEL_AREA * aspect) / SCALE)
        self.height = SCALE * round(self.width / aspect / SCALE)
        size = (4 * self.width + 3 * GAP + 2 * MARGIN, 2 * (self.height + CAPTION) + 2 * MARGIN)
        self.image = Image.new("RGB", size, BACKGROUND)
        self._draw = ImageDraw.Draw(self.image)
        self._fonts = [ImageFont.load_default(points) for points in (17, 12.5)]

    def panel(self, row: int, column: int, pixels: Pixels, title: str, note: str) -> None:
        at = self._corner(row, column)
        self._paste(at, (self.width, self.height), pixels)
        self._caption(at, title, note)

    def tiles(
        self, row: int, column: int, maps: list[Pixels], stamps: list[Pixels], title: str, note: str
    ) -> None:
        """Two rows of small images over two columns, each with another, still smaller, in its corner."""
        left, top = self._corner(row, column)
        width = 2 * self.width + GAP
        a_row = len(maps) // 2
        for i, (pixels, stamp) in enumerate(zip(maps, stamps, strict=True)):
            y, x = divmod(i, a_row)
            # Rounding each edge, not each size, lets the tiles end flush with the panels beside them.
            x0, x1 = (round(k * (width + SEAM) / a_row) for k in (x, x + 1))
            y0, y1 = (round(k * (self.height + SEAM) / 2) for k in (y, y + 1))
            at = (left + x0, top + y0)
            self._paste(at, (x1 - x0 - SEAM, y1 - y0 - SEAM), pixels)
            side = min((x1 - x0) // 4, (y1 - y0) // 3)
            self._paste((at[0] + 5, at[1] + 5), (side, side), stamp)
        self._caption((left, top), title, note)

    def _corner(self, row: int, column: int) -> Point:
        return (MARGIN + column * (self.width + GAP), MARGIN + row * (self.height + CAPTION + GAP // 2))

    def _paste(self, at: Point, size: Point, pixels: Pixels) -> None:
        from PIL import Image

        enlarges = size[0] > pixels.shape[1]
        how = Image.Resampling.NEAREST if enlarges else Image.Resampling.LANCZOS
        self.image.paste(Image.fromarray(pixels).resize(size, how), at)

    def _caption(self, at: Point, title: str, note: str) -> None:
        large, small = self._fonts
        self._draw.text((at[0], at[1] + self.height + 24), title, INK, large, anchor="ls")
        self._draw.text((at[0], at[1] + self.height + 43), note, FAINT, small, anchor="ls")
