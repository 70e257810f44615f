"""De-identify one data set to PS3.15: the actions, at every nesting level.

Elements that nothing happens to are handed on as the bytes they were read as.
"""

from __future__ import annotations

import copy
import math
import re
from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, overload

import numpy as np
from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, ImplicitVRLittleEndian

from medlab.dicom import (
    codestream,
    columns,
    dates,
    declarations,
    element_cache,
    own_rules,
    passthrough,
    private,
)
from medlab.dicom.codes import NO_PERSON, is_own_code, keyed_code, owner, patient_code
from medlab.dicom.dummies import dummy, dummy_text
from medlab.dicom.element_texts import (
    BINARY_VRS,
    NUMBER_VRS,
    TEXT_VRS,
    TIME_VRS,
    is_empty,
    is_known,
    is_private,
    items_of,
    label,
    plain_text,
    proper_vr,
    raw_element,
    sequence_at,
    syntax_of,
    text_at,
    texts_of,
    values_of,
    vr_of,
    with_value,
)
from medlab.dicom.files import MAX_DEPTH, is_dicomdir, quiet_pydicom
from medlab.dicom.identity import identity_of, roles, utf8_reading
from medlab.dicom.profile import (
    SAFE_HARBOR,
    Plan,
    Rule,
    basic_rules,
    group_rule,
    plan,
    rules_for,
    settle,
    tag_of,
    type_in_iod,
    word_list,
)
from medlab.dicom.text import REMOVED, Search, Span, clean_bytes, find_spans, in_coded_value
from medlab.dicom.text import clean as clean_text
from medlab.dicom.uids import is_registered, made_by, replace_uid
from medlab.errors import InputError, KindError, RefusedError

_LARGEST_SCANNED = 1 << 24

_PATIENT_ID, _PATIENT_NAME = 0x00100020, 0x00100010
_ACCESSION, _SUBJECT, _STUDY = 0x00080050, 0x00120040, 0x0020000D
_BIRTH, _STUDY_DATE, _SOP_CLASS = 0x00100030, 0x00080020, 0x00080016
_CHARSET, _CONTENT = 0x00080005, 0x0040A730
#: What holds no text and needs no look, unless the profile names the element.
_SILENT_VRS = frozenset(
    {
        "DS",
        "IS",
        "US",
        "SS",
        "UL",
        "SL",
        "FL",
        "FD",
        "AT",
        "OB",
        "OW",
        "OF",
        "OD",
        "US or SS",
        "OB or OW",
    }
)
_NUMERIC = frozenset({"DS", "IS"})
_LOOKED_AT = TEXT_VRS | {"SQ", "UI", "AS", "TM", "UN", "DS", "IS"}
_TEXT_OF_ANY_KIND = TEXT_VRS | TIME_VRS | {"UI"}
_KEEP, _REMOVE = Rule("K", ""), Rule("X", "")

