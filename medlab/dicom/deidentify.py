"""De-identify one data set to PS3.15: the actions, at every nesting level.

Elements that nothing happens to are handed on as the bytes they were read as.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

from medlab import crypto
from medlab.dicom import dates, marks, private
from medlab.dicom.files import MAX_DEPTH, TEXT_VRS, is_dicomdir, proper_vr, quiet_pydicom, vr_of
from medlab.dicom.identity import identity_of, values_of
from medlab.dicom.profile import (
    Plan,
    Rule,
    basic_rules,
    group_rule,
    plan,
    rules_for,
    settle,
    tag_of,
    word_list,
)
from medlab.dicom.text import REMOVED, Search, clean_bytes, find_spans, in_coded_value
from medlab.dicom.text import clean as clean_text
from medlab.dicom.uids import is_registered, made_by, replace_uid
from medlab.errors import InputError, RefusedError

_CODE_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_LARGEST_SCANNED = 1 << 24

PATIENT_ID, PATIENT_NAME = 0x00100020, 0x00100010
_ACCESSION, _SUBJECT = 0x00080050, 0x00120040
_AGE, _CONTENT = 0x00101010, 0x0040A730
_CHARSET = 0x00080005

#: Elements whose numbers look like telephones and dates, and are neither.
TECHNICAL = frozenset(map(tag_of, word_list("technical")))
#: UI elements that name a class, a code or an implementation, not an instance.
_CLASS_UIDS = frozenset(map(tag_of, word_list("class-uids")))
#: Content items of a report that are identity whatever they say (DCM codes of TID 1000 ff.):
#: observers, their organization and place, accession number, the subject and her mother.
_IDENTITY_CONCEPTS = word_list("identity-concepts")
_VALUES_OF_ITEMS = (0x0040A120, 0x0040A121, 0x0040A123, 0x0040A160, 0x0040A168)
_DUMMIES: dict[str, Any] = {
    "DA": dates.DUMMY_DATE,
    "DT": dates.DUMMY_DATE + "000000",
    "TM": "000000",
    "AS": "000Y",
    "CS": "ANON",
    "AE": "ANON",
    "UR": "anonymized",
    "IS": "0",
    "DS": "0",
    "AT": 0,
}
_DUMMY_TEXT = "ANONYMIZED"
_CODED = frozenset({"CS", "AE", "UR"})
_LONGEST = {"SH": 16, "LO": 64, "PN": 64}
_BREAK = "\n\0\n"
_UID_KEEPERS = ("retain-uids", "retain-device-identity")
_REASON = 0x04000565
_TIMES = frozenset({"DA", "DT", "TM", "AS"})
_NUMBERS = frozenset({"US", "SS", "UL", "SL", "FL", "FD", "UV", "SV"})


class Action(NamedTuple):
    """What was done to one element, without its value.

    Attributes
    ----------
    path : str
        Tags with item numbers, such as ``(0008,1115)[0].(0020,000E)``.
    keyword, vr : str
        Keyword (empty for private elements) and value representation.
    code : str
        The letter of PS3.15: X, Z, D, K, C, U.
    option : str
        The option that decided; empty where it was the profile itself.
    note : str
        ``"text"``: identity was found in text. ``"date"``: a date was moved or removed.
        ``"study"``: keyed on the study, for want of a patient ID.
    """

    path: str
    keyword: str
    vr: str
    code: str
    option: str
    note: str


class _Text(NamedTuple):
    """A text element that stays, unless identity is found in it."""

    dataset: Dataset
    element: Any
    rule: Rule
    place: _Place
    kept: dict[Any, Any]
    text: str

    @property
    def is_general(self) -> bool:
        """Whether telephone numbers, dates and the like are looked for, too."""
        tag = int(self.element.tag)
        return tag not in TECHNICAL and vr_of(self.element) not in _CODED


@dataclass
class _Work:
    """What is known while one data set is worked on."""

    plan: Plan
    key: bytes
    sop_class: str
    search: Search
    others: Container[str] | None
    birth: str
    study_date: str
    codes: dict[int, str]
    texts: list[_Text] = field(default_factory=list)
    log: list[Action] = field(default_factory=list)
    declared: frozenset[tuple[str, int]] = frozenset()


class _Place(NamedTuple):
    """Where in a data set we are: path of the items around, their sequence, the depth."""

    path: str = ""
    inside: int = 0
    depth: int = 0
    encodings: tuple[str, ...] = ("iso8859",)


def deidentify(
    dataset: Dataset,
    policy: str | Plan = "basic",
    *,
    options: Iterable[str] = (),
    key: bytes,
    keep_private: Iterable[str] = (),
    others: Container[str] | None = None,
    code_of: Callable[[str, str], str | None] | None = None,
) -> tuple[FileDataset, list[Action]]:
    """De-identify a data set; the input is not modified.

    Parameters
    ----------
    dataset : Dataset
        As read; any SOP class but a DICOMDIR.
    policy : {"basic", "research"} or Plan
        See `profile.plan`. With a Plan, `options` and `keep_private` must stay empty.
    options : iterable of str
        Further PS3.15 options by name.
    key : bytes
        The secret of the project, 16 bytes at least: UIDs, codes and date offsets follow
        from it, and it knows its own work again.
    keep_private : iterable of str
        Private creators to keep besides the safe ones.
    others : container of str, optional
        Normalized IDs and full names of all patients of the job (`Identity.phrases`).
    code_of : callable, optional
        ``code_of(kind, original)`` gives the code of a patient or accession number (at most
        16 of ``A-Z0-9``), or None for the keyed one.

    Returns
    -------
    dataset : FileDataset
        New, with its own file meta, ready to be saved.
    log : list of Action
        What was done, without values.

    Raises
    ------
    InputError
        If the data set nests too deep or a value cannot be understood.
    RefusedError
        If it is a DICOMDIR, which is an index of files that no longer exist.
    """
    if is_dicomdir(dataset):
        raise RefusedError(
            "a DICOMDIR indexes the original files; leave it out and make a new one"
        )
    chosen = policy if isinstance(policy, Plan) else plan(policy, options, keep_private)
    with quiet_pydicom():
        dataset = _consistent(dataset)
        work = _begin(dataset, chosen, key, others, code_of)
        out = _empty_like(dataset)
        out._dict = _level(dataset, work, _Place(encodings=_encodings(dataset)))
        _settle_texts(work)
        marks.stamp(out, chosen)
    return out, work.log


def patient_code(key: bytes, issuer: str, patient_id: str) -> str:
    """Return the keyed code of a patient: 16 characters, the same in every run.

    A code made with this key is returned as it is.
    """
    return keyed_code(key, "patient", f"{issuer}\x1f{patient_id}" if issuer else patient_id)


def keyed_code(key: bytes, kind: str, original: str) -> str:
    """Return 16 characters A-Z2-7: 64 bits of HMAC-SHA256 and 16 by which the key knows them."""
    if is_own_code(key, original):
        return original
    return _spell(key, crypto.keyed_digest(key, "code", kind, original)[:8])


def _spell(key: bytes, body: bytes) -> str:
    number = int.from_bytes(body + crypto.keyed_digest(key, "code check", body)[:2], "big")
    return "".join(_CODE_LETTERS[number >> shift & 31] for shift in range(75, -1, -5))


def is_own_code(key: bytes, value: str) -> bool:
    """Tell whether `keyed_code` made this code with this key."""
    if not re.fullmatch("[A-Z2-7]{16}", value):
        return False
    number = 0
    for letter in value:
        number = number << 5 | _CODE_LETTERS.index(letter)
    return _spell(key, number.to_bytes(10, "big")[:8]) == value


def _begin(
    dataset: Dataset,
    chosen: Plan,
    key: bytes,
    others: Container[str] | None,
    code_of: Callable[[str, str], str | None] | None,
) -> _Work:
    """Gather whose data set it is, how far its dates move, and its codes."""
    patient, issuer = _text(dataset, "PatientID"), _text(dataset, "IssuerOfPatientID")
    study = _text(dataset, "StudyInstanceUID")
    named = is_own_code(key, patient or _text(dataset, "PatientName"))
    moved = marks.was_shifted(dataset) and (named or (not patient and made_by(key, study)))
    days = 0 if moved else dates.offset_days(key, issuer, patient, study)
    search = Search(
        identity_of(dataset),
        "keep" if moved and chosen.dates == "shift" else chosen.dates,
        days,
        key,
        chosen.has("retain-uids"),
        chosen.has("retain-institution-identity"),
        chosen.has("retain-device-identity"),
    )
    work = _Work(
        chosen,
        key,
        _text(dataset, "SOPClassUID"),
        search,
        others,
        _text(dataset, "PatientBirthDate"),
        _text(dataset, "StudyDate"),
        _codes(dataset, key, (issuer, patient, study), code_of),
        declared=private.declared_safe(dataset)
        if chosen.has("retain-safe-private")
        else frozenset(),
    )
    if not patient and not issuer:
        work.log.append(Action("(0010,0020)", "PatientID", "LO", "K", "", "study"))
    return work


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip(" \0")


def _codes(
    dataset: Dataset,
    key: bytes,
    who: tuple[str, str, str],
    code_of: Callable[[str, str], str | None] | None,
) -> dict[int, str]:
    """Return what stands in place of patient ID, name and accession number."""
    issuer, patient, study = who
    original = f"{issuer}\x1f{patient}" if issuer else patient
    asked = code_of("patient", original) if code_of and patient else None
    name = _text(dataset, "PatientName")
    kind, seed = ("patient", original) if patient else ("study", study)
    named = asked or (name if is_own_code(key, name) else keyed_code(key, kind, seed))
    accession = _text(dataset, "AccessionNumber")
    asked = code_of("accession", accession) if code_of and accession else None
    number = asked or keyed_code(key, "accession", accession)
    return {PATIENT_ID: named, PATIENT_NAME: named, _ACCESSION: number, _SUBJECT: named}


def _syntax_encoding(dataset: Dataset) -> tuple[bool, bool] | None:
    """Return (implicit VR, little endian) as the transfer syntax has it; None where unknown."""
    syntax = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    if not syntax or syntax.is_private or not syntax.is_transfer_syntax:
        return None
    return syntax.is_implicit_VR, syntax.is_little_endian


def _consistent(dataset: Dataset) -> Dataset:
    """Return the data set, decoded where it was not written in its own transfer syntax."""
    encoding = _syntax_encoding(dataset)
    first = next((dataset.get_item(tag) for tag in dataset.keys()), None)  # noqa: SIM118
    read_as = (getattr(first, "is_implicit_VR", None), getattr(first, "is_little_endian", None))
    consistent = encoding == dataset.original_encoding and read_as in (encoding, (None, None))
    if encoding is None or consistent:
        return dataset
    whole = copy.deepcopy(dataset)
    for _ in whole.iterall():
        pass  # touching an element decodes it
    whole.set_original_encoding(*encoding, dataset.original_character_set)
    return whole


def _empty_like(dataset: Dataset) -> FileDataset:
    """Return a data set without elements that is written the way `dataset` was."""
    syntax = ImplicitVRLittleEndian
    if hasattr(dataset, "file_meta"):
        syntax = dataset.file_meta.get("TransferSyntaxUID", syntax)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    out = FileDataset("", Dataset(), preamble=b"\0" * 128, file_meta=meta)
    _read_like(out, dataset)
    return out


def _read_like(out: Dataset, dataset: Dataset) -> None:
    """Tell a new data set how the elements it takes over were encoded."""
    implicit, little = dataset.original_encoding
    out.set_original_encoding(implicit, little, dataset.original_character_set)


def _encodings(dataset: Dataset, outer: tuple[str, ...] = ("iso8859",)) -> tuple[str, ...]:
    if _CHARSET not in dataset:
        return outer
    return tuple(convert_encodings(dataset[_CHARSET].value))


def _level(dataset: Dataset, work: _Work, place: _Place) -> dict[Any, Any]:
    """Return the elements that one level of a data set keeps."""
    if place.depth > MAX_DEPTH:
        raise InputError(f"sequences nest deeper than {MAX_DEPTH} levels; refused")
    rules = rules_for(work.plan, work.sop_class, place.inside)
    kept: dict[Any, Any] = {}
    found: dict[int, str] | None = None
    for tag in sorted(dataset.keys()):
        number = int(tag)
        if not number & 0xFFFF or number >> 16 == 2:
            continue  # group lengths would be wrong; file meta is made anew
        if number >> 16 & 1:
            found = private.creators(dataset) if found is None else found
            _private(dataset, tag, found, work, place, kept)
            continue
        rule = rules.get(number) or group_rule(work.plan, number)
        element = dataset.get_item(tag)
        if rule is None:
            _unlisted(dataset, element, work, place, kept)
        else:
            _apply(dataset, element, rule, work, place, kept)
    return kept


def _private(
    dataset: Dataset,
    tag: Any,
    found: dict[int, str],
    work: _Work,
    place: _Place,
    kept: dict[Any, Any],
) -> None:
    """Keep a private element only where its creator, group and low byte are known as safe."""
    if private.is_creator(int(tag)):
        return  # kept with the first element of its block
    creator = private.creator_tag(int(tag))
    why = private.is_kept(work.plan, found.get(creator, ""), int(tag), work.declared)
    if not why:
        _note(work, place, dataset.get_item(tag), Rule("X", ""))
        return
    before = len(kept)
    _clean(dataset, dataset.get_item(tag), Rule("C", why), work, place, kept)
    if len(kept) > before:
        kept.setdefault(type(tag)(creator), dataset.get_item(creator))


def _note(work: _Work, place: _Place, element: Any, rule: Rule, note: str = "") -> None:
    """Write down an action."""
    tag = int(element.tag)
    keyword = "" if tag >> 16 & 1 else keyword_for_tag(tag)
    path = f"{place.path}({tag >> 16:04X},{tag & 0xFFFF:04X})"
    work.log.append(Action(path, keyword, vr_of(element), rule.code, rule.option, note))


def _unlisted(
    dataset: Dataset, element: Any, work: _Work, place: _Place, kept: dict[Any, Any]
) -> None:
    """Treat an element that the profile does not name: keep it, unless identity stands in it."""
    vr = vr_of(element)
    if vr in ("DA", "DT", "PN"):
        shift = vr != "PN" and work.plan.dates != "remove"
        _apply(dataset, element, Rule("C" if shift else "X", ""), work, place, kept)
    elif vr in TEXT_VRS or vr in ("SQ", "UI", "AS", "UN"):
        _clean(dataset, element, Rule("K", ""), work, place, kept)
    else:
        kept[element.tag] = element


def _apply(
    dataset: Dataset, element: Any, rule: Rule, work: _Work, place: _Place, kept: dict[Any, Any]
) -> None:
    """Do what a rule says to one element."""
    code = rule.code
    if code == "X":
        _note(work, place, element, rule)
    elif code in ("C", "K"):
        _clean(dataset, element, rule, work, place, kept)
    elif code == "U*":
        _clean(dataset, element, Rule("U", rule.option), work, place, kept)
    else:
        _replace(dataset[element.tag], rule, work, place, kept)


def _replace(
    element: DataElement, rule: Rule, work: _Work, place: _Place, kept: dict[Any, Any]
) -> None:
    """Put an empty value, a dummy, a code or another UID in an element's place (Z, D, U)."""
    tag = int(element.tag)
    if proper_vr(element) == "UI":
        kept[element.tag] = _with(
            element, _each(element.value, lambda u: replace_uid(work.key, u))
        )
        _note(work, place, element, Rule("U", rule.option))
        return
    if tag in work.codes and not element.is_empty:
        kept[element.tag] = _with(element, work.codes[tag])
    elif rule.code == "Z" or element.is_empty:
        kept[element.tag] = _with(element, None)
    else:
        kept[element.tag] = _with(element, _dummy(element, work, place.depth))
    _note(work, place, element, rule)


