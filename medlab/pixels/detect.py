"""Find text and machine-readable codes: one rendering that shows all, recognizers and readers."""

from __future__ import annotations

import logging
import math
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medlab.arrays import Array
from medlab.errors import UnavailableError, not_installed
from medlab.pixels import frames
from medlab.pixels.effects import Box
from medlab.pixels.frames import Layout

Image = NDArray[np.uint8]

_MODELS = {  # RapidOCR's own choice, as its wheel holds them
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}
_SHORT_SIDE = 960  # pixels; with RapidOCR's 736 type of 6 pixels and faint letters are overlooked
# As PaddleOCR's PP-OCRv6_small_det.yml scales colors. With RapidOCR's 0.5 for all the model
# overlooked a bold name, 12 pixels high, over anatomy, and boxed three times as much of what is
# no text, over the 31 images tried.
_MEAN, _DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_TILE, _OVERLAP = 1920, 160  # RapidOCR shrinks what is longer than 2,000 pixels
_TOLD_APART = 12  # frames read of a cine besides its brightest and darkest projection
_BLOCK, _CHANGE = 8, 0.12  # a letter's stroke covers so much of a block
_BOOST = (105, 45)  # gray levels of 256 given to the surroundings of flat backgrounds
_CLOSER = (150,)
_SURE = 0.9  # an upright line read with less is read the other way up too


@dataclass(frozen=True)
class Word:
    """A piece of text as an engine read it: usually a line, its spaces possibly lost.

    `quad` holds the corners (x, y), clockwise from the top left of the text; `score` is
    0 to 1; `frame` the frame it was read in, -1 for a projection of all frames.
    """

    text: str
    score: float
    quad: tuple[tuple[float, float], ...]
    frame: int = 0

    def boxes(self, pad: int = 2) -> list[Box]:
        """Return upright boxes that cover the text; several along it when it is slanted."""
        corners = np.asarray(self.quad)
        top, bottom = corners[[0, 1]], corners[[3, 2]]
        along = top[1] - top[0]
        high = max(float(np.hypot(*(bottom[0] - top[0]))), 1.0)
        slanted = min(abs(along)) > 0.5 * high
        steps = np.linspace(0, 1, 1 + (int(np.hypot(*along) / high) + 1 if slanted else 1))
        upper = top[0] + steps[:, None] * along
        lower = bottom[0] + steps[:, None] * (bottom[1] - bottom[0])
        ends = np.stack([upper[:-1], upper[1:], lower[:-1], lower[1:]])
        least = np.floor(ends.min(axis=0)).astype(int) - pad
        most = np.ceil(ends.max(axis=0)).astype(int) + pad + 1
        return [Box(*low, *high) for low, high in zip(least.tolist(), most.tolist(), strict=True)]


class Code(NamedTuple):
    """A code; `text` is empty where it was seen but could not be read."""

    box: Box
    kind: str
    text: str


Engine = Callable[[Image], list[Word]]


@lru_cache(maxsize=1)
def _rapid() -> Any:
    try:
        import onnxruntime
        from rapidocr import RapidOCR
    except ImportError:
        raise not_installed("a text recognizer", "pixels") from None
    # both write to standard error; RapidOCR's constructor sets its level back
    logging.getLogger("RapidOCR").disabled = True
    onnxruntime.set_default_logger_severity(4)
    # a model without a path is fetched from the network when its file is missing or damaged
    folder = files("rapidocr") / "models"
    params: dict[str, Any] = {
        f"{part}.model_path": str(folder / name) for part, name in _MODELS.items()
    }
    threads = {"intra_op_num_threads": min(2, os.cpu_count() or 1), "inter_op_num_threads": 1}
    params |= {f"EngineConfig.onnxruntime.{name}": count for name, count in threads.items()}
    params |= {
        "Det.limit_side_len": _SHORT_SIDE,
        "Det.mean": _MEAN,
        "Det.std": _DEVIATION,
        "Global.text_score": 0.0,
    }
    engine: Any = RapidOCR(params=params)
    # Threads that wait by spinning cost a quarter of a reading, and slow it.
    steps = engine._load_det_model(), engine._load_cls_model(), engine._load_rec_model()
    for part, step in zip(_MODELS, steps, strict=True):
        options = step.session.session.get_session_options()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        step.session.session = onnxruntime.InferenceSession(
            params[f"{part}.model_path"], options, providers=step.session.session.get_providers()
        )
    return engine


