"""What is known while one data set is de-identified, and the log of what is done to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, overload

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from medlab.dicom import columns, dates, element_texts, passthrough
from medlab.dicom.codes import (
    NO_PERSON,
    is_own,
    keyed_code,
    owner,
    patient_code,
    replace_uid,
)
from medlab.dicom.element_texts import (
    is_private,
    label,
    sequence_at,
    text_at,
    vr_of,
)
from medlab.dicom.identity import identity_of
from medlab.dicom.profile import (
    Plan,
    Rule,
)
from medlab.dicom.text import Search, in_coded_value

_PATIENT_ID, _PATIENT_NAME, _TIMES_SAID = 0x00100020, 0x00100010, 0x00280303
_ACCESSION, _SUBJECT, _STUDY = 0x00080050, 0x00120040, 0x0020000D
_BIRTH, _STUDY_DATE, _SOP_CLASS = 0x00100030, 0x00080020, 0x00080016


_SIGNS_OF_NUMBERS = b"0123456789+-.eE \\\0"


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


class Lines(NamedTuple):
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
    lines: list[Lines]

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
        return any(action.note in notes for line in self.lines for action in chain(*line.actions))


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


class Done(NamedTuple):
    """What became of an element: what is kept of it, what the log says, what is to be searched.

    `creator` reserves the block in which a private element stands, if that decided.
    """

    kept: Any
    actions: tuple[Action, ...]
    text: tuple[Any, ...] | None = None
    creator: tuple[int, str] | None = None


class _New(NamedTuple):
    """An element met for the first time: what became of it, but for what is found in its texts."""

    level: Level
    element: Any
    done: Done
    texts: range


class Text(NamedTuple):
    """A text element that stays, unless identity is found in it."""

    level: Level
    element: Any
    rule: Rule
    text: str
    is_general: bool


@dataclass
class Work:
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
    texts: list[Text] = field(default_factory=list)
    log: list[Action | _Many] = field(default_factory=list)
    declared: frozenset[tuple[str, int]] = frozenset()
    memories: dict[Hashable, passthrough.Memory] | None = None
    new: list[_New] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        dataset: Dataset,
        chosen: Plan,
        key: bytes,
        others: Container[str] | None,
        code_of: Callable[[str, str], str | None] | None,
        whose: str | None,
    ) -> Work:
        """Gather whose data set it is, how far its dates move, and its codes."""
        patient, study = text_at(dataset, _PATIENT_ID), text_at(dataset, _STUDY)
        whose = whose or owner(dataset)
        named = is_own(key, patient or text_at(dataset, _PATIENT_NAME))
        ours = named or (not patient and (not study or is_own(key, study)))
        moved = ours and text_at(dataset, _TIMES_SAID) == "MODIFIED"
        search = Search(
            identity_of(dataset),
            "keep"
            if moved and chosen.dates == "shift"
            else chosen.dates.replace("year", "remove"),
            0 if moved else dates.offset_days(key, whose),
            key,
            chosen.has("retain-uids"),
            chosen.has("retain-institution-identity"),
            chosen.has("retain-device-identity"),
        )
        work = cls(
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
            work.declared = _declared_safe(dataset)
        if whose.startswith(NO_PERSON):
            work.log.append(Action("(0010,0020)", "PatientID", "LO", "K", "", "study"))
        return work

    def actions_since(self, logged: int) -> list[Action]:
        """Return what the log says from an entry on."""
        return _written_down(self.log[logged:])

    def remember(self, hits: set[int]) -> None:
        """Note what became of elements that were met for the first time.

        Parameters
        ----------
        hits : set of int
            Numbers of the texts in which something was found. They are searched again.
        """
        for level, element, done, texts in self.new:
            kept = done.kept
            if not hits.isdisjoint(texts):
                if kept is not element:  # a sequence with a text in it
                    continue
                done = done._replace(text=self.texts[texts[0]][2:])
            elif getattr(kept, "VR", "") == "SQ" and not getattr(kept, "is_raw", False):
                kept = passthrough.as_raw(kept, element, level.dataset.original_character_set)
                done = done._replace(kept=kept)
            if level.known is not None and (kept is None or getattr(kept, "is_raw", False)):
                level.known.note(element, done)

    def add_lines(self, path: str, lines: list[Lines]) -> None:
        """Write down what became of the items of a long sequence that stands at a path."""
        self.log += [_Many(path, lines)] if lines else []

    def known(self, inside: int, encodings: tuple[str, ...]) -> passthrough.Memory | None:
        """Return what became of elements in one place of data sets like this one."""
        if self.memories is None:
            return None
        return self.memories.setdefault((inside, encodings), passthrough.Memory())

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
    def patient_only(self) -> Work:
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
    def _own_numbers(self) -> frozenset[bytes]:
        """The same, as a DS or IS would hold them: perhaps without leading zeros."""
        bare = [number.lstrip("0") for number in self.numbers]
        return frozenset(n.encode() for n in (*self.numbers, *bare) if len(n) > 5)

    def is_number(self, value: bytes) -> bool:
        """Tell whether a DS or IS holds numbers only, and none of the patient's own."""
        if value.translate(None, _SIGNS_OF_NUMBERS):
            return False
        own = [number for number in self._own_numbers if number in value]
        return not own or set(own).isdisjoint(part.strip(b" \0") for part in value.split(b"\\"))


