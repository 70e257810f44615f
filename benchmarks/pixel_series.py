"""Series of slices with a text in one of them, or in some: whether such a slice is passed over.

Slices are cut from the sample heads at 256 by 256 pixels, with Rician noise. A text counts when
the recognizer reads it in the slice alone; it is passed over when the slice is not read because
of what was read of the series before it.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pandas as pd
import pixel_images as made
from PIL import Image, ImageDraw, ImageFont

from medlab.pixels import detect
from medlab.pixels.prefilter import Series

_HEADS = Path(__file__).parents[1] / "data_samples" / "heads"
_NAMES = [
    "OKAFOR JANE",
    "MUELLER",
    "SOEREN 78144371",
    "12.03.1961",
    "DOB 4/7/58",
    "LI",
    "J.O.",
    "ACC 99120",
    "M 54Y",
    "K",
]
_FONTS = [
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono.ttf",
    "STIXGeneral.ttf",
    "cmss10.ttf",
]
_SIZE = 256
#: Name of a layout: ink (share of the brightest), sizes of type, turns, which slices hold it.
LAYOUTS = {
    "one slice of 300": ((1.0, 1.0), (10, 16), (0,), "one"),
    "late frames": ((1.0, 1.0), (10, 16), (0,), "last"),
    "moving": ((1.0, 1.0), (10, 16), (0,), "all"),
    "faint, over air": ((0.03, 0.12), (8, 24), (0,), "one"),
    "below the window": ((0.01, 0.03), (16, 24), (0,), "one"),
    "dark, over tissue": ((0.0, 0.0), (8, 16), (0,), "one"),
    "gray, over tissue": ((0.45, 0.9), (8, 16), (0,), "one"),
    "rotated": ((1.0, 1.0), (9, 16), (20, 45, 90, 180, 270), "one"),
    "7 to 9 pixels": ((1.0, 1.0), (7, 10), (0,), "one"),
    "brighter than all": ((2.2, 2.2), (7, 16), (0,), "one"),
    "large": ((0.5, 1.0), (36, 100), (0, 90), "one"),
}


def slices(head: int, axis: int, count: int, noise: float) -> list[np.ndarray]:
    """Return slices through a sample head, as thick as they are apart."""
    volume = np.asarray(nibabel.load(_HEADS / f"head-0{head}" / "t1.nii.gz").dataobj, np.float32)
    volume = np.moveaxis(volume * 1000 / np.percentile(volume[volume > 0], 99.9), axis, 0)
    rng = np.random.default_rng([head, axis, count])
    found = []
    for place in np.linspace(0.1, 0.92, count) * (len(volume) - 1):
        below, part = int(place), place % 1
        plane = np.rot90((1 - part) * volume[below] + part * volume[below + 1])
        scale = 0.88 * _SIZE / max(plane.shape)
        plane = cv2.resize(np.ascontiguousarray(plane), None, fx=scale, fy=scale)
        canvas = np.zeros((_SIZE, _SIZE), np.float32)
        y, x = ((_SIZE - side) // 2 for side in plane.shape)
        canvas[y : y + plane.shape[0], x : x + plane.shape[1]] = plane
        real, other = rng.normal(0, noise, (2, _SIZE, _SIZE))
        found.append(np.hypot(canvas + real, other).astype(np.uint16))
    return found


def written(values: np.ndarray, rng, layout: str) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Return a slice with a text of a layout at any place, and the box of the text."""
    (least, most), sizes, turns, _ = LAYOUTS[layout]
    while True:
        face = ImageFont.truetype(str(made.FONTS / rng.choice(_FONTS)), int(rng.integers(*sizes)))
        text = str(rng.choice(_NAMES))
        left, _, right, bottom = face.getbbox(text)
        sheet = Image.new("L", (int(right - left) + 2, int(bottom) + 2), 0)
        drawing = ImageDraw.Draw(sheet)
        drawing.fontmode = "L" if rng.random() < 0.7 else "1"
        drawing.text((1 - left, 0), text, fill=255, font=face)
        sheet = sheet.rotate(int(rng.choice(turns)), Image.Resampling.BICUBIC, expand=True)
        cover = np.asarray(sheet) / 255.0
        if max(cover.shape) < _SIZE - 6:
            break
    y, x = (int(rng.integers(3, _SIZE - side - 2)) for side in cover.shape)
    if rng.random() < 0.4:  # most texts of devices stand in a corner
        y, x = (int(rng.choice([3, _SIZE - side - 3])) for side in cover.shape)
    result = values.astype(float)
    region = result[y : y + cover.shape[0], x : x + cover.shape[1]]
    ink = rng.uniform(least, most) * float(values.max())
    region += cover * (ink if 0 < most < 0.2 else ink - region)
    box = (x, y, x + cover.shape[1], y + cover.shape[0])
    return result.clip(0, 65535).astype(np.uint16), box


def is_read(values: np.ndarray, box: tuple[int, int, int, int]) -> bool:
    """Tell whether the recognizer reads something at the place of a text."""
    for word in detect.read(detect.rendering(values)):
        (x0, y0), (x1, y1) = np.min(word.quad, axis=0), np.max(word.quad, axis=0)
        small = (x1 - x0) * (y1 - y0) < values.size / 4
        if small and min(x1, box[2]) - max(x0, box[0]) > 2 < min(y1, box[3]) - max(y0, box[1]):
            return True
    return False


def measure(texts: int, count: int) -> None:
    """Print for each layout how many texts were passed over that the recognizer reads."""
    counts, shares, spent = Counter(), [], []
    for head, axis, noise in ((1, 2, 15.0), (2, 0, 8.0), (3, 1, 20.0), (1, 2, 5.0)):
        plain = slices(head, axis, count, noise)
        one, read = Series(), 0
        started = time.process_time()
        for values in plain:
            if not one.passes(values):
                one.keep()
                read += 1
        spent.append((time.process_time() - started) / count)
        shares.append(read / count)
        rng = np.random.default_rng([head, axis, int(noise)])
        for layout in LAYOUTS:
            for _ in range(texts):
                tell(plain, one, layout, rng, counts)
    rows = [
        (name, *(counts[name, what] for what in ("texts", "passed", "read"))) for name in LAYOUTS
    ]
    names = ["layout", "texts", "passed over", "of these read in the slice alone"]
    print(pd.DataFrame(rows, columns=names).to_string(index=False))
    print("slices without text that are read:", " ".join(f"{share:.1%}" for share in shares))
    print("CPU ms a slice to ask:", " ".join(f"{1000 * each:.1f}" for each in spent))


def tell(plain, one: Series, layout: str, rng, counts: Counter) -> None:
    """Count a text of a layout: all references are known, which is the worst case."""
    where = LAYOUTS[layout][3]
    first = {"one": 0, "last": len(plain) * 9 // 10, "all": 0}[where]
    number = int(rng.integers(first, len(plain)))
    values, box = written(plain[number], rng, layout)
    counts[layout, "texts"] += 1
    if one.passes(values):
        counts[layout, "passed"] += 1
        counts[layout, "read"] += is_read(values, box)
