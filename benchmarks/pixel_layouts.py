"""Images with text, laid out by chance: places, fonts, sizes, contrast, encodings, wording.

A number gives a layout. Those held back have fonts and wordings of their own. Kinds of text
are those of ``tests/pixels/pixel_scenes.py``.
"""

from __future__ import annotations

import cv2
import numpy as np
import pixel_images as made
import pixel_scenes as scenes
from PIL import Image, ImageDraw, ImageFont
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

_FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans-Oblique.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSansMono-Bold.ttf",
    "DejaVuSerif.ttf",
    "stroke 0",  # OpenCV's Hershey fonts are strokes, as of a plotter or an old device
    "stroke 3",
)
_FONTS_BACK = (
    "STIXGeneral.ttf",
    "STIXGeneralBol.ttf",
    "STIXGeneralItalic.ttf",
    "DejaVuSerif-Bold.ttf",
    "cmss10.ttf",
    "cmtt10.ttf",
    "stroke 2",
    "stroke 4",
)
_WORDING = {
    "known": (
        "{name}|{id}|{dob}|{date}|{date} {time}|{time}|{acc}|{site}|{name} {id}|{name} {dob}|"
        "Name: {name}|DOB: {dob}|Patient ID: {id}|Acc: {acc}|{id} {date}|Ref: Dr {unknown}|"
        "{site} {date}|{age} Y"
    ),
    "unknown": "{unknown}|{unknown}|Contact {unknown}",
    "keep": (
        "R|L|RT|LT|LEFT|RIGHT|AP|PA|LAT|ERECT|SUPINE|RCC|LMLO|R LAT|AP SUPINE|LAO 30|SAG|AX|"
        "COR|L CC|P|A|H"
    ),
    "scale": (
        "kV 120|mA 200|5 mm|W 400 L 40|TR 4500 TE 98|FOV 24 cm|MI 1.2|TIS 0.4|12 cm|Gn 50|"
        "80 kV 15 fps|SL 5.0 mm|Im 12/40|10 cm"
    ),
}
_WORDING_BACK = {
    "known": (
        "Pat.: {name}|MRN {id}|D.O.B. {dob}|Exam date {date}|ID:{id} {dob}|{name}, {age}Y|"
        "{site}, {date}|{acc} / {date}|Tech: {unknown}|{time} {date}|{dob} {id}|{site}|{name}|"
        "{name} {date}|Hosp. {site}|{date}|{acc}"
    ),
    "unknown": "{unknown}|For {unknown}|{unknown} RN",
    "keep": (
        "R|L|RIGHT|LEFT|PRONE|RAO 45|PORTABLE|UPRIGHT|OBL|L AP|RMLO|LCC|DECUB|R PA|TRA|F|"
        "AXIAL|LLAT|SITTING"
    ),
    "scale": (
        "TE 12 ms|FA 90|WW 80 WL 35|120 kVp 250 mAs|Zoom 1.5|ST 3 mm|Dist 4.2 cm|HR 72 bpm|"
        "25 Hz|D 15.0 cm|TI 0.8|Gain 60|20 dB|Thk 2.5 mm"
    ),
}
_SHAPES = ((512, 512), (480, 640), (640, 512), (768, 768), (600, 800), (1024, 768))
_LOOKS = ("bright", "bright", "gray", "dark", "band", "outlined", "faint")


def draw(number: int, *, held_back: bool = False) -> scenes.Scene:
    """Return the image of a layout."""
    rng = np.random.default_rng([number, int(held_back), 7])
    written, header = scenes.person(rng)
    written["age"] = str(rng.integers(18, 90))
    shape = _SHAPES[rng.integers(len(_SHAPES))]
    look = str(rng.choice(_LOOKS))
    colored = look in ("bright", "band", "outlined") and rng.random() < 0.4
    image = scenes.background(rng, shape, "form" if rng.random() < 0.1 else "ct")
    image = np.minimum(image, 1700)  # no organ as bright as the text
    image = 3600 - 0.8 * image if look == "dark" else image
    font = str(rng.choice(_FONTS_BACK if held_back else _FONTS))
    size = int(rng.integers(13, 33) * max(1, min(shape) / 640))
    smooth = rng.random() < 0.75
    texts: list[scenes.Text] = []
    for slot in _slots(rng, shape):
        lines = _lines(rng, _WORDING_BACK if held_back else _WORDING, look, down=slot[-1])
        _write(rng, image, texts, slot, lines, written, (font, size, smooth), look)
    encoding, dataset = _encoded(rng, np.clip(image, 0, 4095), colored, look)
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    name = f"{'held back' if held_back else 'drawn'} {number} {look} {font} {size}"
    return scenes.Scene(name, encoding, dataset, texts)


