"""The actions of PS3.15 on one element: what stands in its place, or what is left of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

from pydicom.charset import decode_bytes
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.valuerep import BYTES_VR

from medlab.dicom import (
    dates,
    own_rules,
)
from medlab.dicom.codes import is_registered, keyed_code
from medlab.dicom.dates import DUMMY_DATE, IN_A_YEAR
from medlab.dicom.element_texts import (
    NUMBER_VRS,
    TEXT_VRS,
    TIME_VRS,
    is_plain,
    is_private,
    label,
    proper_vr,
    sequence_at,
    text_at,
    texts_of,
    values_of,
    vr_of,
    with_value,
)
from medlab.dicom.files import MAX_DEPTH
from medlab.dicom.identity import roles, utf8_reading
from medlab.dicom.profile import (
    Rule,
    listed_tags,
    type_in_iod,
    word_list,
)
from medlab.dicom.text import REMOVED, Span, clean_bytes, find_spans
from medlab.dicom.text import clean as clean_text
from medlab.dicom.treatment import Level, Text, Work
from medlab.errors import InputError


def _is_empty(element: Any) -> bool:
    """Tell whether an element has no value."""
    return not element.value if isinstance(element, RawDataElement) else bool(element.is_empty)


def _plain_text(element: Any, encodings: tuple[str, ...]) -> str:
    """Return what a text element says, for searching."""
    value = element.value
    if not isinstance(value, bytes):
        return "\\".join(values_of(element))
    if is_plain(value):
        return value.decode("ascii")
    return decode_bytes(value, list(encodings), {0x5C, 0x5E, 0x3D})


_TEXT = "ANONYMIZED"
_OF_VR: dict[str, Any] = {
    "DA": DUMMY_DATE,
    "DT": DUMMY_DATE + "000000",
    "TM": "000000",
    "AS": "000Y",
    "CS": "ANON",
    "AE": "ANON",
    "UR": "anonymized",
    "IS": "0",
    "DS": "0",
    "AT": 0,
}
_NUMBERS = frozenset({"US", "SS", "UL", "SL", "UV", "SV"})
_FLOATS = frozenset({"FL", "FD"})
_COUNTS = frozenset({"US", "UL", "SS"})
_CONTENT, _REASON = 0x0040A730, 0x04000565


def _dummy(
    dataset: Dataset,
    element: Any,
    new_uid: Callable[[str], str],
    is_harmless: Callable[[str], bool],
    depth: int = 0,
) -> Any:
    """Return a value that fits an element's VR and says nothing.

    Parameters
    ----------
    dataset : Dataset
        What the element stands in.
    element : DataElement or RawDataElement
        Its first item, if it is a sequence, gives the shape of the one dummy item.
    new_uid : callable
        Gives the replacement of a UID.
    is_harmless : callable
        Tells whether a coded value (CS) of a dummy item may stay.
    depth : int
        How deep in dummy items we are.
    """
    vr = proper_vr(element)
    if vr == "SQ":
        return _items(dataset[element.tag], new_uid, is_harmless, depth)
    if vr in BYTES_VR:
        return b"\0\0"
    if vr in _FLOATS:
        many = dataset[element.tag].VM
        return [0.0] * many if many > 1 else 0.0
    if int(element.tag) == _REASON:
        return "COERCE"  # a defined term of (0400,0565)
    return 0 if vr in _NUMBERS else _OF_VR.get(vr, _TEXT)


def _dummy_text(vr: str) -> str:
    """Return the dummy of a text VR."""
    return str(_OF_VR.get(vr, _TEXT))


def _items(
    sequence: Any, new_uid: Callable[[str], str], is_harmless: Callable[[str], bool], depth: int
) -> list[Dataset]:
    """Return one item that says nothing, in the shape of the first."""
    if int(sequence.tag) == _CONTENT:
        return [_content()]
    if depth > MAX_DEPTH or sequence.VR != "SQ":
        return []
    out = Dataset()
    for first in list(sequence.value)[:1]:
        for tag in first.keys():  # noqa: SIM118 - iterating a Dataset decodes its elements
            if not int(tag) >> 16 & 1 and int(tag) & 0xFFFF:
                out.add(_of_item(first, first[tag], new_uid, is_harmless, depth + 1))
    return [out]


def _of_item(
    item: Dataset,
    element: Any,
    new_uid: Callable[[str], str],
    is_harmless: Callable[[str], bool],
    depth: int,
) -> Any:
    """Return an element of a dummy item: codes of the standard and counts stay."""
    vr = proper_vr(element)
    if vr == "UI":
        return with_value(element, "\\".join(map(new_uid, texts_of(item, element))))
    if vr == "CS" and all(map(is_harmless, texts_of(item, element))):
        return element
    if vr in _COUNTS or _is_empty(element):
        return element
    return with_value(element, _dummy(item, element, new_uid, is_harmless, depth))


def _content() -> Dataset:
    """Return the one content item of a report whose content was taken out."""
    name = Dataset()
    name.CodeValue, name.CodingSchemeDesignator = "121106", "DCM"
    name.CodeMeaning = "Comment"
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence = Sequence([name])
    item.TextValue = _TEXT
    return item


_LARGEST_SCANNED = 1 << 24

STRING_NUMBER_VRS = frozenset({"DS", "IS"})
_TEXT_OF_ANY_KIND = TEXT_VRS | TIME_VRS | {"UI"}

#: Elements whose numbers look like telephones and dates, and are neither.
_TECHNICAL = listed_tags("technical")
#: UI elements that name a class, a code or an implementation, not an instance.
_CLASS_UIDS = listed_tags("class-uids")
#: Content items of a report that are identity whatever they say (DCM codes of TID 1000 ff.):
#: observers, their organization and place, accession number, the subject and her mother.
_IDENTITY_CONCEPTS = word_list("identity-concepts")
_AGE_CONCEPTS = word_list("age-concepts")

#: The form of an age (PS3.5 6.2).
_AGE = re.compile(r"\d{3}[DWMY]")


_VALUES_OF_ITEMS = (0x0040A120, 0x0040A121, 0x0040A123, 0x0040A160, 0x0040A168)
_TEXT_VALUE, _NUMERIC_VALUE = 0x0040A160, 0x0040A30A
_EXACT_VALUES = frozenset({0x0040A161, 0x0040A162, 0x0040A163})  # the same number once more
_UNITS = {"mo": "M", "wk": "W", "d": "D"}  # of UCUM
_CODED = frozenset({"CS", "AE", "UR"})
_LONGEST = {"SH": 16, "LO": 64, "PN": 64}
_BREAK = "\n\0\n"
_TIME = re.compile(r"\d{0,2}:?\d{0,2}:?\d{0,2}(?:\.\d{0,9})?")
# a comma that may stand between thousands (1,234) is none
_COMMA = re.compile(r"[+-]?(?:0|\d{4,}|\d+(?!,\d{3}$)),\d+")
_UID = re.compile(r"[0-9.]+")
_ZIP = re.compile(r"\b[A-Z]{2}[ ,^]+(\d{3})\d\d(?:-\d{4})?\b")
_UID_KEEPERS = ("retain-uids", "retain-device-identity", own_rules.OWN)
#: Roles that an own rule may keep: the search then leaves their words, not the patient's.
_NOT_THE_PATIENT = word_list("not-the-patient")


def clean_value(level: Level, element: Any, rule: Rule) -> None:
    """Keep an element that is no sequence, without what identifies in it."""
    vr = vr_of(element)
    if vr in TIME_VRS:
        _clean_time(level, element, rule)
    elif vr == "UI":
        _clean_uid(level, element, rule)
    elif vr in TEXT_VRS:
        level.kept[element.tag] = element
        readings = _plain_text(element, level.encodings), utf8_reading(element.value)
        text = _BREAK.join(filter(None, readings))
        general = vr not in _CODED and int(element.tag) not in _TECHNICAL
        role = roles().get(int(element.tag))
        if own_rules.is_kept(rule) and (vr == "PN" or (role and role.name in _NOT_THE_PATIENT)):
            rule, general = rule._replace(how="keep"), False
        level.add_text(element, rule, text, general)
    elif vr in BYTES_VR:
        _clean_binary(level, element, rule)
    elif vr in NUMBER_VRS - STRING_NUMBER_VRS and proper_vr(element) in _TEXT_OF_ANY_KIND:
        replace_value(level, element, Rule("D", rule.option))  # text that the file calls a number
    else:
        level.kept[element.tag] = element
        if vr in STRING_NUMBER_VRS and not is_number(element, level.work):
            _mend_numbers(level, element, rule)


def replace_value(level: Level, element: Any, rule: Rule) -> None:
    """Put an empty value, a dummy, a code or another UID in an element's place (Z, D, U)."""
    value: Any
    if rule.how in ("replace", "hash", "alias", "zip") or (rule.how and rule.code == "Z"):
        value = _own_value(level, element, rule)
    elif proper_vr(element) == "UI":
        value = "\\".join(map(level.work.new_uid, texts_of(level.dataset, element)))
        rule = Rule("U", rule.option)
    elif _is_empty(element):
        value = None
    elif int(element.tag) in level.work.codes:
        value = level.work.codes[int(element.tag)]
    elif rule.code == "Z":
        value = None
    else:
        value = _dummy(level.dataset, element, level.work.new_uid, level.work.is_harmless)
    if value is None and rule.how == "zip":
        level.note(element, Rule("X", ""))
        return
    level.kept[element.tag] = with_value(element, value)
    level.note(element, rule)


