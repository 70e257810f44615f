"""Machine-readable codes in an image: QR, Data Matrix, Aztec, PDF417 and bar codes."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import numpy as np

from medlab.errors import not_installed
from medlab.pixels.detect import Image
from medlab.pixels.effects import Box

_MATRIX = ("QR", "Matrix", "Aztec", "Maxi")


class Code(NamedTuple):
    """A code; `text` is empty where it was seen but could not be read."""

    box: Box
    kind: str
    text: str


def find(image: Image) -> list[Code]:
    """Return the codes in an image, gray or RGB.

    With zxing-cpp all kinds above are read; without it OpenCV reads QR and EAN, and sees
    most other bar codes without reading them.

    Raises
    ------
    UnavailableError
        If neither is installed.
    """
    gray = np.ascontiguousarray(image if image.ndim == 2 else image.max(axis=2))
    try:
        found = _zxing(gray)
    except ImportError:
        found = []
    found += [
        code for code in _opencv(gray) if not any(code.box.meets(other.box) for other in found)
    ]
    return [code for code in found if code.text or _like_code(gray, code)]


def _like_code(gray: Image, code: Code) -> bool:
    """Tell whether an unread code looks like one: two gray levels that change often.

    Both readers report codes that they cannot read in noise, which changes at every other
    pixel, and at the edge of bodies, where little changes.
    """
    x0, y0, x1, y1 = code.box
    part = gray[y0:y1, x0:x1].astype(np.float32)
    if min(part.shape) < 8:
        return False
    low, high = np.percentile(part, (5, 95))
    level = (part - low) / max(high - low, 1)
    clear = float(((level < 0.25) | (level > 0.75)).mean())
    changes = [np.diff(level > 0.5, axis=axis).sum(axis=axis).mean() for axis in (0, 1)]
    matrix = any(name in code.kind for name in _MATRIX)
    lively = min(changes) > 4 if matrix else max(changes) > 16
    coarse = all(count < 0.35 * size for count, size in zip(changes, part.shape, strict=True))
    return bool(high - low > 40 and clear > 0.8 and lively and coarse)


def _zxing(gray: Image) -> list[Code]:
    zxingcpp = import_module("zxingcpp")

    codes = zxingcpp.read_barcodes(gray, return_errors=True, try_downscale=True)
    return [
        Code(_around(np.array(_corners(code.position))), str(code.format), code.text)
        for code in codes
    ]


def _corners(position: object) -> list[tuple[float, float]]:
    names = ("top_left", "top_right", "bottom_right", "bottom_left")
    points = (getattr(position, name) for name in names)
    return [(point.x, point.y) for point in points]


def _opencv(gray: Image) -> list[Code]:
    try:
        import cv2
    except ImportError:
        raise not_installed("a reader of bar codes", "pixels") from None
    found = []
    _, texts, corners, _ = cv2.QRCodeDetector().detectAndDecodeMulti(gray)
    if corners is not None:
        found += [
            Code(_around(quad), "QR", text) for quad, text in zip(corners, texts, strict=True)
        ]
    _, texts, corners, _ = cv2.barcode.BarcodeDetector().detectAndDecodeMulti(gray)
    if corners is not None:
        found += [
            Code(_around(quad), "bar code", text)
            for quad, text in zip(corners, texts, strict=True)
        ]
    return found


def _around(corners: np.ndarray) -> Box:
    low, high = corners.min(axis=0), corners.max(axis=0)
    pad = 4 + int(0.04 * max(high - low))
    x0, y0 = (int(v) for v in np.floor(low) - pad)
    x1, y1 = (int(v) for v in np.ceil(high) + pad)
    return Box(max(x0, 0), max(y0, 0), x1, y1)
