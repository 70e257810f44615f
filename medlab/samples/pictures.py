"""Pixels of the sample studies: phantoms and images of pydicom's wheel, with text burned in."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from medlab.arrays import Floats
from medlab.errors import UnavailableError
from medlab.samples.signed_distance import Ball, Rod, Shape, inside

_Pixels = NDArray[Any]


class Text(NamedTuple):
    """Text that is burned in.

    `box` is x0, y0, x1, y1 in pixels, the last two one past the ink; `frames` the first and the
    last frame, counted from 1; `kind` says what it tells, or ``"keep"`` for what should stay.
    """

    text: str
    kind: str
    box: tuple[int, int, int, int]
    frames: tuple[int, int]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which matplotlib's wheel brings along."""
    package = find_spec("matplotlib")
    if package is None or not package.submodule_search_locations:
        raise UnavailableError("burned-in text is drawn with a font of matplotlib; install it")
    fonts = Path(package.submodule_search_locations[0]) / "mpl-data" / "fonts" / "ttf"
    return ImageFont.truetype(str(fonts / "DejaVuSans.ttf"), size)


def burn(
    frames: _Pixels, text: str, kind: str, at: tuple[int, int], size: int, value: float,
    first: int = 1,
) -> Text:  # fmt: skip
    """Draw `text` into ``frames[first - 1:]``, shape (frames, rows, columns[, 3]), in place.

    `at` is the left upper corner (x, y); `value` the brightness of the ink.
    """
    canvas = Image.new("L", (frames.shape[2], frames.shape[1]))
    ImageDraw.Draw(canvas).text(at, text, fill=255, font=_font(size))
    ink = np.asarray(canvas) / 255.0
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    ink = ink.reshape(ink.shape + (1,) * (frames.ndim - 3))
    below = frames[first - 1 :]
    frames[first - 1 :] = np.round(below + ink * (value - below)).astype(frames.dtype)
    return Text(text, kind, box, (first, len(frames)))


def knee(rows: int, columns: int, rng: np.random.Generator) -> _Pixels:
    """Return a frontal X-ray of a phantom knee: 12 bits, bright bone, shape (1, rows, columns)."""
    scale = 260.0 / rows
    ends = (columns / 2 * scale, rows / 2 * scale)
    x, y, z = np.ix_(
        np.linspace(-ends[0], ends[0], columns),
        np.arange(-66.0, 67.0, 6.0),
        np.linspace(ends[1], -ends[1], rows),
    )
    bones: list[Shape] = [
        Rod((4, 0, 150), (2, 0, 38), 15, 17), Ball((-20, 0, 20), (24, 30, 22)),
        Ball((22, 0, 20), (24, 30, 22)), Ball((0, 0, -18), (43, 26, 15)),
        Rod((0, 2, -30), (-2, 4, -160), 19, 14), Rod((38, -12, -28), (36, -10, -160), 8, 6),
    ]  # fmt: skip
    bone = np.min([shape.distance(x, y, z) for shape in bones], axis=0)
    leg = Rod((0, 0, 170), (0, 0, -170), 66, 58).distance(x, y, z)
    thickness = 0.25 * inside(leg, 4) + 1.1 * inside(bone, 2) - 0.7 * inside(bone + 4, 2)
    image = 4000 * (1 - np.exp(-thickness.sum(axis=1).T * 0.16))
    grainy = np.clip(image + rng.normal(0, 12, image.shape), 0, 4095)
    return np.asarray(np.round(grainy)[None], np.uint16)


def spine_ct(frames: int, rng: np.random.Generator) -> _Pixels:
    """Return CT slices (stored values, 0 is -1024 HU) from pydicom's CT image, enlarged twice."""
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    small = dcmread(str(get_testdata_file("CT_small.dcm", download=False))).pixel_array
    large = ndimage.zoom(small.astype(np.float64), 2, order=1, mode="nearest")
    noise = ndimage.gaussian_filter(rng.normal(0, 40, (frames, *large.shape)), (0, 1, 1))
    return np.asarray(np.round(np.clip(large + noise, 0, 4095)), np.int16)


def ultrasound(frames: int, rows: int, columns: int, rng: np.random.Generator) -> _Pixels:
    """Return a loop of a sector with speckle, two vessels and color flow, uint8 RGB."""
    y, x = np.mgrid[:rows, :columns].astype(np.float64)
    top, depth = 0.16 * rows, 0.8 * rows
    away, angle = (
        np.hypot(x - columns / 2, y - top + 20),
        np.arctan2(x - columns / 2, y - top + 20),
    )
    sector = (np.abs(angle) < 0.62) & (away > 24) & (away < depth)
    tissue = 92.0 + 30 * np.sin(away / 17.0) - 0.18 * away
    vessel = np.hypot(x - 0.42 * columns, (y - 0.55 * rows) * 1.5) - 0.07 * columns
    vein = np.hypot((x - 0.6 * columns) * 0.8, y - 0.7 * rows) - 0.06 * columns
    echo = tissue * (1 - 0.9 * inside(np.minimum(vessel, vein), 3))
    grains = rng.rayleigh(0.8, (frames, rows, columns))
    grey = np.clip(echo * ndimage.gaussian_filter(grains, (0.4, 0.7, 1.1)), 0, 255) * sector
    loop = np.repeat(np.round(grey).astype(np.uint8)[..., None], 3, axis=3)
    pulse = 0.5 + 0.5 * np.sin(np.arange(frames) / frames * 2 * np.pi)
    for color, flow in ((0, vessel), (2, vein)):
        loop[..., color] = np.where(flow < -2, 90 + 150 * pulse[:, None, None], loop[..., color])
    return loop


def slate(rows: int, columns: int, depth: int) -> _Pixels:
    """Return an empty dark page with a bar on top, shape (1, rows, columns) or with colors."""
    page = np.full((1, rows, columns, 3), 24, np.uint8)
    page[:, : rows // 10] = (40, 70, 120)
    return page if depth == 3 else page[..., 0].copy()


def write_lines(
    page: _Pixels, lines: list[tuple[str, str]], at: tuple[int, int], size: int, value: float
) -> list[Text]:
    """Burn several lines, one below the other; each is (text, kind)."""
    x, y = at
    return [
        burn(page, text, kind, (x, y + round(1.6 * size) * n), size, value)
        for n, (text, kind) in enumerate(lines)
    ]


def octets(ink: Floats) -> bytes:
    """Return a bitmap as DICOM overlay data: one bit a pixel, the first in the lowest bit."""
    packed = np.packbits(np.asarray(ink > 0).ravel(), bitorder="little").tobytes()
    return packed + b"\0" * (len(packed) % 2)


def halve_chroma(rgb: NDArray[np.uint8]) -> bytes:
    """Return YBR_FULL_422 bytes: two luminances, then the mean Cb and Cr of both pixels."""
    weights = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    ybr = rgb.astype(np.float64) @ weights.T + np.array([0, 128, 128])
    pairs = ybr.reshape(rgb.shape[0], -1, 2, 3)
    packed = np.concatenate([pairs[..., 0], pairs[..., 1:].mean(axis=2)], axis=-1)
    return bytes(np.clip(np.round(packed), 0, 255).astype(np.uint8).tobytes())
