"""The elements of a source and its output side by side, and what stands beside written samples.

Nothing here calls the code that removes. Pixel data are looked at in another way than that of
`codestream`, which takes out: a pattern cuts coded samples out of the bytes, pydicom's decoder
tells where run lengths end, and what reads like text in samples is looked at too.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments
from pydicom.pixels.decoders.rle import _rle_decode_segment, _rle_parse_header
from pydicom.tag import BaseTag
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR

from medlab.dicom import columns, own_rules, passthrough
from medlab.dicom.columns import Column, Places
from medlab.dicom.element_texts import (
    creator_tag,
    creators,
    is_creator,
    label,
    syntax_of,
    text_at,
    texts_of,
    vr_of,
)
from medlab.dicom.files import MAX_DEPTH
from medlab.dicom.identity import roles
from medlab.dicom.passthrough import items_of, sequence_items
from medlab.dicom.profile import (
    Plan,
    Rule,
    rules_for,
)
from medlab.errors import InputError

_MAKER, _TIMES = 0x00080070, 0x00280303
_MOMENT = re.compile(rb"[0-9.]{8,26}")
REPLACING = frozenset({"X", "Z", "D", "U"})
_COMPARED = CUSTOMIZABLE_CHARSET_VR | {"UI", "DA", "DT"}


class Finding(NamedTuple):
    """Something left, or a claim that does not hold. Never a value.

    Attributes
    ----------
    file : str
        Which output, as the caller names it.
    path : str
        The element, or where else: ``"bytes"``, ``"file name"``, ``"file meta"``.
    kind : str
        ``identity``, ``date``, ``uid``, ``marker``, ``private``, ``meta``, ``element``.
    severity : {"fail", "review"}
        ``fail``: do not give the file away. ``review``: a person should look.
    message : str
        One sentence.
    """

    file: str
    path: str
    kind: str
    severity: str
    message: str


class Part(NamedTuple):
    """An element, the level it stands in, and its path."""

    path: str
    dataset: Dataset
    element: Any
    tag: int
    vr: str

    @property
    def texts(self) -> list[str]:
        """The values as texts."""
        return texts_of(self.dataset, self.element)

    @property
    def days(self) -> list[str]:
        """The dates it says, without times."""
        return [text[:8] if self.vr == "DT" else text for text in self.texts]


#: Path -> the element there in the source, and in the output.
Pairs = dict[str, tuple[Part, Part]]


def _parts_of(
    dataset: Dataset,
    path: str = "",
    depth: int = 0,
    long: dict[str, list[Column]] | None = None,
    silent: Callable[[int, str], bool] | None = None,
) -> list[Part]:
    """Return the elements of every level.

    Those of long sequences go into `long`, if given; those that `silent` tells by tag and VR, if
    given, are left out.
    """
    if depth > MAX_DEPTH:
        raise InputError(f"sequences nest deeper than {MAX_DEPTH} levels; refused")
    parts = []
    for tag, element in items_of(dataset):
        vr = element.VR
        if vr is None or vr == "UN":
            vr = vr_of(element)
        if silent is not None and silent(tag, vr):
            continue
        here = path + label(tag)[0]
        parts.append(Part(here, dataset, element, tag, str(vr)))
        if vr == "SQ":
            alike = None if long is None else columns.table(dataset, element, depth)
            if long is not None and alike is not None:
                long[here] = alike
                continue
            for number, item in enumerate(sequence_items(dataset, element)):
                parts += _parts_of(item, f"{here}[{number}].", depth + 1, long, silent)
    return parts


@lru_cache(maxsize=64)
def _silent_in(plan: Plan, sop_class: str, is_output: bool) -> Callable[[int, str], bool]:
    """Return a function that tells, by tag and VR, which elements no check asks for.

    Only their bytes are searched. In them what identifies by its tag does not stand, nor text,
    dates or UIDs, nor what the plan removes or replaces.
    """
    planned = rules_for(plan, sop_class)

    def is_silent(tag: int, vr: str) -> bool:
        if vr in _COMPARED or vr == "SQ" or tag in roles() or tag in (_MAKER, _TIMES):
            return False
        if tag >> 16 & 1 or not tag & 0xFFFF:
            return not is_output
        rule = planned(tag)
        return rule is None or rule.code not in REPLACING

    return lru_cache(maxsize=8192)(is_silent)


def rule_of(part: Part, plan: Plan, sop_class: str = "") -> Rule | None:
    """Return what the plan asks for an element, own rules included."""
    private = bool(part.tag >> 16 & 1)
    planned = rules_for(plan, sop_class)(part.tag)
    if not plan.rules or is_creator(part.tag):
        return planned
    creator = creators(part.dataset).get(creator_tag(part.tag), "") if private else ""
    if private and not creator:
        return planned
    return own_rules.laid(plan, part.path, part.vr, creator, sop_class, planned)


def ways(
    source: Dataset, output: Dataset, plan: Plan
) -> Iterator[tuple[list[Part], list[Part], Pairs, dict[str, list[Column]] | None]]:
    """Yield the elements of both, and their pairs: of long sequences each value once; then all.

    At first those are left out that no check asks for. With them come the long sequences of the
    output, with all of them None.

    What is found in the first is looked for in the second, which can name it.
    """
    theirs: dict[str, list[Column]] = {}
    ours: dict[str, list[Column]] = {}
    quiet = passthrough.is_on() and not plan.rules
    kinds = plan, text_at(source, 0x00080016)
    quiet_before, quiet_after = (
        (_silent_in(*kinds, False), _silent_in(*kinds, True)) if quiet else (None, None)
    )
    before = _parts_of(source, long=theirs, silent=quiet_before)
    after = _parts_of(output, long=ours, silent=quiet_after)
    if plan.rules and (theirs or ours):  # own rules may ask for the path of each element
        before, after = _parts_of(source), _parts_of(output)
    elif theirs or ours:
        same = theirs.keys() & {part.path for part in after} == ours.keys()
        if same and all(
            _add_alike(before, after, alike, ours.get(path, []), plan)
            for path, alike in theirs.items()
        ):
            yield before, after, _pairs_of(before, after), ours
        before, after = _parts_of(source), _parts_of(output)
    elif quiet:
        yield before, after, _pairs_of(before, after), ours
        before, after = _parts_of(source), _parts_of(output)
    yield before, after, _pairs_of(before, after), None


def _add_alike(
    before: list[Part], after: list[Part], theirs: list[Column], ours: list[Column], plan: Plan
) -> bool:
    """Add each different pair of values that an element has in items of source and output.

    False where that says too little: where items or elements stand elsewhere in the output, or
    are looked at together with those around them.
    """
    old, new = ({column.place: column for column in columns} for columns in (theirs, ours))
    for place in sorted({*old, *new}):
        tag = place[-1]
        pair = [(to, side[place]) for to, side in ((before, old), (after, new)) if place in side]
        first, last = pair[0][1], pair[-1][1]
        apart = not first.items.stands_like(last.items) or (first.vr == "SQ") != (last.vr == "SQ")
        if apart or tag == _MAKER or (tag >> 16 & 1 and place in new):
            return False
        wanted = not _COMPARED.isdisjoint({first.vr, last.vr})
        if first.vr != "SQ" and (wanted or tag in roles() or plan.action(tag) is not None):
            _add_values(pair)
    return True


def _add_values(pair: list[tuple[list[Part], Column]]) -> None:
    """Add each different pair of values of one element; of one value, where one side has it."""
    tag = pair[0][1].place[-1]
    role = roles().get(tag)
    both = [column for _, column in pair]
    moments = {column.vr for column in both} == {"DT"} and (not role or role.name == "date")
    rows = _different_days(both) if moments else None
    if rows is not None:
        kept: list[tuple[bytes | None, ...]] = [
            tuple(column.value(row) for column in both) for row in rows
        ]
    else:
        each = _different_pairs(both)
        kept = [*{_days_of(v) if moments else v: v for v in each}.values()]
    for number, values in enumerate(kept):
        for (to, column), value in zip(pair, values, strict=True):
            if value is not None:
                path = f"#{column.place}{number}"  # no element's, and the same in both
                to.append(Part(path, *column.alone(value), tag, column.vr))


def _different_pairs(both: list[Column]) -> Iterable[tuple[bytes | None, ...]]:
    """Return each different pair of values; of one value, where one side has the element."""
    if all(np.array_equal(both[0].rows, column.rows) for column in both):
        first = _first_rows([column.which for column in both])
        return [tuple(column.value(row) for column in both) for row in first]
    sides = [dict(zip(c.rows.tolist(), c.values, strict=True)) for c in both]
    return {tuple(side.get(row) for side in sides) for row in set().union(*sides)}


def _first_rows(numbers: list[Places]) -> list[int]:
    """Return where each different combination of numbers stands first."""
    joined = numbers[0]
    for more in numbers[1:]:
        joined = joined * (more.max() + 1) + more
    return list(np.unique(joined, return_index=True)[1].tolist())


def _different_days(both: list[Column]) -> list[int] | None:
    """Return items that have all that a comparison asks of date-times: two days, or equal ones.

    None where a value is of another length, or has other signs than digits and points.
    """
    cells = [side for column in both if (side := column.cells) is not None]
    # without the space that makes a length even
    padded = [bool(side.size) and (side[:, -1] == ord(" ")).all() for side in cells]
    cells = [side[:, :-1] if pad else side for side, pad in zip(cells, padded, strict=True)]
    if len(cells) < len(both) or not np.array_equal(both[0].rows, both[-1].rows):
        return None
    widths = {side.shape[1] for side in cells}
    if not widths <= {0, *range(12, 27)}:
        return None
    if any(side.tobytes().translate(None, b"0123456789.") for side in cells):
        return None
    if widths == {0}:
        return [0]
    pairs = len(both) > len(widths)  # of one length
    equal = np.flatnonzero(np.equal(*cells).all(axis=1) if pairs else [])
    other = np.setdiff1d(np.arange(len(cells[0])), equal, assume_unique=True)
    rows = {both[0].value(row): row for row in equal.tolist()}
    if not other.size:
        return [*rows.values()]
    days = [np.ascontiguousarray(side[other, :8]).view("V8")[:, 0] for side in cells if side.size]
    numbers = [np.unique(side.view("<i8"), return_inverse=True)[1] for side in days]
    return [*rows.values(), *other[_first_rows(numbers)].tolist()]


def _days_of(moments: tuple[bytes | None, ...]) -> tuple[Any, ...]:
    """Return all that a comparison asks of date-times that differ: their days."""
    texts = [(moment or b"").rstrip(b" \0") for moment in moments]
    if len({*texts}) == len(texts) and all(not text or _MOMENT.fullmatch(text) for text in texts):
        return "days", *(text[:8] for text in texts)
    return moments


def _pairs_of(before: list[Part], after: list[Part]) -> Pairs:
    """Return the elements that stand at the same path in both."""
    theirs = {part.path: part for part in before}
    return {part.path: (theirs[part.path], part) for part in after if part.path in theirs}


_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
# rows, columns, samples per pixel, bits allocated
_IMAGE = tuple(map(BaseTag, (0x00280010, 0x00280011, 0x00280002, 0x00280100)))
_NUMBER_OF_FRAMES, _PHOTOMETRIC = 0x00280008, 0x00280004
_RLE = "1.2.840.10008.1.2.5"
_JPEG_AND_2000 = re.compile(r"1\.2\.840\.10008\.1\.2\.4\.([5-9]\d|20[1-3])")
# From Start of Scan, or Start of Data, to the next marker: in coded samples FF is followed by 8F
# at most, by a restart marker, or by those around packets (ISO 10918-1 B.1.1.5, 15444-1 B.10.1).
_SCAN = re.compile(rb"\xff[\xda\x93](?:[^\xff]|\xff[\x00-\x8f\x91\x92\xd0-\xd7])*+")
# 12 of 95 characters: by chance once in 150,000 bytes, and then holds no name
_TEXT = re.compile(rb"[ -~]{12,}")
_FRAME = re.compile(
    rb"\xfe\xff\0\xe0[\0-\xff]{4}(?:\xff\xd8\xff|\xff\x4f\xff\x51|\0\0\0\x0cjP|[\x01-\x0f]\0{3}@\0{3})"
)


def _split(dataset: Dataset, value: bytes) -> tuple[bytes, bytes]:
    """Return the samples in the pixel data of a data set, and what else stands there.

    Where the two cannot be told apart, all counts as samples, and what reads like text in
    them as something else.
    """
    syntax = syntax_of(dataset)
    if _JPEG_AND_2000.fullmatch(syntax):
        scans = _SCAN.findall(value)
        texts = [text for scan in scans for text in _TEXT.findall(scan)]
        return b"".join(scans), b"\n".join([_SCAN.sub(b"\n", value), *texts])
    if syntax == _RLE:
        return value, b"\n".join(_behind_runs(dataset, value))
    size = 0 if value[:4] == b"\xfe\xff\0\xe0" else _native_size(dataset, len(value))
    if not size:
        return value, b"\n".join(_TEXT.findall(value))
    return value[:size], value[size + size % 2 :]


def _native_size(dataset: Dataset, length: int) -> int:
    """Return how many bytes of native data are samples; 0 where that is unknown."""
    counts = []
    for tag in _IMAGE:
        element = passthrough.element_at(dataset, tag)
        raw: Any = b"" if element is None else element.value
        # read undecoded: pydicom's get_expected_length takes a tenth of a verification
        counts.append(int.from_bytes(raw, _order(element)) if isinstance(raw, bytes) else raw or 0)
    size = -(-_frames(dataset) * math.prod(counts) // 8)
    if text_at(dataset, _PHOTOMETRIC) == "YBR_FULL_422" and not size <= length < size + 64:
        size = size * 2 // 3  # subsampled, as its label says and its length does not deny
    return size if size <= length else 0


def _order(element: Any) -> Literal["little", "big"]:
    return "little" if getattr(element, "is_little_endian", True) else "big"


def _frames(dataset: Dataset) -> int:
    text = text_at(dataset, _NUMBER_OF_FRAMES)
    return int(text) or 1 if text.isdecimal() else 1


def _behind_runs(dataset: Dataset, value: bytes) -> Iterator[bytes]:
    """Yield what stands around the segments of RLE frames, and behind the last run of each."""
    plane = dataset.Rows * dataset.Columns
    for fragment in generate_fragments(value):
        offsets = _rle_parse_header(fragment[:64]) if len(fragment) >= 64 else []
        yield fragment[4 + 4 * len(offsets) : min(offsets, default=None)]
        for start, end in pairwise([*offsets, len(fragment)]):
            segment = fragment[start:end]
            if len(_rle_decode_segment(segment[:-2])) >= plane:
                sizes = range(len(segment))
                last = bisect_left(
                    sizes, plane, key=lambda size: len(_rle_decode_segment(segment[:size]))
                )
                yield segment[last:]


def without_samples(data: bytes, output: Dataset) -> bytes:
    """Return the bytes of a file without the samples in its pixel data."""
    for tag in _PIXELS:
        element = passthrough.element_at(output, tag)
        value = getattr(element, "value", None)
        if isinstance(value, bytes) and len(value) > 1:
            start = getattr(element, "value_tell", 0)  # searching half a megabyte is slow
            start = start if data.startswith(value, start) else data.find(value)
            if start >= 0:
                beside = _split(output, value)[1]
                data = data[:start] + beside + data[start + len(value) :]
    return data


def samples_of(dataset: Dataset) -> list[bytes]:
    """Return the samples in the pixel data of a data set."""
    elements = (passthrough.element_at(dataset, tag) for tag in _PIXELS)
    values = (getattr(element, "value", None) for element in elements)
    return [_split(dataset, value)[0] for value in values if value]


def hidden_frames(dataset: Dataset) -> list[str]:
    """Return the pixel data that hold more frames than Number of Frames says, by their tags."""
    hiding = []
    for tag in _PIXELS:
        value = getattr(passthrough.element_at(dataset, tag), "value", None)
        if value and _has_more_frames(dataset, value):
            hiding.append(label(tag)[0])
    return hiding


def _has_more_frames(dataset: Dataset, value: bytes) -> bool:
    frames = _frames(dataset)
    if value[:4] == b"\xfe\xff\0\xe0":
        return len(_FRAME.findall(value)) > frames
    size = _native_size(dataset, len(value))
    return bool(size) and len(value) >= size + max(size // frames, 2)