def is_disguised(element: Any, vr: str) -> bool:
    """Tell whether a file gives a text element a VR of bytes or numbers: search would miss it."""
    proper = proper_vr(element)
    is_number = vr in NUMBER_VRS and proper in _TEXT_OF_ANY_KIND
    return is_number or (vr in BYTES_VR and proper not in BYTES_VR)


def _own_value(level: Level, element: Any, rule: Rule) -> str | None:
    """Return what an own rule puts in an element's place."""
    work, tag = level.work, int(element.tag)
    if rule.how == "replace":
        return rule.value
    if rule.how == "zip":
        return _zip(" ".join(texts_of(level.dataset, element)), work.plan.restricted_zips)
    if rule.how not in ("hash", "alias"):
        return None
    if rule.how == "alias" and tag in work.codes:
        return work.codes[tag]
    old = texts_of(level.dataset, element)
    if proper_vr(element) == "UI":
        return "\\".join(map(work.new_uid, old))
    alias_of = work.code_of if rule.how == "alias" else None
    kind = rule.how if alias_of is None else label(tag)[1]
    codes = [
        (alias_of and alias_of(kind, original)) or keyed_code(work.key, kind, original)
        for original in old
    ]
    return "\\".join(codes) or None


def _zip(address: str, restricted: Container[str]) -> str | None:
    """Return the first three digits of a ZIP code behind its state; 000 where few live there."""
    codes = _ZIP.findall(address)
    return ("000" if codes[-1] in restricted else codes[-1]) if codes else None