def _each(value: Any, change: Callable[[str], Any]) -> Any:
    """Apply `change` to one value or to each of several."""
    if isinstance(value, MultiValue | list):
        return [change(str(one)) for one in value]
    return change(str(value or ""))


def _with(element: Any, value: Any) -> DataElement:
    """Return an element of the same tag with another value, and the VR the tag should have."""
    vr = proper_vr(element)
    if vr == "SQ":
        value = Sequence(value or [])
    return DataElement(element.tag, vr, value)


def _dummy(element: DataElement, work: _Work, depth: int) -> Any:
    """Return a value that fits the VR and says nothing."""
    vr = proper_vr(element)
    if vr == "SQ":
        return _dummy_items(element, work, depth)
    if vr in _BINARY_VRS:
        return b"\0\0"
    if vr in ("FL", "FD"):
        return [0.0] * element.VM if element.VM > 1 else 0.0
    if int(element.tag) == _REASON:
        return "COERCE"
    return 0 if vr in _NUMBERS else _DUMMIES.get(vr, _DUMMY_TEXT)


def _dummy_items(element: DataElement, work: _Work, depth: int) -> list[Dataset]:
    """Return one item that says nothing, in the shape of the first."""
    if int(element.tag) == _CONTENT:
        return [_dummy_content()]
    if depth > MAX_DEPTH or element.VR != "SQ":
        return []
    out = Dataset()
    for first in list(element.value)[:1]:
        for tag in first.keys():  # noqa: SIM118
            if not int(tag) >> 16 & 1 and int(tag) & 0xFFFF:
                out.add(_dummy_element(first[tag], work, depth + 1))
    return [out]