#: Elements whose numbers look like telephones and dates, and are neither.
TECHNICAL = frozenset(map(tag_of, word_list("technical")))
#: UI elements that name a class, a code or an implementation, not an instance.
_CLASS_UIDS = frozenset(map(tag_of, word_list("class-uids")))
#: Content items of a report that are identity whatever they say (DCM codes of TID 1000 ff.):
#: observers, their organization and place, accession number, the subject and her mother.
_IDENTITY_CONCEPTS = word_list("identity-concepts")
_AGE_CONCEPTS = word_list("age-concepts")
_VALUES_OF_ITEMS = (0x0040A120, 0x0040A121, 0x0040A123, 0x0040A160, 0x0040A168)
_TEXT_VALUE, _NUMERIC_VALUE = 0x0040A160, 0x0040A30A
_EXACT_VALUES = frozenset({0x0040A161, 0x0040A162, 0x0040A163})  # the same number once more
_IN_A_YEAR = {"mo": 12, "wk": 52.18, "d": 365.25}  # UCUM
_CODED = frozenset({"CS", "AE", "UR"})
_LONGEST = {"SH": 16, "LO": 64, "PN": 64}
_BREAK = "\n\0\n"
_TIME = re.compile(r"\d{0,2}:?\d{0,2}:?\d{0,2}(?:\.\d{0,9})?")
_SIGNS_OF_NUMBERS = b"0123456789+-.eE \\\0"
_NUMBER = re.compile(b"[%b]*" % re.escape(_SIGNS_OF_NUMBERS))
# a comma that may stand between thousands (1,234) is none
_COMMA = re.compile(r"[+-]?(?:0|\d{4,}|\d+(?!,\d{3}$)),\d+")
_UID = re.compile(r"[0-9.]+")
_MOMENT = re.compile(rb"\d{8}(?:\d\d){0,3}(?:\.\d{0,6})? ?")
_KIND_OF_SIGN = np.zeros(256, np.uint8)  # of date-times: digits, points, spaces
_KIND_OF_SIGN[[*b"0123456789"]], _KIND_OF_SIGN[ord(".")], _KIND_OF_SIGN[ord(" ")] = 1, 2, 3
_ZIP = re.compile(r"\b[A-Z]{2}[ ,^]+(\d{3})\d\d(?:-\d{4})?\b")
_UID_KEEPERS = ("retain-uids", "retain-device-identity", own_rules.OWN)
#: Roles that an own rule may keep: the search then leaves their words, not the patient's.
_NOT_THE_PATIENT = word_list("not-the-patient")


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
        ``"text"``: identity was found in text. ``"probable"``: so was a word one letter from a
        name of the patient. ``"date"``: a date was moved or removed.
        ``"study"``: keyed on the study, for want of patient ID and name. ``"beside"``,
        ``"frames"``, ``"opaque"``: of pixel data, see `codestream.trim`. ``"mended"``: a value
        that is none of its VR was clear all the same. ``"unreadable"``: it was not, and was
        emptied (a date became 19000101).
    """

    path: str
    keyword: str
    vr: str
    code: str
    option: str
    note: str


class _Lines(NamedTuple):
    """What the log says of one element in the items of a long sequence.

    `place` sorts them among the lines of other elements; `which` of `actions` hold for each item.
    """

    column: columns.Column
    place: columns.Places
    actions: list[list[Action]]
    which: columns.Places


class _Many(NamedTuple):
    """What the log says of a long sequence, not yet written down."""

    path: str
    lines: list[_Lines]

    def actions(self) -> list[Action]:
        """Return the actions in the order of the elements that they were done to."""
        placed = []
        for column, place, actions, which in self.lines:
            paths = column.items.paths
            for row, at, number in zip(
                column.rows.tolist(), place.tolist(), which.tolist(), strict=True
            ):
                placed += [
                    (at, Action(self.path + paths[row] + path, *what))
                    for path, *what in actions[number]
                ]
        return [action for _, action in sorted(placed, key=itemgetter(0))]

    def counts(self) -> Counter[tuple[str, str]]:
        """Count the actions by code and option."""
        counts: Counter[tuple[str, str]] = Counter()
        for line in self.lines:
            items = np.bincount(line.which, minlength=len(line.actions)).tolist()
            for actions, number in zip(line.actions, items, strict=True):
                for action in actions:
                    counts[action.code, action.option] += number
        return counts

    def is_noted(self, notes: Container[str]) -> bool:
        """Tell whether an action has one of some notes."""
        return any(one.note in notes for line in self.lines for one in chain(*line.actions))


class Log(Sequence[Action]):
    """What was done to a data set, in order; of long sequences written down when it is read."""

    def __init__(self, entries: Iterable[Action | _Many]) -> None:
        self._entries = list(entries)

    @cached_property
    def _actions(self) -> list[Action]:
        return _written_down(self._entries)

    @overload
    def __getitem__(self, place: int) -> Action: ...

    @overload
    def __getitem__(self, place: slice) -> list[Action]: ...

    def __getitem__(self, place: int | slice) -> Action | list[Action]:
        return self._actions[place]

    def __len__(self) -> int:
        return len(self._actions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Log | list) and self._actions == list(other)

    __hash__ = None  # type: ignore[assignment]

    def counts(self) -> Counter[tuple[str, str]]:
        """Count the actions by code and option."""
        single = (one for one in self._entries if isinstance(one, Action))
        counts = Counter((action.code, action.option) for action in single)
        for entry in self._entries:
            if isinstance(entry, _Many):
                counts += entry.counts()
        return counts

    def noted(self, notes: Container[str]) -> list[Action]:
        """Return the actions with one of some notes."""
        entries = [
            entry
            for entry in self._entries
            if (entry.is_noted(notes) if isinstance(entry, _Many) else entry.note in notes)
        ]
        return [action for action in _written_down(entries) if action.note in notes]


def _written_down(entries: Iterable[Action | _Many]) -> list[Action]:
    actions: list[Action] = []
    for entry in entries:
        actions += [entry] if isinstance(entry, Action) else entry.actions()
    return actions


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
    code_of: Callable[[str, str], str | None] | None = None
    texts: list[_Text] = field(default_factory=list)
    log: list[Action | _Many] = field(default_factory=list)
    declared: frozenset[tuple[str, int]] = frozenset()
    memories: dict[Hashable, element_cache.Memory] | None = None
    new: list[_New] = field(default_factory=list)

    def known(self, inside: int, encodings: tuple[str, ...]) -> element_cache.Memory | None:
        """Return what became of elements in one place of data sets like this one."""
        if self.memories is None:
            return None
        return self.memories.setdefault((inside, encodings), element_cache.Memory())

    def new_uid(self, uid: str) -> str:
        """Return what stands in a UID's place."""
        return replace_uid(self.key, uid)

    def is_harmless(self, code: str) -> bool:
        """Tell whether a coded value says nothing of the patient."""
        return not in_coded_value(code, self.search, self.others)

    @property
    def circumstances(self) -> tuple[Any, ...]:
        """Everything beside an element that decides what becomes of it."""
        codes = tuple(self.codes.values())
        who = (self.search, self.birth, self.study_date, codes, self.others)
        return self.plan, self.key, self.sop_class, self.declared, *who

    @cached_property
    def patient_only(self) -> _Work:
        """The same work with a search that leaves staff, places and devices."""
        none: frozenset[Any] = frozenset()
        who = self.search.identity
        who = replace(who, staff=none, institutions=none, devices=none)
        return replace(self, search=replace(self.search, identity=who))

    @cached_property
    def numbers(self) -> list[str]:
        """IDs and birth dates that a UID might hold."""
        ids = [n for n in self.search.identity.ids if n.isdigit() and len(n) > 5]
        return [*ids, *self.search.identity.births]

    @cached_property
    def own_numbers(self) -> frozenset[bytes]:
        """The same, as a DS or IS would hold them: perhaps without leading zeros."""
        bare = [number.lstrip("0") for number in self.numbers]
        return frozenset(n.encode() for n in (*self.numbers, *bare) if len(n) > 5)


@dataclass
class _Level:
    """One level of a data set: where it stands, and what is kept of it."""

    dataset: Dataset
    work: _Work
    path: str = ""
    inside: int = 0
    depth: int = 0
    encodings: tuple[str, ...] = ("iso8859",)
    kept: dict[Any, Any] = field(default_factory=dict)
    known: element_cache.Memory | None = None

    @cached_property
    def creators(self) -> dict[int, str]:
        """Creator tag -> creator."""
        return private.creators(self.dataset)


