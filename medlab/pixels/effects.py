"""Boxes of pixels and what is put into them: blank, a pseudonym, two effects that only look safe.

Pixels change for good: in the stored values, in every frame, bit-exact everywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medlab.arrays import Array
from medlab.errors import InputError, UsageError
from medlab.pixels import frames
from medlab.pixels.frames import Layout

EFFECTS = ("blank", "pseudonymize", "blur", "pixelate")
LASTING = ("blank", "pseudonymize")
WARNING = "blurred or pixelated text can be read back; it is shown, never claimed clean"


class Box(NamedTuple):
    """A rectangle of pixels: columns x0 to x1 and rows y0 to y1, ends not included."""

    x0: int
    y0: int
    x1: int
    y1: int

    def meets(self, other: Box) -> bool:
        """Tell whether two boxes have a pixel in common."""
        across = self.x0 < other.x1 and other.x0 < self.x1
        return across and self.y0 < other.y1 and other.y0 < self.y1


#: Boxes of all frames; or by number of the frame, -1 for all.
Boxes = Sequence[Box] | Mapping[int, Sequence[Box]]


def fill(
    dataset: Dataset,
    boxes: Boxes,
    effect: str = "blank",
    *,
    pseudonym: str = "",
    sigma: float = 4.0,
    block: int = 8,
) -> Dataset:
    """Return a data set whose boxes are black in the stored values, or show another effect.

    Black is the pixel padding value when there is one, else the darkest value shown: the
    least of MONOCHROME2, the largest of MONOCHROME1, the darkest entry of a palette.

    Parameters
    ----------
    dataset : Dataset
        With its file meta; not modified.
    boxes : sequence of Box, or mapping
        Of all frames, or by number of the frame (-1: all). Cut to the image.
    effect : {"blank", "pseudonymize", "blur", "pixelate"}
        *blur* (Gaussian, `sigma` in pixels) and *pixelate* (means of `block` by `block`
        pixels) are lessons, not protections: see `attack`.
    pseudonym : str
        Drawn into each box by *pseudonymize*, as large as fits.

    Returns
    -------
    Dataset
        With ImageType DERIVED. Native and losslessly compressed data keep their kind
        (JPEG Lossless becomes JPEG-LS, which can be written); lossy data are stored
        losslessly and keep the mark of being lossy. YBR_FULL_422 without compression
        becomes YBR_FULL, since a box may cut a pair of pixels that share their color.

    Raises
    ------
    UsageError
        If there is no such effect, or *pseudonymize* has no pseudonym.
    InputError
        If the pixels are missing, damaged or of no kind that can be decoded.
    """
    if effect not in EFFECTS:
        raise UsageError(f"no effect of that name; choose {', '.join(EFFECTS)}")
    if effect == "pseudonymize" and not pseudonym:
        raise UsageError("pseudonymize needs a pseudonym to draw")
    form = frames.layout(dataset)
    drawn = lru_cache(maxsize=256)(partial(lettering, pseudonym))

    def paint(frame: Array, number: int) -> None:
        inside = cut(form, _of_frame(boxes, number))
        dark = frames.black(dataset, form, frame)
        light = frames.white(dataset, form, frame) if effect == "pseudonymize" else dark
        if effect in LASTING:
            frame[covered(form, inside)] = dark
        else:
            _soften(frame, inside, sigma if effect == "blur" else 0, block)
        for box in inside if effect == "pseudonymize" else ():
            _draw(form, frame, box, drawn(box), dark, light)

    return frames.rewrite(dataset, paint, form)


def _soften(frame: Array, boxes: Sequence[Box], sigma: float, block: int) -> None:
    for x0, y0, x1, y1 in boxes:
        part = frame[y0:y1, x0:x1]
        soft = blurred(part, sigma) if sigma else pixelated(part, block)
        frame[y0:y1, x0:x1] = np.rint(soft) if frame.dtype.kind != "f" else soft


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


def cut_frames(dataset: Dataset, removed: NDArray[np.bool_], empty: int | None = None) -> Dataset:
    """Return a gray data set in which a part of each frame has one value.

    Parameters
    ----------
    dataset : Dataset
        Not modified.
    removed : ndarray of bool, shape (frames, rows, columns)
        What gets the value.
    empty : int, optional
        The value, as stored; black by default (see `fill`).

    Raises
    ------
    InputError
        If the pixels cannot be decoded, or are no longer what they were outside of it.
    """
    form = frames.layout(dataset)
    if (form.samples, form.frames) != (1, len(removed)):
        raise InputError("the image has colors, or another number of frames than its mask")

    kept: dict[int, Array] = {}

    def paint(frame: Array, number: int) -> None:
        kept[number] = frame[~removed[number]]
        black = frames.black(dataset, form, frame)
        value = black if empty is None else np.left_shift(empty, form.low).astype(frame.dtype)
        frame[removed[number]] = value

    result = frames.rewrite(dataset, paint, form)
    written = frames.decoded(result, frames.layout(result), raw=True)  # by pydicom, not from here
    for number, frame in enumerate(written):
        if not np.array_equal(kept.pop(number).ravel(), frame[~removed[number]].ravel()):
            raise InputError("the pixels outside the cut are no longer what they were")
    return result


def same_outside(before: Dataset, after: Dataset, boxes: Boxes) -> bool:
    """Tell whether both data sets show the same values outside the boxes of each frame.

    Reads both through pydicom's decoders, which had no part in the writing. YBR_FULL and
    RGB are compared as stored; where lossy color was stored anew as RGB, as RGB.
    """
    form, new = frames.layout(before), frames.layout(after)
    shape = (form.frames, form.rows, form.columns, form.samples)
    if shape != (new.frames, new.rows, new.columns, new.samples):
        return False
    old_frames = frames.decoded(before, form, raw=form.lossless)
    new_frames = frames.decoded(after, new, raw=form.lossless)
    pairs = zip(old_frames, new_frames, strict=True)
    return all(
        np.array_equal(old[outside], now[outside])
        for number, (old, now) in enumerate(pairs)
        for outside in (~covered(form, boxes, number),)
    )


def _of_frame(boxes: Boxes, number: int) -> list[Box]:
    """Return the boxes of one frame."""
    if not isinstance(boxes, Mapping):
        return list(boxes)
    return [box for key in dict.fromkeys((-1, number)) for box in boxes.get(key, ())]


def covered(form: Layout, boxes: Boxes, number: int = -1) -> NDArray[np.bool_]:
    """Return the mask (rows, columns) of the pixels in any box of a frame."""
    inside = np.zeros((form.rows, form.columns), bool)
    for x0, y0, x1, y1 in _of_frame(boxes, number):
        inside[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    return inside


def cut(form: Layout, boxes: Sequence[Box]) -> list[Box]:
    """Return the boxes cut to the image; once each, without empty ones."""
    ends = (form.columns, form.rows) * 2
    inner = (Box(*(min(max(v, 0), end) for v, end in zip(b, ends, strict=True))) for b in boxes)
    return list(dict.fromkeys(box for box in inner if box.x1 > box.x0 and box.y1 > box.y0))


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
