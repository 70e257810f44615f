"""Look for what is left. Nothing here calls the code that removes.

The source is asked what identifies; the bytes of the output are asked whether it is
there. Beside that: dates, UIDs, markers, private elements, file meta and file names.
"""

from __future__ import annotations

import csv
import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom._uid_dict import UID_dictionary
from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from medlab.dicom import columns, element_cache, own_rules, safe_harbor, surroundings
from medlab.dicom.columns import Column, Places
from medlab.dicom.dates import DUMMY_DATE, FARTHEST_DAYS, NEAREST_DAYS, parse_date
from medlab.dicom.declarations import method_lines
from medlab.dicom.element_texts import (
    is_plain,
    items_of,
    label,
    sequence_at,
    text_at,
    texts_of,
    vr_of,
)
from medlab.dicom.encrypted import without_ciphertexts
from medlab.dicom.files import MAX_DEPTH, find_files, parse, quiet_pydicom, read, to_bytes
from medlab.dicom.identity import CLINICAL_WORDS, DIGRAPHS, roles
from medlab.dicom.passthrough import sequence_items
from medlab.dicom.private import creator_tag, creators, is_creator, safe_elements
from medlab.dicom.profile import (
    OPTIONS,
    SAFE_HARBOR,
    Plan,
    Rule,
    group_rule,
    rules_for,
    tag_of,
    word_list,
)
from medlab.dicom.profile import plan as make_plan
from medlab.errors import InputError

#: What no comparison of headers can prove.
LIMITS = (
    "a name, number or nickname that stands in no header of the source cannot be missed",
    "text burned into the pixels is not looked at here",
    "a face that can be rendered from a head scan is not looked at here",
    "whether the facts that were kept single a person out is a question for a risk measure",
)
NO_SOURCE = "no source was found to compare it with"
_LEAST = 4
_LONG_NUMBER = 6  # digits; shorter IDs are met by chance among settings of the scanner
_ESCAPE = re.compile(rb"\x1b[$(]+[@-Z]")  # of ISO 2022: stands where a script begins
_STANDARD_ROOT = b"1.2.840.10008."
_REGISTERED = re.compile(rb"1\.2\.840\.10008(?:\.[0-9]+)+")
_MAKER, _PATIENT_ID, _ISSUER = 0x00080070, 0x00100020, 0x00100021
_DECLARED_SAFE, _TIMES = 0x00080300, 0x00280303
_CODES, _codes_known = BaseTag(0x00120064), element_cache.Memory()
_MOMENT = re.compile(rb"[0-9.]{8,26}")
_SIGNS_OF_NUMBERS = b"0123456789+-.eE\\ "
_UID_FORM = re.compile(r"[0-9]+(\.(0|[1-9][0-9]*))*")
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_NAME_ROLES = ("patient-name", "staff-name")
_ID_ROLES = frozenset(
    ["patient-id", "other-id", "account", "procedure-id", "plan", "trial-id", "phone", "telecom"]
)
_PLACE_ROLES = ("institution", "address")
_SETS = ("numbers", "places", "births", "dates")
_META_OF_SENDER = {BaseTag(tag_of(word)): word for word in sorted(word_list("meta-of-sender"))}
# scripts without spaces between words: Thai to Burmese, Khmer, Chinese, kana, Hangul
_UNSPACED = re.compile("[\u0e00-\u109f\u1780-\u17ff\u2e80-\U0010ffff]")
_INFLECTED = re.compile("[\u0370-\u052f]")  # Greek and Cyrillic names change their endings
_CASES = (str, str.lower, str.upper, str.capitalize)
_REPLACING = frozenset({"X", "Z", "D", "U"})
_MADE_BY = "maker"
_FREE_TEXT = frozenset({"LO", "LT", "SH", "ST", "UC", "UT", "PN"})
_COMPARED = _FREE_TEXT | {"UI", "DA", "DT"}


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


@dataclass(eq=False)
class Secrets:
    """What the source says that the output must not say.

    `words` is the same but for the UIDs: one object for all files that say the same.
    """

    names: dict[str, str] = field(default_factory=dict)  # with the initials that stand beside
    numbers: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    births: set[str] = field(default_factory=set)
    dates: set[str] = field(default_factory=set)
    uids: set[str] = field(default_factory=set)
    words: Secrets | None = None


class _Part(NamedTuple):
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


def _parts(
    dataset: Dataset,
    path: str = "",
    depth: int = 0,
    long: dict[str, list[Column]] | None = None,
    silent: Callable[[int, str], bool] | None = None,
) -> list[_Part]:
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
        parts.append(_Part(here, dataset, element, tag, str(vr)))
        if vr == "SQ":
            alike = None if long is None else columns.table(dataset, element, depth)
            if long is not None and alike is not None:
                long[here] = alike
                continue
            for number, item in enumerate(sequence_items(dataset, element)):
                parts += _parts(item, f"{here}[{number}].", depth + 1, long, silent)
    return parts


@lru_cache(maxsize=64)
def _planned(plan: Plan, sop_class: str = "") -> Callable[[int], Rule | None]:
    """Return a function that gives the rule of a tag, own rules aside."""
    rules = rules_for(plan, sop_class)
    return lru_cache(maxsize=8192)(lambda tag: rules.get(tag) or group_rule(plan, tag))


@lru_cache(maxsize=64)
def _silent_in(plan: Plan, sop_class: str, is_output: bool) -> Callable[[int, str], bool]:
    """Return a function that tells, by tag and VR, which elements no check asks for.

    Only their bytes are searched. In them what identifies by its tag does not stand, nor text,
    dates or UIDs, nor what the plan removes or replaces.
    """
    planned = _planned(plan, sop_class)

    def is_silent(tag: int, vr: str) -> bool:
        if vr in _COMPARED or vr == "SQ" or tag in roles() or tag in (_MAKER, _TIMES):
            return False
        if tag >> 16 & 1 or not tag & 0xFFFF:
            return not is_output
        rule = planned(tag)
        return rule is None or rule.code not in _REPLACING

    return lru_cache(maxsize=8192)(is_silent)