class _Done(NamedTuple):
    """What became of an element: what is kept of it, what the log says, what is to be searched.

    `creator` reserves the block in which a private element stands, if that decided.
    """

    kept: Any
    actions: tuple[Action, ...]
    text: tuple[Any, ...] | None = None
    creator: tuple[int, str] | None = None


class _New(NamedTuple):
    """An element met for the first time: what became of it, but for what is found in its texts."""

    level: _Level
    element: Any
    done: _Done
    texts: range


class _Text(NamedTuple):
    """A text element that stays, unless identity is found in it."""

    level: _Level
    element: Any
    rule: Rule
    text: str
    is_general: bool


def deidentify(
    dataset: Dataset,
    policy: str | Plan = "basic",
    *,
    options: Iterable[str] = (),
    key: bytes,
    keep_private: Iterable[str] = (),
    others: Container[str] | None = None,
    code_of: Callable[[str, str], str | None] | None = None,
    whose: str | None = None,
) -> tuple[FileDataset, Log]:
    """De-identify a data set; the input is not modified.

    Parameters
    ----------
    dataset : Dataset
        As read; any SOP class but a DICOMDIR.
    policy : {"basic", "research", "safe-harbor"} or Plan
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
    whose : str, optional
        Who the data set belongs to, where one knows better than its header (`dicom.owner`).

    Returns
    -------
    dataset : FileDataset
        New, with its own file meta, ready to be saved.
    log : Log, a sequence of Action
        What was done, without values.

    Raises
    ------
    InputError
        If the data set nests too deep or a value cannot be understood.
    KindError
        If `dataset` is a path, or `key` a text.
    RefusedError
        If it is a DICOMDIR, which is an index of files that no longer exist.
    """
    if not isinstance(dataset, Dataset) or not isinstance(key, bytes):
        raise KindError("deidentify takes a pydicom Dataset (see read) and a key of bytes")
    if is_dicomdir(dataset):
        raise RefusedError(
            "a DICOMDIR indexes the original files; leave it out and make a new one"
        )
    chosen = policy if isinstance(policy, Plan) else plan(policy, options, keep_private)
    with quiet_pydicom():
        dataset = _consistent(dataset)
        work = _begin(dataset, chosen, key, others, code_of, whose)
        out = _empty_like(dataset)
        top = _Level(dataset, work, encodings=_encodings(dataset))
        if not (chosen.rules and own_rules.depends_on_place(chosen)):
            work.memories = element_cache.memories(*work.circumstances)
            top.known = work.known(0, top.encodings)
        out._dict = _treat(top)
        _remember(work, _settle_texts(work))
        declarations.stamp(out, chosen)
    return out, Log(work.log)


def _begin(
    dataset: Dataset,
    chosen: Plan,
    key: bytes,
    others: Container[str] | None,
    code_of: Callable[[str, str], str | None] | None,
    whose: str | None,
) -> _Work:
    """Gather whose data set it is, how far its dates move, and its codes."""
    patient, study = text_at(dataset, _PATIENT_ID), text_at(dataset, _STUDY)
    whose = whose or owner(dataset)
    named = is_own_code(key, patient or text_at(dataset, _PATIENT_NAME))
    ours = named or (not patient and (not study or made_by(key, study)))
    moved = ours and declarations.was_shifted(dataset)
    search = Search(
        identity_of(dataset),
        "keep" if moved and chosen.dates == "shift" else chosen.dates.replace("year", "remove"),
        0 if moved else dates.offset_days(key, whose),
        key,
        chosen.has("retain-uids"),
        chosen.has("retain-institution-identity"),
        chosen.has("retain-device-identity"),
    )
    work = _Work(
        chosen,
        key,
        text_at(dataset, _SOP_CLASS),
        search,
        others,
        text_at(dataset, _BIRTH),
        text_at(dataset, _STUDY_DATE),
        _codes(dataset, key, whose, code_of),
        code_of,
    )
    if chosen.has("retain-safe-private"):
        work.declared = private.declared_safe(dataset)
    if whose.startswith(NO_PERSON):
        work.log.append(Action("(0010,0020)", "PatientID", "LO", "K", "", "study"))
    return work


def _codes(
    dataset: Dataset,
    key: bytes,
    whose: str,
    code_of: Callable[[str, str], str | None] | None,
) -> dict[int, str]:
    """Return what stands in place of patient ID, name and accession number."""
    earlier = (text_at(dataset, tag) for tag in (_PATIENT_ID, _PATIENT_NAME))
    asked = code_of("patient", whose) if code_of and not whose.startswith(NO_PERSON) else None
    ours = next((code for code in earlier if is_own_code(key, code)), None)
    named = asked or ours or patient_code(key, whose)
    accession = text_at(dataset, _ACCESSION)
    asked = code_of("accession", accession) if code_of and accession else None
    number = asked or keyed_code(key, "accession", accession)
    return {_PATIENT_ID: named, _PATIENT_NAME: named, _ACCESSION: number, _SUBJECT: named}


@lru_cache(maxsize=64)
def _encoding_of(syntax: str) -> tuple[bool, bool] | None:
    """Return (implicit VR, little endian) of a transfer syntax; None where it is not known."""
    uid = UID(syntax)
    if not syntax or uid.is_private or not uid.is_transfer_syntax:
        return None
    return uid.is_implicit_VR, uid.is_little_endian


def _consistent(dataset: Dataset) -> Dataset:
    """Return the data set, decoded where it was not written in its own transfer syntax."""
    encoding = _encoding_of(syntax_of(dataset))
    first = next(iter(dataset._dict.values()), None)
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
    meta = declarations.new_meta(syntax_of(dataset) or str(ImplicitVRLittleEndian))
    read_as = dataset.original_encoding, dataset.original_character_set
    return passthrough.new_file({}, meta, b"\0" * 128, *read_as)