def _dummy_element(element: DataElement, work: _Work, depth: int) -> DataElement:
    """Return an element of a dummy item: codes of the standard and counts stay."""
    vr = proper_vr(element)
    if vr == "UI":
        return _with(element, _each(element.value, lambda u: replace_uid(work.key, u)))
    if vr == "CS" and not in_coded_value(str(element.value), work.search, work.others):
        return element
    if vr in ("US", "UL", "SS") or element.is_empty:
        return element
    return _with(element, _dummy(element, work, depth))


def _dummy_content() -> Dataset:
    """Return the one content item of a report whose content was taken out."""
    name = Dataset()
    name.CodeValue, name.CodingSchemeDesignator = "121106", "DCM"
    name.CodeMeaning = "Comment"
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence = Sequence([name])
    item.TextValue = _DUMMY_TEXT
    return item


def _clean(
    dataset: Dataset, element: Any, rule: Rule, work: _Work, place: _Place, kept: dict[Any, Any]
) -> None:
    """Keep an element, without what identifies in it (C, K, and what the profile leaves)."""
    vr = vr_of(element)
    if vr == "UN" and not int(element.tag) >> 16 & 1:
        element = dataset[element.tag]
        vr = vr_of(element)
    if vr == "SQ":
        _clean_items(dataset[element.tag], rule, work, place, kept)
    elif vr in _TIMES:
        _clean_time(dataset[element.tag], rule, work, place, kept)
    elif vr == "UI":
        _clean_uid(dataset[element.tag], rule, work, place, kept)
    elif vr in TEXT_VRS:
        kept[element.tag] = element
        text = _plain_text(element, place.encodings)
        work.texts.append(_Text(dataset, element, rule, place, kept, text))
    elif vr in _BINARY_VRS:
        _clean_binary(element, rule, work, place, kept)
    else:
        kept[element.tag] = element


