"""Whether a picture holds rows of letters, told without reading: what tesseract can read at all.

A letter is a connected component of a threshold, thin for its size, that hardly changes from one
threshold to the next (maximally stable extremal regions; Matas et al., BMVC 2002), and it stands
in a row with others of its size. tesseract reads connected components too, of one threshold.
RapidOCR reads more: letters over anatomy that no threshold sets apart. It is asked about every
picture.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from medlab.arrays import Array

_Image = NDArray[np.uint8]
_Mask = NDArray[np.bool_]

# Gray levels from one threshold to the next: letters stand over two. What `rendering` makes of
# three gray levels has 21; where noise covers these, they are looked for among the faint.
_STEP, _NOISY_STEP, _FAINT_STEP = 8.0, 12.0, 6.0
_NOISE_STEP = 3.0  # sharp letters stand out of the noise by more than so many of its deviations
_NOISY = 2.0  # gray levels; below, smoothing shows no more
_SMOOTHED = 0.28  # what a Gaussian of one pixel leaves of white noise
_LEAST = 4  # pixels: a lower case letter of 6-pixel type
_SPECK = 8  # pixels; smaller shapes are noise where there are many
_MANY, _TOO_MANY = 8000, 4000  # pixels of the picture for each speck: some noise, all noise
_THIN, _SLIM = 0.72, 6  # ink of the box at most (an ellipse has 0.79), and length by width
_NARROW = 2.5  # times as long as wide: I, l and 1 fill their boxes
_SHRINK = 0.3  # of a stable shape's pixels, lost by the next threshold
_APART, _ALIKE = 2.4, 2.0  # distance of two letters of a row, and ratio of their sizes
_SECTORS = 24  # directions: letters to both sides of one, in line within 15 to 30 degrees


def has_rows(picture: _Image) -> bool:
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


def _rows_of_letters(gray: _Image) -> Iterator[Array]:
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


def _noise(gray: _Image) -> float:
    """Return the standard deviation of the noise (Immerkaer, CVIU 64(2), 1996; median in it)."""
    import cv2

    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    return float(np.median(np.abs(cv2.filter2D(gray, cv2.CV_32F, mask)))) / 0.6745 / 6


def _sharp(gray: _Image, step: float) -> Iterator[Array]:
    before = None
    for level in np.arange(step, int(gray.max()) + 1, step):
        shapes = _letters(_components(gray, level), gray, _LEAST)
        if before is not None:
            yield _in_rows(_stable(before, shapes))
        before = shapes


def _faint(gray: _Image, step: float) -> Iterator[Array]:
    for level in np.arange(step, int(gray.max()) + 1, step):
        shapes = _components(gray, level)
        specks = int((shapes[:, 2:4].max(axis=1) < _SPECK).sum())
        if specks * _TOO_MANY <= gray.size:
            noisy = specks * _MANY > gray.size
            shapes = _letters(shapes, gray, _SPECK if noisy else _LEAST)
            yield _in_rows(shapes[shapes[:, 2:4].max(axis=1) <= max(16, min(gray.shape) / 8)])


def _components(gray: _Image, level: float) -> Array:
    """Return x, y, width, height and area of what is as bright as a level or brighter."""
    import cv2

    _, bright = cv2.threshold(gray, int(level) - 1, 255, cv2.THRESH_BINARY)
    return np.asarray(cv2.connectedComponentsWithStats(bright, connectivity=8)[2][1:])


def _letters(shapes: Array, gray: _Image, least: int) -> Array:
    """Return the shapes that are no smaller than a letter, no larger, and not filled."""
    width, height, area = shapes[:, 2], shapes[:, 3], shapes[:, 4]
    long, short = np.maximum(width, height), np.minimum(width, height)
    fits = (long >= least) & (area >= least) & (2 * long <= min(gray.shape))
    thin = (area <= _THIN * width * height + 4) | (long >= _NARROW * short)
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
    near: _Mask = np.isfinite(away)
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


def _even(one: Array, other: Array, gap: Array) -> _Mask:
    """Tell which two shapes stand on one line, as high as each other, one of them two letters."""
    height = np.maximum(one[:, 3], other[:, 3])
    even = np.abs(one[:, 3] - other[:, 3]) <= 0.2 * height + 0.5
    even &= np.abs(gap[:, 1]) <= 0.12 * height + 0.5
    return np.asarray(even & (np.maximum(one[:, 2], other[:, 2]) > 1.25 * height))