def _encodings(dataset: Dataset, outer: tuple[str, ...] = ("iso8859",)) -> tuple[str, ...]:
    element = dataset._dict.get(BaseTag(_CHARSET))
    if element is None:
        return outer
    value = element.value
    if isinstance(value, bytes):
        return _encodings_of(value.decode("ascii", "replace").strip(" \0"))
    return tuple(convert_encodings(value))


@lru_cache(maxsize=64)
def _encodings_of(names: str) -> tuple[str, ...]:
    return tuple(convert_encodings(names.split("\\")))


def _treat(level: _Level) -> dict[Any, Any]:
    """Return the elements that one level of a data set keeps."""
    if level.depth > MAX_DEPTH:
        raise InputError(f"sequences nest deeper than {MAX_DEPTH} levels; refused")
    work, known = level.work, level.known
    rules = rules_for(work.plan, work.sop_class, level.inside)
    for number, element in items_of(level.dataset):
        before = known and known.get(id(element))
        if before and _again(level, element, before[1]):
            continue
        if not number & 0xFFFF or number >> 16 in (0, 2):
            continue  # group lengths would be wrong; commands do not belong; meta is made anew
        if number >> 16 & 1:
            if not private.is_creator(number):  # kept with the first element of its block
                creator = level.creators.get(private.creator_tag(number), "")
                _settle(level, element, None, creator)
            continue
        rule = rules.get(number) or group_rule(work.plan, number)
        rule = _laid(level, element, rule)
        silent = _silence(number, element.VR or "") if rule is None else ""
        if silent == "bytes" or (silent == "numbers" and _is_number(element, work)):
            level.kept[element.tag] = element
            if known is not None:
                known.note(element, _Done(element, ()))
        else:
            _settle(level, element, rule)
    for tag, met in codestream.trim(level.dataset, level.kept).items():
        _note(level, level.kept[tag], Rule("K" if met == "opaque" else "C", ""), met)
    return level.kept


def _laid(level: _Level, element: Any, planned: Rule | None, creator: str = "") -> Rule | None:
    """Return what own rules say of an element, where there are any; else what is planned."""
    plan_ = level.work.plan
    if not plan_.rules:
        return planned
    path = level.path + label(int(element.tag))[0]
    return own_rules.laid(plan_, path, vr_of(element), creator, level.work.sop_class, planned)


@lru_cache(maxsize=65536)
def _silence(tag: int, written_vr: str) -> str:
    """Tell what an element holds that needs no search: ``"bytes"``, ``"numbers"`` or nothing."""
    if not is_known(tag):
        return ""
    vr = proper_vr(raw_element(tag, written_vr, b"", implicit=not written_vr, little=True))
    both = {vr, vr if written_vr in ("", "UN") else written_vr}
    return "" if both - _SILENT_VRS else "numbers" if both & _NUMERIC else "bytes"


def _again(level: _Level, element: Any, done: _Done) -> bool:
    """Treat an element as the same one was treated before, if that holds here."""
    if done.creator and level.creators.get(done.creator[0], "") != done.creator[1]:
        return False
    if done.kept is not None:
        level.kept[element.tag] = done.kept
        if done.creator:
            place = done.creator[0]
            level.kept.setdefault(BaseTag(place), level.dataset.get_item(place))
    if done.actions:
        actions: Iterable[Action] = done.actions
        if level.path:
            actions = [Action(level.path + one[0], *one[1:]) for one in actions]
        level.work.log += actions
    if done.text is not None:
        level.work.texts.append(_Text(level, element, *done.text))
    return True


def _settle(level: _Level, element: Any, rule: Rule | None, creator: str = "") -> None:
    """Treat one element, and note what came of it."""
    work, logged, texts = level.work, len(level.work.log), len(level.work.texts)
    _settle_anew(level, element, rule, creator)
    if level.known is not None and type(element) is element_cache.Atom:
        start, plan_ = len(level.path), work.plan
        relative = tuple(
            Action(one[0][start:], *one[1:]) for one in _written_down(work.log[logged:])
        )
        retains = plan_.rules or plan_.keep_private or plan_.has("retain-safe-private")
        place = private.creator_tag(int(element.tag))
        decided = (place, creator) if is_private(element) and retains else None
        done = _Done(level.kept.get(element.tag), relative, None, decided)
        work.new.append(_New(level, element, done, range(texts, len(work.texts))))


def _remember(work: _Work, found: set[int]) -> None:
    """Note what became of elements that were met for the first time.

    Parameters
    ----------
    found : set of int
        Numbers of the texts in which something was found. They are searched again.
    """
    for level, element, done, texts in work.new:
        kept = done.kept
        if not found.isdisjoint(texts):
            if kept is not element:  # a sequence with a text in it
                continue
            done = done._replace(text=work.texts[texts[0]][2:])
        elif getattr(kept, "VR", "") == "SQ" and not getattr(kept, "is_raw", False):
            kept = passthrough.as_raw(kept, element, level.dataset.original_character_set)
            done = done._replace(kept=kept)
        if level.known is not None and (kept is None or getattr(kept, "is_raw", False)):
            level.known.note(element, done)


def _settle_anew(level: _Level, element: Any, rule: Rule | None, creator: str) -> None:
    if is_private(element):
        _private(level, element, creator)
    elif rule is not None:
        _apply(level, element, rule)
    else:
        _unlisted(level, element)


def _private(level: _Level, element: Any, creator: str) -> None:
    """Keep a private element only where its creator, group and low byte are known as safe."""
    tag = int(element.tag)
    why = private.is_kept(level.work.plan, creator, tag, level.work.declared)
    rule = _laid(level, element, Rule("C", why) if why else None, creator) if creator else None
    if rule is None or rule.code == "X":
        _note(level, element, rule or _REMOVE)
        return
    before = len(level.kept)
    if rule.code in ("K", "C"):
        _clean(level, element, Rule("C", rule.option))
    else:
        _apply(level, element, rule)
    if len(level.kept) > before:
        place = private.creator_tag(tag)
        level.kept.setdefault(BaseTag(place), level.dataset.get_item(place))


