"""Methods of protection under one roof: a table, a strength, a release."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from medlab import methods, tabular
from medlab.errors import InputError
from medlab.tabular.release import SUPPRESSED, Release

Made = Release | tuple[pd.DataFrame, str]
_IDENTITY = ("PatientName", "PatientID")


class Point(NamedTuple):
    """A method at one strength.

    Attributes
    ----------
    method : str
        A name of `METHODS`.
    strength : float
        What the method understands by it: k, l, columns, bins, noise as a share of the range.
    """

    method: str
    strength: float = 0.0


class Task(NamedTuple):
    """What a method is given.

    Attributes
    ----------
    table : DataFrame
    quasi : list of str
    sensitive : str
    strength : float
    rng : Generator
    subject : str or None
        Column that tells whose row it is.
    """

    table: pd.DataFrame
    quasi: list[str]
    sensitive: str
    strength: float
    rng: np.random.Generator
    subject: str | None = None


Protection = Callable[[Task], Made]


def _identity(task: Task) -> Made:
    return task.table, "generalized"


def _suppress(task: Task) -> Made:
    """Suppress the columns with most values first; all of them where strength is that large."""
    order = task.table[task.quasi].nunique().sort_values(ascending=False, kind="stable").index
    hidden = dict.fromkeys(order[: int(task.strength)], SUPPRESSED)
    return task.table.assign(**hidden), "generalized"


def _pseudonymize(task: Task) -> Made:
    key = task.rng.bytes(32)
    coded = {
        name: methods.pseudonymization.code(task.table[name], key, field=name)
        for name in _present(task)
    }
    return task.table.assign(**coded), "generalized"


def _encrypt(task: Task) -> Made:
    key = task.rng.bytes(32)
    hidden = {name: methods.encryption.encrypt(task.table[name], key) for name in _present(task)}
    return task.table.assign(**hidden), "generalized"


def _present(task: Task) -> list[str]:
    return [name for name in _IDENTITY if name in task.table]


def _noise(task: Task) -> Made:
    """Add noise of strength * range to numbers and days; draw that share of labels anew."""
    table = task.table.copy()
    for name in task.quasi:
        table[name] = _noisy(table[name], task)
    return table, "microdata"


def _noisy(column: pd.Series[Any], task: Task) -> Any:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        days = task.rng.normal(0.0, 1.0, len(column)) * task.strength
        return column + pd.to_timedelta(np.round(days * (column.max() - column.min()).days), "D")
    if pd.api.types.is_numeric_dtype(column.dtype):
        low, high = float(column.min()), float(column.max())
        sd = task.strength * (high - low)
        return methods.randomization.noise(column, sd, task.rng, limits=(low, high))
    drawn = task.rng.random(len(column)) < task.strength
    others = column.to_numpy(copy=True)[task.rng.permutation(len(column))]
    return column.where(~drawn, others)


def _bin(task: Task) -> Made:
    """Put numbers and days into equal bins (strength: how many), postcodes into areas."""
    table = task.table.copy()
    for name in task.quasi:
        column = table[name]
        types = pd.api.types
        if types.is_numeric_dtype(column.dtype) or types.is_datetime64_any_dtype(column.dtype):
            table[name] = _binned(column, int(task.strength))
        elif column.astype(str).str.fullmatch(r"\d{5}").all():
            table[name] = methods.bucketization.postcode(column.astype(object), 3, stars=True)
    return table, "generalized"


def _binned(column: pd.Series[Any], bins: int) -> pd.Series[Any]:
    """Return the smallest and the largest value of each bin as intervals."""
    number = pd.cut(column, bins, labels=False)
    ends = column.groupby(number).agg(["min", "max"])
    cells = {
        index: pd.Interval(low, high, closed="both") if low < high else low
        for index, low, high in ends.itertuples()
    }
    return number.map(cells).astype(object)


def _by(method: str, strength: str, **fixed: float) -> Protection:
    """Return a method of `medlab.tabular` whose argument `strength` is what varies."""

    def protect(task: Task) -> Made:
        asked: dict[str, Any] = {**fixed, strength: task.strength}
        if strength in ("k", "l"):
            asked[strength] = int(task.strength)
        roles = (task.table, task.quasi, task.sensitive)
        asked["subject"] = task.subject
        return tabular.anonymize(*roles, method=method, rng=task.rng, **asked)

    return protect


METHODS: Mapping[str, Protection] = {
    "identity": _identity,
    "suppression": _suppress,
    "pseudonymization": _pseudonymize,
    "encryption": _encrypt,
    "randomization": _noise,
    "bucketization": _bin,
    "Anatomy l": _by("anatomy", "l"),
    "slicing k": _by("slicing", "k"),
    "Mondrian k": _by("mondrian", "k"),
    "Mondrian l": _by("mondrian", "l", k=5),
    "Mondrian t": _by("mondrian", "t", k=5),
    "microaggregation k": _by("mdav", "k"),
    "k-member k": _by("k-member", "k"),
}

# What each method is tried with; of suppression, full suppression comes in addition.
_STRENGTHS: Mapping[str, tuple[float, ...]] = {
    "identity": (0,),
    "suppression": (1, 2, 4),
    "pseudonymization": (0,),
    "encryption": (0,),
    "randomization": (0.02, 0.05, 0.1, 0.3),
    "bucketization": (20, 5, 2),
    "Anatomy l": (2,),
    "slicing k": (5, 25),
    "Mondrian k": (2, 5, 10, 25, 50, 100),
    "Mondrian l": (2, 3),
    "Mondrian t": (0.4, 0.2),
    "microaggregation k": (5, 25),
    "k-member k": (5, 25),
}


def usual_points(quasi: Sequence[str], chosen: str = "all") -> list[Point]:
    """Return the methods at their usual strengths; Mondrian l and t have k = 5.

    Parameters
    ----------
    quasi : column names
    chosen : str
        Names of `METHODS` with commas between them, or "all".

    Raises
    ------
    InputError
        A method of another name.

    Examples
    --------
    >>> [point.strength for point in usual_points(["Age", "Sex", "Weight"], "suppression")]
    [1, 2, 3]
    """
    names = list(METHODS) if chosen == "all" else [name.strip() for name in chosen.split(",")]
    if not set(names) <= set(METHODS):
        raise InputError(f"no method of that name; choose of {', '.join(METHODS)}")
    full = len(quasi)
    found = []
    for name in names:
        strengths = _STRENGTHS[name]
        if name == "suppression":
            strengths = (*(s for s in strengths if s < full), full)
        found += [Point(name, strength) for strength in strengths]
    return found