def _slots(rng, shape):
    """Give some of the places (x0, y0, x1, y1, across, turned) that do not meet."""
    rows, columns = shape
    for top, bottom, down in ((0.0, 0.3, 0), (0.36, 0.6, 1), (0.66, 1.0, 2)):
        y0, y1 = int(top * rows), int(bottom * rows)
        if down != 1 and rng.random() < 0.3:
            yield 0, y0, columns, y1, rng.choice(["l", "c", "r"]), down
            continue
        for x0, x1, across in ((0.0, 0.47, "l"), (0.53, 1.0, "r")):
            if rng.random() < (0.85 if down != 1 else 0.4):
                yield int(x0 * columns), y0, int(x1 * columns), y1, across, down


def _lines(rng, wording, look, down):
    """Return (kind, template) from top to bottom; mostly of one kind, as on a console."""
    kinds = ["known", "keep", "scale", "unknown"]
    shares = [0.45, 0.2, 0.2, 0.15]
    kind = str(rng.choice(kinds, p=shares))
    count = 1 if kind in ("keep", "unknown") else int(rng.integers(1, 5))
    mixed = rng.random() < 0.25
    chosen = [str(rng.choice(kinds, p=shares)) if mixed else kind for _ in range(count)]
    if look == "faint" and "known" in chosen:  # over air only
        chosen = ["known"] * min(count, 2) if down != 1 else ["scale"]
    return [(one, str(rng.choice(wording[one].split("|")))) for one in chosen]