def _plain_text(element: Any, encodings: tuple[str, ...]) -> str:
    """Return what a text element says, for searching."""
    value = element.value
    if not isinstance(value, bytes):
        return "\\".join(values_of(element))
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    return decode_bytes(value, list(encodings), {0x5C, 0x5E, 0x3D})


def _clean_items(
    element: DataElement, rule: Rule, work: _Work, place: _Place, kept: dict[Any, Any]
) -> None:
    """Keep a sequence and treat every item like a data set of its own."""
    tag = int(element.tag)
    items = []
    for number, item in enumerate(element.value or ()):
        path = f"{place.path}({tag >> 16:04X},{tag & 0xFFFF:04X})[{number}]."
        inner = _Place(path, tag, place.depth + 1, _encodings(item, place.encodings))
        out = Dataset()
        _read_like(out, item)
        out.is_undefined_length_sequence_item = item.is_undefined_length_sequence_item
        out._dict = _level(item, work, inner)
        if tag == _CONTENT and _concept(item) in _IDENTITY_CONCEPTS:
            _blank_item(out, work, inner)
        items.append(out)
    new = _with(element, items)
    new.is_undefined_length = element.is_undefined_length
    kept[element.tag] = new
    if rule.code == "C" or rule.option:
        _note(work, place, element, rule)