def _note(level: _Level, element: Any, rule: Rule, note: str = "") -> None:
    """Write down an action."""
    written, keyword = label(int(element.tag))
    level.work.log.append(
        Action(level.path + written, keyword, vr_of(element), rule.code, rule.option, note)
    )


def _unlisted(level: _Level, element: Any) -> None:
    """Treat an element that the profile does not name: keep it, unless identity stands in it."""
    vr = vr_of(element)
    if not is_known(int(element.tag)):
        # what a later edition may mean by it, nobody can promise; numbers are of use to research
        is_text = vr not in NUMBER_VRS or (vr in _NUMERIC and not _is_number(element, level.work))
        if is_text or level.work.plan.policy != "research":
            _note(level, element, _REMOVE)
        else:
            level.kept[element.tag] = element
    elif vr in ("DA", "DT", "PN"):
        shift = vr != "PN" and level.work.plan.dates != "remove"
        _apply(level, element, Rule("C", "") if shift else _REMOVE)
    elif vr in ("AE", "UR") and level.work.plan.policy == SAFE_HARBOR:
        _note(level, element, _REMOVE)
    elif vr in _LOOKED_AT or _is_disguised(element, vr):
        _clean(level, element, _KEEP)
    else:
        level.kept[element.tag] = element


def _is_disguised(element: Any, vr: str) -> bool:
    """Tell whether a file gives a text element a VR of bytes or numbers: search would miss it."""
    proper = proper_vr(element)
    is_number = vr in NUMBER_VRS and proper in _TEXT_OF_ANY_KIND
    return is_number or (vr in BINARY_VRS and proper not in BINARY_VRS)


def _apply(level: _Level, element: Any, rule: Rule) -> None:
    """Do what a rule says to one element."""
    code = rule.code
    if own_rules.is_kept(rule) and vr_of(element) != "SQ":
        _note(level, element, rule)  # so that the report counts it
    if code == "X":
        _note(level, element, rule)
    elif own_rules.is_allowed(int(element.tag), rule):
        level.kept[element.tag] = element
    elif code in ("C", "K"):
        _clean(level, element, rule)
    elif code == "U*":
        _clean(level, element, Rule("U", rule.option))
    else:
        _replace(level, element, rule)


def _replace(level: _Level, element: Any, rule: Rule) -> None:
    """Put an empty value, a dummy, a code or another UID in an element's place (Z, D, U)."""
    value: Any
    if rule.how in ("replace", "hash", "alias", "zip") or (rule.how and rule.code == "Z"):
        value = _own_value(level, element, rule)
    elif proper_vr(element) == "UI":
        value = "\\".join(map(level.work.new_uid, texts_of(level.dataset, element)))
        rule = Rule("U", rule.option)
    elif is_empty(element):
        value = None
    elif int(element.tag) in level.work.codes:
        value = level.work.codes[int(element.tag)]
    elif rule.code == "Z":
        value = None
    else:
        value = dummy(level.dataset, element, level.work.new_uid, level.work.is_harmless)
    if value is None and rule.how == "zip":
        _note(level, element, _REMOVE)
        return
    level.kept[element.tag] = with_value(element, value)
    _note(level, element, rule)


def _zip(address: str, restricted: Container[str]) -> str | None:
    """Return the first three digits of a ZIP code behind its state; 000 where few live there."""
    found = _ZIP.findall(address)
    return ("000" if found[-1] in restricted else found[-1]) if found else None


def _own_value(level: _Level, element: Any, rule: Rule) -> str | None:
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
    given = work.code_of if rule.how == "alias" else None
    kind = rule.how if given is None else label(tag)[1]
    codes = [(given and given(kind, one)) or keyed_code(work.key, kind, one) for one in old]
    return "\\".join(codes) or None


def _clean(level: _Level, element: Any, rule: Rule) -> None:
    """Keep an element, without what identifies in it (C, K, and what the profile leaves)."""
    vr = vr_of(element)
    if vr == "SQ":
        _clean_items(level, element, rule)
    elif vr in TIME_VRS:
        _clean_time(level, element, rule)
    elif vr == "UI":
        _clean_uid(level, element, rule)
    elif vr in TEXT_VRS:
        level.kept[element.tag] = element
        readings = plain_text(element, level.encodings), utf8_reading(element.value)
        text = _BREAK.join(filter(None, readings))
        general = vr not in _CODED and int(element.tag) not in TECHNICAL
        role = roles().get(int(element.tag))
        if own_rules.is_kept(rule) and (vr == "PN" or (role and role.name in _NOT_THE_PATIENT)):
            rule, general = rule._replace(how="keep"), False
        level.work.texts.append(_Text(level, element, rule, text, general))
    elif vr in BINARY_VRS:
        _clean_binary(level, element, rule)
    elif vr in NUMBER_VRS - _NUMERIC and proper_vr(element) in _TEXT_OF_ANY_KIND:
        _replace(level, element, Rule("D", rule.option))  # text that the file calls a number
    else:
        level.kept[element.tag] = element
        if vr in _NUMERIC and not _is_number(element, level.work):
            _mend_numbers(level, element, rule)


def _is_number(element: Any, work: _Work) -> bool:
    """Tell whether a DS or IS holds numbers and nothing else, and none of the patient's own."""
    value = element.value
    if not isinstance(value, bytes):
        value = "\\".join(values_of(element)).encode()
    if _NUMBER.fullmatch(value) is None:
        return False
    own = [number for number in work.own_numbers if number in value]
    return not own or set(own).isdisjoint(map(bytes.strip, value.split(b"\\")))