def _clean_time(level: Level, element: Any, rule: Rule) -> None:
    """Keep an age, a time of day, or a date: moved where the policy moves dates."""
    before = "\\".join(texts_of(level.dataset, element))
    try:
        after = _moved(before, vr_of(element), rule, level.work, is_private(element))
        unreadable = not after and vr_of(element) in ("AS", "TM")
    except InputError:
        after, unreadable = "", bool(before)
    is_other = not before and not _is_empty(element)  # bytes that are no text
    if after == before and not is_other:
        level.kept[element.tag] = element
    elif after or not is_private(element):
        vr, tag = proper_vr(element), int(element.tag)
        # 000Y would be a newborn, 000000 midnight
        needed = (
            vr not in ("AS", "TM") or type_in_iod(tag, level.work.sop_class, level.inside) == 1
        )
        level.kept[element.tag] = with_value(
            element, after or (_dummy_text(vr) if needed else None)
        )
        mended = after and vr == "AS" and not _AGE.fullmatch(before)
        note = "unreadable" if unreadable else "mended" if mended else "date"
        level.note(element, Rule("C" if after else "D" if needed else "Z", rule.option), note)
    else:
        level.note(element, Rule("X", rule.option), "date")


def _moved(value: str, vr: str, rule: Rule, work: Work, private_: bool) -> str:
    """Return a time value as the policy wants it; empty where it must not stay."""
    if not value:
        return ""
    if vr == "AS":
        infants = work.plan.dates in ("shift", "keep")
        return _join(value, lambda age: dates.coarsen_age(age, infants=infants))
    if vr == "TM":
        parts = re.split(r"[\\-]", value)
        return value if all(_TIME.fullmatch(part.strip()) for part in parts) else ""
    if rule.how == "offset":
        shift = dates.shift_date if vr == "DA" else dates.shift_datetime
        return _join(value, lambda day: shift(day, work.search.days))
    if work.plan.dates == "remove" and (private_ or rule.code == "C"):
        return ""
    return _join(value, lambda day: _moved_day(day, vr, rule, work, private_))