def _rule_of(part: _Part, plan: Plan, sop_class: str = "") -> Rule | None:
    """Return what the plan asks for an element, own rules included."""
    private = bool(part.tag >> 16 & 1)
    planned = _planned(plan, sop_class)(part.tag)
    if not plan.rules or is_creator(part.tag):
        return planned
    creator = creators(part.dataset).get(creator_tag(part.tag), "") if private else ""
    if private and not creator:
        return planned
    return own_rules.laid(plan, part.path, part.vr, creator, sop_class, planned)


def plan_of(dataset: Dataset) -> Plan:
    """Return the plan that a data set says it was treated by (CID 7050 codes)."""
    codes = _codes_said(dataset)
    options = tuple(name for name, (code, _) in OPTIONS.items() if code in codes)
    if any(line.endswith(f" {SAFE_HARBOR}") for line in method_lines(dataset)):
        return make_plan(SAFE_HARBOR)
    return Plan("stated", options)


def _secrets(parts: list[_Part], plan: Plan) -> Secrets:
    """Return the identifiers of a source that the plan does not keep."""
    said: list[tuple[str, str, str]] = []
    uids: set[str] = set()
    seen = element_cache.memories("secrets", plan).setdefault("", element_cache.Memory())
    for part in parts:
        before = seen.get(id(part.element))
        if before is None:
            before = part.element, _said_in(part, plan)
            if is_plain(part.element.value) and not plan.rules:
                seen.note(*before)
        said += before[1][0]
        uids |= before[1][1]
    words = _sorted(tuple(said), plan)
    return replace(words, uids=uids, words=words)


_Said = tuple[list[tuple[str, str, str]], set[str]]


def _said_in(part: _Part, plan: Plan) -> _Said:
    """Return whose it is, role and text of what identifies in one element; and UIDs to replace."""
    role, vr = roles().get(part.tag), part.vr
    name = role.name if role else "staff-name" if vr == "PN" else ""
    if not name and vr != "UI":
        is_maker = part.tag == _MAKER
        return [(_MADE_BY, "", "".join(part.texts).casefold())] if is_maker else [], set()
    rule = _rule_of(part, plan)
    if vr == "UI" and rule is not None and rule.code in ("U", "D", "X"):
        return [], {uid for uid in part.texts if _tells(uid)}
    if not name:
        return [], set()
    raw = part.element.value
    # a second reading: the bytes may be UTF-8 under another declared character set
    second = raw.decode("utf-8", "ignore") if isinstance(raw, bytes) else ""
    own, kept = part.tag in own_rules.floor(), own_rules.is_kept(rule)
    whose = ("permitted" if own else "released") if kept else "ours" if own else "others"
    values = [*part.texts, *([] if second.isascii() else second.split("\\"))]
    return [(whose, name, value) for value in values], set()


@lru_cache(maxsize=256)
def _sorted(said: tuple[tuple[str, str, str], ...], plan: Plan) -> Secrets:
    """Return the identifiers in what elements say, of each whose it is, its role and its text."""
    found = {whose: Secrets() for whose in ("ours", "others", "permitted", "released")}
    maker = next((text for whose, _, text in said if whose == _MADE_BY and text), "")
    for whose, name, value in said:
        if whose != _MADE_BY:
            _sort_in(found[whose], name, value, plan)
    ours, others, permitted, released = found.values()
    others.places = {place for place in others.places if place.casefold() not in maker}
    return _joined(_without(ours, permitted), _without(_without(others, released), permitted))


def _without(secrets: Secrets, released: Secrets) -> Secrets:
    """Return secrets without those that own rules release."""
    sets = {kind: getattr(secrets, kind) - getattr(released, kind) for kind in _SETS}
    names = {name: near for name, near in secrets.names.items() if name not in released.names}
    return Secrets(names, uids=secrets.uids, **sets)


def _joined(ours: Secrets, others: Secrets) -> Secrets:
    sets = {kind: getattr(ours, kind) | getattr(others, kind) for kind in _SETS}
    both = {**ours.names, **others.names}
    names = {n: ours.names.get(n, "") + others.names.get(n, "") for n in both}
    return Secrets(names, uids=others.uids, **sets)


def _tells(uid: str) -> bool:
    return len(uid) > 5 and uid not in UID_dictionary


def _sort_in(found: Secrets, role: str, value: str, plan: Plan) -> None:
    if role in _NAME_ROLES:
        for group in value.split("="):
            _sort_name(found, group)
            if not group.isascii():
                _sort_name(found, group.lower().translate(DIGRAPHS))
    elif role in _ID_ROLES or (role == "device" and not plan.has("retain-device-identity")):
        found.numbers.add(value)
    elif role in _PLACE_ROLES and not (
        role == "institution" and plan.has("retain-institution-identity")
    ):
        found.places.add(value)
    elif role == "birth-date" and parse_date(value):
        found.births.add(f"{parse_date(value):%Y%m%d}")
    elif role == "date" and plan.dates in ("remove", "year") and parse_date(value[:8]):
        day = f"{parse_date(value[:8]):%Y%m%d}"
        if plan.dates == "remove" or not day.endswith("0101"):
            found.dates.add(day)


