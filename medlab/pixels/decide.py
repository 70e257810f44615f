"""Decide what goes: text by the header or by a list of what is harmless, boxes by a rule."""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from medlab.dicom.element_texts import sequence_at
from medlab.errors import InputError, UsageError
from medlab.pixels.detect import Word
from medlab.pixels.effects import Box, cut
from medlab.pixels.frames import Layout

POLICIES = ("allow", "match")
# What is read with less was not read. A thin name became ME7 H7 712 at 0.61, an upright one okaor
# at 0.69; lines read without a slip have 0.95 and more. What *allow* removes does not hang on it.
_LEGIBLE = {"allow": 0.6, "match": 0.75}


def _words(kind: str) -> frozenset[str]:
    text = files("medlab.pixels").joinpath("data/words.csv").read_text("utf-8")
    return frozenset(
        row["word"] for row in csv.DictReader(text.splitlines()) if row["kind"] == kind
    )


VIEW, TECHNIQUE, UNITS = _words("view"), _words("technique"), _words("unit")
_VOCABULARY = VIEW | TECHNIQUE | UNITS
_LONG = sorted((word for word in _VOCABULARY if len(word) > 2 and word.isalpha()), key=len)
_GLUED = re.compile(f"(?:{'|'.join(reversed(_LONG))})+")
# views as recognizers write them, the spaces lost: LAP, APSUPINE
_VIEWS = re.compile(
    "(?:[RL]T?)?(?:AP|PA|LAT|OBL|CC|MLO)?"
    "(?:ERECT|SUPINE|PRONE|UPRIGHT|PORTABLE|STANDING|SITTING|LAT|OBL)?"
)

_KEYWORDS = re.compile(
    r"NAME|PATIENT|\bMRN|\bDOB|BIRTH|\bACC\b|ACCESSION|\bACC[ :#.]*[A-Z]?\d|\bREF\b|REFERR"
    r"|\bTECH\b|\bDR[. ]|PHYSICIAN|OPERATOR|HOSP|CLINIC|INSTITUT|UNIVERS|MEDICAL C"
    r"|\bID\b|\bID[:# ]*\d|\bSSN|\bAGE\b|\bSEX\b|ADDRESS|PHONE|\bTEL\b|STUDY D|EXAM D"
    r"|\b(?:PAT|PT|CASE|CHART|FILE|REG)[ .]?(?:N[O0R]\b|NUM|ID\b|#)|\bPAT\b"
)
_MONTH = r"(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|[O0]CT|N[O0]V|DEC)[A-Z]{0,6}"
_PATTERNS = {
    "date": re.compile(
        r"(?<!\d)(?:\d{1,2}[./\-]\d{1,2}[./\-]\d{2,4}|\d{4}[./\-]\d{1,2}[./\-]\d{1,2}"
        rf"|\d{{1,2}}[\s./\-]*{_MONTH}[\s.,/\-]*\d{{2,4}}|{_MONTH}[\s.]*\d{{1,2}}[\s,]*\d{{4}}"
        r"|(?:19|20)\d\d年)"
    ),
    "time": re.compile(
        r"(?<!\d)\d{1,2} ?[:.] ?\d{2} ?[:.] ?\d{2}(?!\d)|(?<![\d:])\d{1,2}:\d{2}(?!\d)"
    ),
    "number": re.compile(r"\d(?:[\-./ ]?\d){5,}|(?:\d ){5,}\d"),
    "age": re.compile(r"(?<!\d)\d{1,3} ?Y(?:RS?|EARS?|O)?(?![A-Z])"),
}
_ZERO = re.compile(r"(?<=[A-Z])0(?=[A-Z])")
_SPELLED = re.compile(r"(?<!\w)(?:[A-Z][\s.\-]+){3}[A-Z](?!\w)")
_DAY = re.compile(r"\W*(?:[0-3]?\d[/\-](?:0?\d|1[0-2])|(?:0?\d|1[0-2])[/\-][0-3]?\d)\W*")
# a month however misread, between a day and a year
_MISREAD = re.compile(r"(?<!\d)\d{1,2}[\s./\-]+([A-Z]{3,9})[\s.,/\-]+(?:19|20)\d\d(?!\d)")
_DIGITS = str.maketrans("OoQDIlZSB|", "0000112581")  # as recognizers confuse them
_LETTERS = str.maketrans("015", "OIS")

