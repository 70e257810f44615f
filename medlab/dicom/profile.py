"""What PS3.15 asks for each attribute, under each option.

The tables lie in ``data/``; this module reads them once and answers one question: which
action does an attribute get, in this place, under these options.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

from pydicom.datadict import tag_for_keyword

from medlab.errors import MissingError, UsageError

EDITION = "2026c"
_TABLE = "ps3.15-e1.1-2026c.csv"
_SOP_ROOT = "1.2.840.10008.5.1.4."

#: Options about pixels: the header can only be marked once the pixels were seen to.
PIXELS, FACES = "clean-pixel-data", "clean-recognizable-visual-features"
PIXEL_OPTIONS = (PIXELS, FACES)
#: The options of PS3.15 E.3 and their codes and meanings in CID 7050 (scheme DCM).
OPTIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        PIXELS: ("113101", "Clean Pixel Data Option"),
        FACES: ("113102", "Clean Recognizable Visual Features Option"),
        "clean-graphics": ("113103", "Clean Graphics Option"),
        "clean-structured-content": ("113104", "Clean Structured Content Option"),
        "clean-descriptors": ("113105", "Clean Descriptors Option"),
        "retain-longitudinal-full-dates": (
            "113106",
            "Retain Longitudinal Temporal Information Full Dates Option",
        ),
        "retain-longitudinal-modified-dates": (
            "113107",
            "Retain Longitudinal Temporal Information Modified Dates Option",
        ),
        "retain-patient-characteristics": ("113108", "Retain Patient Characteristics Option"),
        "retain-device-identity": ("113109", "Retain Device Identity Option"),
        "retain-uids": ("113110", "Retain UIDs Option"),
        "retain-safe-private": ("113111", "Retain Safe Private Option"),
        "retain-institution-identity": ("113112", "Retain Institution Identity Option"),
    }
)
#: Code and meaning of the profile itself.
PROFILE = ("113100", "Basic Application Confidentiality Profile")
#: What each letter of the table means.
ACTION_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "X": "removed",
        "Z": "emptied",
        "D": "replaced by a dummy",
        "U": "UID replaced",
        "C": "cleaned",
        "K": "kept",
    }
)


#: The 18 kinds of 45 CFR 164.514(b)(2)(i) go; of dates the year stays.
SAFE_HARBOR = "safe-harbor"
_NOT_SAFE = ("clean-graphics", *(name for name in OPTIONS if name.startswith("retain-")))
_MODIFIED = "retain-longitudinal-modified-dates"
_ADDRESS = "00101040"

POLICIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        SAFE_HARBOR: ("clean-descriptors", "retain-patient-characteristics"),
        "basic": (),
        "research": (
            "clean-descriptors",
            "retain-longitudinal-modified-dates",
            "retain-patient-characteristics",
            "retain-safe-private",
        ),
    }
)


class _Row(NamedTuple):
    """One attribute of Table E.1-1: what it is, and its code in every column."""

    tag: str
    keyword: str
    name: str
    vr: str
    retired: bool
    in_standard_iod: str
    basic: str
    options: Mapping[str, str]
    options_from: str


class Rule(NamedTuple):
    """What happens to an attribute, and the option (empty: the profile itself) that says so.

    `how` and `value` are those of an own rule: ``"replace"`` and what stands in the place.
    """

    code: str
    option: str
    how: str = ""
    value: str = ""


def read_table(name: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file of ``medlab/dicom/data``."""
    text = (files("medlab.dicom") / "data" / name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def word_list(name: str) -> frozenset[str]:
    """Return one of the lists of ``data/word-lists.csv``."""
    rows = {row["list"]: row["words"].split() for row in read_table("word-lists.csv")}
    return frozenset(rows[name])


@cache
def load_profile() -> tuple[_Row, ...]:
    """Return Table E.1-1 of PS3.15, edition 2026c: 656 rows."""
    return tuple(
        _Row(
            row["tag"],
            row["keyword"],
            row["name"],
            row["vr"],
            row["retired"] == "Y",
            row["in_standard_iod"],
            row["basic"],
            MappingProxyType({name: row[name] for name in OPTIONS if row.get(name)}),
            row["options_from"],
        )
        for row in read_table(_TABLE)
    )


@cache
def tag_of(keyword: str) -> int:
    """Return the tag of a DICOM keyword.

    Raises
    ------
    MissingError
        If no attribute has that keyword.
    """
    # Some keywords of the table are newer than pydicom's dictionary.
    listed = (tag for tag, row in basic_rules().items() if row.keyword == keyword)
    tag = next(listed, tag_for_keyword(keyword))
    if tag is None:
        raise MissingError(f"no DICOM attribute has the keyword {keyword}")
    return tag


@cache
def listed_tags(name: str) -> frozenset[int]:
    """Return the tags of the keywords in one of the lists of ``data/word-lists.csv``."""
    return frozenset(map(tag_of, word_list(name)))


@cache
def basic_rules() -> Mapping[int, _Row]:
    """Return the rows by tag, without curves, overlays and private attributes."""
    rows = (row for row in load_profile() if not set(row.tag) & set("xg"))
    return MappingProxyType({int(row.tag.replace(",", ""), 16): row for row in rows})


def _choose(basic: str, columns: Mapping[str, str], options: Iterable[str]) -> Rule:
    """Return the action when several options speak about one row: C over K over the profile."""
    named = {columns[name]: name for name in options if name in columns}
    for code in ("C", "K"):
        if code in named:
            return Rule(code, named[code])
    return Rule(basic, "")


@dataclass(frozen=True)
class Plan:
    """A policy with its options: what will be done to every attribute.

    Attributes
    ----------
    policy : str
        The name it was asked for, such as ``"basic"``.
    options : tuple of str
        All options in force, those of the policy included, in the order of CID 7050.
    keep_private : tuple of str
        Private creators whose blocks the user wants kept.
    rules : str
        Own rules laid over the policy, as YAML (`own_rules.lay_over`), and with them:
    allowed : tuple of str
        Keywords of the patient's identifiers that own rules may keep.
    unclaimed : tuple of str
        Codes that own rules leave no ground for.
    temporal : str
        What own rules make of dates at least: ``"MODIFIED"`` or ``"UNMODIFIED"``.
    restricted_zips : tuple of str
        The first three digits of ZIP codes that become 000 under Safe Harbor.
    """

    policy: str
    options: tuple[str, ...] = ()
    keep_private: tuple[str, ...] = ()
    rules: str = ""
    allowed: tuple[str, ...] = ()
    unclaimed: tuple[str, ...] = ()
    temporal: str = ""
    restricted_zips: tuple[str, ...] = ()

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """Codes and meanings (CID 7050) of what header cleaning alone can claim."""
        done = [OPTIONS[name] for name in self.options if name not in PIXEL_OPTIONS]
        return tuple(code for code in (PROFILE, *done) if code[0] not in self.unclaimed)

    @property
    def dates(self) -> str:
        """``"remove"``, ``"year"``, ``"shift"`` or ``"keep"``."""
        if self.policy == SAFE_HARBOR:
            return "year"
        if "retain-longitudinal-full-dates" in self.options:
            return "keep"
        return "shift" if "retain-longitudinal-modified-dates" in self.options else "remove"

    def has(self, option: str) -> bool:
        """Tell whether an option is in force."""
        return option in self.options

    def action(self, tag: int, sop_class: str = "", inside: int = 0) -> Rule | None:
        """Return the action for a standard attribute, or None where none is prescribed.

        Parameters
        ----------
        tag : int
            Group and element, such as ``0x00100010``.
        sop_class : str
            SOP Class UID of the data set; decides the combined codes. Empty or unknown: the
            most conforming letter is taken.
        inside : int
            Tag of the sequence whose item holds the attribute, 0 at the top level.
        """
        return rules_for(self, sop_class, inside)(tag)


def plan(
    policy: str = "basic",
    options: Iterable[str] = (),
    keep_private: Iterable[str] = (),
    restricted_zips: Iterable[str] = (),
) -> Plan:
    """Return the plan of a policy and further options.

    Parameters
    ----------
    policy : {"basic", "research", "safe-harbor"}
        ``basic`` is the Basic Application Level Confidentiality Profile without options;
        ``research`` adds Clean Descriptors, Retain Longitudinal Temporal Information with
        Modified Dates, Retain Patient Characteristics and Retain Safe Private; ``safe-harbor``
        keeps what is none of the 18 kinds of 45 CFR 164.514(b)(2)(i), and of dates the year.
    options : iterable of str
        Names of PS3.15 options, such as ``"retain-uids"``.
    keep_private : iterable of str
        Private creators to keep besides the safe ones, such as ``"SIEMENS CSA HEADER"``.
    restricted_zips : iterable of str
        For ``safe-harbor``: three digits of the ZIP areas with 20,000 people or fewer. By default
        the 17 of the census of 2000, which the department's guidance lists.

    Raises
    ------
    UsageError
        If the policy or an option has no such name, or both date options are asked for.
    """
    if policy not in POLICIES:
        raise UsageError(f"no policy {policy!r}; there are {', '.join(POLICIES)}")
    names = [options] if isinstance(options, str) else list(options)
    unknown = [name for name in names if name not in OPTIONS]
    if unknown:
        raise UsageError(f"no option {unknown[0]!r}; there are {', '.join(OPTIONS)}")
    wanted = {*POLICIES[policy], *names}
    dates = [name for name in wanted if "dates" in name]
    if len(dates) > 1:
        raise UsageError(
            "full dates and modified dates exclude each other (PS3.15 E.3.6); name one of them"
        )
    creators = (keep_private,) if isinstance(keep_private, str) else tuple(keep_private)
    zips: tuple[str, ...] = ()
    if policy == SAFE_HARBOR:
        _check_safe(names, creators)
        zips = tuple(sorted(restricted_zips)) or tuple(sorted(word_list("zips-2000")))
    options = tuple(name for name in OPTIONS if name in wanted)
    return Plan(policy, options, creators, restricted_zips=zips)


def _check_safe(options: Iterable[str], creators: tuple[str, ...]) -> None:
    kept = [name for name in options if name in _NOT_SAFE and "characteristics" not in name]
    if kept or creators:
        raise UsageError(
            "Safe Harbor takes dates, UIDs, devices, institutions, private elements and "
            f"unsearched graphics away; leave out {kept[0] if kept else 'private creators'}"
        )


@cache
def _types() -> dict[tuple[int, int], list[tuple[int, frozenset[str] | None]]]:
    """Return (attribute, sequence around it) -> [(Type, SOP classes or None for all)]."""
    by_tag: dict[tuple[int, int], list[tuple[int, frozenset[str] | None]]] = {}
    for row in read_table("types-in-iods.csv"):
        classes = None
        if row["sop_classes"] != "*":
            classes = frozenset(_SOP_ROOT + part for part in row["sop_classes"].split())
        place = (tag_of(row["keyword"]), tag_of(row["inside"]) if row["inside"] else 0)
        by_tag.setdefault(place, []).append((int(row["type"]), classes))
    return by_tag


def type_in_iod(tag: int, sop_class: str, inside: int = 0) -> int | None:
    """Return how firmly an IOD asks for an attribute of the profile.

    Returns
    -------
    int or None
        1: it must have a value. 2: it must be present. 3: neither. None: the SOP class is
        not one whose Types are known here.
    """
    ((_, classes), *_) = _types()[(tag_of("SOPClassUID"), 0)]
    if not inside and sop_class not in (classes or ()):
        return None
    firm = [
        type_
        for type_, uids in _types().get((tag, inside), [])
        if uids is None or sop_class in uids
    ]
    return min(firm, default=3)


def settle(code: str, type_: int | None) -> str:
    """Return the single action that a code comes to where an attribute has this Type.

    Examples
    --------
    >>> settle("X/Z/D", 2), settle("X/Z/D", 3), settle("X/Z/D", None)
    ('Z', 'X', 'D')
    """
    if code == "X/Z/U*":
        return "U*"
    if code in ("K", "C", "U", "D"):
        return code
    letters = code.split("/")
    if type_ is None:
        return letters[-1]
    if type_ == 1:
        return "D"
    if type_ == 2:
        return "Z"
    return letters[0]


@lru_cache(maxsize=64)
def chosen(plan_: Plan) -> Mapping[str, Rule]:
    """Return mask of eight digits -> rule, its code still combined, of all that a plan lists."""
    rules = {}
    for row in load_profile():
        if row.tag != "gggg,eeee":
            rule = _choose(row.basic, row.options, plan_.options)
            if plan_.dates == "year" and row.vr in ("DA", "DT") and _MODIFIED in row.options:
                rule = Rule("C", "")  # the year; TM goes as in the profile
            rules[row.tag.replace(",", "").lower()] = rule
    if plan_.dates == "year":
        rules[_ADDRESS] = Rule("D", "", "zip")
    for extra in read_table("beyond-the-table.csv"):
        columns = {extra["option"]: extra["code"]} if extra["option"] else {}
        rules[f"{tag_of(extra['keyword']):08x}"] = _choose(extra["basic"], columns, plan_.options)
    rules["60xxxxxx"] = _group_rule(plan_, 0x60000000) or Rule("X", "")
    return MappingProxyType(rules)


@lru_cache(maxsize=512)
def rules_for(plan_: Plan, sop_class: str = "", inside: int = 0) -> Callable[[int], Rule | None]:
    """Return the function tag -> settled rule for one place of one kind of data set.

    See `Plan.action`; the function spares who asks for many tags the look at plan and place.
    """
    rules = {}
    for mask, rule in chosen(plan_).items():
        if "x" not in mask:
            tag = int(mask, 16)
            code = settle(rule.code, type_in_iod(tag, sop_class, inside))
            rules[tag] = rule._replace(code=code)
    return lru_cache(maxsize=1024)(lambda tag: rules.get(tag) or _group_rule(plan_, tag))


def _group_rule(plan_: Plan, tag: int) -> Rule | None:
    """Return the rule of the repeating groups: curves (50xx) and overlays (60xx).

    Without Clean Graphics the whole overlay group goes, not only its data and comments:
    rows and columns without data would be an inconsistent file.
    """
    if tag >> 24 not in (0x50, 0x60) or tag >> 16 & 1:
        return None
    if plan_.has("clean-graphics"):
        return Rule("C", "clean-graphics")
    return Rule("X", "")


@cache
def safe_elements() -> Mapping[str, frozenset[int]]:
    """Return creator -> safe elements as group and low byte, ``0x001900_0C`` for (0019,xx0C).

    PS3.15 Table E.3.10-1: 479 entries. "Thought to be safe", says the standard: their text
    is searched like any other.
    """
    safe: dict[str, set[int]] = {}
    for row in read_table("safe-private-elements.csv"):
        group = int(row["group"], 16) << 16
        numbers = safe.setdefault(row["creator"].casefold(), set())
        for part in row["elements"].split():
            first, _, last = part.partition("-")
            numbers.update(group | n for n in range(int(first, 16), int(last or first, 16) + 1))
    return MappingProxyType({creator: frozenset(tags) for creator, tags in safe.items()})


def keeping_option(
    plan: Plan, creator: str, tag: int, declared: frozenset[tuple[str, int]] = frozenset()
) -> str:
    """Return why a private element is kept: an option's name, ``"keep-private"``, or "".

    Parameters
    ----------
    plan : Plan
        The options in force.
    creator : str
        The creator that reserves the element's block; empty where none does.
    tag : int
        The element's tag, block number and all.
    declared : frozenset
        What the file itself declares safe, see `treatment.Work`: creator, group and low byte.
    """
    if not creator:
        return ""
    if creator.casefold() in {name.casefold() for name in plan.keep_private}:
        return "keep-private"
    if not plan.has("retain-safe-private"):
        return ""
    place = (tag & 0xFFFF0000) | tag & 0xFF
    name = creator.casefold()
    safe = place in safe_elements().get(name, frozenset())
    safe = safe or (name, place) in declared or (name, place | 0xFFFF) in declared
    return "retain-safe-private" if safe else ""
