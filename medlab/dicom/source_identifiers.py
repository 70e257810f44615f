"""What a source says that its output must not say, and the search of bytes for it.

Nothing here calls the code that removes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from pydicom._uid_dict import UID_dictionary
from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR

from medlab.dicom import own_rules, passthrough
from medlab.dicom.columns import Column
from medlab.dicom.compared_elements import (
    Finding,
    Pairs,
    Part,
    rule_of,
    without_samples,
)
from medlab.dicom.dates import DUMMY_DATE, parse_date
from medlab.dicom.element_texts import is_plain, text_at
from medlab.dicom.encrypted import without_ciphertexts
from medlab.dicom.identity import DIGRAPHS, roles
from medlab.dicom.profile import Plan, word_list

_LEAST = 4  # signs; shorter words stand in other words, and are compared element by element
_LONG_NUMBER = 6  # digits; shorter IDs are met by chance among settings of the scanner
_ESCAPE = re.compile(rb"\x1b[$(]+[@-Z]")  # of ISO 2022: stands where a script begins
_STANDARD_ROOT = b"1.2.840.10008."
_REGISTERED = re.compile(rb"1\.2\.840\.10008(?:\.[0-9]+)+")
_MAKER = 0x00080070
_SIGNS_OF_NUMBERS = b"0123456789+-.eE\\ "
_NAME_ROLES = ("patient-name", "staff-name")
_ID_ROLES = frozenset(
    ["patient-id", "other-id", "account", "procedure-id", "plan", "trial-id", "phone", "telecom"]
)
_PLACE_ROLES = ("institution", "address")
_SETS = ("numbers", "places", "births", "dates")
# scripts without spaces between words: Thai to Burmese, Khmer, Chinese, kana, Hangul
_UNSPACED = re.compile("[\u0e00-\u109f\u1780-\u17ff\u2e80-\U0010ffff]")
_INFLECTED = re.compile("[\u0370-\u052f]")  # Greek and Cyrillic names change their endings
_CASES = (str, str.lower, str.upper, str.capitalize)
_MADE_BY = "maker"


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


def secrets_of(parts: list[Part], plan: Plan) -> Secrets:
    """Return the identifiers of a source that the plan does not keep."""
    said: list[tuple[str, str, str]] = []
    uids: set[str] = set()
    memory = passthrough.memories("secrets", plan).setdefault("", passthrough.Memory())
    for part in parts:
        before = memory.get(id(part.element))
        if before is None:
            before = part.element, _said_in(part, plan)
            if is_plain(part.element.value) and not plan.rules:
                memory.note(*before)
        said += before[1][0]
        uids |= before[1][1]
    words = _sorted(tuple(said), plan)
    return replace(words, uids=uids, words=words)


_Said = tuple[list[tuple[str, str, str]], set[str]]


def _said_in(part: Part, plan: Plan) -> _Said:
    """Return whose it is, role and text of what identifies in one element; and UIDs to replace."""
    role, vr = roles().get(part.tag), part.vr
    name = role.name if role else "staff-name" if vr == "PN" else ""
    if not name and vr != "UI":
        is_maker = part.tag == _MAKER
        return [(_MADE_BY, "", "".join(part.texts).casefold())] if is_maker else [], set()
    rule = rule_of(part, plan)
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
    by_owner = {whose: Secrets() for whose in ("ours", "others", "permitted", "released")}
    maker = next((text for whose, _, text in said if whose == _MADE_BY and text), "")
    for whose, name, value in said:
        if whose != _MADE_BY:
            _sort_in(by_owner[whose], name, value, plan)
    ours, others, permitted, released = by_owner.values()
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


def _sort_in(secrets: Secrets, role: str, value: str, plan: Plan) -> None:
    if role in _NAME_ROLES:
        for group in value.split("="):
            _sort_name(secrets, group)
            if not group.isascii():
                _sort_name(secrets, group.lower().translate(DIGRAPHS))
    elif role in _ID_ROLES or (role == "device" and not plan.has("retain-device-identity")):
        secrets.numbers.add(value)
    elif role in _PLACE_ROLES and not (
        role == "institution" and plan.has("retain-institution-identity")
    ):
        secrets.places.add(value)
    elif role == "birth-date" and parse_date(value):
        secrets.births.add(f"{parse_date(value):%Y%m%d}")
    elif role == "date" and plan.dates in ("remove", "year") and parse_date(value[:8]):
        day = f"{parse_date(value[:8]):%Y%m%d}"
        if plan.dates == "remove" or not day.endswith("0101"):
            secrets.dates.add(day)


def _sort_name(secrets: Secrets, group: str) -> None:
    """Note the parts of a name, and its components written as one word (O'Hara: OHARA)."""
    parts = _words_of(group)
    glued = ["".join(_words_of(component)) for component in group.split("^")]
    glued += ["".join(glued), "".join(reversed(glued))]
    for name in {*parts, *(name for name in glued if len(name) >= _LEAST)}:
        initials = "".join(part[0].lower() for part in parts if part != name)
        secrets.names[name] = secrets.names.get(name, "") + initials


def _words_of(text: str) -> list[str]:
    """Return the runs of letters of a text, by what Unicode says of each of its signs."""
    if text.isascii():
        return re.findall("[A-Za-z]+", text)
    signs = (sign if unicodedata.category(sign)[0] in "LM" else " " for sign in text)
    return "".join(signs).split()


def plain(text: str) -> str:
    """Return a text in one form: case, width, digits; without signs that have no shape."""
    if text.isascii():
        return text.lower()
    signs = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return "".join(str(unicodedata.decimal(c, c)) for c in signs).lower()


class _Sought(NamedTuple):
    """One identifier: the bytes it may be written as, and what must not stand beside them."""

    kind: str
    codes: frozenset[bytes]
    edge: bytes
    initials: bytes = b""

    def count(self, folded: bytes) -> int:
        """Return how often it stands in bytes (in lower case)."""
        for code in self.codes:  # most stand nowhere: no generator for each of them
            if code in folded:
                break
        else:
            return 0
        body = b"|".join(re.escape(code) for code in sorted(self.codes))
        before, after = b"", b""
        if self.initials:
            before, after = b"[%b]{0,2}" % self.initials, b"(?:e?s|[%b]{1,2})?" % self.initials
        edges = rb"(?<!" + self.edge + rb")", rb"(?!" + self.edge + rb")"
        pattern = edges[0] + before + rb"(?:" + body + rb")" + after + edges[1]
        return len(re.findall(pattern, folded))


def _sought_in(secrets: Secrets, encodings: Iterable[str]) -> Iterator[_Sought]:
    """Yield every identifier of four characters and more."""
    codecs = tuple(sorted({"utf-8", "utf-16-le", *encodings}))
    yield from _sought_words(secrets.words or secrets, codecs)
    for uid in sorted(secrets.uids):
        yield _as_bytes("uid", uid, ("ascii",), rb"[0-9.]")


@lru_cache(maxsize=256)
def _sought_words(secrets: Secrets, codecs: tuple[str, ...]) -> list[_Sought]:
    """Return every identifier of four characters and more that is no UID."""
    sought = []
    for name, initials in sorted(secrets.names.items()):
        unspaced = len(name) > 1 and _UNSPACED.match(name)
        if unspaced or len(name) >= _LEAST:
            edge = rb"(?!)" if unspaced else rb"[a-z]"
            latin = "".join(re.findall("[a-z]", initials)) if len(name) > _LEAST else ""
            sought.append(_as_bytes("identity", name, codecs, edge, latin))
    bare = {number.lstrip("0") for number in secrets.numbers if number.isdigit()}
    for number in sorted(
        secrets.numbers | {digits for digits in bare if len(digits) >= _LONG_NUMBER}
    ):
        edge = rb"[0-9]" if number[-1].isdigit() and number[0].isdigit() else rb"[a-z0-9]"
        if len(number) >= _LEAST and not set(number) <= set("0.- "):
            sought.append(_as_bytes("identity", number, codecs, edge))
    places = [place for place in sorted(secrets.places) if len(place) >= _LEAST]
    sought += [_as_bytes("identity", place, codecs, rb"[a-z]") for place in places]
    for day in sorted((secrets.births | secrets.dates) - {DUMMY_DATE}):
        y, m, d = day[:4], day[4:6], day[6:]
        forms = [day, *(s.join((y, m, d)) for s in "-/."), *(s.join((d, m, y)) for s in "-/.")]
        forms += [f"{m}/{d}/{y}", f"{m}-{d}-{y}"]
        sought += [_as_bytes("date", form, ("ascii",), rb"[0-9.]") for form in forms]
    return sought


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


def _each_once(data: bytes, output: Dataset, long: dict[str, list[Column]]) -> tuple[bytes, bytes]:
    """Return the bytes of a file with each different value of a long sequence once; and numbers.

    The elements of such a sequence are all of its bytes: `columns.table` has seen to it. The many
    numbers of a contour are returned apart, with backslashes between them: little can stand there.
    """
    numbers = []
    for alike in long.values():
        whole = alike[0].items.data
        element = passthrough.element_at(output, alike[0].place[0])
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


def occurrences(
    secrets: Secrets, encodings: Iterable[str], searched: bytes, numbers: bytes = b""
) -> Iterator[tuple[_Sought, int]]:
    """Yield which identifiers stand in bytes (in lower case), or among many numbers; how often."""
    may_be_number = _filter_of_numbers(numbers) if numbers else lambda code: False

    @cache
    def stands(root: bytes) -> bool:
        return root in searched or (may_be_number(root) and root in numbers)

    for identifier in _sought_in(secrets, encodings):
        # hundreds of UIDs share a root; there is one code, since digits have no case
        if identifier.kind == "uid" and not stands(min(identifier.codes).rpartition(b".")[0]):
            continue
        hits = identifier.count(searched)
        if numbers and any(map(may_be_number, identifier.codes)):
            hits += identifier.count(numbers)
        if hits:
            yield identifier, hits


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
        if code.translate(None, _SIGNS_OF_NUMBERS):
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


_Texts = list[tuple[Part, str]]


def identifiers_left(
    secrets: Secrets,
    source: Dataset,
    output: Dataset,
    data: bytes,
    compared: tuple[list[Part], Pairs, dict[str, list[Column]] | None],
    file: str,
) -> Iterator[Finding]:
    """Yield where identifiers of a source stand in an output.

    Parameters
    ----------
    secrets : Secrets
        Of the source.
    source, output : Dataset
        The original and what was made of it.
    data : bytes
        The output as written.
    compared : tuple
        The elements of the output, those that stand in both, and long sequences of the output,
        see `compared_elements.ways`.
    file : str
        How findings name the output.
    """
    after, pairs, long = compared
    texts = [(p, plain("\\".join(p.texts))) for p in after if p.vr in CUSTOMIZABLE_CHARSET_VR]
    searched = _each_once(data, output, long) if long else (data, b"")
    # where not all elements are there, none excuses
    places = ([] if long is not None else after), pairs, texts
    yield from _left_in_bytes(secrets, source, output, searched, places, file)
    short = {plain(name) for name in secrets.names if 1 < len(name) < _LEAST}
    for part, text in texts if short else ():
        if any(name in text for name in short):
            yield from _short_names(part, text, short, file)
    yield from _grouped(secrets.numbers, texts, file)


def _left_in_bytes(
    secrets: Secrets,
    source: Dataset,
    output: Dataset,
    data: tuple[bytes, bytes],
    compared: tuple[list[Part], Pairs, _Texts],
    file: str,
) -> Iterator[Finding]:
    """Search the raw bytes, and numbers apart; and name the elements where something stands."""
    after, pairs, texts = compared
    charset = text_at(source, 0x00080005)
    encodings = set(convert_encodings(charset.split("\\"))) if charset else set()
    clear = without_ciphertexts(without_samples(data[0], output), output)
    searched = _without_registered(clear.lower())
    searched = b"".join((searched, "\0".join(text for _, text in texts).encode()))
    for identifier, hits in occurrences(secrets, {*encodings, "latin-1"}, searched, data[1]):
        places = [
            (part, identifier.count(plain("\\".join(part.texts)).encode())) for part in after
        ]
        stay = [(part, n) for part, n in places if n and _may_stay(part, identifier, pairs)]
        if hits > sum(n for _, n in stay):
            kept = {part.path for part, _ in stay}
            paths = [part.path for part, n in places if n and part.path not in kept]
            what = {"date": "a date", "uid": "a UID"}.get(identifier.kind, "an identifier")
            message = f"{what} of the source stands in the output"
            yield Finding(file, ", ".join(paths[:5]) or "bytes", identifier.kind, "fail", message)


def _may_stay(part: Part, identifier: _Sought, pairs: Pairs) -> bool:
    """Tell whether a hit is none.

    A clinical word in a code, a setting of the scanner that is a short ID by chance, a date
    that a moved date meets.
    """
    if identifier.kind == "identity" and part.vr in ("DS", "IS") and part.path in pairs:
        return min(map(len, identifier.codes)) < _LONG_NUMBER
    if identifier.kind == "identity" and part.vr == "CS":
        words = {word.casefold() for word in _words_of(" ".join(part.texts))}
        return bool(words & word_list("clinical"))
    if identifier.kind == "date" and part.vr in ("DA", "DT") and part.path in pairs:
        return pairs[part.path][0].days != part.days
    return False


@lru_cache(maxsize=256)
def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def _grouped(numbers: Iterable[str], texts: _Texts, file: str) -> Iterator[Finding]:
    """Look for numbers of six digits and more in groups: 534 74 36 for 5347436."""
    squeezed = _squeezed("\0".join(text for _, text in texts))
    for number in sorted(numbers):
        signs = re.sub(r"\D", "", plain(number)).lstrip("0")
        if signs not in squeezed or len(signs) < _LONG_NUMBER or parse_date(signs):
            continue
        pattern = re.compile(r"(?<!\d)0*" + r"[\W_]{0,2}".join(signs) + r"(?!\d)")
        for part, text in texts:
            if pattern.search(text):
                message = "an identifier of the source stands in the output, in groups"
                yield Finding(file, part.path, "identity", "fail", message)


def _short_names(part: Part, text: str, short: set[str], file: str) -> Iterator[Finding]:
    words = _words_of(text)
    for name in sorted(short & set(words)):
        severity = "fail" if len(name) == 3 or len(words) == 1 else "review"
        yield Finding(file, part.path, "identity", severity, "a short part of a name stands here")
