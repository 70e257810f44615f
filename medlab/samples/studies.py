"""The imaging studies of the sample hospital, as DICOM data sets full of identifiers.

What stands in the elements is a table, data/elements.json; here the pixels, the geometry and the
transfer syntaxes are put to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread, uid
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.utils import compress
from pydicom.tag import Tag
from pydicom.uid import UID
from scipy import ndimage

from medlab.errors import UnavailableError
from medlab.samples import people
from medlab.samples.people import Person
from medlab.samples.t1_heads import Ball, Rod, inside

_Pixels = NDArray[Any]


class _Text(NamedTuple):
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


def _burn(
    frames: _Pixels, text: str, kind: str, at: tuple[int, int], size: int, value: float,
    first: int = 1,
) -> _Text:  # fmt: skip
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
    return _Text(text, kind, box, (first, len(frames)))


def _knee(rows: int, columns: int, rng: np.random.Generator) -> _Pixels:
    """Return a frontal X-ray of a phantom knee: 12 bits, bright bone, shape (1, rows, columns)."""
    scale = 260.0 / rows
    ends = (columns / 2 * scale, rows / 2 * scale)
    x, y, z = np.ix_(
        np.linspace(-ends[0], ends[0], columns),
        np.arange(-66.0, 67.0, 6.0),
        np.linspace(ends[1], -ends[1], rows),
    )
    bones: list[Rod | Ball] = [
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


def _spine_ct(frames: int, rng: np.random.Generator) -> _Pixels:
    """Return CT slices (stored values, 0 is -1024 HU) from pydicom's CT image, enlarged twice."""
    small = dcmread(str(get_testdata_file("CT_small.dcm", download=False))).pixel_array
    large = ndimage.zoom(small.astype(np.float64), 2, order=1, mode="nearest")
    noise = ndimage.gaussian_filter(rng.normal(0, 40, (frames, *large.shape)), (0, 1, 1))
    return np.asarray(np.round(np.clip(large + noise, 0, 4095)), np.int16)


def _ultrasound(frames: int, rows: int, columns: int, rng: np.random.Generator) -> _Pixels:
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