_REPORTS = ("SCREEN SAVE", "SCREENSAVE", "SCREEN_SAVE", "DOSE", "DOSE_INFO", "DOSE INFO")
_DESCRIPTIONS = ("DOSE REPORT", "DOSE INFO", "PATIENT PROTOCOL", "SCREEN SAVE", "SCREENSAVE")
# A box is as wide as a multiple of so many times its height, two or three letters: the length of a
# name is not told, and at most one height is added on either side.
_BOX_STEP, _LEAST_PAD = 1.5, 0.25


class Decision(NamedTuple):
    """What becomes of a word: `remove`, and why. `word` is None for a rule without reading."""

    boxes: tuple[Box, ...]
    remove: bool
    reason: str
    word: Word | None = None


@dataclass(frozen=True)
class Identity:
    """What the header knows: words of four letters or more, shorter ones, and numbers."""

    words: frozenset[str]
    short: frozenset[str]
    numbers: frozenset[str]


def identity(phrases: Iterable[str]) -> Identity:
    """Sort header values into what is compared in different ways.

    Parameters
    ----------
    phrases : iterable of str
        Whole values: names, numbers, dates, places. Words that are harmless as well
        (*Left* Coast Imaging) are left out, unless they are part of a ``Family^Given`` name.
    """
    parts: set[str] = set()
    for phrase in phrases:
        pieces = re.split(r"[\W_]+", _plain(phrase))
        parts.update(part for part in pieces if "^" in phrase or part not in _VOCABULARY)
        parts.add("".join(pieces) if any(map(str.isdigit, phrase)) else "")
    letters = {part for part in parts if not part.isdigit()}
    return Identity(
        frozenset(part for part in letters if len(part) >= 4),
        frozenset(part for part in letters if 2 <= len(part) < 4 and part not in _VOCABULARY),
        frozenset(part for part in parts if part.isdigit() and len(part) >= 4),
    )


def _plain(text: str) -> str:
    """Return text in capitals without accents."""
    split = unicodedata.normalize("NFKD", text.upper().replace("ß", "SS"))
    return "".join(sign for sign in split if not unicodedata.combining(sign))


def squeezed(text: str) -> str:
    """Return capitals and digits only; anything a recognizer may lose is left out."""
    return re.sub(r"[\W_]", "", _plain(text))


def likeness(word: str, text: str) -> float:
    """Return how alike a word and the best matching part of a text are, 0 to 1.

    1 less the number of letters to insert, delete or replace (Sellers 1980), over the
    letters of the shorter one.
    """
    if len(word) > len(text):
        word, text = text, word
    if not word:
        return 0.0
    letters = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    row = np.zeros(len(text) + 1, int)
    steps = np.arange(len(text) + 1)
    for count, letter in enumerate(word, start=1):
        other = np.minimum(row[:-1] + (letters != ord(letter)), row[1:] + 1)
        row = np.concatenate([[count], other])
        row = np.minimum.accumulate(row - steps) + steps
    return 1 - float(row.min()) / len(word)


def matches(text: str, known: Identity) -> str:
    """Return why a text identifies by the header or by a pattern, or an empty string.

    The header's words are found although letters were misread (likeness 0.8; 0, 1 and 5 may
    be O, I and S), in texts of at least four letters and six tenths of the word: else the
    marker R would be OKAFOR. Harmless text (IMAGE) must hold the very word (not IMAGING).
    """
    upper, bare = _plain(text), squeezed(text)
    least = 1.0 if allowed(text) else 0.8
    forms = {bare, bare.translate(_LETTERS)}
    for word in known.words:
        long_enough = len(bare) >= max(4, 0.6 * len(word))
        if long_enough and max(likeness(word, form) for form in forms) >= least:
            return "header word"
    if known.short & set(re.split(r"[\W_]+", upper)):
        return "header word"
    if any(word in bare for word in known.short if not word.isascii()):
        return "header word"
    digits = re.sub(r"\D", "", text.translate(_DIGITS))
    if any(number in digits for number in known.numbers):
        return "header number"
    if _KEYWORDS.search(upper):
        return "keyword"
    return _pattern(text, upper)


def _pattern(text: str, upper: str) -> str:
    for name, pattern in _PATTERNS.items():
        if pattern.search(upper):
            return name
    month = _MISREAD.search(upper)
    if month and month[1] not in _VOCABULARY:
        return "date"
    tokens = (token for token in re.split(r"[\s:]+", text) if len(token) >= 6)
    for token in tokens:
        mostly = sum(map(str.isdigit, token)) > len(token) / 2
        if mostly and re.search(r"\d{6}", token.translate(_DIGITS)):
            return "number"
    return ""