def _sort_name(found: Secrets, group: str) -> None:
    """Note the parts of a name, and its components written as one word (O'Hara: OHARA)."""
    parts = _words(group)
    glued = ["".join(_words(component)) for component in group.split("^")]
    glued += ["".join(glued), "".join(reversed(glued))]
    for name in {*parts, *(name for name in glued if len(name) >= _LEAST)}:
        initials = "".join(part[0].lower() for part in parts if part != name)
        found.names[name] = found.names.get(name, "") + initials


def _words(text: str) -> list[str]:
    """Return the runs of letters of a text, by what Unicode says of each of its signs."""
    if text.isascii():
        return re.findall("[A-Za-z]+", text)
    signs = (sign if unicodedata.category(sign)[0] in "LM" else " " for sign in text)
    return "".join(signs).split()


def _plain(text: str) -> str:
    """Return a text in one form: case, width, digits; without signs that have no shape."""
    if text.isascii():
        return text.lower()
    signs = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return "".join(str(unicodedata.decimal(c, c)) for c in signs).lower()


def _date_forms(day: str) -> list[str]:
    """Return a date as people write it."""
    y, m, d = day[:4], day[4:6], day[6:]
    forms = [day, *(s.join((y, m, d)) for s in "-/."), *(s.join((d, m, y)) for s in "-/.")]
    return [*forms, f"{m}/{d}/{y}", f"{m}-{d}-{y}"]


class _Sought(NamedTuple):
    """One identifier: the bytes it may be written as, and what must not stand beside them."""

    kind: str
    codes: frozenset[bytes]
    edge: bytes
    initials: bytes = b""

    def count(self, folded: bytes) -> int:
        """Return how often it stands in bytes (in lower case)."""
        if not any(code in folded for code in self.codes):
            return 0
        body = b"|".join(re.escape(code) for code in sorted(self.codes))
        before, after = b"", b""
        if self.initials:
            before, after = b"[%b]{0,2}" % self.initials, b"(?:e?s|[%b]{1,2})?" % self.initials
        edges = rb"(?<!" + self.edge + rb")", rb"(?!" + self.edge + rb")"
        pattern = edges[0] + before + rb"(?:" + body + rb")" + after + edges[1]
        return len(re.findall(pattern, folded))


def _sought(found: Secrets, encodings: Iterable[str]) -> Iterator[_Sought]:
    """Yield every identifier of four characters and more."""
    codecs = tuple(sorted({"utf-8", "utf-16-le", *encodings}))
    yield from _sought_words(found.words or found, codecs)
    for uid in sorted(found.uids):
        yield _as_bytes("uid", uid, ("ascii",), rb"[0-9.]")


@lru_cache(maxsize=256)
def _sought_words(found: Secrets, codecs: tuple[str, ...]) -> list[_Sought]:
    """Return every identifier of four characters and more that is no UID."""
    return list(_seek_words(found, codecs))


def _seek_words(found: Secrets, codecs: tuple[str, ...]) -> Iterator[_Sought]:
    for name, initials in sorted(found.names.items()):
        unspaced = len(name) > 1 and _UNSPACED.match(name)
        if unspaced or len(name) >= _LEAST:
            edge = rb"(?!)" if unspaced else rb"[a-z]"
            latin = "".join(re.findall("[a-z]", initials)) if len(name) > _LEAST else ""
            yield _as_bytes("identity", name, codecs, edge, latin)
    bare = {number.lstrip("0") for number in found.numbers if number.isdigit()}
    for number in sorted(found.numbers | {one for one in bare if len(one) >= _LONG_NUMBER}):
        edge = rb"[0-9]" if number[-1].isdigit() and number[0].isdigit() else rb"[a-z0-9]"
        if len(number) >= _LEAST and not set(number) <= set("0.- "):
            yield _as_bytes("identity", number, codecs, edge)
    for place in sorted(found.places):
        if len(place) >= _LEAST:
            yield _as_bytes("identity", place, codecs, rb"[a-z]")
    for day in sorted((found.births | found.dates) - {DUMMY_DATE}):
        for form in _date_forms(day):
            yield _as_bytes("date", form, ("ascii",), rb"[0-9.]")


@lru_cache(maxsize=4096)
def _as_bytes(
    kind: str, word: str, codecs: tuple[str, ...], edge: bytes, initials: str = ""
) -> _Sought:
    codes = set()
    apart = unicodedata.normalize("NFD", word)
    bare = apart.encode("ascii", "ignore").decode()
    forms = {word, apart, bare if len(bare) == len(word) else word}
    if len(word) > _LONG_NUMBER and _INFLECTED.match(word):
        forms.add(word[:-2])  # of seven letters and more all but the ending
    for codec in codecs:
        for form in {case(form) for form in forms for case in _CASES}:
            code = form.encode(codec, "ignore")
            if code.decode(codec, "ignore") == form:
                codes.add(_ESCAPE.sub(b"", code).lower())
    return _Sought(kind, frozenset(codes), edge, initials.encode())


def _without_pixels(data: bytes, output: Dataset) -> bytes:
    """Return the bytes of a file without the samples in its pixel data."""
    for tag in _PIXELS:
        element = output._dict.get(BaseTag(tag))
        value = getattr(element, "value", None)
        if isinstance(value, bytes) and len(value) > 1:
            start = getattr(element, "value_tell", 0)  # searching half a megabyte is slow
            start = start if data.startswith(value, start) else data.find(value)
            if start >= 0:
                beside = surroundings.split(output, value)[1]
                data = data[:start] + beside + data[start + len(value) :]
    return data


