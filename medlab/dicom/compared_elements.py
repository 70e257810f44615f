"""The elements of a source and its output, side by side: what dates and UIDs became.

Nothing here calls the code that removes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from pydicom._uid_dict import UID_dictionary
from pydicom.dataset import Dataset

from medlab.dicom import columns, element_cache, own_rules
from medlab.dicom.columns import Column, Places
from medlab.dicom.dates import DUMMY_DATE, FARTHEST_DAYS, NEAREST_DAYS, parse_date
from medlab.dicom.element_texts import (
    items_of,
    label,
    text_at,
    texts_of,
    vr_of,
)
from medlab.dicom.files import MAX_DEPTH
from medlab.dicom.identity import roles
from medlab.dicom.passthrough import sequence_items
from medlab.dicom.private import creator_tag, creators, is_creator
from medlab.dicom.profile import (
    Plan,
    Rule,
    group_rule,
    rules_for,
)
from medlab.errors import InputError

_MAKER, _TIMES = 0x00080070, 0x00280303
_MOMENT = re.compile(rb"[0-9.]{8,26}")
_UID_FORM = re.compile(r"[0-9]+(\.(0|[1-9][0-9]*))*")
REPLACING = frozenset({"X", "Z", "D", "U"})
FREE_TEXT = frozenset({"LO", "LT", "SH", "ST", "UC", "UT", "PN"})
_COMPARED = FREE_TEXT | {"UI", "DA", "DT"}


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


#: Path -> the element there in the source, and in the output.
Pairs = dict[str, tuple[Part, Part]]


def parts_of(
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
                parts += parts_of(item, f"{here}[{number}].", depth + 1, long, silent)
    return parts


@lru_cache(maxsize=64)
def planned_rules(plan: Plan, sop_class: str = "") -> Callable[[int], Rule | None]:
    """Return a function that gives the rule of a tag, own rules aside."""
    rules = rules_for(plan, sop_class)
    return lru_cache(maxsize=8192)(lambda tag: rules.get(tag) or group_rule(plan, tag))


@lru_cache(maxsize=64)
def _silent_in(plan: Plan, sop_class: str, is_output: bool) -> Callable[[int, str], bool]:
    """Return a function that tells, by tag and VR, which elements no check asks for.

    Only their bytes are searched. In them what identifies by its tag does not stand, nor text,
    dates or UIDs, nor what the plan removes or replaces.
    """
    planned = planned_rules(plan, sop_class)

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
    planned = planned_rules(plan, sop_class)(part.tag)
    if not plan.rules or is_creator(part.tag):
        return planned
    creator = creators(part.dataset).get(creator_tag(part.tag), "") if private else ""
    if private and not creator:
        return planned
    return own_rules.laid(plan, part.path, part.vr, creator, sop_class, planned)


def ways(
    source: Dataset, output: Dataset, plan: Plan
) -> Iterator[tuple[list[Part], list[Part], dict[str, list[Column]] | None]]:
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
    before = parts_of(source, long=theirs, silent=quiet_before)
    after = parts_of(output, long=ours, silent=quiet_after)
    if plan.rules and (theirs or ours):  # own rules may ask for the path of each element
        before, after = parts_of(source), parts_of(output)
    elif theirs or ours:
        same = theirs.keys() & {part.path for part in after} == ours.keys()
        if same and all(
            _add_alike(before, after, alike, ours.get(path, []), plan)
            for path, alike in theirs.items()
        ):
            yield before, after, ours
        before, after = parts_of(source), parts_of(output)
    elif quiet:
        yield before, after, ours
        before, after = parts_of(source), parts_of(output)
    yield before, after, None


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
        kept = [*{_days_of(one) if moments else one: one for one in each}.values()]
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
    sides = [dict(zip(one.rows.tolist(), one.values, strict=True)) for one in both]
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
    texts = [(one or b"").rstrip(b" \0") for one in moments]
    if len({*texts}) == len(texts) and all(not text or _MOMENT.fullmatch(text) for text in texts):
        return "days", *(text[:8] for text in texts)
    return moments


def pairs_of(before: list[Part], after: list[Part]) -> Pairs:
    """Return the elements that stand at the same path in both."""
    theirs = {part.path: part for part in before}
    return {part.path: (theirs[part.path], part) for part in after if part.path in theirs}


def days_said(part: Part) -> list[str]:
    """Return the dates that an element says, without times."""
    return [value[:8] if part.vr == "DT" else value for value in part.texts]


def deltas(pairs: Pairs) -> set[int]:
    """Return by how many days the dates of a data set moved, dummies left out."""
    found = set()
    for before, after in pairs.values():
        if after.vr not in ("DA", "DT"):
            continue
        for old, new in zip(days_said(before), days_said(after), strict=False):
            first, second = parse_date(old), parse_date(new)
            if first and second and new != DUMMY_DATE:
                found.add((second - first).days)
    return found


def date_findings(pairs: Pairs, plan: Plan, file: str) -> Iterator[Finding]:
    """Yield a finding where dates did not move as the plan asks."""
    before = pairs.get("(0028,0303)")
    moved = deltas(pairs)
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
    elif moved == {0} and not (before and before[0].texts == ["MODIFIED"]):  # by an earlier pass
        yield Finding(file, "", "date", "fail", "dates should have moved and did not")


def _years(pairs: Pairs, file: str) -> Iterator[Finding]:
    for path, (old, new) in pairs.items():
        years = {day[:4] for day in days_said(old)}
        if new.vr in ("DA", "DT") and not set(map(_year_of, days_said(new))) <= {*years, ""}:
            yield Finding(file, path, "date", "fail", "a date says more than its year")


def _year_of(day: str) -> str:
    """Return the year that a date comes to; empty for a dummy, the date itself if it says more."""
    if day in (DUMMY_DATE, ""):
        return ""
    return day[:4] if day[4:] in ("", "0101") else day


def uid_map(pairs: Pairs) -> list[tuple[str, str]]:
    """Return the UIDs of the source and what stands in their places."""
    found = []
    for before, after in pairs.values():
        if after.vr == "UI":
            found += list(zip(before.texts, after.texts, strict=False))
    return found


def uid_findings(pairs: Pairs, file: str) -> Iterator[Finding]:
    """Yield findings where UIDs are not replaced one to one, or are none."""
    mapped = uid_map(pairs)
    yield from uid_map_findings(mapped, file)
    for old, new in mapped:
        if old in UID_dictionary and old != new:
            yield Finding(file, "", "uid", "fail", "a registered UID was changed")
        if len(new) > 64 or not _UID_FORM.fullmatch(new):
            yield Finding(file, "", "uid", "review", "a UID is not one by the rules of PS3.5")


def uid_map_findings(pairs: Iterable[tuple[str, str]], file: str = "") -> Iterator[Finding]:
    """Yield a finding where UIDs are not replaced one to one: references would not join."""
    there, back = defaultdict(set), defaultdict(set)
    for old, new in pairs:
        there[old].add(new)
        back[new].add(old)
    if any(len(new) > 1 for new in there.values()):
        yield Finding(file, "", "uid", "fail", "one UID became several; references do not join")
    if any(len(old) > 1 for old in back.values()):
        yield Finding(file, "", "uid", "fail", "several UIDs became one")
