"""Invented images with text burned in, in several layouts, and what should become of each text.

Kinds of text: ``known`` (the header or a pattern gives it away), ``unknown`` (a name that
stands in no header), ``keep`` (laterality and view), ``scale`` (technique and scale).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pixel_images as made
from PIL import Image, ImageDraw, ImageFont
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

_FAMILY = [
    "OKAFOR",
    "LINDQVIST",
    "MARTINEZ",
    "HOFFMANN",
    "TANAKA",
    "NGUYEN",
    "OSULLIVAN",
    "PETROVA",
    "ALVAREZ",
    "BECKETT",
]
_GIVEN = [
    "JANE",
    "TOMAS",
    "AYUMI",
    "HELENA",
    "CARLOS",
    "BRIDGET",
    "IVAN",
    "MERCY",
    "ANNIKA",
    "GEORGE",
]
_SITES = ("St. Mary Hospital", "Lakeside Clinic", "Northgate Imaging", "Univ. Hospital Arden")
_DATES = ("{y}-{m:02}-{d:02}", "{d:02}/{m:02}/{y}", "{d:02}.{m:02}.{y}", "{y}{m:02}{d:02}")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

# corner, texts from top to bottom (or along the line), kinds
LAYOUTS = {
    "ct": [
        ("tl", ["{name}", "{id}", "{dob}"], "known"),
        ("tr", ["{site}", "{date}", "{time}"], "known"),
        ("bl", ["kV 120", "mA 200", "5 mm"], "scale"),
        ("br", ["W 400 L 40"], "scale"),
        ("l", ["R"], "keep"),
    ],
    "us": [
        ("tl", ["{name} {id}", "{site} {date} {time}"], "known"),
        ("r", ["MI 1.2", "TIS 0.4", "12 cm", "Gn 50"], "scale"),
        ("bl", ["L"], "keep"),
    ],
    "xray": [
        ("l", ["R"], "keep"),
        ("bl", ["{name}", "{dob}", "{id}"], "known"),
        ("tr", ["AP", "ERECT"], "keep"),
        ("br", ["{unknown}"], "unknown"),
    ],
    "mr": [
        ("c", ["{name}"], "known"),
        ("tl", ["SAG"], "keep"),
        ("tr", ["{date}", "{acc}"], "known"),
        ("bl", ["TR 4500 TE 98", "FOV 24 cm"], "scale"),
    ],
    "mammo": [
        ("tr", ["RMLO"], "keep"),
        ("br", ["{name}", "{id}", "{site}", "{dob}"], "known"),
        ("bl", ["29 kV 65 mAs"], "scale"),
    ],
    "form": [
        ("tl", ["Name: {name}", "Patient ID: {id}", "DOB: {dob}", "Acc: {acc}"], "known"),
        ("bl", ["Ref: Dr {unknown}"], "known"),
        ("br", ["{unknown}"], "unknown"),
        ("tr", ["LAT"], "keep"),
    ],
    "side": [
        ("vr", ["{name} {id}"], "known"),
        ("vl", ["{site} {date}"], "known"),
        ("c", ["L"], "keep"),
    ],
    "hidden": [
        ("tl", ["{name}", "{id}"], "faint"),
        ("r", ["R"], "keep"),
        ("bl", ["kV 120"], "scale"),
    ],
    "dexa": [
        ("tl", ["Patient: {name}", "Birth date: {dob}", "ID: {id}"], "known"),
        ("tr", ["{site}", "{date}"], "known"),
        ("br", ["{unknown}"], "unknown"),
        ("l", ["L"], "keep"),
    ],
    "angio": [
        ("bl", ["{name}", "{id}", "{date} {time}"], "known"),
        ("tr", ["LAO 30", "CRA 20"], "keep"),
        ("br", ["80 kV 15 fps"], "scale"),
    ],
    "dental": [
        ("t", ["{name} {dob}"], "known"),
        ("l", ["R"], "keep"),
        ("r", ["L"], "keep"),
        ("b", ["{site} {acc}"], "known"),
    ],
    "banner": [
        ("it", ["{name}  {id}"], "known"),
        ("ib", ["{site}  {date}"], "known"),
        ("l", ["PA"], "keep"),
        ("r", ["10 cm"], "scale"),
    ],
    "footer": [
        ("b", ["{name} {id} {dob} {site}"], "known"),
        ("tl", ["SUPINE"], "keep"),
        ("tr", ["RT"], "keep"),
        ("c", ["{unknown}"], "unknown"),
        ("r", ["2.5 mm"], "scale"),
    ],
    "faint": [
        ("bl", ["{name}", "{dob}", "{id}"], "faint"),
        ("tr", ["LEFT"], "keep"),
        ("br", ["W 80 L 35"], "scale"),
    ],
}
# Not looked at while the rules were chosen; other fonts as well.
HELD_BACK = {
    "endo": [
        ("tl", ["{id}", "Sex: M Age: 61", "D.O.B. {dob}"], "known"),
        ("l", ["{date}", "{time}"], "known"),
        ("tr", ["{name}"], "known"),
        ("br", ["{unknown}"], "unknown"),
    ],
    "pano": [
        ("b", ["{name} | {dob}"], "known"),
        ("l", ["R"], "keep"),
        ("r", ["L"], "keep"),
        ("t", ["{site}"], "known"),
    ],
    "portable": [
        ("br", ["PORTABLE", "AP"], "keep"),
        ("bl", ["{site}", "{name} {acc}"], "known"),
        ("tl", ["{time} {date}"], "known"),
        ("tr", ["{unknown}"], "unknown"),
    ],
    "localizer": [
        ("tl", ["{name} {dob}"], "known"),
        ("bl", ["TE 12 ms", "TR 600 ms", "FA 90"], "scale"),
        ("br", ["SL 5.0 mm"], "scale"),
        ("r", ["L"], "keep"),
    ],
    "report": [
        ("tl", ["PATIENT {name}", "DOB {dob}", "MRN {id}"], "known"),
        ("tr", ["{unknown}"], "unknown"),
        ("b", ["AREA 12.5 cm"], "scale"),
        ("r", ["LAT"], "keep"),
    ],
    "spine": [
        ("vl", ["{name} {dob}"], "known"),
        ("tr", ["LLAT"], "keep"),
        ("br", ["{unknown}"], "unknown"),
        ("b", ["{acc}"], "known"),
    ],
    "strip": [
        ("ib", ["{name}", "{id}"], "known"),
        ("tr", ["RCC"], "keep"),
        ("tl", ["{site}"], "known"),
        ("l", ["28 kV 80 mAs"], "scale"),
    ],
    "dim": [
        ("tr", ["{name}", "{id}", "{dob}"], "faint"),
        ("l", ["R"], "keep"),
        ("bl", ["W 1500 L -600"], "scale"),
    ],
}
_COLOR = {"us", "form", "dexa", "endo", "report"}
_FONTS = ("DejaVuSans.ttf", "DejaVuSansMono.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf")
_FONTS_BACK = ("STIXGeneral.ttf", "cmss10.ttf", "cmtt10.ttf", "STIXGeneralBol.ttf")


@dataclass
class Text:
    """A text in the image; `box` is (x0, y0, x1, y1)."""

    text: str
    kind: str
    box: tuple[int, int, int, int]


@dataclass
class Scene:
    """An image as a data set with its texts."""

    layout: str
    encoding: str
    dataset: object
    texts: list[Text] = field(default_factory=list)


def person(rng):
    """Return an invented person's fields: header elements and ways of writing them."""
    family, given = rng.choice(_FAMILY), rng.choice(_GIVEN)
    other = rng.choice([name for name in _FAMILY if name != family])
    born = {"y": int(rng.integers(1930, 2010)), "m": int(rng.integers(1, 13))}
    born["d"] = int(rng.integers(1, 29))
    day = {"y": int(rng.integers(2015, 2026)), "m": int(rng.integers(1, 13)), "d": 17}
    forms = (f"{family}^{given}", f"{family}, {given}", f"{given} {family}", family.title())
    digits = "".join(map(str, rng.integers(0, 10, 8)))
    acc = f"A{rng.integers(10**6, 10**7)}"
    clock = (int(rng.integers(0, 24)), int(rng.integers(0, 60)), int(rng.integers(0, 60)))
    site = str(rng.choice(_SITES))
    written = {
        "name": str(rng.choice(forms)),
        "id": str(rng.choice(["MRN", "", "ID "])) + digits,
        "dob": str(rng.choice(_DATES)).format(**born),
        "date": _date(rng, day),
        "time": "{:02}:{:02}:{:02}".format(*clock),
        "site": site,
        "acc": acc,
        "unknown": f"{rng.choice(_GIVEN)} {other}".title(),
    }
    header = {
        "PatientName": f"{family}^{given}",
        "PatientID": digits,
        "PatientBirthDate": "{y}{m:02}{d:02}".format(**born),
        "StudyDate": "{y}{m:02}{d:02}".format(**day),
        "StudyTime": "{:02}{:02}{:02}".format(*clock),
        "InstitutionName": site,
        "AccessionNumber": acc,
    }
    return written, header