def verify_dataset(
    source: Dataset,
    output: Dataset,
    plan: Plan | None = None,
    *,
    file: str = "",
    output_bytes: bytes | None = None,
) -> list[Finding]:
    """Compare an output with its source and list what is left.

    Parameters
    ----------
    source, output : Dataset
        The original and what was made of it.
    plan : Plan, optional
        What was asked for; by default what the output says of itself.
    file : str
        How findings name the output.
    output_bytes : bytes, optional
        The file as written; by default the output is written once more.

    Returns
    -------
    list of Finding
        Empty where nothing was found, which proves no more than `LIMITS` allows.
    """
    data = output_bytes if output_bytes is not None else to_bytes(output)
    return _compare(source, output, plan, data, file).findings


_Pairs = dict[str, tuple[_Part, _Part]]
_Texts = list[tuple[_Part, str]]


class _Compared(NamedTuple):
    """What came of one comparison, and what a comparison of whole folders needs of it."""

    findings: list[Finding]
    pairs: _Pairs
    dated: _Pairs
    secrets: Secrets


def _compare(
    source: Dataset, output: Dataset, plan: Plan | None, data: bytes, file: str
) -> _Compared:
    with quiet_pydicom():
        plan = plan or plan_of(output)
        found: Secrets | None = None
        for before, after, long in _ways(source, output, plan):
            pairs = dated = _pairs(before, after)
            if plan.rules:  # which have a look of their own
                dated = {path: p for path, p in pairs.items() if not _is_own(p[0], plan)}
            # once: texts that are no ASCII have been decoded then, and lost their second reading
            found = found or _secrets(before, plan)
            texts = [(p, _plain("\\".join(p.texts))) for p in after if p.vr in _FREE_TEXT]
            # where not all are there, none excuses
            places = ([] if long is not None else after), pairs, texts
            searched = _each_once(data, output, long) if long else (data, b"")
            findings = [
                *_left_in_bytes(found, source, output, searched, places, file),
                *_left_in_elements(found, source, plan, (pairs, texts), file),
                *_own_rules(before, after, plan, text_at(source, 0x00080016), file),
                *_dates(dated, plan, file),
                *_uids(pairs, file),
                *_markers(source, output, plan, file),
                *_private_left(after, plan, file),
                *_meta(output, data, file),
                *_hidden_frames(output, file),
            ]
            if not findings:
                break
        if plan.policy == SAFE_HARBOR:
            left = safe_harbor.left(source, output, plan.restricted_zips)
            findings += [Finding(file, where, "safe harbor", "fail", what) for where, what in left]
    return _Compared(findings, pairs, dated, found or Secrets())


def _ways(
    source: Dataset, output: Dataset, plan: Plan
) -> Iterator[tuple[list[_Part], list[_Part], dict[str, list[Column]] | None]]:
    """Yield the elements of both: of long sequences each different value once; then all.

    At first those are left out that no check asks for. With them come the long sequences of the
    output, with all of them None.

    What is found in the first is looked for in the second, which can name it.
    """
    theirs: dict[str, list[Column]] = {}
    ours: dict[str, list[Column]] = {}
    quiet = element_cache.is_on() and not plan.rules
    kinds = plan, text_at(source, 0x00080016)
    quiet_before, quiet_after = (
        (_silent_in(*kinds, False), _silent_in(*kinds, True)) if quiet else (None, None)
    )
    before = _parts(source, long=theirs, silent=quiet_before)
    after = _parts(output, long=ours, silent=quiet_after)
    if plan.rules and (theirs or ours):  # own rules may ask for the path of each element
        before, after = _parts(source), _parts(output)
    elif theirs or ours:
        same = theirs.keys() & {part.path for part in after} == ours.keys()
        if same and all(
            _add_alike(before, after, alike, ours.get(path, []), plan)
            for path, alike in theirs.items()
        ):
            yield before, after, ours
        before, after = _parts(source), _parts(output)
    elif quiet:
        yield before, after, ours
        before, after = _parts(source), _parts(output)
    yield before, after, None


def _each_once(data: bytes, output: Dataset, long: dict[str, list[Column]]) -> tuple[bytes, bytes]:
    """Return the bytes of a file with each different value of a long sequence once; and numbers.

    The elements of such a sequence are all of its bytes: `columns.table` has seen to it. The many
    numbers of a contour are returned apart, with backslashes between them: little can stand there.
    """
    numbers = []
    for alike in long.values():
        whole = alike[0].items.data
        element = output._dict.get(BaseTag(alike[0].place[0]))
        start = getattr(element, "value_tell", 0)
        if getattr(element, "value", None) is whole and data.startswith(whole, start):
            values: dict[bytes, None] = {}
            for column in alike:
                joined = column.joined if column.cells is None and column.vr == "DS" else b""
                if joined and not joined.translate(None, _SIGNS_OF_NUMBERS):
                    numbers.append(joined)
                elif column.vr != "SQ":
                    values |= dict.fromkeys(column.different)
            data = b"\0".join((data[:start], *values, data[start + len(whole) :]))
    many = b"\\".join(numbers)
    return data, many.lower() if b"E" in many else many