def _moved_day(value: str, vr: str, rule: Rule, work: Work, private_: bool) -> str:
    """Return one date, moved; empty where it is the birth date, or private and long ago."""
    day, study = dates.parse_date(value[:8]), dates.parse_date(work.study_date)
    birth = dates.parse_date(work.birth)
    if day and day == birth and (private_ or birth != study):
        return ""
    if private_ and day and study and day.year < study.year - 10:
        return ""
    shift = dates.shift_date if vr == "DA" else dates.shift_datetime
    moved = shift(value, work.search.days)  # also refuses what is no date
    if work.plan.dates == "year":
        return value.strip()[:4] + "0101" * (vr == "DA")
    return moved if work.search.dates == "shift" and rule.code == "C" else value


def _join(value: str, change: Callable[[str], str]) -> str:
    parts = [change(part) for part in value.split("\\")]
    return "\\".join(parts) if all(parts) else ""


def _clean_uid(level: Level, element: Any, rule: Rule) -> None:
    """Keep UIDs of classes and codes; replace those of instances, unless they are retained."""
    level.kept[element.tag] = element
    keep = int(element.tag) in _CLASS_UIDS or rule.option in _UID_KEEPERS
    keep = keep or level.work.plan.has("retain-uids")
    old = texts_of(level.dataset, element)
    new = [_kept_uid(uid, level.work, keep) for uid in old]
    if new != old:
        level.kept[element.tag] = with_value(element, "\\".join(new))
        level.note(element, Rule("U", rule.option))


def _kept_uid(uid: str, work: Work, keep: bool) -> str:
    """Return a UID to keep, or its replacement where an ID, a birth date or text is in it."""
    plain = _UID.fullmatch(uid) and not any(part in uid for part in work.numbers)
    if is_registered(uid) or (keep and plain):
        return uid
    return work.new_uid(uid)


def _clean_binary(level: Level, element: Any, rule: Rule) -> None:
    """Keep bytes of unknown layout, overwriting identity in their printable runs."""
    value = element.value or b""
    if rule.option == "clean-graphics":
        level.kept[element.tag] = element
        level.note(element, rule, "not searched")
    elif len(value) > _LARGEST_SCANNED:
        level.note(element, Rule("X", rule.option), "too large to search")
    else:
        new = clean_bytes(bytes(value), level.work.search, level.work.others)
        level.kept[element.tag] = element
        if new != value:
            level.kept[element.tag] = DataElement(element.tag, vr_of(element), new)
            level.note(element, rule, "text")


def is_number(element: Any, work: Work) -> bool:
    """Tell whether a DS or IS, decoded or not, holds numbers and nothing else."""
    value = element.value
    if not isinstance(value, bytes):
        value = "\\".join(values_of(element)).encode()
    return work.is_number(value)


def _mend_numbers(level: Level, element: Any, rule: Rule) -> None:
    """Write a decimal comma as a point; empty what is no number: a dummy would be used."""
    parts = _plain_text(element, level.encodings).split("\\")
    decimal = vr_of(element) == proper_vr(element) == "DS"
    points = [p.replace(",", ".") if decimal and _COMMA.fullmatch(p.strip()) else p for p in parts]
    new = with_value(element, "\\".join(points))
    mended = is_number(new, level.work)
    level.kept[element.tag] = new if mended else with_value(element, None)
    done = ("C", "mended") if mended else ("Z", "unreadable")
    level.note(element, Rule(done[0], rule.option), done[1])


def settle_texts(work: Work) -> set[int]:
    """Search all kept text at once, then clean the few elements in which something stands.

    One search over the joined texts is much faster than one search an element. Returned are the
    numbers of those few.
    """
    numbers: set[int] = set()
    places = {id(entry): number for number, entry in enumerate(work.texts)}
    for chosen, spans, own in searched(work.texts, work):
        start = 0
        for text, same in chosen.items() if spans else ():
            end = start + len(text)
            if any(s.start < end and s.end > start for s in spans):
                for entry in same:
                    _clean_one_text(entry, own)
                    numbers.add(places[id(entry)])
            start = end + len(_BREAK)
    return numbers