def _concept(item: Dataset) -> str:
    """Return the code of a content item's name, where it is one of DICOM's own."""
    for code in item.get("ConceptNameCodeSequence") or ():
        if code.get("CodingSchemeDesignator") == "DCM":
            return str(code.get("CodeValue", ""))
    return ""


def _blank_item(item: Dataset, work: _Work, place: _Place) -> None:
    """Replace the value of a content item that names a person, a place or a number."""
    for tag in _VALUES_OF_ITEMS:
        if tag in item:
            element = item[tag]
            item[tag] = _with(element, _dummy(element, work, place.depth))
            _note(work, place, element, Rule("D", "clean-structured-content"))


def _clean_time(
    element: DataElement, rule: Rule, work: _Work, place: _Place, kept: dict[Any, Any]
) -> None:
    """Keep an age, a time of day, or a date: moved where the policy moves dates."""
    before = "\\".join(values_of(element))
    try:
        after = _moved(before, vr_of(element), rule, work, is_private(element))
    except InputError:
        after = "" if before else before
    if after == before:
        kept[element.tag] = element
    elif after or not is_private(element):
        dummy = _dummy(element, work, place.depth)
        kept[element.tag] = _with(element, after or dummy)
        _note(work, place, element, Rule("C" if after else "D", rule.option), "date")
    else:
        _note(work, place, element, Rule("X", rule.option), "date")