def _mend_numbers(level: _Level, element: Any, rule: Rule) -> None:
    """Write a decimal comma as a point; empty what is no number: a dummy would be used."""
    parts = plain_text(element, level.encodings).split("\\")
    decimal = vr_of(element) == proper_vr(element) == "DS"
    points = [p.replace(",", ".") if decimal and _COMMA.fullmatch(p.strip()) else p for p in parts]
    new = with_value(element, "\\".join(points))
    mended = _is_number(new, level.work)
    level.kept[element.tag] = new if mended else with_value(element, None)
    done = ("C", "mended") if mended else ("Z", "unreadable")
    _note(level, element, Rule(done[0], rule.option), done[1])


def _clean_items(level: _Level, element: Any, rule: Rule) -> None:
    """Keep a sequence and treat every item like a data set of its own."""
    level.kept[element.tag] = _clean_alike(level, element) or _clean_each(level, element)
    if rule.code == "C" or rule.option:
        _note(level, element, rule)


def _clean_each(level: _Level, element: Any) -> Any:
    """Treat the items of a sequence one by one."""
    tag, texts = int(element.tag), len(level.work.texts)
    items = []
    for number, item in enumerate(passthrough.sequence_items(level.dataset, element)):
        path = f"{level.path}{label(tag)[0]}[{number}]."
        encodings = _encodings(item, level.encodings)
        inner = _Level(item, level.work, path, tag, level.depth + 1, encodings)
        implicit, little = item.original_encoding
        inner.known = level.work.known(tag, encodings)
        out = passthrough.new_item(_treat(inner), implicit, item.original_character_set, little)
        out.is_undefined_length_sequence_item = item.is_undefined_length_sequence_item
        if tag == _CONTENT and _concept(item) in _IDENTITY_CONCEPTS:
            _blank_item(out, inner)
        elif tag == _CONTENT and _concept(item) in _AGE_CONCEPTS:
            _coarsen_item(out, inner)
        items.append(out)
    new = with_value(element, items)
    new.is_undefined_length = passthrough.is_undefined(element)
    if getattr(element, "is_raw", False) and len(level.work.texts) == texts:
        new = passthrough.as_raw(new, element, level.dataset.original_character_set)
    return new


def _clean_alike(level: _Level, element: Any) -> Any | None:
    """Treat the items of a long sequence side by side: each different value of an element once.

    None, and nothing is done, where the items are not alike, or where identity stands in one of
    their texts: then they are treated one by one.
    """
    work, table = level.work, columns.table(level.dataset, element, level.depth)
    if table is None or work.plan.rules:  # own rules may ask for the path of each
        return None
    logged, texts, new = len(work.log), len(work.texts), len(work.new)
    edits: list[tuple[columns.Column, columns.Edit]] = []
    lines: list[_Lines] = []
    try:
        _clean_columns(level, table, edits, lines)
        clean = not any(spans for _, spans, _ in _searched(work.texts[texts:], work))
    except (columns.NotAlikeError, InputError):
        clean = False
    del work.log[logged:], work.texts[texts:], work.new[new:]
    if not clean:
        return None
    work.log += [_Many(level.path, lines)] if lines else []
    return passthrough.with_bytes(element, columns.edited(table, edits)) if edits else element


def _clean_columns(
    level: _Level,
    table: list[columns.Column],
    edits: list[tuple[columns.Column, columns.Edit]],
    lines: list[_Lines],
) -> None:
    """Treat the elements of items; those of a nested sequence follow it, and go with it."""
    work, gone = level.work, None
    keeps_private = work.plan.keep_private or work.plan.has("retain-safe-private")
    for column in table:
        *outer, tag = column.place
        if gone is not None and column.place[: len(gone)] == gone:
            continue
        if tag >> 16 & 1 and keeps_private:
            raise columns.NotAlikeError  # what becomes of it, the elements around it tell
        rule = work.plan.action(tag, work.sop_class, outer[-1])
        inner = replace(level, path="", inside=outer[-1], depth=level.depth + len(outer))
        if column.vr == "SQ" and _is_entered(tag, rule):
            if rule and (rule.code == "C" or rule.option):
                logged = len(work.log)
                _note(inner, column.element(b""), Rule(rule.code[0], rule.option))
                which = np.zeros(len(column.rows), np.int64)
                lines.append(
                    _Lines(column, 2 * column.end - 1, [_written_down(work.log[logged:])], which)
                )
            continue
        gone = column.place if column.vr == "SQ" else None
        edited = _outcomes_of_days(inner, column, rule) or _outcomes(inner, column, rule)
        edits += [(column, edit) for edit in edited[0]]
        if any(edited[1]):
            lines.append(_Lines(column, 2 * column.head, *edited[1:]))


def _is_entered(tag: int, rule: Rule | None) -> bool:
    """Tell whether the items of a nested sequence are treated, not the sequence as a whole."""
    if rule is None:
        return is_known(tag) and not tag >> 16 & 1
    return rule.code in ("C", "K", "U*")


def _deciding(
    column: columns.Column, rule: Rule | None, work: _Work
) -> tuple[list[bytes], columns.Places]:
    """Return values that decide about an element, none for silence; and for each item which."""
    tag = column.place[-1]
    silent = "" if rule or tag >> 16 & 1 else _silence(tag, column.written or "")
    if silent == "numbers":
        joined = column.joined
        odd = joined.translate(None, _SIGNS_OF_NUMBERS)
        silent = "" if odd or any(number in joined for number in work.own_numbers) else "bytes"
    if silent == "bytes":
        return [], column.rows
    if _is_alike_for_all(column, rule):
        # a dummy is the same whatever stood there, if something did
        _, first, which = np.unique(
            column.end > column.start, return_index=True, return_inverse=True
        )
        return [column.value(row) for row in first.tolist()], which
    return column.different, column.which


