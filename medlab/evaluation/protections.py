"""Methods of protection under one roof: a table, a strength, a release."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from medlab import methods, tabular
from medlab.tabular.release import SUPPRESSED, Release

Made = Release | tuple[pd.DataFrame, str]
_IDENTITY = ("PatientName", "PatientID")


class Task(NamedTuple):
    """What a method is given.

    Attributes
    ----------
    table : DataFrame
    quasi : list of str
    sensitive : str
    strength : float
    rng : Generator
    """

    table: pd.DataFrame
    quasi: list[str]
    sensitive: str
    strength: float
    rng: np.random.Generator


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


def _by(method: str, strength: str, drawn: bool = False, **fixed: float) -> Protection:
    """Return a method of `medlab.tabular` whose argument `strength` is what varies."""

    def protect(task: Task) -> Made:
        asked: dict[str, Any] = {**fixed, strength: task.strength}
        if strength in ("k", "l"):
            asked[strength] = int(task.strength)
        if drawn:
            asked["rng"] = task.rng
        return tabular.anonymize(task.table, task.quasi, task.sensitive, method=method, **asked)

    return protect


METHODS: Mapping[str, Protection] = {
    "identity": _identity,
    "suppression": _suppress,
    "pseudonymization": _pseudonymize,
    "encryption": _encrypt,
    "randomization": _noise,
    "bucketization": _bin,
    "Anatomy l": _by("anatomy", "l", drawn=True),
    "slicing k": _by("slicing", "k", drawn=True),
    "Mondrian k": _by("mondrian", "k"),
    "Mondrian k=5, l": _by("mondrian", "l", k=5),
    "Mondrian k=5, t": _by("mondrian", "t", k=5),
    "microaggregation k": _by("mdav", "k"),
    "k-member k": _by("k-member", "k"),
}