def allowed(text: str) -> bool:
    """Tell whether a text is nothing but laterality, view, technique and scale.

    Numbers beside such a word have at most six signs; others at most four, together fewer
    than six, and they are no day and month. Four single letters in a row spell a name.
    """
    text = _ZERO.sub("O", _plain(text))
    tokens = re.findall(r"[A-Z]+|\d+(?:[.,]\d+)?|[^\sA-Z0-9]", text)
    if not tokens or len(tokens) > 24 or _SPELLED.search(text) or _DAY.fullmatch(text):
        return False
    bare = 0
    for index, token in enumerate(tokens):
        if token[0].isdigit():
            near = tokens[index - 1 : index] + tokens[index + 1 : index + 2]
            measured = any(one in _VOCABULARY for one in near)
            bare += 0 if measured else len(token)
            if len(token) > (6 if measured else 4):
                return False
        elif not _harmless(token):
            return False
    return bare < 6


def _harmless(token: str) -> bool:
    return (
        token in _VOCABULARY
        or bool(_VIEWS.fullmatch(token))
        or token in "%°/:.,-+=()[]<>*|_"
        or bool(len(token) > 4 and _GLUED.fullmatch(token))
    )


def _noise(word: Word) -> bool:
    """Tell whether a word is likely no text: one or two uncertain signs other than R and L."""
    bare = squeezed(word.text)
    if not word.text.strip():  # a line in a script that the recognizer does not know
        return False
    return len(bare) <= 2 and word.score < 0.9 and bare not in ("R", "L") and not _gaping(word)


def _gaping(word: Word) -> bool:
    """Tell whether two signs were read with doubt in a box three times as long as it is high.

    Half a dozen Greek letters were read as two at 0.68.
    """
    sides = np.hypot(*(np.asarray(word.quad)[[1, 3]] - word.quad[0]).T)
    return len(squeezed(word.text)) == 2 and word.score < 0.9 and sides.max() > 3 * sides.min()


def decide(
    words: Sequence[Word],
    known: Identity,
    policy: str = "allow",
    *,
    area: int | None = None,
) -> list[Decision]:
    """Return for each word whether it is removed, and why.

    Parameters
    ----------
    words : sequence of Word
    known : Identity
        What the header knows.
    policy : {"allow", "match"}
        *allow* removes all text but laterality, view, technique and scale. *match* removes
        what the header or a pattern gives away, and text that could not be read; a name
        that stands in no header stays.
    area : int, optional
        Pixels of the image: a box over more than a quarter of it is the field of view, not
        a letter.

    Raises
    ------
    UsageError
        If there is no such policy.
    """
    if policy not in POLICIES:
        raise UsageError(f"no pixel policy of that name; choose {' or '.join(POLICIES)}")
    words = [word for word in words if not _noise(word) and not _whole(word, area)]
    joined = _spaced_out(words) | _hyphenated(words) | _labelled(words)
    return [_decision(word, known, policy, joined.get(index)) for index, word in enumerate(words)]


def _decision(word: Word, known: Identity, policy: str, joined: str | None) -> Decision:
    reason = matches(word.text, known) or (matches(joined, known) if joined else "")
    unsure = word.score < _LEGIBLE[policy] and len(squeezed(word.text)) > 2
    letters = (sign for sign in word.text if sign.isalpha() and sign not in "µμ")  # of units
    # the recognizer guesses at other scripts, such as Greek
    foreign = any("LATIN" not in unicodedata.name(sign, "") for sign in letters)
    unread = unsure or _gaping(word) or not word.text.strip() or foreign
    listed = allowed(word.text) and not (joined and joined.isalpha() and not allowed(joined))
    # a marker of two or three letters was read as 307 at 0.60; an age, 54 Y, as 547 at 0.46
    listed &= not (word.score < 0.5 and unsure and squeezed(word.text).isdigit())
    if not reason and (policy == "allow" or unread) and not listed:
        reason = "not legible" if unread else "not on the list"
    boxes = tuple(word.boxes())
    return Decision(boxes, bool(reason), reason or "allowed", word)