def _add_alike(
    before: list[_Part], after: list[_Part], theirs: list[Column], ours: list[Column], plan: Plan
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


def _add_values(pair: list[tuple[list[_Part], Column]]) -> None:
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
        kept = [*{_days_of(one) if moments else one: one for one in each}.values()]
    for number, values in enumerate(kept):
        for (to, column), value in zip(pair, values, strict=True):
            if value is not None:
                path = f"#{column.place}{number}"  # no element's, and the same in both
                to.append(_Part(path, *column.alone(value), tag, column.vr))


def _different_pairs(both: list[Column]) -> Iterable[tuple[bytes | None, ...]]:
    """Return each different pair of values; of one value, where one side has the element."""
    if all(np.array_equal(both[0].rows, column.rows) for column in both):
        first = _first_rows([column.which for column in both])
        return [tuple(column.value(row) for column in both) for row in first]
    sides = [dict(zip(one.rows.tolist(), one.values, strict=True)) for one in both]
    return {tuple(side.get(row) for side in sides) for row in set().union(*sides)}


def _first_rows(numbers: list[Places]) -> list[int]:
    """Return where each different combination of numbers stands first."""
    joined = numbers[0]
    for more in numbers[1:]:
        joined = joined * (more.max() + 1) + more
    return list(np.unique(joined, return_index=True)[1].tolist())


def _unpadded(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return values of one length without the space that makes it even."""
    return cells[:, :-1] if cells.size and (cells[:, -1] == ord(" ")).all() else cells


def _different_days(both: list[Column]) -> list[int] | None:
    """Return items that have all that a comparison asks of date-times: two days, or equal ones.

    None where a value is of another length, or has other signs than digits and points.
    """
    cells = [_unpadded(side) for column in both if (side := column.cells) is not None]
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
    texts = [(one or b"").rstrip(b" \0") for one in moments]
    if len({*texts}) == len(texts) and all(not text or _MOMENT.fullmatch(text) for text in texts):
        return "days", *(text[:8] for text in texts)
    return moments


def _pairs(before: list[_Part], after: list[_Part]) -> _Pairs:
    """Return the elements that stand at the same path in both."""
    theirs = {part.path: part for part in before}
    return {part.path: (theirs[part.path], part) for part in after if part.path in theirs}


def _left_in_bytes(
    found: Secrets,
    source: Dataset,
    output: Dataset,
    data: tuple[bytes, bytes],
    compared: tuple[list[_Part], _Pairs, _Texts],
    file: str,
) -> Iterator[Finding]:
    """Search the raw bytes, and numbers apart; and name the elements where something stands."""
    after, pairs, texts = compared
    charset = text_at(source, 0x00080005)
    encodings = set(convert_encodings(charset.split("\\"))) if charset else set()
    clear = without_ciphertexts(_without_pixels(data[0], output), output)
    searched = _without_registered(clear.lower())
    searched = b"".join((searched, "\0".join(text for _, text in texts).encode()))
    for one, hits in _hits(_sought(found, {*encodings, "latin-1"}), searched, data[1]):
        places = [(part, one.count(_plain("\\".join(part.texts)).encode())) for part in after]
        stay = [(part, n) for part, n in places if n and _may_stay(part, one, pairs)]
        if hits > sum(n for _, n in stay):
            kept = {part.path for part, _ in stay}
            left = [part.path for part, n in places if n and part.path not in kept]
            what = {"date": "a date", "uid": "a UID"}.get(one.kind, "an identifier")
            message = f"{what} of the source stands in the output"
            yield Finding(file, ", ".join(left[:5]) or "bytes", one.kind, "fail", message)


def _hits(
    sought: Iterable[_Sought], searched: bytes, numbers: bytes
) -> Iterator[tuple[_Sought, int]]:
    """Yield what stands in bytes, or among many numbers, and how often."""
    may_be_number = _filter_of_numbers(numbers)

    @cache
    def stands(root: bytes) -> bool:
        return root in searched or (may_be_number(root) and root in numbers)

    for one in sought:
        # hundreds of UIDs share a root; there is one code, since digits have no case
        if one.kind == "uid" and not stands(min(one.codes).rpartition(b".")[0]):
            continue
        hits = one.count(searched)
        if numbers and any(map(may_be_number, one.codes)):
            hits += one.count(numbers)
        if hits:
            yield one, hits


def _filter_of_numbers(numbers: bytes) -> Callable[[bytes], bool]:
    """Return a function that tells whether a code may stand among many numbers.

    A code with a sign that no number has does not; nor one of whose signs between digits (of a
    date, of a UID) the first two stand nowhere as far apart.
    """
    signs = np.frombuffer(numbers, np.uint8)

    @cache
    def stands(sign: int) -> Any:
        return np.equal(signs, sign)

    @cache
    def stand_apart(first: int, second: int, distance: int) -> bool:
        return bool((stands(first)[:-distance] & stands(second)[distance:]).any())

    def may_stand(code: bytes) -> bool:
        if not numbers or code.translate(None, _SIGNS_OF_NUMBERS):
            return False
        places = [at for at, sign in enumerate(code) if sign not in b"0123456789"][:2]
        if len(places) < 2:
            return True
        return stand_apart(code[places[0]], code[places[1]], places[1] - places[0])

    return may_stand


def _without_registered(data: bytes) -> bytes:
    """Return bytes without the UIDs that the standard registers."""
    parts, last = [], 0
    at = data.find(_STANDARD_ROOT)
    while at >= 0:
        uid = _REGISTERED.match(data, at)
        if uid and uid[0].decode() in UID_dictionary:
            parts.append(data[last:at])
            last = uid.end()
        at = data.find(_STANDARD_ROOT, uid.end() if uid else at + 1)
    return b"".join([*parts, data[last:]]) if parts else data


def _may_stay(part: _Part, one: _Sought, pairs: _Pairs) -> bool:
    """Tell whether a hit is none.

    A clinical word in a code, a setting of the scanner that is a short ID by chance, a date
    that a moved date meets.
    """
    if one.kind == "identity" and part.vr in ("DS", "IS") and part.path in pairs:
        return min(map(len, one.codes)) < _LONG_NUMBER
    if one.kind == "identity" and part.vr == "CS":
        words = {word.casefold() for word in _words(" ".join(part.texts))}
        return bool(words & CLINICAL_WORDS)
    if one.kind == "date" and part.vr in ("DA", "DT") and part.path in pairs:
        return _days(pairs[part.path][0]) != _days(part)
    return False


def _left_in_elements(
    found: Secrets,
    source: Dataset,
    plan: Plan,
    compared: tuple[_Pairs, _Texts],
    file: str,
) -> Iterator[Finding]:
    """Compare element by element: what had to change, and identifiers too short for bytes."""
    pairs, texts = compared
    sop_class = text_at(source, 0x00080016)
    planned = _planned(plan, sop_class)
    for path, (old, new) in pairs.items():
        rule = _rule_of(old, plan, sop_class) if plan.rules else planned(old.tag)
        if rule is None or rule.code not in _REPLACING or rule.how == "replace":
            continue
        if new.texts and old.texts == new.texts and not _harmless(new.texts):
            yield Finding(file, path, "element", "fail", "the value is the one of the source")
    short = {_plain(name) for name in found.names if 1 < len(name) < _LEAST}
    for part, text in texts if short else ():
        if any(name in text for name in short):
            yield from _short_names(part, text, short, file)
    yield from _grouped(found.numbers, texts, file)


def _is_own(part: _Part, plan: Plan) -> bool:
    rule = _rule_of(part, plan)
    return rule is not None and rule.option == own_rules.OWN


def _own_rules(
    before: list[_Part], after: list[_Part], plan: Plan, sop_class: str, file: str
) -> Iterator[Finding]:
    """Look whether own rules were followed: what had to go, to move, or to be put in."""
    if not plan.rules:
        return
    there = {part.path: part for part in after}
    moved = {*range(-FARTHEST_DAYS, 1 - NEAREST_DAYS)}
    moved |= {0} if any(p.tag == _TIMES and p.texts == ["MODIFIED"] for p in before) else set()
    for part in before:
        rule, new = _rule_of(part, plan, sop_class), there.get(part.path)
        if rule is None or rule.option != own_rules.OWN:
            continue
        texts = new.texts if new else []
        empties = rule.code == "Z" and rule.how in ("blank", "encrypt", "remove")
        days = _deltas({"": (part, new)}) if new else set()
        if (
            (rule.code == "X" and new is not None)
            or (empties and texts)
            or (rule.how == "replace" and "\\".join(texts) != rule.value)
            or (rule.how == "offset" and not days <= moved)
        ):
            yield Finding(file, part.path, "element", "fail", "an own rule was not followed")


@lru_cache(maxsize=256)
def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def _grouped(numbers: Iterable[str], texts: _Texts, file: str) -> Iterator[Finding]:
    """Look for numbers of six digits and more in groups: 534 74 36 for 5347436."""
    squeezed = _squeezed("\0".join(text for _, text in texts))
    for number in sorted(numbers):
        signs = re.sub(r"\D", "", _plain(number)).lstrip("0")
        if signs not in squeezed or len(signs) < _LONG_NUMBER or parse_date(signs):
            continue
        pattern = re.compile(r"(?<!\d)0*" + r"[\W_]{0,2}".join(signs) + r"(?!\d)")
        for part, text in texts:
            if pattern.search(text):
                message = "an identifier of the source stands in the output, in groups"
                yield Finding(file, part.path, "identity", "fail", message)


def _short_names(part: _Part, text: str, short: set[str], file: str) -> Iterator[Finding]:
    words = _words(text)
    for name in sorted(short & set(words)):
        severity = "fail" if len(name) == 3 or len(words) == 1 else "review"
        yield Finding(file, part.path, "identity", severity, "a short part of a name stands here")


def _harmless(values: list[str]) -> bool:
    """Tell whether a value is itself a dummy, or registered."""
    dummies = {DUMMY_DATE, "000000", "ANONYMIZED", "ANON", "0", "000Y", DUMMY_DATE + "000000"}
    own = all(v.startswith("2.25.") or re.fullmatch("[A-Z2-7]{16}", v) for v in values)
    return own or all(v in dummies or v in UID_dictionary for v in values)


def _days(part: _Part) -> list[str]:
    return [value[:8] if part.vr == "DT" else value for value in part.texts]


def _deltas(pairs: _Pairs) -> set[int]:
    """Return by how many days the dates of a data set moved, dummies left out."""
    found = set()
    for before, after in pairs.values():
        if after.vr not in ("DA", "DT"):
            continue
        for old, new in zip(_days(before), _days(after), strict=False):
            first, second = parse_date(old), parse_date(new)
            if first and second and new != DUMMY_DATE:
                found.add((second - first).days)
    return found


def _dates(pairs: _Pairs, plan: Plan, file: str) -> Iterator[Finding]:
    moved = _deltas(pairs)
    if plan.dates == "keep":
        if moved - {0}:
            yield Finding(file, "", "date", "fail", "dates should stand as they were, some moved")
    elif plan.dates == "year":
        yield from _years(pairs, file)
    elif plan.dates == "remove":
        if moved:
            yield Finding(file, "", "date", "fail", "a date still stands where none should")
    elif len(moved) > 1:
        yield Finding(file, "", "date", "fail", "dates moved by different numbers of days")
    elif moved and not -FARTHEST_DAYS <= min(moved) <= -NEAREST_DAYS and moved != {0}:
        yield Finding(file, "", "date", "fail", "dates moved by a number of days out of range")
    elif moved == {0} and not _earlier_pass(pairs):
        yield Finding(file, "", "date", "fail", "dates should have moved and did not")


def _years(pairs: _Pairs, file: str) -> Iterator[Finding]:
    for path, (old, new) in pairs.items():
        years = {day[:4] for day in _days(old)}
        if new.vr in ("DA", "DT") and not set(map(_year_of, _days(new))) <= {*years, ""}:
            yield Finding(file, path, "date", "fail", "a date says more than its year")


def _year_of(day: str) -> str:
    """Return the year that a date comes to; empty for a dummy, the date itself if it says more."""
    if day in (DUMMY_DATE, ""):
        return ""
    return day[:4] if day[4:] in ("", "0101") else day


def _earlier_pass(pairs: _Pairs) -> bool:
    before = pairs.get("(0028,0303)")
    return before is not None and before[0].texts == ["MODIFIED"]


def _uid_map(pairs: _Pairs) -> list[tuple[str, str]]:
    """Return the UIDs of the source and what stands in their places."""
    found = []
    for before, after in pairs.values():
        if after.vr == "UI":
            found += list(zip(before.texts, after.texts, strict=False))
    return found


def _uids(pairs: _Pairs, file: str) -> Iterator[Finding]:
    mapped = _uid_map(pairs)
    yield from _check_uid_map(mapped, file)
    for old, new in mapped:
        if old in UID_dictionary and old != new:
            yield Finding(file, "", "uid", "fail", "a registered UID was changed")
        if len(new) > 64 or not _UID_FORM.fullmatch(new):
            yield Finding(file, "", "uid", "review", "a UID is not one by the rules of PS3.5")


def _check_uid_map(pairs: Iterable[tuple[str, str]], file: str = "") -> Iterator[Finding]:
    """Yield a finding where UIDs are not replaced one to one: references would not join."""
    there, back = defaultdict(set), defaultdict(set)
    for old, new in pairs:
        there[old].add(new)
        back[new].add(old)
    if any(len(new) > 1 for new in there.values()):
        yield Finding(file, "", "uid", "fail", "one UID became several; references do not join")
    if any(len(old) > 1 for old in back.values()):
        yield Finding(file, "", "uid", "fail", "several UIDs became one")


def _codes_said(dataset: Dataset) -> frozenset[str]:
    """Return the codes of the methods by which a data set says it was de-identified."""
    element = dataset._dict.get(_CODES)
    if element is None:
        return frozenset()
    known = _codes_known.get(id(element))
    if known is not None:
        return frozenset(known[1])
    items = sequence_at(dataset, "DeidentificationMethodCodeSequence")
    codes = frozenset(str(item.get("CodeValue")) for item in items)
    _codes_known.note(element, codes)
    return codes


def _markers(source: Dataset, output: Dataset, plan: Plan, file: str) -> Iterator[Finding]:
    def says(keyword: str) -> str:
        return text_at(output, tag_of(keyword))

    def fail(keyword: str, message: str) -> Finding:
        tag = tag_of(keyword)
        return Finding(file, f"({tag >> 16:04X},{tag & 0xFFFF:04X})", "marker", "fail", message)

    if says("PatientIdentityRemoved") != ("NO" if plan.allowed else "YES"):
        yield fail("PatientIdentityRemoved", "does not say whether identity was removed")
    codes = _codes_said(output)
    if not codes and not says("DeidentificationMethod"):
        yield fail("DeidentificationMethod", "does not say how identity was removed")
    if not {code for code, _ in plan.codes} <= codes:
        yield fail("DeidentificationMethodCodeSequence", "does not name every option in force")
    if codes & set(plan.unclaimed) - _codes_said(source):
        yield fail("DeidentificationMethodCodeSequence", "claims what own rules undo")
    said = says("LongitudinalTemporalInformationModified")
    allowed = {
        "remove": {"REMOVED"},
        "year": {"MODIFIED", "REMOVED"},
        "shift": {"MODIFIED", "REMOVED"},
    }
    if not (plan.temporal and said == plan.temporal) and said not in allowed.get(
        plan.dates, {"UNMODIFIED", "MODIFIED", "REMOVED"}
    ):
        yield fail("LongitudinalTemporalInformationModified", "does not fit what became of dates")
    for keyword, option in (
        ("BurnedInAnnotation", "113101"),
        ("RecognizableVisualFeatures", "113102"),
    ):
        if says(keyword) == "NO" != text_at(source, tag_of(keyword)) and option not in codes:
            yield fail(keyword, "claims what nobody checked")


def _private_left(after: list[_Part], plan: Plan, file: str) -> Iterator[Finding]:
    """Look for private elements that no option keeps, and for creators without a block."""
    declared = any(part.tag == _DECLARED_SAFE for part in after)
    levels: dict[int, list[_Part]] = defaultdict(list)
    for part in after:
        if part.tag >> 16 & 1:
            levels[id(part.dataset)].append(part)
        elif not part.tag & 0xFFFF:
            yield Finding(file, part.path, "element", "fail", "a group length was left")
    for parts in levels.values():
        known = creators(parts[0].dataset)
        private = [part for part in parts if not is_creator(part.tag)]
        for part in private:
            creator = known.get(creator_tag(part.tag), "")
            if (creator and _is_own(part, plan)) or (
                creator == own_rules.ENCRYPTED and own_rules.encrypted(plan)
            ):
                continue  # see `_own_rules`
            severity = _private_severity(part.tag, creator, plan, declared)
            if severity:
                message = "a private element that no list keeps"
                yield Finding(file, part.path, "private", severity, message)
        if set(known) - {creator_tag(part.tag) for part in private}:
            path = parts[0].path.rpartition(".")[0]
            yield Finding(file, path, "private", "fail", "a private creator without elements")


def _private_severity(tag: int, creator: str, plan: Plan, declared: bool) -> str:
    """Return how bad it is that a private element stands; empty where an option keeps it."""
    name = creator.casefold()
    retained = plan.has("retain-safe-private")
    safe = retained and (tag & 0xFFFF0000 | tag & 0xFF) in safe_elements().get(name, ())
    if safe or name in {keep.casefold() for keep in plan.keep_private}:
        return ""
    return "review" if retained and (declared or plan.policy == "stated") else "fail"


def _meta(output: Dataset, data: bytes, file: str) -> Iterator[Finding]:
    meta = getattr(output, "file_meta", None) or Dataset()
    left = [keyword for tag, keyword in _META_OF_SENDER.items() if tag in meta._dict]
    if left:
        yield Finding(file, "file meta", "meta", "fail", f"{', '.join(left)} was left")
    if any(data[:128]):
        yield Finding(file, "preamble", "meta", "fail", "the preamble is not empty")
    if text_at(meta, 0x00020003) != text_at(output, 0x00080018):
        yield Finding(
            file, "file meta", "meta", "fail", "names another SOP instance than the data"
        )


def _hidden_frames(output: Dataset, file: str) -> Iterator[Finding]:
    for tag in _PIXELS:
        value = getattr(output._dict.get(BaseTag(tag)), "value", None)
        if value and surroundings.has_hidden_frames(output, value):
            message = "more frames are stored than Number of Frames says"
            yield Finding(file, label(tag)[0], "element", "fail", message)


def verify_file(
    source: Path | str | Dataset,
    output: Path | str,
    plan: Plan | None = None,
    *,
    file: str = "",
    name: str | None = None,
) -> list[Finding]:
    """Compare an output file with its source file; see `verify_dataset`.

    Parameters
    ----------
    source, output : path
        Two DICOM files; of the source the data set will do, as it was read.
    plan : Plan, optional
        What was asked for; by default what the output says of itself.
    file : str
        How findings name the output; a number, rather than a path that may tell something.
    name : str, optional
        The path of the output as it will be given away; searched for identifiers.
    """
    shown = Path(output).name if name is None else name
    original = source if isinstance(source, Dataset) else read(source)
    return _compare_files(original, Path(output), plan, file, shown).findings


def _compare_files(
    original: Dataset, output: Path, plan: Plan | None, file: str, shown: str
) -> _Compared:
    data = output.read_bytes()
    compared = _compare(original, parse(data), plan, data, file)
    compared.findings.extend(_check_name(shown, compared.secrets, file))
    return compared


def _check_name(name: str, found: Secrets, file: str = "") -> Iterator[Finding]:
    """Yield a finding where a file name or folder says who it is about."""
    data = name.encode("utf-8", "replace")
    if any(one.count(data.lower()) for one in _sought(found, ())):
        yield Finding(file, "file name", "identity", "fail", "an identifier stands in the name")


def verify(source: Path | str, output: Path | str, plan: Plan | None = None) -> list[Finding]:
    """Compare two folders, however the second was made from the first.

    Files belong together as the map of the job beside `output` says; without one, where
    their pixel data, class and place in the series are equal.

    Parameters
    ----------
    source, output : path
        Folders (or two files).
    plan : Plan, optional
        What was asked for; by default what each output says of itself.

    Returns
    -------
    list of Finding
        Files are named by their number in the order of their paths, from 1.

    Raises
    ------
    InputError
        If `output` holds no DICOM file: then nothing would be verified.
    """
    source, output = Path(source), Path(output)
    outputs = list(find_files(output))
    if not outputs:
        raise InputError("DST holds no DICOM file to verify; check the path")
    matched = _match(source, output, outputs)
    findings: list[Finding] = []
    moves: dict[tuple[str, str], set[int]] = defaultdict(set)
    names: set[tuple[str, str]] = set()
    for number, path in enumerate(outputs, start=1):
        shown = path.name if output.is_file() else str(path.relative_to(output))
        findings += _verify_pair(matched.get(path), path, plan, (str(number), shown), moves, names)
    findings += _check_uid_map(names)
    if any(len(days) > 1 for days in moves.values()):
        findings.append(Finding("", "", "date", "fail", "dates of one patient moved differently"))
    return findings


def _verify_pair(
    origin: Path | None,
    path: Path,
    plan: Plan | None,
    called: tuple[str, str],
    moves: dict[tuple[str, str], set[int]],
    names: set[tuple[str, str]],
) -> list[Finding]:
    number, shown = called
    if origin is None:
        return [Finding(number, "", "element", "fail", NO_SOURCE)]
    try:
        before = read(origin)
        compared = _compare_files(before, path, plan, number, shown)
    except InputError:
        return [Finding(number, "", "element", "fail", "the file cannot be read and compared")]
    with quiet_pydicom():
        who = (text_at(before, _ISSUER), text_at(before, _PATIENT_ID))
        moves[who] |= _deltas(compared.dated) if any(who) else set()
        names.update(_uid_map(compared.pairs))
    return compared.findings


def _match(source: Path, output: Path, outputs: list[Path]) -> dict[Path, Path]:
    """Return output -> source: by the job's map, else by what the files hold."""
    if source.is_file() and output.is_file():
        return {output: source}
    table = output.with_name(output.name + ".job") / "map.csv"
    if table.exists():
        with table.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = [row for row in csv.DictReader(file) if row.get("target")]
        rows = [row for row in rows if not Path(row["source"]).is_absolute()]  # those are decoys
        return {output / row["target"]: source / row["source"] for row in rows}
    marks = {_mark(path): path for path in find_files(source)}
    found = {path: marks.get(_mark(path)) for path in outputs}
    return {path: origin for path, origin in found.items() if origin is not None}


def _mark(path: Path) -> bytes:
    """Return a digest of what de-identifying a header leaves: pixels, class, place in series."""
    try:
        dataset = read(path)
    except InputError:
        return str(path).encode()
    digest = hashlib.sha256()
    for tag in (*_PIXELS, 0x00080016, 0x00200013, 0x00200032, 0x00280010):
        element = dataset.get_item(tag) if tag in dataset else None
        value = getattr(element, "value", b"")
        if tag in _PIXELS and value:
            value = surroundings.split(dataset, value)[0]
        digest.update(value if isinstance(value, bytes) else str(value).encode())
    return digest.digest()
