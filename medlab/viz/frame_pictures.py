"""Frames of DICOM images as pictures: a window, before and after, the contour of a mask."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut
from scipy.ndimage import binary_erosion

from medlab.errors import InputError
from medlab.viz.disclosures import decoded, displayed
from medlab.viz.figure import Shown, check_alternative

_Picture = npt.NDArray[np.uint8]
_LINE, _OUTLINE = (255, 255, 255), (240, 228, 66)  # white; yellow of Okabe and Ito
_LEAST = 512  # pixels of a picture's longer side; smaller ones are enlarged


class _Range(NamedTuple):
    """Rescaled values of an image, and the window it is shown with at first.

    Attributes
    ----------
    low, high : float
        Smallest and largest value of the middle frame.
    center, width : float
        The header's window, else the whole range.
    """

    low: float
    high: float
    center: float
    width: float


def count(dataset: Dataset) -> int:
    """Return the number of frames."""
    return int(dataset.get("NumberOfFrames") or 1)


def value_range(dataset: Dataset) -> _Range | None:
    """Return the range of an image's values; None for one in color, which has no window."""
    if int(dataset.get("SamplesPerPixel") or 1) > 1:
        return None
    data = apply_modality_lut(decoded(dataset), dataset)
    low, high = float(data.min()), float(data.max())
    whole = (low + high) / 2, max(high - low, 1.0)
    window = [_first(dataset.get(name)) for name in ("WindowCenter", "WindowWidth")]
    center, width = whole if None in window else window
    return _Range(low, max(high, low + 1), float(center), max(float(width), 1.0))


def _first(value: Any) -> Any:
    """Return a value, or the first of several."""
    return value[0] if isinstance(value, list | tuple) or hasattr(value, "append") else value


def picture(dataset: Dataset, frame: int, window: tuple[float, float] | None) -> _Picture:
    """Return one frame in RGB.

    Parameters
    ----------
    dataset : Dataset
    frame : int
        Counted from 0.
    window : (center, width) or None
        None shows a color image as it is, another one with the header's window.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
    """
    values = displayed(dataset, frame=frame, window=window or True)
    gray = np.asarray(np.clip(values, 0, 1) * 255, dtype=np.uint8)
    return gray if gray.ndim == 3 else np.repeat(gray[..., None], 3, axis=2)


def swiped(before: _Picture, after: _Picture, share: float) -> _Picture:
    """Return a picture that shows the original on the left and the result on the right.

    Parameters
    ----------
    before, after : ndarray of uint8, shape (rows, columns, 3)
    share : float
        How much of the width shows the original: 0 to 1.

    Raises
    ------
    InputError
        If the two are of different sizes.
    """
    if before.shape != after.shape:
        raise InputError("the original and the result are of different sizes")
    column = round(share * before.shape[1])
    both = np.concatenate([before[:, :column], after[:, column:]], axis=1)
    if 0 < column < before.shape[1]:
        both[:, column] = _LINE
    return both


def outlined(picture: _Picture, mask: npt.NDArray[np.bool_]) -> _Picture:
    """Return a picture with the contour of a mask (rows, columns) drawn in yellow."""
    if mask.shape != picture.shape[:2]:
        raise InputError("the mask and the image are of different sizes")
    out = picture.copy()
    out[mask & ~binary_erosion(mask)] = _OUTLINE
    return out


def as_shown(shown: _Picture, alt: str, caption: str) -> Shown:
    """Return a picture with its text alternative; a small one is enlarged, pixel by pixel."""
    check_alternative(alt)
    times = max(1, _LEAST // max(shown.shape[:2]))
    large = shown.repeat(times, axis=0).repeat(times, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(large).save(buffer, "PNG", compress_level=1)
    return Shown(buffer.getvalue(), alt, caption)
