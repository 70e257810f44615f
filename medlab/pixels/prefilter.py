"""Fast paths: pictures that need not be read. Without them all are, and nothing else changes.

*Rows of letters*, told without reading: what tesseract can read at all. A letter is a connected
component of a threshold, thin for its size, that hardly changes from one threshold to the next
(maximally stable extremal regions; Matas et al., BMVC 2002), and it stands in a row with others
of its size. tesseract reads connected components too, of one threshold. RapidOCR reads more:
letters over anatomy that no threshold sets apart. It is asked about every picture.

*Slices of one series*: which hold nothing that slices read before, without text, do not hold. The
recognizer is asked about the first slice. A later one is passed over when it shows no more
strokes at any place than slices of its series that were read and hold no text. Text differs from
anatomy by thin strokes of more than one direction, side by side; over air by any ink at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medlab.arrays import Array, Mask
from medlab.pixels.detect import Image
from medlab.pixels.frames import Layout

# Gray levels from one threshold to the next: letters stand over two. What `rendering` makes of
# three gray levels has 21; where noise covers these, they are looked for among the faint.
_STEP, _NOISY_STEP, _FAINT_STEP = 8.0, 12.0, 6.0
_NOISE_STEP = 3.0  # sharp letters stand out of the noise by more than so many of its deviations
_NOISY = 2.0  # gray levels; below, smoothing shows no more
_SMOOTHED = 0.28  # what a Gaussian of one pixel leaves of white noise
_LEAST = 4  # pixels: a lower case letter of 6-pixel type
_SPECK = 8  # pixels; smaller shapes are noise where there are many
_MANY, _TOO_MANY = 8000, 4000  # pixels of the picture for each speck: some noise, all noise
_INKED, _SLIM = 0.72, 6  # ink of the box at most (an ellipse has 0.79), and length by width
_NARROW = 2.5  # times as long as wide: I, l and 1 fill their boxes
_SHRINK = 0.3  # of a stable shape's pixels, lost by the next threshold
_APART, _ALIKE = 2.4, 2.0  # distance of two letters of a row, and ratio of their sizes
_SECTORS = 24  # directions: letters to both sides of one, in line within 15 to 30 degrees


def has_rows(picture: Image) -> bool:
    """Tell whether shapes like letters stand in a row, bright or dark, sharp or faint.

    Parameters
    ----------
    picture : ndarray of uint8, (rows, columns) or (rows, columns, 3)
        As `detect.rendering` draws it.
    """
    colored = picture.ndim == 3 and bool(np.ptp(picture, axis=2).any())
    grays = [picture[..., band] for band in range(3)] if colored else [
        picture if picture.ndim == 2 else picture[..., 0]
    ]  # fmt: skip
    return any(len(rows) > 0 for gray in grays for rows in _rows_of_letters(gray))


def _rows_of_letters(gray: Image) -> Iterator[Array]:
    """Give the shapes that stand in rows, bright and dark ones, threshold by threshold."""
    import cv2

    noise = _noise(gray)
    soft = np.asarray(cv2.GaussianBlur(gray, (0, 0), 1.0), np.uint8) if noise > _NOISY else None
    step = max(_STEP if soft is None else _NOISY_STEP, _NOISE_STEP * noise)
    for picture in (gray, 255 - gray):
        yield from _sharp(picture, step)
    if soft is not None:
        for picture in (soft, 255 - soft):
            yield from _faint(picture, max(_FAINT_STEP, _SMOOTHED * noise))


def _noise(gray: Image) -> float:
    """Return the standard deviation of the noise (Immerkaer, CVIU 64(2), 1996; median in it)."""
    import cv2

    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    return float(np.median(np.abs(cv2.filter2D(gray, cv2.CV_32F, mask)))) / 0.6745 / 6


def _sharp(gray: Image, step: float) -> Iterator[Array]:
    before = None
    for level in np.arange(step, int(gray.max()) + 1, step):
        shapes = _letters(_components(gray, level), gray, _LEAST)
        if before is not None:
            yield _in_rows(_stable(before, shapes))
        before = shapes


def _faint(gray: Image, step: float) -> Iterator[Array]:
    for level in np.arange(step, int(gray.max()) + 1, step):
        shapes = _components(gray, level)
        specks = int((shapes[:, 2:4].max(axis=1) < _SPECK).sum())
        if specks * _TOO_MANY <= gray.size:
            noisy = specks * _MANY > gray.size
            shapes = _letters(shapes, gray, _SPECK if noisy else _LEAST)
            yield _in_rows(shapes[shapes[:, 2:4].max(axis=1) <= max(16, min(gray.shape) / 8)])


def _components(gray: Image, level: float) -> Array:
    """Return x, y, width, height and area of what is as bright as a level or brighter."""
    import cv2

    _, bright = cv2.threshold(gray, int(level) - 1, 255, cv2.THRESH_BINARY)
    return np.asarray(cv2.connectedComponentsWithStats(bright, connectivity=8)[2][1:])


def _letters(shapes: Array, gray: Image, least: int) -> Array:
    """Return the shapes that are no smaller than a letter, no larger, and not filled."""
    width, height, area = shapes[:, 2], shapes[:, 3], shapes[:, 4]
    long, short = np.maximum(width, height), np.minimum(width, height)
    fits = (long >= least) & (area >= least) & (2 * long <= min(gray.shape))
    thin = (area <= _INKED * width * height + 4) | (long >= _NARROW * short)
    fits &= thin & (area >= 0.1 * width * height)
    letters: Array = shapes[fits & (_SLIM * short >= long)]
    return letters


def _stable(shapes: Array, brighter: Array) -> Array:
    """Return the shapes that are nearly the same at the next threshold."""
    from scipy.spatial import cKDTree

    if len(shapes) < 2 or len(brighter) < 2:
        return shapes[:0]
    ends, others = (np.hstack([s[:, :2], s[:, :2] + s[:, 2:4]]) for s in (shapes, brighter))
    away, same = cKDTree(others).query(ends, p=np.inf, distance_upper_bound=1.5)
    near: Mask = np.isfinite(away)
    near[near] = brighter[same[near], 4] >= (1 - _SHRINK) * shapes[near, 4] - 2
    stable: Array = shapes[near]
    return stable


def _in_rows(shapes: Array) -> Array:
    """Return the shapes that have others of their size to two sides, in line."""
    from scipy.spatial import cKDTree

    if len(shapes) < 2:
        return shapes[:0, :4]
    size = shapes[:, 2:4].max(axis=1).astype(float)
    centers = shapes[:, :2] + shapes[:, 2:4] / 2
    pairs = cKDTree(centers).query_pairs(_APART * size.max(), output_type="ndarray")
    if not len(pairs):
        return shapes[:0, :4]
    one, other = np.vstack([pairs, pairs[:, ::-1]]).T
    gap = centers[other] - centers[one]
    distance = np.hypot(*gap.T)
    large, small = np.maximum(size[one], size[other]), np.minimum(size[one], size[other])
    near = (distance < _APART * large) & (large < _ALIKE * small) & (distance > 0.3 * small)
    one, other, gap = one[near], other[near], gap[near]
    sides = np.zeros((len(shapes), _SECTORS), bool)
    turn = np.arctan2(gap[:, 1], gap[:, 0]) / (2 * np.pi)
    sides[one, (turn * _SECTORS).astype(int) % _SECTORS] = True
    opposite = sum(np.roll(sides, _SECTORS // 2 + by, axis=1) for by in (-1, 0, 1))
    inside = np.asarray((sides & (opposite > 0)).any(axis=1))
    pair = _even(shapes[one], shapes[other], gap) | _even(
        shapes[one][:, [1, 0, 3, 2]], shapes[other][:, [1, 0, 3, 2]], gap[:, ::-1]
    )
    inside[one[pair]] = True
    return shapes[inside, :4]


def _even(one: Array, other: Array, gap: Array) -> Mask:
    """Tell which two shapes stand on one line, as high as each other, one of them two letters."""
    height = np.maximum(one[:, 3], other[:, 3])
    even = np.abs(one[:, 3] - other[:, 3]) <= 0.2 * height + 0.5
    even &= np.abs(gap[:, 1]) <= 0.12 * height + 0.5
    return np.asarray(even & (np.maximum(one[:, 2], other[:, 2]) > 1.25 * height))


# How often the picture is halved, how far from a stroke's middle its sides are looked for, and the
# side of the window in which strokes are summed: strokes of 1 to 15 pixels.
_SCALES = ((0, 1, 9), (0, 2, 9), (1, 2, 7), (2, 2, 7))
_ALONG = ((0, 1), (1, 0), (1, 1), (1, -1))
# Set by trying texts at any place and turn in series of heads, see docs/pixels.md. With 1.3 and
# 6.0 in place of the first two, gray text over anatomy was passed over.
_MORE = 1.3  # times what the references hold within `_NEAR` pixels
_TISSUE = 4.0  # times the strokes of the tissue (median), added
_NEAR, _NEAR_IN_AIR = 12, 16
_AIR = 0.12  # of the way from air to the brightest: what is darker, out to the edge, is air
_THIN = 21  # pixels: what is thinner than half of it leaves the median as it is
_DARKER = 0.3  # of that way: how bright a mean over air may be
_EDGE = 6  # pixels of air beside tissue that count as tissue
_MORE_IN_AIR = 1.5
# Of the noise of a mean over air. With 8, text of two hundredths of the range was passed over.
_DEVIATIONS = 6.0
_WINDOWS = ((9, 9), (25, 7), (7, 25), (21, 21))  # of such means: a word, lines, a block
_FAR = (51, 51)  # around them, for their difference
_LARGEST = 2**18  # pixels of a slice: 512 by 512
_HELD = 2**19  # pixels of all series that are remembered, about 100 bytes each
_SAME = (
    "SeriesInstanceUID",
    "ImageType",
    "ImageOrientationPatient",
    "EchoTime",
    "RescaleSlope",
    "RescaleIntercept",
)

_Float = NDArray[np.float32]


class Series:
    """What the slices of a series hold that were read and hold no text.

    Attributes
    ----------
    unread : set of int
        Frames of the present image that were passed over.
    text : bool
        Whether text was found in the series: then all that follows is read.
    """

    def __init__(self, *, text: bool = False) -> None:
        self.unread: set[int] = set()
        self.text = text
        self._strokes: list[_Float] = []  # most of all references, and of places around
        self._tissue: list[_Float] = []
        self._air: list[_Float] = []
        self._reached: list[Array] = []  # where references hold air nearby
        self._least: list[Array] = []
        self._most: list[Array] = []
        self._black, self._dark, self._noise = 0.0, -np.inf, 0.0
        self._look: tuple[_Float, list[_Float]] | None = None

    @property
    def size(self) -> int:
        """Pixels of a slice that is remembered."""
        return self._reached[0].size if self._strokes else 0

    def passes(self, shown: Array) -> bool:
        """Tell whether a slice holds no more than the references do, at any place."""
        gray = np.ascontiguousarray(shown, np.float32)
        strokes = [*_strokes(gray)]
        self._look = gray, strokes
        if not self._strokes:
            return False
        bounds = zip(strokes, self._strokes, self._tissue, strict=True)
        if any((one > _MORE * most + _TISSUE * tissue).any() for one, most, tissue in bounds):
            return False
        held = self._held_by_air(gray, strokes)
        for (one, _), near, reached, least, most in zip(
            held, self._air, self._reached, self._least, self._most, strict=True
        ):
            bound = _MORE_IN_AIR * np.where(reached, near, most)
            if (one > np.maximum(bound, least)).any():
                return False
        return True

    def keep(self) -> None:
        """Take the slice last asked about as a reference: it was read and holds no text."""
        import cv2

        assert self._look is not None
        gray, strokes = self._look
        low, quarter, high = np.percentile(cv2.blur(gray, _WINDOWS[0]), (5, 25, 99))
        if not self._strokes:
            self._black = float(low)
        # a slice of nothing but noise is air
        self._noise = max(self._noise, float(min(6 * (quarter - low), high - low)))
        self._dark = max(self._dark, self._black + max(self._noise, float(_AIR * (high - low))))
        held = self._held_by_air(gray, strokes)
        around = [
            np.stack([_dilated(one, _NEAR >> level) for one in four])
            for four, (level, _, _) in zip(strokes, _SCALES, strict=True)
        ]
        inside = [one[air] if air.any() else np.zeros(1, np.float32) for one, air in held]
        bulk = [_bulk(one, index < 8) for index, one in enumerate(inside)]
        near = [_dilated(one, _NEAR_IN_AIR) for one, _ in held]
        reached = [_dilated(air.astype(np.uint8), _NEAR_IN_AIR) for _, air in held]
        self._strokes = _larger(around, self._strokes)
        self._tissue = _larger([_in_tissue(gray, one) for one in strokes], self._tissue)
        self._air, self._reached = _larger(near, self._air), _larger(reached, self._reached)
        self._most = _larger([one.max() for one in inside], self._most)
        self._least = _larger(bulk, self._least)

    def _held_by_air(self, gray: _Float, strokes: list[_Float]) -> list[tuple[_Float, Array]]:
        """Return fine strokes and means over air, each with where it counts.

        Strokes count wherever the median is dark: the place of a text in air is air too. Means
        show faint text, where all is dark.
        """
        import cv2

        above = gray - np.float32(self._black)
        spread = max(self._dark - self._black, 1e-6)
        level = cv2.convertScaleAbs(np.maximum(above, 0), alpha=64 / spread)
        outer = _outer(cv2.medianBlur(level, _THIN) <= 64)
        dark = cv2.blur(above, _WINDOWS[0])
        air = _outer(np.asarray(dark <= max(self._noise, _DARKER * spread)))
        held = [(one * outer, outer) for fine in strokes[:2] for one in fine]
        around = _mean_over(air, above, _FAR)
        means = [_mean_over(air, above, window) for window in _WINDOWS]
        return held + [(np.where(mean != 0, np.abs(mean - around), 0), air) for mean in means]


class SeriesStore:
    """The series under way, the one used last kept longest."""

    def __init__(self) -> None:
        self._series: dict[tuple[Any, ...], Series] = {}

    def of(self, dataset: Dataset, form: Layout) -> Series | None:
        """Return the series of an image; None when all of it has to be read.

        Only slices of magnetic resonance, gray and no larger than 512 by 512, are compared: on
        others it was not tried.
        """
        gray = form.photometric.startswith("MONOCHROME") and form.keyword == "PixelData"
        if not gray or form.cine or form.rows * form.columns > _LARGEST:
            return None
        if dataset.get("Modality") != "MR" or not dataset.get("SeriesInstanceUID"):
            return None
        what = (form.rows, form.columns, form.photometric, *(str(dataset.get(n)) for n in _SAME))
        series = self._series.pop(what, Series())
        series = self._series[what] = Series(text=True) if series.text else series
        others = {
            other: one for other, one in self._series.items() if one.size and one is not series
        }
        while sum(one.size for one in others.values()) + form.rows * form.columns > _HELD:
            del self._series[next(iter(others))], others[next(iter(others))]
        series.unread = set()
        return None if series.text else series


def _strokes(gray: _Float) -> Iterator[_Float]:
    """Give for each scale four sums around each pixel, two of bright and two of dark strokes.

    One counts strokes of any direction, one the lesser of two directions at right angles.
    """
    import cv2

    halved = [gray]
    for _ in range(2):
        halved.append(np.asarray(cv2.pyrDown(halved[-1]), np.float32))
    for level, reach, side in _SCALES:
        sums = []
        for picture in (halved[level], -halved[level]):
            squares = [one * one for one in _ridges(picture, reach)]
            across, down, rising, falling = (_sum(one, side) for one in squares)
            sums.append(_sum(np.maximum.reduce(squares), side))
            sums.append(np.maximum(np.minimum(across, down), np.minimum(rising, falling)))
        yield np.sqrt(np.stack(sums))


def _mean_over(air: Array, above: _Float, window: tuple[int, int]) -> _Float:
    """Return means over the air in a window; nothing where less than half of it is air."""
    import cv2

    share = air.astype(np.float32)
    part, total = (
        np.asarray(cv2.blur(one, window, borderType=cv2.BORDER_CONSTANT))
        for one in (share, above * share)
    )
    enough = air & (part > (0.5 if window != _FAR else 0.05))
    return np.where(enough, total / np.maximum(part, 0.05), 0)


def _outer(dark: Array) -> Array:
    """Return where it is dark out to the edge of the picture, but for the edge of tissue."""
    import cv2

    framed = np.pad(dark.astype(np.uint8), 1, constant_values=1)
    cv2.floodFill(framed, None, (0, 0), (2,))
    outer = (framed[1:-1, 1:-1] == 2).astype(np.uint8)
    square = np.ones((2 * _EDGE + 1, 2 * _EDGE + 1), np.uint8)
    return np.asarray(cv2.erode(outer, square)) > 0


def _sum(one: _Float, side: int) -> _Float:
    import cv2

    return np.asarray(cv2.blur(one, (side, side), borderType=cv2.BORDER_CONSTANT), np.float32)


def _ridges(gray: _Float, reach: int) -> Iterator[_Float]:
    """Give by how much each pixel is above both its sides, for four directions."""
    import cv2

    rows, columns = gray.shape
    framed = cv2.copyMakeBorder(gray, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    for down, across in _ALONG:
        step = reach if 0 in (down, across) else max(1, round(0.72 * reach))
        y, x = step * down, step * across
        before, after = (
            framed[reach + s * y : reach + s * y + rows, reach + s * x : reach + s * x + columns]
            for s in (-1, 1)
        )
        yield np.maximum(gray - np.maximum(before, after), 0)


def _dilated(one: Array, radius: int) -> Array:
    import cv2

    square = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return np.asarray(cv2.dilate(one, square))


def _larger(new: list[Any], old: list[Any]) -> list[Array]:
    return [np.maximum(*pair) for pair in zip(new, old or new, strict=True)]


def _in_tissue(gray: _Float, strokes: _Float) -> _Float:
    """Return the median of what is brighter than the mean."""
    import cv2

    bright = (gray > gray.mean()).astype(np.uint8)
    rows, columns = strokes.shape[1:]
    bright = np.asarray(cv2.resize(bright, (columns, rows), interpolation=cv2.INTER_NEAREST))
    inside = strokes[:, bright > 0]
    middle = np.median(inside, axis=1) if inside.size else np.zeros(len(strokes))
    return middle.astype(np.float32)[:, None, None]


def _bulk(inside: _Float, strokes: bool) -> float:
    """Return how much noise may reach, told by the bulk of the air and not by its edge."""
    if strokes:
        return _MORE_IN_AIR * float(np.percentile(inside, 95))
    quarter, middle, rest = np.percentile(inside, (25, 50, 75))
    return float(middle + _DEVIATIONS * (rest - quarter) / 1.35)