def is_private(element: Any) -> bool:
    """Tell whether an element stands in an odd group."""
    return bool(int(element.tag) >> 16 & 1)


def _moved(value: str, vr: str, rule: Rule, work: _Work, private_: bool) -> str:
    """Return a time value as the policy wants it; empty where it must not stay."""
    if vr == "AS":
        infants = work.plan.dates != "remove"
        return _join(value, lambda age: dates.coarsen_age(age, infants=infants))
    if vr == "TM":
        return value if re.fullmatch(r"[\d:. \\-]*", value) else ""
    if work.plan.dates == "remove" and (private_ or rule.code == "C"):
        return ""
    return _join(value, lambda day: _moved_day(day, vr, rule, work, private_))


def _join(value: str, change: Callable[[str], str]) -> str:
    parts = [change(part) for part in value.split("\\")]
    return "\\".join(parts) if all(parts) else ""


def _moved_day(value: str, vr: str, rule: Rule, work: _Work, private_: bool) -> str:
    """Return one date, moved; empty where it is the birth date, or private and long ago."""
    day, study = dates.parse_date(value[:8]), dates.parse_date(work.study_date)
    birth = dates.parse_date(work.birth)
    if day and day == birth and (private_ or birth != study):
        return ""
    if private_ and day and study and day.year < study.year - 10:
        return ""
    shift = dates.shift_date if vr == "DA" else dates.shift_datetime
    moved = shift(value, work.search.days)  # also refuses what is no date
    return moved if work.search.dates == "shift" and rule.code == "C" else value