def _write(rng, image, texts, slot, lines, written, style, look):
    x0, y0, x1, y1, across, down = slot
    font, size, smooth = style
    words = [template.format(**written) for _, template in lines]
    lone = len(lines) == 1 and lines[0][0] == "keep" and len(words[0]) == 1
    turned = down == 1 and not lone and rng.random() < 0.35
    size = size * 2 if lone and rng.random() < 0.5 else size
    room = (y1 - y0, x1 - x0) if turned else (x1 - x0, y1 - y0)
    step = float(rng.uniform(1.35, 1.8))
    while size > 10 and not _fits(words, font, size, step, room):
        size -= 1
    covers = [_cover(word, font, size, smooth) for word in words]
    width, height = max(c.shape[1] for c in covers), int(step * size * len(words))
    free = room[0] - width, room[1] - height
    dx = {"l": 6, "r": free[0] - 6, "c": free[0] // 2}[across] if not turned else free[0] // 2
    dy = {0: 6, 1: free[1] // 2, 2: free[1] - 6}[down] if not turned else free[1] // 2
    jitter = rng.integers(0, 1 + max(0, min(free) // 4)) if look != "faint" else 0
    dx, dy = max(dx + (jitter if across == "l" else -jitter), 2), max(dy, 2)
    sheet = np.zeros((*room[::-1], len(words)))
    for index, cover in enumerate(covers):
        y = dy + int(step * size * index)
        part = sheet[y : y + cover.shape[0], dx : dx + cover.shape[1], index]
        part[...] = cover[: part.shape[0], : part.shape[1]]
    if turned:
        sheet = np.rot90(sheet, 1 if across == "l" else 3)
    region = image[y0 : y0 + sheet.shape[0], x0 : x0 + sheet.shape[1]]
    _ink(rng, region, sheet, lines, look)
    for index, (kind, _) in enumerate(lines):
        down_, across_ = np.nonzero(sheet[..., index] > 0.3)
        box = (across_.min(), down_.min(), across_.max() + 1, down_.max() + 1)
        box = tuple(int(v) + add for v, add in zip(box, (x0, y0, x0, y0), strict=True))
        texts.append(scenes.Text(words[index], kind, box))


def _fits(words, font, size, step, room):
    wide = max(_cover(word, font, size, True).shape[1] for word in words)
    return wide + 12 <= room[0] and step * size * len(words) + 12 <= room[1]


def _cover(text, font, size, smooth):
    """Return how far ink covers each pixel of a text's rectangle, 0 to 1."""
    if font.startswith("stroke"):
        face = int(font.split()[1])
        scale = cv2.getFontScaleFromHeight(face, max(8, int(0.75 * size)), 1)
        thick = 1 + size // 16
        (wide, high), base = cv2.getTextSize(text, face, scale, thick)
        canvas = np.zeros((high + base + 4, wide + 4), np.uint8)
        kind = cv2.LINE_AA if smooth else cv2.LINE_8
        cv2.putText(canvas, text, (2, high + 2), face, scale, 255, thick, kind)
        return canvas / 255.0
    face = ImageFont.truetype(str(made.FONTS / font), size)
    left, _, right, bottom = face.getbbox(text)
    canvas = Image.new("L", (int(right - left) + 2, int(bottom) + 2), 0)
    drawing = ImageDraw.Draw(canvas)
    drawing.fontmode = "L" if smooth else "1"
    drawing.text((1 - left, 0), text, fill=255, font=face)
    return np.asarray(canvas) / 255.0


def _ink(rng, region, sheet, lines, look):
    cover = sheet.max(axis=2)
    if look == "faint":
        known = np.array([kind == "known" for kind, _ in lines])
        region += rng.uniform(22, 45) * (sheet * known).max(axis=2)
        cover, look = (sheet * ~known).max(axis=2), "bright"
    if look == "band":
        down, across = np.nonzero(cover > 0.3)
        paper = region[
            max(down.min() - 4, 0) : down.max() + 5, max(across.min() - 6, 0) : across.max() + 7
        ]
        paper[...] = ink = rng.choice([3200, 700, 0])
        ink = 100 if ink > 1000 else 3500
    else:
        ink = {"dark": 100, "gray": rng.uniform(2100, 2600)}.get(look, 3800)
    if look == "outlined":
        region[cv2.dilate((cover > 0.3).astype(np.uint8), np.ones((3, 3))) > 0] = 0
    region += cover * (ink - region)


def _encoded(rng, image, colored, look):
    u12, u8 = image.astype(np.uint16), (image / 16).astype(np.uint8)
    rgb = np.repeat(u8[..., None], 3, axis=2)
    rgb[..., 2] = np.where(u8 > 150, u8 // 2, u8)  # yellow text
    ybr = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    ways = {
        "rgb-0": lambda: made.color(rgb),
        "rgb-1": lambda: made.color(rgb, planar=1),
        "ybr-0": lambda: made.color(ybr, photometric="YBR_FULL"),
        "ybr-1": lambda: made.color(ybr, photometric="YBR_FULL", planar=1),
        "ybr-422": lambda: made.subsampled(ybr),
        "big-rgb": lambda: made.big_endian(made.color(rgb), "OB"),
        "rle-rgb": lambda: made.compressed(made.color(rgb), RLELossless),
        "j2k-rgb": lambda: made.compressed(made.color(rgb), JPEG2000Lossless),
        "jpeg-422": lambda: made.jpeg(rgb[None], mode="RGB", subsampling=1),
        "palette": lambda: made.palette(255 - u8),
        "cine-rgb": lambda: made.color(np.stack([rgb, rgb])),
    }
    if not colored:
        s16 = u12.astype(np.int16) - 1024
        ways = {
            "mono2-u8": lambda: made.gray(u8),
            "mono2-u12": lambda: made.gray(u12, stored=12),
            "mono2-u16": lambda: made.gray(u12 * 15),
            "mono1-u12": lambda: made.gray(4095 - u12, stored=12, photometric="MONOCHROME1"),
            "mono2-s16": lambda: made.gray(s16),
            "padding": lambda: made.gray(s16, PixelPaddingValue=-2000),
            "big-s16": lambda: made.big_endian(made.gray(s16)),
            "deflated": lambda: made._deflated(made.gray(u12, stored=12)),
            "rle-u12": lambda: made.compressed(made.gray(u12, stored=12), RLELossless),
            "j2k-u12": lambda: made.compressed(made.gray(u12, stored=12), JPEG2000Lossless),
            "jls-s16": lambda: made.compressed(made.gray(s16), JPEGLSLossless),
            "jpeg-gray": lambda: made.jpeg(u8[None], mode="L"),
            "jpeg-lossless": lambda: made.jpeg_lossless(made.gray(u12, stored=12)),
            "cine": lambda: made.gray(np.stack([u12, u12]), stored=12),
        }
    coarse = {"mono2-u8", "jpeg-gray"} if look == "faint" else set()  # 8 bits would lose it
    name = str(rng.choice(sorted(set(ways) - coarse)))
    return name, ways[name]()