def _date(rng, day):
    if rng.random() < 0.3:
        return f"{day['d']} {_MONTHS[day['m'] - 1]} {day['y']}"
    return str(rng.choice(_DATES)).format(**day)


def background(rng, shape, style):
    """Return gray values of 12 bits: noisy air and something like a body with organs."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    y, x = y / shape[0] - 0.5, x / shape[1] - 0.5
    image = rng.normal(10, 4, shape)
    if style in ("form", "dexa", "report"):
        return np.zeros(shape)
    body = (x / 0.36) ** 2 + (y / 0.34) ** 2 < 1
    image[body] = 900 + rng.normal(0, 50, int(body.sum()))
    for _ in range(5):
        cx, cy, r = [*rng.uniform(-0.2, 0.2, 2).tolist(), rng.uniform(0.03, 0.12)]
        organ = (x - cx) ** 2 + (y - cy) ** 2 < r**2
        image[organ] += rng.uniform(-500, 900)
    return image


def scene(layout, seed, *, held_back=False, shape=None):
    """Return one image of a layout."""
    rng = np.random.default_rng([seed, sum(map(ord, layout))])
    lines = (HELD_BACK if held_back else LAYOUTS)[layout]
    written, header = person(rng)
    shape = shape or [(512, 512), (480, 640), (640, 512), (768, 768)][rng.integers(4)]
    image = background(rng, shape, layout)
    fonts = _FONTS_BACK if held_back else _FONTS
    font = str(rng.choice(fonts))
    size = int(rng.integers(14, 25))
    ink = {"faint": 30, "keep": 2600}
    texts = []
    for corner, templates, kind in lines:
        words = [template.format(**written) for template in templates]
        color = ink.get(kind, 2600 + 900 * (layout in _COLOR))
        large = kind == "keep" and len(words[0]) == 1
        _write(image, texts, corner, words, font, size * (1 + large), kind, color)
    encoding, dataset = _encoded(rng, np.clip(image, 0, 4095), layout)
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    return Scene(layout, encoding, dataset, texts)


def _write(image, texts, corner, words, font, size, kind, color):
    rows, columns = image.shape
    face = ImageFont.truetype(str(made.FONTS / font), size)
    wide = max(face.getlength(word) for word in words)
    step = int(size * 1.5)
    while wide > columns - 12 and corner[0] != "v":
        size -= 1
        face = ImageFont.truetype(str(made.FONTS / font), size)
        wide = max(face.getlength(word) for word in words)
    if corner[0] == "v":
        _vertical(image, texts, corner, words, face, kind, color)
        return
    band = corner[0] == "i"
    corner = corner[1:] if band else corner
    high = step * len(words)
    x0 = {"l": 6, "r": columns - wide - 6}.get(corner[-1], (columns - wide) / 2)
    y0 = {"t": 6, "b": rows - high - 6}.get(corner[0], (rows - high) / 2)
    if corner in ("l", "r", "c"):
        y0 = (rows - high) / 2
    if band:
        image[int(y0) - 4 : int(y0) + high + 4] = 3000
    for index, word in enumerate(words):
        canvas = Image.new("L", (columns, rows), 0)
        draw = ImageDraw.Draw(canvas)
        place = (int(x0), int(y0 + step * index))
        draw.text(place, word, fill=255, font=face)
        cover = np.asarray(canvas) / 255.0
        image += cover * ((100 - image) if band else (color if kind == "faint" else color - image))
        texts.append(Text(word, "known" if kind == "faint" else kind, canvas.getbbox()))


def _vertical(image, texts, corner, words, face, kind, color):
    rows, columns = image.shape
    size = face.size
    while face.getlength(words[0]) > rows - 12:
        size -= 1
        face = face.font_variant(size=size)
    canvas = Image.new("L", (rows, columns), 0)
    ImageDraw.Draw(canvas).text((6, 6), words[0], fill=255, font=face)
    turned = canvas.rotate(90 if corner == "vl" else -90, expand=True)
    cover = np.asarray(turned) / 255.0
    image += cover * (color - image)
    texts.append(Text(words[0], kind, turned.getbbox()))


def _encoded(rng, image, layout):
    u12, u8 = image.astype(np.uint16), (image / 16).astype(np.uint8)
    if layout in _COLOR:
        rgb = np.repeat(u8[..., None], 3, axis=2)
        rgb[..., 2] = np.where(u8 > 150, u8 // 2, u8)  # yellow text
        ways = {
            "rgb-0": lambda: made.color(rgb),
            "rgb-1": lambda: made.color(rgb, planar=1),
            "rle-rgb": lambda: made.compressed(made.color(rgb), RLELossless),
            "j2k-rgb": lambda: made.compressed(made.color(rgb), JPEG2000Lossless),
            "palette": lambda: made.palette(255 - u8),
        }
    else:
        ways = {
            "mono2-u12": lambda: made.gray(u12, stored=12),
            "mono1-u12": lambda: made.gray(4095 - u12, stored=12, photometric="MONOCHROME1"),
            "mono2-s16": lambda: made.gray(u12.astype(np.int16) - 1024),
            "big-u12": lambda: made.big_endian(made.gray(u12, stored=12)),
            "rle-u12": lambda: made.compressed(made.gray(u12, stored=12), RLELossless),
            "j2k-u12": lambda: made.compressed(made.gray(u12, stored=12), JPEG2000Lossless),
            "jls-u12": lambda: made.compressed(made.gray(u12, stored=12), JPEGLSLossless),
        }
        if not made.WRITES_JPEG_LS:
            del ways["jls-u12"]
    name = str(rng.choice(sorted(ways)))
    return name, ways[name]()


def clean_scene(seed):
    """Return an image without any text."""
    rng = np.random.default_rng([seed, 99])
    encoding, dataset = _encoded(rng, np.clip(background(rng, (512, 512), "ct"), 0, 4095), "ct")
    dataset.PatientName = "OKAFOR^JANE"
    return Scene("clean", encoding, dataset)