def _clean_uid(
    element: DataElement, rule: Rule, work: _Work, place: _Place, kept: dict[Any, Any]
) -> None:
    """Keep UIDs of classes and codes; replace those of instances, unless they are retained."""
    kept[element.tag] = element
    keep = rule.option in _UID_KEEPERS or work.plan.has("retain-uids")
    if int(element.tag) in _CLASS_UIDS:
        return
    new = _each(element.value, lambda uid: _kept_uid(uid, work, keep))
    if new != _each(element.value, str):
        kept[element.tag] = _with(element, new)
        _note(work, place, element, Rule("U", rule.option))


def _kept_uid(uid: str, work: _Work, keep: bool) -> str:
    """Return a UID to keep, or its replacement: always where it holds an ID or a birth date."""
    numbers = [n for n in work.search.identity.ids if n.isdigit() and len(n) > 5]
    holds = any(part in uid for part in (*numbers, *work.search.identity.births))
    return uid if (keep and not holds) or is_registered(uid) else replace_uid(work.key, uid)


def _clean_binary(
    element: Any, rule: Rule, work: _Work, place: _Place, kept: dict[Any, Any]
) -> None:
    """Keep bytes of unknown layout, overwriting identity in their printable runs."""
    if rule.option == "clean-graphics":
        kept[element.tag] = element
        _note(work, place, element, rule, "not searched")
        return
    if rule.code == "C" and not is_private(element):
        row = basic_rules().get(int(element.tag))
        code = settle(row.basic, None) if row else "X"
        if code != "X":
            _replace(_with(element, element.value), Rule(code, ""), work, place, kept)
            return
        _note(work, place, element, Rule("X", ""))
        return
    value = element.value or b""
    if len(value) > _LARGEST_SCANNED:
        _note(work, place, element, Rule("X", rule.option), "too large to search")
        return
    new = clean_bytes(bytes(value), work.search, work.others)
    kept[element.tag] = element
    if new != value:
        kept[element.tag] = DataElement(element.tag, vr_of(element), new)
        _note(work, place, element, rule, "text")


def _settle_texts(work: _Work) -> None:
    """Search all kept text at once, then clean the few elements in which something stands.

    One search over the joined texts is much faster than one search an element.
    """
    for general in (True, False):
        chosen = [t for t in work.texts if t.is_general == general]
        joined = _BREAK.join(t.text for t in chosen)
        spans = find_spans(joined, work.search, work.others, general=general)
        start = 0
        for one in chosen if spans else ():
            end = start + len(one.text)
            if any(s.start < end and s.end > start for s in spans):
                _clean_one_text(one, work)
            start = end + len(_BREAK)


def _clean_one_text(one: _Text, work: _Work) -> None:
    """Clean the values of one text element."""
    element = one.dataset[one.element.tag]
    vr = vr_of(element)
    if vr in _CODED:
        hit = any(in_coded_value(v, work.search, work.others) for v in values_of(element))
        new = _with(element, _DUMMIES.get(vr, _DUMMY_TEXT)) if hit else element
    else:
        values = [_clean_value(v, vr, one.is_general, work) for v in values_of(element)]
        hit = values != values_of(element)
        new = _with(element, values if len(values) > 1 else values[0]) if hit else element
    if hit:
        one.kept[element.tag] = new
        rule = Rule("C", one.rule.option)
        _note(work, one.place, element, rule, "text")


def _clean_value(value: str, vr: str, general: bool, work: _Work) -> str:
    new = clean_text(value, work.search, work.others, general=general)
    return new if len(new) <= _LONGEST.get(vr, len(new)) else REMOVED