@dataclass
class Level:
    """One level of a data set: where it stands, and what is kept of it."""

    dataset: Dataset
    work: Work
    path: str = ""
    inside: int = 0
    depth: int = 0
    encodings: tuple[str, ...] = ("iso8859",)
    kept: dict[Any, Any] = field(default_factory=dict)
    known: passthrough.Memory | None = None

    @cached_property
    def creators(self) -> dict[int, str]:
        """Creator tag -> creator."""
        return element_texts.creators(self.dataset)

    def note(self, element: Any, rule: Rule, note: str = "") -> None:
        """Write down an action."""
        written, keyword = label(int(element.tag))
        self.work.log.append(
            Action(self.path + written, keyword, vr_of(element), rule.code, rule.option, note)
        )

    def repeat(self, element: Any, done: Done) -> bool:
        """Treat an element as the same one was treated before, if that holds here."""
        if done.creator and self.creators.get(done.creator[0], "") != done.creator[1]:
            return False
        if done.kept is not None:
            self.kept[element.tag] = done.kept
            if done.creator:
                place = done.creator[0]
                self.kept.setdefault(BaseTag(place), self.dataset.get_item(place))
        if done.actions:
            actions: Iterable[Action] = done.actions
            if self.path:
                actions = [Action(self.path + action[0], *action[1:]) for action in actions]
            self.work.log += actions
        if done.text is not None:
            self.add_text(element, *done.text)
        return True

    def learn(self, element: Any, creator: str, logged: int, texts: int) -> None:
        """Note what came of an element, from an entry of the log and a text on."""
        work = self.work
        if self.known is not None and type(element) is passthrough.Atom:
            start, plan_ = len(self.path), work.plan
            relative = tuple(
                Action(action[0][start:], *action[1:]) for action in work.actions_since(logged)
            )
            retains = plan_.rules or plan_.keep_private or plan_.has("retain-safe-private")
            place = element_texts.creator_tag(int(element.tag))
            decided = (place, creator) if is_private(element) and retains else None
            done = Done(self.kept.get(element.tag), relative, None, decided)
            work.new.append(_New(self, element, done, range(texts, len(work.texts))))

    def add_text(self, element: Any, rule: Rule, text: str, is_general: bool) -> None:
        """Keep a text until all are searched."""
        self.work.texts.append(Text(self, element, rule, text, is_general))


def _codes(
    dataset: Dataset,
    key: bytes,
    whose: str,
    code_of: Callable[[str, str], str | None] | None,
) -> dict[int, str]:
    """Return what stands in place of patient ID, name and accession number."""
    earlier = (text_at(dataset, tag) for tag in (_PATIENT_ID, _PATIENT_NAME))
    new = code_of("patient", whose) if code_of and not whose.startswith(NO_PERSON) else None
    ours = next((code for code in earlier if is_own(key, code)), None)
    named = new or ours or patient_code(key, whose)
    accession = text_at(dataset, _ACCESSION)
    new = code_of("accession", accession) if code_of and accession else None
    number = new or keyed_code(key, "accession", accession)
    return {_PATIENT_ID: named, _PATIENT_NAME: named, _ACCESSION: number, _SUBJECT: named}


_SAFE_STATUS = "SAFE"


def _declared_safe(dataset: Dataset) -> frozenset[tuple[str, int]]:
    """Return what a file itself declares safe in (0008,0300): (creator, group and low byte).

    A whole block that is declared safe stands as (creator, group and -1 as low byte).
    """
    safe: set[tuple[str, int]] = set()
    for item in sequence_at(dataset, "PrivateDataElementCharacteristicsSequence"):
        group = int(item.get("PrivateGroupReference") or 0) << 16
        creator = str(item.get("PrivateCreatorReference") or "").strip().casefold()
        if item.get("BlockIdentifyingInformationStatus") == _SAFE_STATUS:
            safe.add((creator, group | 0xFFFF))
        numbers = item.get("NonidentifyingPrivateElements") or ()
        listed: Iterable[int] = [numbers] if isinstance(numbers, int) else numbers
        safe.update((creator, group | int(number) & 0xFF) for number in listed)
    return frozenset(safe)