def _is_alike_for_all(column: columns.Column, rule: Rule | None) -> bool:
    """Tell whether an element is removed, or gets the same dummy, whatever stands in it."""
    if rule is None or rule.code == "X":
        return rule is not None
    dummies = rule.code in ("Z", "D") and not rule.how
    return dummies and proper_vr(column.element(b"")) in TEXT_VRS | TIME_VRS


#: Edits of one element in all items; actions for each value that decides; which holds for each.
_Edited = tuple[list[columns.Edit], list[list[Action]], columns.Places]


def _outcomes(level: _Level, column: columns.Column, rule: Rule | None) -> _Edited:
    """Treat each different value of one element."""
    values, which = _deciding(column, rule, level.work)
    written, actions = _treated(level, column, rule, values)
    changed = np.array([new is not None for new in written], bool)
    if not changed.any():
        return [], actions, which
    rows = changed[which]
    places = column.head[rows], column.end[rows]
    return [columns.Edit(*places, [new or b"" for new in written], which[rows])], actions, which


def _outcomes_of_days(level: _Level, column: columns.Column, rule: Rule | None) -> _Edited | None:
    """Treat date-times of one form by their days, which move with all that follows; else None."""
    is_moment = column.vr == proper_vr(column.element(b"")) == "DT"
    if not is_moment or (cells := column.cells) is None or _is_alike_for_all(column, rule):
        return None
    kinds = _KIND_OF_SIGN[cells]
    if not _MOMENT.fullmatch(column.value(0)) or (kinds != kinds[0]).any():
        return None
    days = np.ascontiguousarray(cells[:, :8]).view("<u8")[:, 0]
    _, first, which = np.unique(days, return_index=True, return_inverse=True)
    values = [column.value(row) for row in first.tolist()]
    written, actions = _treated(level, column, rule, values)
    edits, width = [], cells.shape[1] - 8
    moved = [new[-8 - width :][:8] if new else b"" for new in written]
    for number, (new, value) in enumerate(zip(written, values, strict=True)):
        head = column.items.data[column.head[first[number]] : column.start[first[number]]]
        if new and new != head + moved[number] + value[8:]:
            return None
        rows = np.flatnonzero(which == number)
        if new is not None:
            places = (column.start, column.start + 8) if new else (column.head, column.end)
            start, end = (side[rows] for side in places)
            edits.append(columns.Edit(start, end, [moved[number]], 0 * rows))
    return edits, actions, which


def _treated(
    level: _Level, column: columns.Column, rule: Rule | None, values: list[bytes]
) -> tuple[list[bytes | None], list[list[Action]]]:
    """Treat values each alone: what is written for them, None where they stay; and the log."""
    log, logged = level.work.log, len(level.work.log)
    written: list[bytes | None] = []
    actions = []
    item, _ = column.alone(b"")
    alone = replace(level, dataset=item, kept={})
    for value in values:
        element = column.element(value)
        item._dict = {element.tag: element}
        alone.kept.clear()
        if not private.is_creator(int(element.tag)):  # it goes, as all of its block does
            _settle_anew(alone, element, rule, "")
        new = alone.kept.get(element.tag)
        if new is not None and (column.vr == "SQ" or not getattr(new, "is_raw", False)):
            raise columns.NotAlikeError
        unchanged = new is element
        written.append(
            None if unchanged else b"" if new is None else passthrough.element_bytes(new)
        )
        actions.append(_written_down(log[logged:]))
        del log[logged:]
    return written, actions


def _concept(item: Dataset) -> str:
    """Return scheme and code of a content item's name."""
    for code in sequence_at(item, "ConceptNameCodeSequence"):
        return f"{code.get('CodingSchemeDesignator')}:{code.get('CodeValue')}"
    return ""


def _coarsen_item(item: Dataset, level: _Level) -> None:
    """Put the class 90 in place of an age over 89 years in a content item (PS3.16 TID 1007)."""
    if _amount(text_at(item, _TEXT_VALUE)) > dates.OLDEST_AGE:
        _blank_item(item, level)
    for measured in item.get("MeasuredValueSequence") or ():
        codes = [
            code.get("CodeValue") for code in measured.get("MeasurementUnitsCodeSequence", ())
        ]
        oldest = (dates.OLDEST_AGE + 1) * max(
            (_IN_A_YEAR.get(code, 1) for code in codes), default=1
        )
        if _amount(text_at(measured, _NUMERIC_VALUE)) > oldest:
            for tag in _EXACT_VALUES & set(measured.keys()):
                del measured[tag]
            element = measured[_NUMERIC_VALUE]
            measured[_NUMERIC_VALUE] = with_value(element, str(oldest))
            _note(level, element, Rule("C", "clean-structured-content"))


def _amount(text: str) -> float:
    """Return the number that a text is; 0 where it has no digit, infinity where it has more."""
    try:
        return float(text) if re.search(r"\d", text) else 0.0
    except ValueError:
        return math.inf


def _blank_item(item: Dataset, level: _Level) -> None:
    """Replace the value of a content item that names a person, a place or a number."""
    for tag in _VALUES_OF_ITEMS:
        if tag in item:
            element = item[tag]
            value = dummy(item, element, level.work.new_uid, level.work.is_harmless)
            item[tag] = with_value(element, value)
            _note(level, element, Rule("D", "clean-structured-content"))


