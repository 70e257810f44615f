"""What may be done to a box: blank, a pseudonym in place, and two effects that only look safe."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medlab.arrays import Array
from medlab.errors import UsageError
from medlab.pixels import frames, mask
from medlab.pixels.frames import Layout
from medlab.pixels.mask import Box, Boxes

EFFECTS = ("blank", "pseudonymize", "blur", "pixelate")
LASTING = ("blank", "pseudonymize")
WARNING = "blurred or pixelated text can be read back; it is shown, never claimed clean"


def apply(
    dataset: Dataset,
    boxes: Boxes,
    effect: str = "blank",
    *,
    pseudonym: str = "",
    sigma: float = 4.0,
    block: int = 8,
) -> Dataset:
    """Return a data set with an effect in the boxes, unchanged outside.

    Parameters
    ----------
    dataset : Dataset
        Not modified.
    boxes : sequence of Box, or mapping
        Of all frames, or by number of the frame (-1: all).
    effect : {"blank", "pseudonymize", "blur", "pixelate"}
        *blur* (Gaussian, `sigma` in pixels) and *pixelate* (means of `block` by `block`
        pixels) are lessons, not protections: see `attack`.
    pseudonym : str
        Drawn into each box by *pseudonymize*, as large as fits.

    Raises
    ------
    UsageError
        If there is no such effect, or *pseudonymize* has no pseudonym.
    InputError
        If the pixels cannot be decoded.
    """
    if effect not in EFFECTS:
        raise UsageError(f"no effect of that name; choose {', '.join(EFFECTS)}")
    if effect == "pseudonymize" and not pseudonym:
        raise UsageError("pseudonymize needs a pseudonym to draw")
    form = frames.layout(dataset)
    drawn = lru_cache(maxsize=256)(partial(lettering, pseudonym))

    def paint(frame: Array, number: int) -> None:
        cut = mask.cut(form, mask.of_frame(boxes, number))
        dark = frames.black(dataset, form, frame)
        light = frames.white(dataset, form, frame)
        if effect in LASTING:
            frame[mask.covered(form, cut)] = dark
        for box in cut if effect == "pseudonymize" else ():
            _draw(form, frame, box, drawn(box), dark, light)
        if effect not in LASTING:
            _soften(frame, cut, sigma if effect == "blur" else 0, block)

    return mask.rewrite(dataset, paint, form)


def blurred(gray: Array, sigma: float) -> Array:
    """Return a region blurred by a Gaussian of `sigma` pixels; its edge is repeated."""
    from scipy.ndimage import gaussian_filter

    sizes = (sigma, sigma, 0)[: gray.ndim]
    return np.asarray(gaussian_filter(gray.astype(float), sizes, mode="nearest"))


def pixelated(gray: Array, block: int) -> Array:
    """Return a region in which each `block` by `block` square has its mean value."""
    rows, columns = gray.shape[:2]
    ends = [(0, -rows % block), (0, -columns % block), (0, 0)][: gray.ndim]
    padded = np.pad(gray.astype(float), ends, mode="edge")
    squares = padded.reshape(len(padded) // block, block, -1, block, *gray.shape[2:])
    means = squares.mean(axis=(1, 3), keepdims=True)
    return np.broadcast_to(means, squares.shape).reshape(padded.shape)[:rows, :columns]


def _soften(frame: Array, boxes: Sequence[Box], sigma: float, block: int) -> None:
    for x0, y0, x1, y1 in boxes:
        part = frame[y0:y1, x0:x1]
        soft = blurred(part, sigma) if sigma else pixelated(part, block)
        frame[y0:y1, x0:x1] = np.rint(soft) if frame.dtype.kind != "f" else soft


def lettering(text: str, box: Box) -> NDArray[np.float64]:
    """Return how far each pixel of a box, 0 to 1, is covered by a text written to fit into it.

    Vertical boxes are written from bottom to top. Too small a box stays empty.
    """
    from PIL import Image, ImageDraw, ImageFont

    width, height = box.x1 - box.x0, box.y1 - box.y0
    if height > 2 * width:
        return np.rot90(lettering(text, Box(0, 0, height, width)))
    canvas = Image.new("L", (width, height), 0)
    for size in range(height, 5, -1):
        font = ImageFont.truetype(font_path(), size)
        left, top, right, bottom = font.getbbox(text)
        if right - left <= width - 2 and bottom - top <= height - 2:
            ImageDraw.Draw(canvas).text((1 - left, 1 - top), text, fill=255, font=font)
            break
    return np.asarray(canvas) / 255.0


def font_path() -> str:
    """Return the font that matplotlib brings, DejaVu Sans."""
    from matplotlib import get_data_path

    return str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


def _draw(
    form: Layout,
    frame: Array,
    box: Box,
    cover: NDArray[np.float64],
    dark: Array,
    light: Array,
) -> None:
    """Write letters into one box of a frame, as bright as the brightest value there was."""
    if form.photometric == "PALETTE COLOR":  # entries between two indices have any color
        cover = (cover > 0.5).astype(float)
    inked = dark + cover[..., None] * (light.astype(float) - dark)
    part = frame[box.y0 : box.y1, box.x0 : box.x1]
    part[...] = np.rint(inked) if frame.dtype.kind != "f" else inked