def searched(
    texts: Iterable[Text], work: Work
) -> Iterator[tuple[dict[str, list[Text]], list[Span], Work]]:
    """Yield texts of each kind by what they say, what stands in them joined, and the search."""
    for general, how in ((True, ""), (False, ""), (False, "keep")):
        chosen: dict[str, list[Text]] = {}
        for text in texts:
            if text.is_general == general and text.rule.how == how:
                chosen.setdefault(text.text, []).append(text)
        own = work.patient_only if how and chosen else work
        spans = find_spans(_BREAK.join(chosen), own.search, work.others, general=general)
        yield chosen, spans, own


def _clean_one_text(text: Text, work: Work) -> None:
    """Clean the values of one text element."""
    element = text.level.dataset[text.element.tag]
    vr, old = vr_of(element), values_of(element)
    second = utf8_reading(text.element.value).split("\\")
    if text.level.kept[element.tag].value != text.element.value:
        return  # a content item that was blanked as a whole
    new: Any = None
    if vr in _CODED:
        if not all(map(work.is_harmless, [*old, *second])):
            new = with_value(element, _dummy_text(vr))
    else:
        cleaned, bytewise = (
            [
                clean_text(value, work.search, work.others, general=text.is_general)
                for value in values
            ]
            for values in (old, second)
        )
        longest = _LONGEST.get(vr, math.inf)
        cleaned, bytewise = (
            [value if len(value) <= longest else REMOVED for value in values]
            for values in (cleaned, bytewise)
        )
        if bytewise != second:  # UTF-8 under another character set stays what it is
            data = "\\".join(bytewise).encode()
            data += b" " * (len(data) % 2)
            new = text.element._replace(value=data, length=len(data))
        elif cleaned != old:
            new = with_value(element, cleaned if len(cleaned) > 1 else "".join(cleaned))
    if new is not None:
        text.level.kept[element.tag] = new
        spans = find_spans(text.text, work.search, work.others, general=text.is_general)
        note = "probable" if any(span.kind == "probable" for span in spans) else "text"
        text.level.note(element, Rule("C", text.rule.option), note)


def clean_content_item(item: Dataset, out: Dataset, level: Level) -> None:
    """Take identity and ages over 89 out of a content item of a report, by its concept."""
    names = sequence_at(item, "ConceptNameCodeSequence")[:1]
    concept = "".join(f"{n.get('CodingSchemeDesignator')}:{n.get('CodeValue')}" for n in names)
    if concept in _IDENTITY_CONCEPTS:
        _blank_item(out, level)
    elif concept in _AGE_CONCEPTS:
        _coarsen_item(out, level)


def _blank_item(item: Dataset, level: Level) -> None:
    """Replace the value of a content item that names a person, a place or a number."""
    for tag in _VALUES_OF_ITEMS:
        if tag in item:
            element = item[tag]
            value = _dummy(item, element, level.work.new_uid, level.work.is_harmless)
            item[tag] = with_value(element, value)
            level.note(element, Rule("D", "clean-structured-content"))


def _coarsen_item(item: Dataset, level: Level) -> None:
    """Put the class 90 in place of an age over 89 years in a content item (PS3.16 TID 1007)."""
    if _amount(text_at(item, _TEXT_VALUE)) > dates.OLDEST_AGE:
        _blank_item(item, level)
    for measured in item.get("MeasuredValueSequence") or ():
        codes = [
            code.get("CodeValue") for code in measured.get("MeasurementUnitsCodeSequence", ())
        ]
        oldest = (dates.OLDEST_AGE + 1) * max(
            (IN_A_YEAR[_UNITS.get(code, "Y")] for code in codes), default=1
        )
        if _amount(text_at(measured, _NUMERIC_VALUE)) > oldest:
            for tag in _EXACT_VALUES & set(measured.keys()):
                del measured[tag]
            element = measured[_NUMERIC_VALUE]
            measured[_NUMERIC_VALUE] = with_value(element, str(oldest))
            level.note(element, Rule("C", "clean-structured-content"))


def _amount(text: str) -> float:
    """Return the number that a text is; 0 where it has no digit, infinity where it has more."""
    try:
        return float(text) if re.search(r"\d", text) else 0.0
    except ValueError:
        return math.inf