def _whole(word: Word, area: int | None) -> bool:
    """Tell whether a box is the field of view or a part of the anatomy, by its size."""
    if area is None:
        return False
    corners = np.asarray(word.quad)
    if not word.text.strip():  # of 60 images one had such a box: 107 pixels high of 512
        sides = np.hypot(*(corners[[1, 3]] - corners[0]).T)
        return bool(sides.min() > np.sqrt(area) / 6)
    return bool(np.ptp(corners, axis=0).prod() > area / 4) and len(word.text) <= 2


def _spaced_out(words: Sequence[Word]) -> dict[int, str]:
    """Return the text of the row for signs that stand alone in a row of at least four.

    Signs further apart than three times their height are no row, but numbers along a scale.
    """
    single = [i for i, word in enumerate(words) if len(squeezed(word.text)) in (1, 2)]
    single.sort(key=lambda index: _place(words[index])[0])
    rows: list[list[int]] = []
    for index in single:
        x, y, high = _place(words[index])
        for row in rows:
            x_before, y_before, _ = _place(words[row[-1]])
            if x - x_before < 4 * high and abs(y - y_before) < high / 2:
                row.append(index)
                break
        else:
            rows.append([index])
    texts = ((row, "".join(words[index].text for index in row)) for row in rows if len(row) >= 4)
    return {index: text for row, text in texts for index in row}


def _labelled(words: Sequence[Word]) -> dict[int, str]:
    """Return label and number for numbers that stand to the right of a label such as PAT NO."""
    found: dict[int, str] = {}
    labels = [word for word in words if _KEYWORDS.search(_plain(word.text))]
    for index, word in enumerate(words):
        _, y, high = _place(word)
        for label in labels:
            gap, drop = word.quad[0][0] - label.quad[1][0], abs(y - _place(label)[1])
            if squeezed(word.text).isdigit() and -high < gap < 4 * high and drop < high / 2:
                found[index] = f"{label.text} {word.text}"
    return found


def _hyphenated(words: Sequence[Word]) -> dict[int, str]:
    """Return the joined text for words that a hyphen breaks at the end of a line."""
    found: dict[int, str] = {}
    for index, word in enumerate(words):
        if not word.text.endswith("-"):
            continue
        (left, top), high = word.quad[0], _place(word)[2]
        for other, below in enumerate(words):
            x, y = below.quad[0]
            if abs(x - left) < 3 * high and 0.5 * high < y - top < 2.5 * high:
                found[index] = found[other] = word.text[:-1] + below.text
    return found


def _place(word: Word) -> tuple[float, float, float]:
    corners = np.asarray(word.quad)
    x, y = corners.mean(axis=0)
    return float(x), float(y), float(np.ptp(corners[:, 1]))


def load_recipe(path: str | Path) -> list[Mapping[str, Any]]:
    """Read a recipe: a YAML list of rules, each with ``when`` and ``blank``.

    ::

        - name: banner of the old scanner
          when: {Manufacturer: "ACME*", Rows: 480, Columns: 640}
          blank: [[0, 0, 640, 40]]        # x0, y0, x1, y1; ends not included

    Raises
    ------
    InputError
        If the file is no such list.
    """
    import yaml

    try:
        rules = yaml.safe_load(Path(path).read_text("utf-8")) or []
        return [
            {
                "when": {str(name): str(pattern) for name, pattern in rule["when"].items()},
                "blank": [list(Box(*map(int, box))) for box in rule["blank"]],
            }
            for rule in rules
        ]
    except OSError:
        raise InputError("the recipe file cannot be read") from None
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError):
        raise InputError(
            "a recipe is a YAML list of rules with `when` (keyword: pattern) and `blank` (boxes "
            "of four numbers)"
        ) from None


def by_rules(
    dataset: Dataset,
    form: Layout,
    rules: Sequence[Mapping[str, Any]],
    policy: str,
    read: Sequence[Decision] = (),
) -> list[Decision]:
    """Return what goes without being read: boxes of a recipe, surroundings of ultrasound images.

    Parameters
    ----------
    dataset : Dataset
        Its header is asked.
    form : Layout
        Of its pixels.
    rules : sequence of mapping
        See `load_recipe`. All whose ``when`` fits the header hold (``*`` stands for any text).
    policy : {"allow", "match"}
        *allow* covers all outside of the areas in which an ultrasound device says it shows
        images (0018,6011), too.
    read : sequence of Decision
        On text that was read: what may stay there is not covered.
    """
    blank = [
        Decision((Box(*map(int, box)),), True, "recipe")
        for rule in rules
        if all(_fits(dataset.get(name), pattern) for name, pattern in rule["when"].items())
        for box in rule["blank"]
    ]
    areas = _image_regions(dataset) if policy == "allow" else []
    if not areas:
        return blank
    stay = [box for decision in read if not decision.remove for box in decision.boxes]
    around = _outside([*areas, *stay], form.rows, form.columns)
    return blank + [Decision((box,), True, "outside the image region") for box in around]


