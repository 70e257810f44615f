"""Six methods and two policies on one header and one cohort, and what an attacker still gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import ipywidgets as ipw
import numpy as np
import pandas as pd
from pydicom import Dataset

from medlab import dicom, evaluation, methods
from medlab.errors import InputError
from medlab.evaluation import protections
from medlab.methods import bucketization, encryption, pseudonymization, randomization, suppression
from medlab.tabular.release import SUPPRESSED
from medlab.viz.methods import attack_bars
from medlab.widgets.instrument import Instrument, beside

#: Columns of a cohort table and the elements that hold the same facts.
_ELEMENTS = {"Age": "PatientAge", "Sex": "PatientSex", "Weight": "PatientWeight"}
_DIRECT = ("PatientName", "PatientID", "PatientBirthDate")
_DATE_DAYS = 365  # a noise of 100 % moves a study date by so many days
_SHOWN = (*_DIRECT, *_ELEMENTS.values(), "StudyDate", "StudyInstanceUID")


class Case(NamedTuple):
    """What the methods are tried on."""

    header: Dataset
    people: pd.DataFrame
    key: bytes
    seed: int

    @property
    def quasi(self) -> list[str]:
        """What the attacker knows."""
        return [name for name in _ELEMENTS if name in self.people]


class Tried(NamedTuple):
    """A header and a table after a method, the kind of the table, and what to know about it."""

    header: Dataset
    table: Any
    kind: str
    note: str


def method_comparer(
    header: Dataset, people: pd.DataFrame, *, key: bytes, seed: int = 0, reveal: bool = False
) -> Instrument:
    """Return an instrument that protects a header and a cohort and lets an attacker try.

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
    Instrument

    Raises
    ------
    InputError
        If the table lacks a column.
    """
    missing = [name for name in (*_ELEMENTS, "Diagnosis") if name not in people]
    if missing:
        raise InputError(f"no column {', '.join(missing)}; give a cohort table with it")
    case = Case(header, people, key, seed)

    @lru_cache(maxsize=64)
    def tried(method: str, strength: int) -> tuple[Tried, pd.Series]:
        result = TRIALS[method].change(case, strength)
        return result, _linkage(case, result)

    def draw(method: str, **strengths: int) -> str:
        for name, handle in handles.items():
            handle.disabled = name not in ("method", TRIALS[method].parameter)
        result, found = tried(method, strengths.get(TRIALS[method].parameter, 0))
        return _page(case, method, result, {"nothing done": tried(NOTHING, 0)[1], method: found},
                     reveal)  # fmt: skip

    handles = _handles()
    return Instrument("Method comparer", handles, draw)


def _handles() -> dict[str, Any]:
    slider = {"continuous_update": False}
    return {
        "method": ipw.Dropdown(options=list(TRIALS), value="bucketization", description="method"),
        "columns": ipw.IntSlider(1, 1, len(_ELEMENTS), description="facts suppressed", **slider),
        "noise": ipw.IntSlider(5, 1, 50, description="noise, % of the range", **slider),
        "width": ipw.IntSlider(10, 1, 40, description="class width, years and kg", **slider),
        "k": ipw.IntSlider(5, 2, 50, description="k of a bucket", **slider),
    }


def _linkage(case: Case, result: Tried) -> pd.Series:
    found = evaluation.evaluate(case.people, result.table, case.quasi, kind=result.kind)
    (rate,) = found[found["measure"] == "linkage"].to_dict("records")
    return pd.Series({name: float(rate[name]) for name in ("value", "low", "high", "baseline")})


def _page(
    case: Case, method: str, result: Tried, rates: Mapping[str, pd.Series], reveal: bool
) -> str:
    versions = {"before": case.header, "after": result.header}
    table = methods.side_by_side(versions, _SHOWN, reveal=reveal, width=26).rename_axis(None)
    found, readable = rates[method], _readable(case.header, result.header)
    said = (
        f"<p>{result.note} Knowing {', '.join(case.quasi).lower()}, the attacker picks the right "
        f"row for <b>{found['value']:.1%}</b> of {len(case.people)} people; guessing reaches "
        f"{found['baseline']:.1%}. Of name, number and birth date "
        f"{', '.join(readable) or 'none'} can still be read.</p>"
    )
    return beside(table.to_html(border=0, justify="left"), said + attack_bars(rates))


def _readable(before: Dataset, after: Dataset) -> list[str]:
    return [name for name in _DIRECT if before.get(name) and before.get(name) == after.get(name)]


def _changed(header: Dataset, verbs: Mapping[str, Sequence[Any]]) -> Dataset:
    """Return a header with a verb, and its arguments, done to each element that is there."""
    for keyword, verb in verbs.items():
        if header.get(keyword):
            (header,) = methods.apply([header], keyword, *verb)
    return header


def _protected(case: Case, name: str, strength: float) -> tuple[Any, str]:
    rng = np.random.default_rng(case.seed)
    task = protections.Task(case.people, case.quasi, "Diagnosis", strength, rng)
    made = protections.METHODS[name](task)
    return made if isinstance(made, tuple) else (made, made.kind)


def _nothing(case: Case, _: int) -> Tried:
    return Tried(case.header, case.people, "generalized", "Nothing was done.")


def _suppressed(case: Case, columns: int) -> Tried:
    table, kind = _protected(case, "suppression", columns)
    hidden = [name for name in case.quasi if (table[name] == SUPPRESSED).all()]
    verbs: dict[str, Sequence[Any]] = {name: [suppression.fixed] for name in _DIRECT}
    verbs |= {_ELEMENTS[name]: [suppression.remove] for name in hidden}
    note = f"Gone: name, number, birth date, {', '.join(hidden).lower()}."
    return Tried(_changed(case.header, verbs), table, kind, note)


def _randomized(case: Case, percent: int) -> Tried:
    table, kind = _protected(case, "randomization", percent / 100)
    rng, share = np.random.default_rng(case.seed), percent / 100
    spread = {name: float(np.ptp(case.people[name])) * share for name in ("Age", "Weight")}
    verbs: dict[str, Sequence[Any]] = {
        _ELEMENTS[name]: [randomization.noise, sd, rng] for name, sd in spread.items()
    }
    verbs["StudyDate"] = [randomization.noise, _DATE_DAYS * share, rng]
    verbs["PatientID"] = [randomization.replace, rng]
    sds = " and ".join(f"{sd:.1f} in {name.lower()}" for name, sd in spread.items())
    note = f"Noise with a standard deviation of {sds}; a random number as PatientID."
    return Tried(_changed(case.header, verbs), table, kind, note)


def _pseudonymized(case: Case, _: int) -> Tried:
    table, kind = _protected(case, "pseudonymization", 0)
    verbs = {
        "PatientName": [pseudonymization.alias, case.key],
        "PatientID": [pseudonymization.code, case.key],
        "StudyInstanceUID": [pseudonymization.code, case.key],
        "StudyDate": [pseudonymization.offset, -(1 + case.key[0])],
        "PatientBirthDate": [pseudonymization.offset, -(1 + case.key[0])],
    }
    note = "Codes drawn with a key; all dates moved by the same secret number of days."
    return Tried(_changed(case.header, verbs), table, kind, note)


def _bucketized(case: Case, width: int) -> Tried:
    table = case.people.assign(
        Age=bucketization.age(case.people["Age"], width, label=True),
        Weight=bucketization.number(case.people["Weight"], width, label=True),
    )
    verbs = {
        "PatientAge": [bucketization.age, width],
        "PatientWeight": [bucketization.number, width],
        "StudyDate": [bucketization.day, "month"],
        "PatientBirthDate": [bucketization.day, "year"],
    }
    note = f"Classes of {width} years and {width} kg; the study's month, the year of birth."
    return Tried(_changed(case.header, verbs), table, "generalized", note)


def _sliced(case: Case, k: int) -> Tried:
    table, kind = _protected(case, "slicing k", k)
    note = "Slicing shuffles a table within buckets; one header has nothing to be shuffled with."
    return Tried(case.header, table, kind, note)


def _encrypted(case: Case, _: int) -> Tried:
    table, kind = _protected(case, "encryption", 0)
    note = "Name and number stand, unreadable, in a private block; the key reads them again."
    return Tried(encryption.encrypt_elements(case.header, case.key), table, kind, note)


def _policy(name: str) -> Callable[[Case, int], Tried]:
    def change(case: Case, _: int) -> Tried:
        header, actions = dicom.deidentify(case.header, name, key=case.key)
        hidden = [column for column, keyword in _ELEMENTS.items() if not header.get(keyword)]
        table = case.people.assign(**dict.fromkeys(hidden, SUPPRESSED))
        gone = ", ".join(hidden).lower() or "none"
        note = f"PS3.15 changed {len(actions)} elements. Of the facts known, {gone} is gone."
        return Tried(header, table, "generalized", note)

    return change


class _Trial(NamedTuple):
    change: Callable[[Case, int], Tried]
    parameter: str = ""


NOTHING = "nothing done"
TRIALS: Mapping[str, _Trial] = {
    NOTHING: _Trial(_nothing),
    "suppression": _Trial(_suppressed, "columns"),
    "randomization": _Trial(_randomized, "noise"),
    "pseudonymization": _Trial(_pseudonymized),
    "bucketization": _Trial(_bucketized, "width"),
    "slicing": _Trial(_sliced, "k"),
    "encryption": _Trial(_encrypted),
    "policy basic": _Trial(_policy("basic")),
    "policy research": _Trial(_policy("research")),
}