def _slate(rows: int, columns: int, depth: int) -> _Pixels:
    """Return an empty dark page with a bar on top, shape (1, rows, columns) or with colors."""
    page = np.full((1, rows, columns, 3), 24, np.uint8)
    page[:, : rows // 10] = (40, 70, 120)
    return page if depth == 3 else page[..., 0].copy()


def _write_lines(
    page: _Pixels, lines: list[tuple[str, str]], at: tuple[int, int], size: int, value: float
) -> list[_Text]:
    """Burn several lines, one below the other; each is (text, kind)."""
    x, y = at
    return [
        _burn(page, text, kind, (x, y + round(1.6 * size) * n), size, value)
        for n, (text, kind) in enumerate(lines)
    ]


def _halve_chroma(rgb: NDArray[np.uint8]) -> bytes:
    """Return YBR_FULL_422 bytes: two luminances, then the mean Cb and Cr of both pixels."""
    weights = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    ybr = rgb.astype(np.float64) @ weights.T + np.array([0, 128, 128])
    pairs = ybr.reshape(rgb.shape[0], -1, 2, 3)
    packed = np.concatenate([pairs[..., 0], pairs[..., 1:].mean(axis=2)], axis=-1)
    return bytes(np.clip(np.round(packed), 0, 255).astype(np.uint8).tobytes())


_Context = dict[str, Any]


_IMPLEMENTATION_UID = "2.25.170442917085320719846217340172945510423"


class Made(NamedTuple):
    """One file to be written: its path, its data set, what is burned in, what may be kept.

    `safe` lists the private elements, as (path, value), that tell nothing of the patient and that
    an analysis needs.
    """

    file: str
    dataset: Dataset
    texts: list[_Text]
    safe: list[tuple[str, str]]
    who: Person


class _Visit(NamedTuple):
    """One study being made: the patient, the folder, the UIDs still to be used, the generator.

    `facts` is what the table of elements may refer to by name.
    """

    who: Person
    folder: str
    uids: Iterator[str]
    rng: np.random.Generator
    facts: _Context


def _visit(number: int, seed: int, session: int = 1, series: int = 0) -> _Visit:
    """Open the study of patient `number`; its UID tells hospital, date, time and patient.

    `series` keeps the UIDs of series apart that are made one by one.
    """
    who, rng = people.person(number, seed), np.random.default_rng([seed, 5, number, session])
    later = np.datetime64(f"{who.date[:4]}-{who.date[4:6]}-{who.date[6:]}") + 182 * (session - 1)
    who = who._replace(date=str(later).replace("-", ""))
    facts = who._asdict() | {
        "study": f"1.2.840.99999.7.{who.date}.{int(who.time)}.{who.mrn}.{session}",
        "meters": f"{who.height / 100:.2f}",
        "shown": who.shown,
        "family": who.name.split("^")[0],
        "latin": who.name.split("=")[0],
        "label": who.plain.split("_")[0][:16],
        "doctor": who.referring.split("^")[0],
        "birth_words": people.day_in_words(who.birth),
        "date_words": people.day_in_words(who.date),
        "implementation": _IMPLEMENTATION_UID,
        "frame_time": Tag(0x0018, 0x1063),
    }
    uids = people.uids(2000, rng)[series * 200 :]
    return _Visit(who, f"studies/{who.plain}_{who.mrn}", iter(uids), rng, facts)


@cache
def _elements() -> dict[str, Any]:
    """Return the table of elements: keyword and value, by kind of object."""
    table = files("medlab.samples").joinpath("data/elements.json").read_text("utf-8")
    return dict(json.loads(table))


def _fill(dataset: Dataset, kind: str, facts: _Context) -> None:
    """Set the elements of one kind of object."""
    for keyword, value in _elements()[kind].items():
        setattr(dataset, keyword, _value(value, facts))


def _value(value: Any, facts: _Context) -> Any:
    """Return a value of the table with facts put in: ``{name}`` as text, ``@name`` as it is."""
    if isinstance(value, str):
        return facts[value[1:]] if value.startswith("@") else value.format_map(facts)
    if isinstance(value, list):
        return [_value(part, facts) for part in value]
    if isinstance(value, dict):
        item = Dataset()
        for keyword, part in value.items():
            setattr(item, keyword, _value(part, facts))
        return item
    return value


def _new(
    at: _Visit, sop_class: str, modality: str, number: int, kinds: Sequence[str], **facts: Any
) -> Dataset:
    """Return a data set of some kinds; `facts` adds what the table needs beside the visit's."""
    values = at.facts | {
        "sop_class": sop_class, "sop": next(at.uids), "modality": modality, "number": number,
        "instance": 1, "syntax": uid.ExplicitVRLittleEndian,
    } | facts  # fmt: skip
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    _fill(dataset.file_meta, "meta", values)
    for kind in ("common", *kinds):
        _fill(dataset, kind, values)
    return dataset


def _vendor(dataset: Dataset, vendor: str, facts: _Context) -> list[tuple[str, str]]:
    """Add a vendor's private blocks, with copies of identifiers; return what is safe in them."""
    for group, creator, *elements in _elements()["private"][vendor]:
        block = dataset.private_block(int(group, 16), creator, create=True)
        for low, vr, raw in elements:
            value = _value(raw, facts)
            if vr in {"OB", "UN"}:
                value = value.encode("latin-1").ljust(128, b"\0")
            block.add_new(int(low, 16), vr, value)
    path, value = _elements()["safe"][vendor]
    return [(path, value)]


def _pixels(dataset: Dataset, frames: NDArray[Any], photometric: str, bits: int) -> None:
    """Set the image pixel module; `frames` has shape (frames, rows, columns[, 3])."""
    color = frames.ndim == 4
    module = {
        "SamplesPerPixel": 3 if color else 1, "PhotometricInterpretation": photometric,
        "Rows": frames.shape[1], "Columns": frames.shape[2], "BitsStored": bits,
        "BitsAllocated": 8 * frames.dtype.itemsize, "HighBit": bits - 1,
        "PixelRepresentation": int(frames.dtype.kind == "i"),
    } | ({"PlanarConfiguration": 0} if color else {})  # fmt: skip
    for keyword, value in module.items():
        setattr(dataset, keyword, value)
    data = frames.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if frames.dtype.itemsize == 1 else "OW"


def _rle(dataset: Dataset) -> None:
    """Compress in place with pydicom's own RLE encoder, which needs no plugin."""
    compress(dataset, uid.RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)


# How the series of a head is cut: plane, slices to step, name of the folder, vendor.
_CUTS = (
    ("axial", 2, "S01_T1_TRA_4MM", "siemens"),
    ("sagittal", 2, "S01_T1_SAG_4MM", "philips"),
    ("coronal", 1, "S01_T1_COR", "ge"),
)
# Axes of the RAS+ grid along a row, down a column, through the slices; -1 where it runs backwards.
_PLANES = {
    "axial": ((0, 1, 2), (-1, -1, 1)),
    "sagittal": ((1, 2, 0), (-1, -1, 1)),
    "coronal": ((0, 2, 1), (-1, -1, -1)),
}


def mr_series(number: int, seed: int, session: int, img: Nifti1Image) -> Iterator[Made]:
    """Yield the slices of a patient's head; plane, syntax and vendor change with the patient."""
    at = _visit(number, seed, session)
    plane, step, name, vendor = _CUTS[(number - 1) % 3]
    folder = f"{at.folder}/{name}" + (f"_{session}" if session > 1 else "")
    series, frame = next(at.uids), next(at.uids)
    deflated = uid.DeflatedExplicitVRLittleEndian
    syntax = deflated if plane == "coronal" else uid.ExplicitVRLittleEndian
    for n, (pixels, geometry) in enumerate(_slices(img, plane, step), start=1):
        dataset = _new(
            at, uid.MRImageStorage, "MR", 1, ["mr"],
            series=series, frame=frame, instance=n, syntax=syntax,
        )  # fmt: skip
        for keyword, value in geometry.items():
            setattr(dataset, keyword, value)
        _pixels(dataset, pixels[None], "MONOCHROME2", 12)
        safe = _vendor(dataset, vendor, at.facts)
        if plane == "sagittal":
            _rle(dataset)
        yield Made(f"{folder}/IM{n:04d}.dcm", dataset, [], safe, at.who)


def slice_count(number: int, shape: Sequence[int]) -> int:
    """Return how many slices the series of a head of this shape has."""
    plane, step, *_ = _CUTS[(number - 1) % 3]
    return -(-int(shape[_PLANES[plane][0][2]]) // step)


def _slices(
    img: Nifti1Image, plane: str, step: int
) -> Iterator[tuple[NDArray[np.int16], dict[str, Any]]]:
    """Yield each slice and where it lies; the affine has no rotation (PS3.3 C.7.6.2)."""
    order, signs = (list(part) for part in _PLANES[plane])
    affine, flips = img.affine, np.array(signs)
    data = (
        np.asarray(img.dataobj)
        .astype(np.int16)
        .transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    )
    spacing = np.diag(affine)[order]
    first = np.where(flips < 0, np.array(data.shape) - 1, 0)
    to_lps = np.diag([-1, -1, 1])
    turn = [f"{value:.0f}" for value in (to_lps @ (np.eye(3)[:, order] * flips))[:, :2].T.ravel()]
    for n in range(0, data.shape[2], step):
        index = np.zeros(3)
        index[order] = first + flips * [0, 0, n]
        place = to_lps @ (affine[:3, :3] @ index + affine[:3, 3])
        yield np.ascontiguousarray(data[:, :, n].T), {
            "ImagePositionPatient": [f"{value:.4f}" for value in place],
            "ImageOrientationPatient": turn,
            "PixelSpacing": [f"{spacing[1]:g}", f"{spacing[0]:g}"],
            "SliceThickness": f"{spacing[2] * step:g}",
            "SpacingBetweenSlices": f"{spacing[2] * step:g}",
        }  # fmt: skip


def other_studies(seed: int) -> Iterator[Made]:
    """Yield the studies that are no heads, of another patient each."""
    yield from _captures(1, seed)
    yield from _ultrasounds(2, seed)
    yield from _xrays(3, seed)
    yield from _ct_and_report(4, seed)
    yield from _odd_syntaxes(5, seed)


def _ct_and_report(number: int, seed: int) -> Iterator[Made]:
    """Yield a CT (implicit VR) with burned-in name, a report on it, and contours drawn on it."""
    at = _visit(number, seed, series=2)
    who = at.who
    shared = {"series": next(at.uids), "frame": next(at.uids)}
    slices = _spine_ct(2, at.rng)
    lines = [(who.shown, "name"), (f"ID {who.mrn}", "mrn")]
    texts = _write_lines(slices, lines, (6, 5), 11, 2400)
    day = people.day_in_words(who.date)
    texts.append(_burn(slices, day, "study-date", (6, 236), 11, 2400))
    texts.append(_burn(slices, "R", "keep", (236, 120), 15, 2600))
    texts = [text._replace(frames=(1, 1)) for text in texts]
    for n, pixels in enumerate(slices, start=1):
        image = _new(
            at, uid.CTImageStorage, "CT", 2, ["ct"],
            instance=n, z=5 * n, syntax=uid.ImplicitVRLittleEndian, **shared,
        )  # fmt: skip
        _pixels(image, pixels[None], "MONOCHROME2", 16)
        file = f"{at.folder}/S02_CT_{who.date}/{who.plain}_CT_{n}.dcm"
        yield Made(file, image, texts, [], who)
    facts = {
        "image": image.SOPInstanceUID, "image_class": image.SOPClassUID,
        "image_series": shared["series"], "frame": shared["frame"],
    }  # fmt: skip
    for sop_class, modality, kind, file in (
        (uid.BasicTextSRStorage, "SR", "report", f"S03_SR/{who.accession}.dcm"),
        (uid.RTStructureSetStorage, "RTSTRUCT", "contours", "S04_RTSTRUCT/RS1.dcm"),
    ):
        made = _new(at, sop_class, modality, int(file[2]), [kind], series=next(at.uids), **facts)
        yield Made(f"{at.folder}/{file}", made, [], [], who)


def _xrays(number: int, seed: int) -> Iterator[Made]:
    """Yield a DX with overlay and EOS block, and a MONOCHROME1 CR; both with burned-in text."""
    at = _visit(number, seed, series=5)
    who, name = at.who, f"{at.who.plain}_{at.who.birth}.dcm"
    image, texts = _radiograph(who, 360, 280, at.rng)
    dx = _new(
        at, uid.DigitalXRayImageStorageForPresentation, "DX", 5, ["x-ray", "dx"],
        series=next(at.uids),
    )  # fmt: skip
    _pixels(dx, image, "MONOCHROME2", 12)
    _overlay(dx, who.shown)
    yield Made(f"{at.folder}/S05_DX_KNEE/{name}", dx, texts, _vendor(dx, "eos", at.facts), who)
    image, texts = _radiograph(who, 240, 200, at.rng)
    storage = uid.ComputedRadiographyImageStorage
    cr = _new(at, storage, "CR", 6, ["x-ray", "cr"], series=next(at.uids))
    _pixels(cr, 4095 - image, "MONOCHROME1", 12)
    yield Made(f"{at.folder}/S06_CR_KNEE/{name}", cr, texts, [], who)


def _radiograph(
    who: Person, rows: int, columns: int, rng: np.random.Generator
) -> tuple[NDArray[Any], list[_Text]]:
    """Return a knee with name, number, birth date and the lead marker."""
    image = _knee(rows, columns, rng)
    lines = [(who.shown, "name"), (who.mrn, "mrn")]
    texts = _write_lines(image, lines, (5, 4), 12, 4000)
    texts.append(_burn(image, "R", "keep", (columns - 34, rows - 60), 24, 4095))
    birth = people.day_in_words(who.birth)
    texts.append(_burn(image, birth, "birth-date", (5, rows - 18), 11, 4000))
    return image, texts


def _overlay(dataset: Dataset, text: str) -> None:
    """Add a text as overlay plane: a bitmap of its own, which no work on the pixels touches."""
    ink = np.zeros((1, dataset.Rows, dataset.Columns), np.uint8)
    _burn(ink, text, "name", (5, 40), 12, 255)
    packed = np.packbits(np.asarray(ink > 0).ravel(), bitorder="little").tobytes()
    for element, vr, value in (
        (0x0010, "US", dataset.Rows), (0x0011, "US", dataset.Columns), (0x0040, "CS", "G"),
        (0x0050, "SS", [1, 1]), (0x0100, "US", 1), (0x0102, "US", 0),
        (0x3000, "OW", packed + b"\0" * (len(packed) % 2)),
    ):  # fmt: skip
        dataset.add_new((0x6000, element), vr, value)


def _ultrasounds(number: int, seed: int) -> Iterator[Made]:
    """Yield a color loop (RLE, text that changes with time) and a still in YBR_FULL_422."""
    at = _visit(number, seed, series=7)
    who, series = at.who, next(at.uids)
    loop = _ultrasound(6, 216, 288, at.rng)
    day = people.day_in_words(who.date)
    texts = [
        _burn(loop, who.institution, "institution", (6, 2), 10, 230),
        _burn(loop, who.shown, "name", (6, 16), 11, 230),
        _burn(loop, f"ID {who.mrn}", "mrn", (170, 2), 10, 230),
        _burn(loop, day, "study-date", (170, 16), 10, 230),
        _burn(loop, "MI 0.9  TIS 0.4", "keep", (190, 198), 10, 230),
        _burn(loop, who.phone, "phone", (6, 198), 10, 230, first=4),
    ]
    storage = uid.UltrasoundMultiFrameImageStorage
    moving = _new(at, storage, "US", 7, ["us", "us loop"], series=series)
    _pixels(moving, loop, "RGB", 8)
    _rle(moving)
    yield Made(f"{at.folder}/S07_US/{who.plain}_LOOP.dcm", moving, texts, [], who)
    still = _new(at, uid.UltrasoundImageStorage, "US", 7, ["us"], series=series, instance=2)
    _pixels(still, loop[5:], "YBR_FULL_422", 8)
    still.PixelData = _halve_chroma(loop[5])
    texts = [text._replace(frames=(1, 1)) for text in texts]
    yield Made(f"{at.folder}/S07_US/{who.plain}_STILL.dcm", still, texts, [], who)


def _captures(number: int, seed: int) -> Iterator[Made]:
    """Yield a worklist (palette color), which names other patients too, and a card (planar)."""
    at = _visit(number, seed, series=8)
    who, series, storage = at.who, next(at.uids), uid.SecondaryCaptureImageStorage
    page, card = _slate(216, 300, 1), _slate(120, 240, 3)
    others = people.names(np.array(["F", "M", "F"]), at.rng)
    lines = [("WORKLIST", "keep"), (f"{who.shown}   {who.mrn}", "name")]
    lines += [(str(other).replace("^", ", "), "other-person") for other in others]
    texts = _write_lines(page, lines, (8, 4), 12, 240)
    screen = _new(at, storage, "OT", 8, ["sc"], series=series)
    screen.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    _pixels(screen, page, "PALETTE COLOR", 8)
    ramp = (np.arange(256, dtype=np.uint16) * 257)[::-1].astype("<u2")  # dark ink, bright page
    for color in ("Red", "Green", "Blue"):
        setattr(screen, f"{color}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(screen, f"{color}PaletteColorLookupTableData", ramp.tobytes())
    yield Made(f"{at.folder}/S08_SC/WORKLIST_{who.date}.dcm", screen, texts, [], who)
    lines = [(who.shown, "name"), (who.address, "address"), (who.insurance, "insurance")]
    texts = _write_lines(card, lines, (8, 20), 13, 235)
    planar = _new(at, storage, "OT", 8, ["sc"], series=series, instance=2)
    _pixels(planar, card, "RGB", 8)
    planar.PlanarConfiguration, planar.PixelData = 1, card[0].transpose(2, 0, 1).tobytes()
    yield Made(f"{at.folder}/S08_SC/CARD_{who.mrn}.dcm", planar, texts, [], who)


_IMAGE_PIXEL = (
    "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip
# Single slices of pydicom's wheel, with the transfer syntax in which they are kept.
_SYNTAXES = (
    ("MR_small.dcm", uid.ExplicitVRBigEndian, "BIG_ENDIAN"),
    ("MR_small_jpeg_ls_lossless.dcm", uid.JPEGLSLossless, "JPEG_LS"),
    ("MR_small_jp2klossless.dcm", uid.JPEG2000Lossless, "JPEG_2000"),
    ("MR_small.dcm", uid.ImplicitVRLittleEndian, "IMPLICIT"),
)


def _odd_syntaxes(number: int, seed: int) -> Iterator[Made]:
    """Yield one small real slice in several transfer syntaxes."""
    at = _visit(number, seed, series=9)
    shared = {"series": next(at.uids), "frame": next(at.uids)}
    for n, (name, syntax, label) in enumerate(_SYNTAXES, start=1):
        source = dcmread(str(get_testdata_file(name, download=False)))
        dataset = _new(
            at, uid.MRImageStorage, "MR", 9, ["mr", "small mr"],
            instance=n, z=3 * n, syntax=syntax, **shared,
        )  # fmt: skip
        for keyword in _IMAGE_PIXEL:
            setattr(dataset, keyword, source[keyword].value)
        raw = source.PixelData
        if syntax == uid.ExplicitVRBigEndian:
            raw = np.frombuffer(raw, "<i2").astype(">i2").tobytes()
        dataset.PixelData = raw
        dataset["PixelData"].VR = "OB" if UID(syntax).is_compressed else "OW"
        dataset["PixelData"].is_undefined_length = UID(syntax).is_compressed
        yield Made(f"{at.folder}/S09_MR_{label}/{at.who.mrn}.dcm", dataset, [], [], at.who)
