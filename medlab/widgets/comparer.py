"""Six methods and two policies on one header and one cohort, and what an attacker still gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import ipywidgets as ipw
import numpy as np
import pandas as pd
from pydicom import Dataset

from medlab import evaluation, methods
from medlab.dicom.cohort import COLUMNS
from medlab.errors import InputError
from medlab.methods.catalogue import METHODS, Task
from medlab.methods.header_methods import Setting
from medlab.tabular.release import SUPPRESSED, Release
from medlab.viz.figure import show
from medlab.viz.protections import draw_attack
from medlab.widgets.interactive import InteractiveWidget, beside

#: Columns of a cohort table and the elements that hold the same facts.
_ELEMENTS = {fact: COLUMNS[fact] for fact in ("Age", "Sex", "Weight")}
_DIRECT = ("PatientName", "PatientID", "PatientBirthDate")
_DATE_DAYS = 365  # a noise of 100 % moves a study date by so many days
_PARAMETERS = {"slicing": "k", "bucketization": "width"}
#: The control of each method that has one; what its result says.
_CONTROLS = {
    "suppression": "columns",
    "randomization": "noise",
    "bucketization": "width",
    "slicing": "k",
}
_NOTES = {
    "identity": "Nothing was done.",
    "suppression": "Gone: name, number, dates, {gone}.",
    "randomization": "Noise with a standard deviation of {Age:.1f} in age and {Weight:.1f} in "
    "weight; a random name and number.",
    "pseudonymization": "Codes drawn with a key; all dates moved by the same secret number of "
    "days.",
    "bucketization": "Classes of {strength} years and {strength} kg; the study's month, the year "
    "of birth.",
    "slicing": "Slicing shuffles a table within buckets; one header has nothing to be shuffled "
    "with.",
    "encryption": "Name and number stand, unreadable, in a private block; the key reads them "
    "again.",
    "policy basic": "PS3.15, the whole header. Of the facts known, {gone} is gone.",
    "policy research": "PS3.15, the whole header. Of the facts known, {gone} is gone.",
}
#: Of the catalogue those that have a strength and change headers, and slicing, which cannot.
_METHODS = [
    name
    for name, method in METHODS.items()
    if name == "slicing" or (method.headers and name != "plain hash")
]
_SHOWN = (*_DIRECT, *_ELEMENTS.values(), "StudyDate", "StudyInstanceUID")


class _Case(NamedTuple):
    """What the methods are tried on."""

    header: Dataset
    people: pd.DataFrame
    key: bytes
    seed: int

    @property
    def quasi(self) -> list[str]:
        """What the attacker knows."""
        return [name for name in _ELEMENTS if name in self.people]


class _Tried(NamedTuple):
    """A header and a table after a method, the kind of the table, and what to know about it."""

    header: Dataset
    table: Any
    kind: str
    note: str


def method_comparer(
    header: Dataset, people: pd.DataFrame, *, key: bytes, seed: int = 0, reveal: bool = False
) -> InteractiveWidget:
    """Return an interactive widget that protects a header and a cohort and lets an attacker try.

    Parameters
    ----------
    header : Dataset
    people : DataFrame, one row per patient
        Columns ``Age``, ``Sex``, ``Weight`` (what the attacker knows) and ``Diagnosis``,
        which slicing cuts off. Some hundred rows are drawn anew fast enough.
    key : bytes
        For codes, dates and encryption.
    seed : int
        Where the randomness of a method starts: equal settings give equal results.
    reveal : bool
        Show the values of the header. Otherwise what is the patient's own is masked, also
        where a method lets it through.

    Returns
    -------
    InteractiveWidget

    Raises
    ------
    InputError
        If the table lacks a column.
    """
    missing = [name for name in (*_ELEMENTS, "Diagnosis") if name not in people]
    if missing:
        raise InputError(f"no column {', '.join(missing)}; give a cohort table with it")
    case = _Case(header, people, key, seed)

    @lru_cache(maxsize=64)
    def tried(method: str, strength: int) -> tuple[_Tried, pd.Series]:
        result = _tried(case, method, strength)
        rows = evaluation.evaluate(case.people, result.table, case.quasi, kind=result.kind)
        (rate,) = rows[rows["measure"] == "linkage"].to_dict("records")
        names = ("value", "low", "high", "baseline")
        return result, pd.Series({name: float(rate[name]) for name in names})

    def draw(method: str, **strengths: int) -> str:
        for name, control in controls.items():
            control.disabled = name not in ("method", _CONTROLS.get(method))
        result, rate = tried(method, strengths.get(_CONTROLS.get(method, ""), 0))
        rates = {"nothing done": tried("identity", 0)[1], method: rate}
        return _page(case, method, result, rates, reveal)

    controls = _controls()
    return InteractiveWidget("Method comparer", controls, draw)


def _controls() -> dict[str, Any]:
    slider = {"continuous_update": False}
    return {
        "method": ipw.Dropdown(options=_METHODS, value="bucketization", description="method"),
        "columns": ipw.IntSlider(1, 1, len(_ELEMENTS), description="facts suppressed", **slider),
        "noise": ipw.IntSlider(5, 1, 50, description="noise, % of the range", **slider),
        "width": ipw.IntSlider(10, 1, 40, description="class width, years and kg", **slider),
        "k": ipw.IntSlider(5, 2, 50, description="k of a bucket", **slider),
    }


def _page(
    case: _Case, method: str, result: _Tried, rates: Mapping[str, pd.Series], reveal: bool
) -> str:
    versions = {"before": case.header, "after": result.header}
    table = methods.side_by_side(versions, _SHOWN, reveal=reveal, width=26).rename_axis(None)
    old, new = case.header, result.header
    rate = rates[method]
    readable = [name for name in _DIRECT if old.get(name) and old.get(name) == new.get(name)]
    said = (
        f"<p>{result.note} Knowing {', '.join(case.quasi).lower()}, the attacker re-identifies "
        f"<b>{rate['value']:.1%}</b> of {len(case.people)} people; guessing reaches "
        f"{rate['baseline']:.1%}. Of name, number and birth date "
        f"{', '.join(readable) or 'none'} can still be read.</p>"
    )
    shares = pd.DataFrame(rates).T
    alt = ", ".join(
        f"{name} {row['value']:.1%} ({row['low']:.1%} to {row['high']:.1%})"
        for name, row in shares.iterrows()
    )
    picture = show(
        draw_attack(shares, width=4.6),
        f"People re-identified, with 95 % interval: {alt}; guessing {rate['baseline']:.1%}.",
        "Line: the 95 % interval.",
    )
    return beside(table.to_html(border=0, justify="left"), [said, picture])


def _tried(case: _Case, name: str, strength: int) -> _Tried:
    """Return a header and a table after a method of the catalogue."""
    method, rng = METHODS[name], np.random.default_rng(case.seed)
    share = strength / 100 if name == "randomization" else strength
    task = Task(case.people, case.quasi, "Diagnosis", share, rng, None, _PARAMETERS.get(name, ""))
    of_table = method.columns or method.release
    made = method.protect_table(task) if of_table else (case.people, "generalized")
    table, kind = made if isinstance(made, tuple) else (made, made.kind)
    hidden = [] if isinstance(table, Release) else _hidden(case, table)
    header = case.header
    if method.headers:
        (header,) = method.protect_headers([header], _setting(case, name, strength, hidden))
    if not of_table:  # what the header lost is gone from the table too
        hidden = [name for name, keyword in _ELEMENTS.items() if not header.get(keyword)]
        table = case.people.assign(**dict.fromkeys(hidden, SUPPRESSED))
    words = {"gone": ", ".join(hidden).lower() or "none", "strength": strength}
    return _Tried(
        header,
        table,
        kind,
        _NOTES.get(name, METHODS[name].says).format(**words, **_spread(case, strength)),
    )


def _hidden(case: _Case, table: pd.DataFrame) -> list[str]:
    return [name for name in case.quasi if (table[name] == SUPPRESSED).all()]


def _setting(case: _Case, name: str, strength: int, hidden: Sequence[str]) -> Setting:
    """Return what the header of a method is told: as strong as what the table got."""
    kept = {
        "suppression": [_ELEMENTS[fact] for fact in case.quasi if fact not in hidden],
        "randomization": ["PatientSize"],  # no column of the table
    }
    spread = {_ELEMENTS[fact]: sd for fact, sd in _spread(case, strength).items()}
    setting = Setting(case.key, np.random.default_rng(case.seed), kept=kept.get(name, ()))
    spread["dates"] = _DATE_DAYS * strength / 100
    return setting._replace(spread={**setting.spread, **spread}, width=strength or 10)


def _spread(case: _Case, percent: int) -> dict[str, float]:
    return {name: float(np.ptp(case.people[name])) * percent / 100 for name in ("Age", "Weight")}