def available() -> bool:
    """Tell whether the text recognizer of the extra ``pixels`` is installed."""
    return all(map(find_spec, ("rapidocr", "onnxruntime")))


def rapidocr(image: Image) -> list[Word]:
    """Read an image, gray or RGB, with RapidOCR (PP-OCRv6 small, models inside the wheel).

    A line in a script that it cannot read has a blank text and the score 0.

    Raises
    ------
    UnavailableError
        If it is not installed.
    """
    engine = _rapid()
    from rapidocr.utils.process_img import map_boxes_to_original

    # step by step: the engine as a whole drops a line in a script it cannot read
    picture = engine.load_img(image if image.ndim == 2 else image[..., ::-1])
    scaled, record = engine.preprocess_img(picture)
    lines, _, readings, _ = engine.run_ocr_steps(scaled, record)
    if lines.boxes is None:
        return []
    quads = map_boxes_to_original(lines.boxes, record, *image.shape[:2])
    words = [
        Word(text, float(score) * bool(text.strip()), tuple((float(x), float(y)) for x, y in quad))
        for quad, text, score in zip(quads, readings.txts, readings.scores, strict=True)
    ]
    return [_either_way_up(image, word) if word.score < _SURE else word for word in words]


def _either_way_up(image: Image, word: Word) -> Word:
    """Return an upright word as read across, downwards or upwards, whichever is most certain.

    RapidOCR guesses which of the last two it is, and reads SITTING upside down as DNILLIS.
    """
    x0, y0, x1, y1 = _around(word, image.shape)
    if y1 - y0 < 1.5 * (x1 - x0):
        return word
    crop = np.atleast_3d(image[y0:y1, x0:x1])[..., ::-1]
    line = np.broadcast_to(crop, (*crop.shape[:2], 3))
    # not the engine itself: what it is told for one call holds for all that follow
    found = _rapid().recognize_txt([np.rot90(line, turn) for turn in (0, 1, 3)])
    for text, score in zip(found.txts, found.scores, strict=True):
        if text.strip() and score > word.score:
            word = replace(word, text=text, score=float(score))
    return word


