"""What headline numbers say: a label, a value with its unit, and whether that is good."""

from __future__ import annotations

import csv
import io
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from medlab.errors import InputError

_LIMIT = re.compile(r"(<=|>=|==)\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)")
_FITS = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}
_WORDS = {"<=": "at most", ">=": "at least", "==": "exactly"}
_DIRECTIONS = {"": "", "low": "lower is better", "high": "higher is better"}


class Meaning(NamedTuple):
    """What a number means.

    Attributes
    ----------
    label : str
        What was measured, as it stands before the colon of a sentence.
    unit : str
        ``"%"`` shows a share of 1 in percent.
    good : str
        ``"low"`` or ``"high"``, or a limit such as ``"<= 0.05"``, in the number's own unit.
    """

    label: str = ""
    unit: str = ""
    good: str = ""

    def checked(self) -> Meaning:
        """Return the meaning itself, or say what `good` may be."""
        if self.good in _DIRECTIONS or _LIMIT.fullmatch(self.good):
            return self
        raise InputError("good is low, high, or a limit such as <= 0.05 or >= 5")


class Line(NamedTuple):
    """One number as a report shows it; `verdict` is good, bad or empty."""

    label: str
    value: str
    verdict: str
    wish: str


def lines(name: str, value: Any, meaning: Meaning) -> Iterator[Line]:
    """Give the lines of a number; of numbers by name, one each."""
    label = meaning.label or name.replace("_", " ")
    for part, single in _singles(value):
        yield Line(
            f"{label}, {part}" if part else label,
            _with_unit(single, meaning.unit),
            _verdict(single, meaning.good),
            _wish(meaning),
        )


def as_csv(rows: Sequence[tuple[Mapping[str, Any], str, Any, Meaning]]) -> bytes:
    """Return numbers as CSV: what stands before each, its name, and what it means."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    before = list(rows[0][0]) if rows else []
    writer.writerow([*before, "name", "of", "value", "label", "unit", "good", "verdict"])
    for place, name, value, meaning in rows:
        for part, single in _singles(value):
            words = (meaning.label, "share of 1" if meaning.unit == "%" else meaning.unit)
            verdict = _verdict(single, meaning.good)
            writer.writerow([*place.values(), name, part, single, *words, meaning.good, verdict])
    return text.getvalue().encode()


def _readable(value: Any) -> str:
    """Return a number as people write it: three digits that matter, lists with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(_readable(item) for item in value)
    return str(value)


def _singles(value: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Give each number of nested ones, with the names on the way to it."""
    if not isinstance(value, Mapping):
        yield before, value
        return
    for name, item in value.items():
        yield from _singles(item, f"{before}, {name}" if before else str(name))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _with_unit(value: Any, unit: str) -> str:
    if unit == "%" and _is_number(value):
        return f"{_readable(round(100.0 * value, 1))} %"
    return f"{_readable(value)} {unit}".strip() if _is_number(value) else _readable(value)


def _verdict(value: Any, good: str) -> str:
    limit = _LIMIT.fullmatch(good)
    if limit is None or not _is_number(value):
        return ""
    return "good" if _FITS[limit[1]](value, float(limit[2])) else "bad"


def _wish(meaning: Meaning) -> str:
    limit = _LIMIT.fullmatch(meaning.good)
    if limit is None:
        return _DIRECTIONS[meaning.good]
    number = float(limit[2])
    if number == 0 and limit[1] in ("==", "<="):
        return "none"
    whole = int(number) if number.is_integer() else number
    return f"{_WORDS[limit[1]]} {_with_unit(whole, meaning.unit)}"