def _clean_time(level: _Level, element: Any, rule: Rule) -> None:
    """Keep an age, a time of day, or a date: moved where the policy moves dates."""
    before = "\\".join(texts_of(level.dataset, element))
    try:
        after = _moved(before, vr_of(element), rule, level.work, is_private(element))
        unreadable = not after and vr_of(element) in ("AS", "TM")
    except InputError:
        after, unreadable = "", bool(before)
    is_other = not before and not is_empty(element)  # bytes that are no text
    if after == before and not is_other:
        level.kept[element.tag] = element
    elif after or not is_private(element):
        vr, tag = proper_vr(element), int(element.tag)
        # 000Y would be a newborn, 000000 midnight
        needed = (
            vr not in ("AS", "TM") or type_in_iod(tag, level.work.sop_class, level.inside) == 1
        )
        level.kept[element.tag] = with_value(
            element, after or (dummy_text(vr) if needed else None)
        )
        mended = after and vr == "AS" and not dates.AGE.fullmatch(before)
        note = "unreadable" if unreadable else "mended" if mended else "date"
        _note(level, element, Rule("C" if after else "D" if needed else "Z", rule.option), note)
    else:
        _note(level, element, Rule("X", rule.option), "date")


def _moved(value: str, vr: str, rule: Rule, work: _Work, private_: bool) -> str:
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
    if work.plan.dates == "year":
        return value.strip()[:4] + "0101" * (vr == "DA")
    return moved if work.search.dates == "shift" and rule.code == "C" else value


def _clean_uid(level: _Level, element: Any, rule: Rule) -> None:
    """Keep UIDs of classes and codes; replace those of instances, unless they are retained."""
    level.kept[element.tag] = element
    keep = int(element.tag) in _CLASS_UIDS or rule.option in _UID_KEEPERS
    keep = keep or level.work.plan.has("retain-uids")
    old = texts_of(level.dataset, element)
    new = [_kept_uid(uid, level.work, keep) for uid in old]
    if new != old:
        level.kept[element.tag] = with_value(element, "\\".join(new))
        _note(level, element, Rule("U", rule.option))


def _kept_uid(uid: str, work: _Work, keep: bool) -> str:
    """Return a UID to keep, or its replacement where an ID, a birth date or text is in it."""
    plain = _UID.fullmatch(uid) and not any(part in uid for part in work.numbers)
    if is_registered(uid) or (keep and plain):
        return uid
    return work.new_uid(uid)


def _clean_binary(level: _Level, element: Any, rule: Rule) -> None:
    """Keep bytes of unknown layout, overwriting identity in their printable runs."""
    value = element.value or b""
    if rule.option == "clean-graphics":
        level.kept[element.tag] = element
        _note(level, element, rule, "not searched")
    elif rule.code == "C" and not is_private(element):
        row = basic_rules().get(int(element.tag))
        code = settle(row.basic, None) if row else "X"
        _apply(level, element, Rule(code, ""))
    elif len(value) > _LARGEST_SCANNED:
        _note(level, element, Rule("X", rule.option), "too large to search")
    else:
        new = clean_bytes(bytes(value), level.work.search, level.work.others)
        level.kept[element.tag] = element
        if new != value:
            level.kept[element.tag] = DataElement(element.tag, vr_of(element), new)
            _note(level, element, rule, "text")


def _settle_texts(work: _Work) -> set[int]:
    """Search all kept text at once, then clean the few elements in which something stands.

    One search over the joined texts is much faster than one search an element. Returned are the
    numbers of those few.
    """
    found: set[int] = set()
    places = {id(one): number for number, one in enumerate(work.texts)}
    for chosen, spans, own in _searched(work.texts, work):
        start = 0
        for text, same in chosen.items() if spans else ():
            end = start + len(text)
            if any(s.start < end and s.end > start for s in spans):
                for one in same:
                    _clean_one_text(one, own)
                    found.add(places[id(one)])
            start = end + len(_BREAK)
    return found


def _searched(
    texts: Iterable[_Text], work: _Work
) -> Iterator[tuple[dict[str, list[_Text]], list[Span], _Work]]:
    """Yield texts of each kind by what they say, what stands in them joined, and the search."""
    for general, how in ((True, ""), (False, ""), (False, "keep")):
        chosen: dict[str, list[_Text]] = {}
        for one in texts:
            if one.is_general == general and one.rule.how == how:
                chosen.setdefault(one.text, []).append(one)
        own = work.patient_only if how and chosen else work
        spans = find_spans(_BREAK.join(chosen), own.search, work.others, general=general)
        yield chosen, spans, own


def _clean_one_text(one: _Text, work: _Work) -> None:
    """Clean the values of one text element."""
    element = one.level.dataset[one.element.tag]
    vr, old = vr_of(element), values_of(element)
    second = utf8_reading(one.element.value).split("\\")
    if one.level.kept[element.tag].value != one.element.value:
        return  # a content item that was blanked as a whole
    new: Any = None
    if vr in _CODED:
        if not all(map(work.is_harmless, [*old, *second])):
            new = with_value(element, dummy_text(vr))
    else:
        cleaned, bytewise = (
            [_clean_value(value, vr, one.is_general, work) for value in values]
            for values in (old, second)
        )
        if bytewise != second:  # UTF-8 under another character set stays what it is
            data = "\\".join(bytewise).encode()
            data += b" " * (len(data) % 2)
            new = one.element._replace(value=data, length=len(data))
        elif cleaned != old:
            new = with_value(element, cleaned if len(cleaned) > 1 else "".join(cleaned))
    if new is not None:
        one.level.kept[element.tag] = new
        spans = find_spans(one.text, work.search, work.others, general=one.is_general)
        note = "probable" if any(span.kind == "probable" for span in spans) else "text"
        _note(one.level, element, Rule("C", one.rule.option), note)


def _clean_value(value: str, vr: str, general: bool, work: _Work) -> str:
    new = clean_text(value, work.search, work.others, general=general)
    return new if len(new) <= _LONGEST.get(vr, len(new)) else REMOVED