def _around(word: Word, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    corners = np.asarray(word.quad)
    x0, y0 = np.floor(corners.min(axis=0)).astype(int).clip(0)
    x1, y1 = np.ceil(corners.max(axis=0)).astype(int) + 1
    return x0, y0, min(x1, shape[1]), min(y1, shape[0])


def tesseract(image: Image) -> list[Word]:
    """Read an image with the tesseract program, word by word.

    Raises
    ------
    UnavailableError
        If there is no such program or it fails.
    """
    if shutil.which("tesseract") is None:
        raise UnavailableError("there is no program tesseract; install tesseract-ocr")
    rows, columns = image.shape[:2]
    kind = b"P5" if image.ndim == 2 else b"P6"
    head = b"%s %d %d 255\n" % (kind, columns, rows)
    done = subprocess.run(
        ["tesseract", "stdin", "stdout", "--psm", "11", "--dpi", "150", "tsv"],
        input=head + np.ascontiguousarray(image).tobytes(),
        capture_output=True,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        check=False,
        timeout=300,
    )
    if done.returncode:
        raise UnavailableError("tesseract failed; are its English data installed?")
    words = []
    for line in done.stdout.decode(errors="replace").splitlines()[1:]:
        row = line.split("\t")
        if len(row) == 12 and row[11].strip():
            x, y, w, h = (float(part) for part in row[6:10])
            quad = ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
            words.append(Word(row[11].strip(), float(row[10]) / 100, quad))
    return words


def read(
    image: Image, engine: Engine = rapidocr, *, frame: int = 0, turned: bool = False
) -> list[Word]:
    """Read an image of any size; large ones in tiles that overlap.

    Parameters
    ----------
    image : ndarray of uint8, (rows, columns) or (rows, columns, 3)
    engine : callable
        A text recognizer.
    frame : int
        Of which frame the words are said to be.
    turned : bool
        Read it turned by a quarter; the words stand as in the upright image. A look of its own:
        small upright lines beside each other, overlooked now and then, lie flat in it.
    """
    seen = np.rot90(image) if turned else image
    right = image.shape[1] - 1
    words: list[Word] = []
    for top in _starts(seen.shape[0]):
        for left in _starts(seen.shape[1]):
            tile = np.ascontiguousarray(seen[top : top + _TILE, left : left + _TILE])
            for word in engine(tile):
                quad = tuple((x + left, y + top) for x, y in word.quad)
                quad = tuple((right - y, x) for x, y in quad) if turned else quad
                words.append(replace(word, quad=quad, frame=frame))
    return words


def _starts(length: int) -> range:
    return range(0, max(length - _OVERLAP, 1), _TILE - _OVERLAP)


def rendering(shown: Array, *, closer: bool = False) -> Image:
    """Return a picture in which bright text is seen as well as text a few counts above air.

    The whole range of values is shown, and the surroundings of the (at most two) commonest
    flat backgrounds, as wide as their noise asks for, get 105 and 45 of the 256 gray levels:
    the least of the stored values that the window of a viewer hides. One picture, so that one
    reading does.

    Parameters
    ----------
    shown : ndarray, (rows, columns) or (rows, columns, 3)
        As `frames.displayed` returns it.
    closer : bool
        Give more levels, to the commonest background alone: another look, for what is fainter.
    """
    gray = shown if shown.ndim == 2 else shown.max(axis=2)
    low, high = frames.bright_range(gray)
    if high <= low:
        return np.zeros(shown.shape, np.uint8)
    span = 60.0 if high - low > 1000 else (high - low) * 0.06
    knots = np.linspace(low, high, 2048)
    near = np.zeros(len(knots))
    flat = _flat_backgrounds(gray, low, high, span)
    for value, boost in zip(flat, _CLOSER if closer else _BOOST, strict=False):
        wide = min(max(span, 12 * _noise(gray, value, 8 * span)), (high - low) / 4)
        dark = value < (low + high) / 2
        ends = (value - wide / 6, value + wide) if dark else (value - wide, value + wide / 6)
        inside = np.clip((knots - ends[0]) / (ends[1] - ends[0]), 0, 1)
        near += boost * (inside - inside[0])
    curve = near + (255 - near[-1]) * (knots - low) / (high - low)
    return frames.mapped(shown, knots, curve)


def _noise(gray: Array, value: float, reach: float) -> float:
    """Return the standard deviation of what lies within `reach` of a value, by its quartiles."""
    step = 1 + int(math.sqrt(gray.size / 1e6))
    some = gray[::step, ::step].astype(np.float32)
    quarter, rest = np.percentile(some[np.abs(some - value) <= reach], (25, 75))
    return float(rest - quarter) / 1.35


def _flat_backgrounds(gray: Array, low: float, high: float, span: float) -> list[float]:
    """Return up to two values around which at least a twentieth of all pixels lies."""
    counts, edges = np.histogram(
        gray, bins=max(8, int(4 * (high - low) / span)), range=(low, high)
    )
    found: list[float] = []
    for _ in range(2):
        best = int(counts.argmax())
        if counts[best] < gray.size / 20:
            break
        found.append(float(edges[best] + edges[best + 1]) / 2)
        counts[max(best - 4, 0) : best + 5] = 0
    return found


def pictures(
    dataset: Dataset, form: Layout, *, closer: bool = False
) -> Iterator[tuple[int, Image]]:
    """Give the frames worth reading, rendered, with their numbers.

    Of a cine a frame is worth reading when strokes stand in it (sharp, thin structure, what
    writing is made of) where no frame chosen before has them. Places where strokes change
    from frame to frame all the time are the moving image and do not count; text over it, and
    text of any frame beyond the first twelve chosen, stands in the brightest or darkest value
    of each pixel over *all* frames, which are read too (number -1). For `closer` see
    `rendering`.
    """
    if form.frames == 1:
        frame = next(frames.stored_frames(dataset, form))
        yield 0, rendering(frames.displayed(dataset, form, frame), closer=closer)
        return
    strokes, extremes = _scanned(dataset, form)
    chosen = _worth_reading(strokes)
    for index, frame in zip(chosen, frames.stored_frames(dataset, form, chosen), strict=True):
        yield index, rendering(frames.displayed(dataset, form, frame), closer=closer)
    if len(chosen) < form.frames:
        seen = [strokes[index] for index in chosen]
        for extreme in extremes:
            if all(_differ(_strokes(extreme), other) for other in seen):
                yield -1, rendering(extreme, closer=closer)


def _scanned(dataset: Dataset, form: Layout) -> tuple[Array, list[Array]]:
    """Return the strokes of each frame, and the brightest and darkest of each pixel."""
    strokes: list[Array] = []
    extremes: list[Array] = []
    for frame in frames.stored_frames(dataset, form):
        shown = frames.displayed(dataset, form, frame)
        strokes.append(_strokes(shown))
        extremes = extremes or [np.array(shown), np.array(shown)]
        np.maximum(extremes[0], shown, out=extremes[0])
        np.minimum(extremes[1], shown, out=extremes[1])
    return np.stack(strokes), extremes


def _strokes(shown: Array) -> Array:
    """Return the share of thin bright or dark structure in blocks of 8 by 8 pixels."""
    from scipy.ndimage import maximum_filter, minimum_filter

    gray = shown if shown.ndim == 2 else shown.max(axis=2)
    gray = frames.window(gray, *frames.bright_range(gray)).astype(np.int16)
    opened = maximum_filter(minimum_filter(gray, 7), 7)
    closed = minimum_filter(maximum_filter(gray, 7), 7)
    thin = np.maximum(gray - opened, closed - gray) > 40
    rows, columns = (-(-side // _BLOCK) for side in thin.shape)
    blocks = np.pad(thin, [(0, rows * _BLOCK - len(thin)), (0, columns * _BLOCK - thin.shape[1])])
    share = blocks.reshape(rows, _BLOCK, columns, _BLOCK).mean(axis=(1, 3), dtype=np.float32)
    return np.asarray(share, np.float16)


def _differ(strokes: Array, other: Array) -> bool:
    return bool((np.abs(strokes - other) > _CHANGE).any())


def _worth_reading(strokes: Array) -> list[int]:
    """Return at most twelve frames whose strokes differ, the moving image left aside."""
    from scipy.ndimage import maximum_filter

    still = np.ones(strokes.shape[1:], bool)
    if len(strokes) > 3:
        changes = (np.abs(np.diff(strokes, axis=0)) > _CHANGE / 4).mean(axis=0)
        still = maximum_filter(changes, 3) <= 0.2
    chosen = [0]
    for index, frame in enumerate(strokes):
        if len(chosen) == _TOLD_APART:
            break
        if all(_differ(frame[still], strokes[other][still]) for other in chosen):
            chosen.append(index)
    return chosen


def find_codes(image: Image) -> list[Code]:
    """Return the codes in an image, gray or RGB: QR, Data Matrix, Aztec, PDF417 and bar codes.

    With zxing-cpp all of them are read; without it OpenCV reads QR and EAN, and sees
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
    matrix = any(name in code.kind for name in ("QR", "Matrix", "Aztec", "Maxi"))
    lively = min(changes) > 4 if matrix else max(changes) > 16
    coarse = all(count < 0.35 * size for count, size in zip(changes, part.shape, strict=True))
    return bool(high - low > 40 and clear > 0.8 and lively and coarse)


def _zxing(gray: Image) -> list[Code]:
    zxingcpp = import_module("zxingcpp")

    codes = zxingcpp.read_barcodes(gray, return_errors=True, try_downscale=True)
    return [
        Code(_framed(np.array(_corners(code.position))), str(code.format), code.text)
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
            Code(_framed(quad), "QR", text) for quad, text in zip(corners, texts, strict=True)
        ]
    _, texts, corners, _ = cv2.barcode.BarcodeDetector().detectAndDecodeMulti(gray)
    if corners is not None:
        found += [
            Code(_framed(quad), "bar code", text)
            for quad, text in zip(corners, texts, strict=True)
        ]
    return found


def _framed(corners: np.ndarray) -> Box:
    low, high = corners.min(axis=0), corners.max(axis=0)
    pad = 4 + int(0.04 * max(high - low))
    x0, y0 = (int(v) for v in np.floor(low) - pad)
    x1, y1 = (int(v) for v in np.ceil(high) + pad)
    return Box(max(x0, 0), max(y0, 0), x1, y1)