def _fits(value: Any, pattern: Any) -> bool:
    if value is None:
        return False
    return fnmatchcase(str(value).strip().upper(), str(pattern).strip().upper())


def _image_regions(dataset: Dataset) -> list[Box]:
    """Return the areas in which an ultrasound device says it shows images (0018,6011)."""
    found = []
    for item in sequence_at(dataset, "SequenceOfUltrasoundRegions"):
        names = ("RegionLocationMinX0", "RegionLocationMinY0")
        ends = ("RegionLocationMaxX1", "RegionLocationMaxY1")
        try:
            x0, y0 = (int(item[name].value) for name in names)
            x1, y1 = (int(item[name].value) for name in ends)
        except (KeyError, TypeError, ValueError):
            continue
        found.append(Box(x0, y0, x1 + 1, y1 + 1))
    return found


def _outside(areas: Iterable[Box], rows: int, columns: int) -> list[Box]:
    """Return boxes that cover an image but for the areas."""
    areas = [area for area in areas if area.x1 > area.x0 and area.y1 > area.y0]
    edges = {0, rows} | {min(max(y, 0), rows) for area in areas for y in (area.y0, area.y1)}
    ordered = sorted(edges)
    boxes: list[Box] = []
    for top, bottom in pairwise(ordered):
        left = 0
        spans = sorted((a.x0, a.x1) for a in areas if a.y0 <= top and bottom <= a.y1)
        for x0, x1 in [*spans, (columns, columns)]:
            right = min(x0, columns)
            if right > left:
                boxes.append(Box(left, top, right, bottom))
            left = max(left, x1)
    return boxes


def is_report(dataset: Dataset) -> bool:
    """Tell whether an image is a saved screen or a dose report: text by purpose.

    Secondary Capture alone is no reason: much of it is plain images.
    """
    kinds = [str(kind).upper().strip() for kind in dataset.get("ImageType") or []]
    said = f"{dataset.get('SeriesDescription', '')} {dataset.get('ImageComments', '')}".upper()
    return any(kind in _REPORTS for kind in kinds) or any(word in said for word in _DESCRIPTIONS)


def boxes_of(decisions: Sequence[Decision], form: Layout) -> list[Box]:
    """Return the boxes to fill, cut to the image.

    Boxes of text are widened on both sides to the next multiple of one and a half times their
    height, as far as no text that stays is met: their width shall not tell the length of a name.
    """
    stay = [box for decision in decisions if not decision.remove for box in decision.boxes]
    found: list[Box] = []
    for decision in decisions:
        if not decision.remove:
            continue
        text = (
            decision.word is not None and len(decision.boxes) == 1 and len(decision.word.text) > 2
        )
        found += [_widened(box, stay, form) if text else box for box in decision.boxes]
    return cut(form, found)


def _widened(box: Box, stay: Sequence[Box], form: Layout) -> Box:
    if box.y1 - box.y0 > 2 * (box.x1 - box.x0):  # vertical: the same, turned
        turned = replace(form, rows=form.columns, columns=form.rows)
        return _turned(_widened(_turned(box), [_turned(other) for other in stay], turned))
    height, length = box.y1 - box.y0, box.x1 - box.x0
    step = math.ceil(_BOX_STEP * height)
    pad = math.ceil((length + 2 * _LEAST_PAD * height) / step) * step - length
    beside = [other for other in stay if other.y0 < box.y1 and box.y0 < other.y1]
    right = min([form.columns, *(other.x0 for other in beside if other.x0 >= box.x1 - 4)])
    left = max([0, *(other.x1 for other in beside if other.x1 <= box.x0 + 4)])
    x0 = min(max(box.x0 - pad // 2, left), box.x0)
    x1 = max(min(box.x1 + pad - pad // 2, right), box.x1)
    return Box(x0, box.y0, x1, box.y1)


def _turned(box: Box) -> Box:
    return Box(box.y0, box.x0, box.y1, box.x1)
