"""What methods do to the columns of a table of patients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from medlab.errors import InputError
from medlab.methods import bucketization, encryption, pseudonymization, randomization
from medlab.synthetic.synthesis import Model, draft_domain, parse_domain, synthesize
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
        What the method understands by it; see `medlab.methods.catalogue.Method.strengths`.
    rng : Generator
    subject : str or None
        Column that tells whose row it is.
    parameter : str
        The name of `strength`, for methods that know several.
    """

    table: pd.DataFrame
    quasi: list[str]
    sensitive: str
    strength: float
    rng: np.random.Generator
    subject: str | None = None
    parameter: str = ""


Columns = Callable[[Task], Made]


def unchanged(task: Task) -> Made:
    """Return the table as it is."""
    return task.table, "generalized"


def suppressed(task: Task) -> Made:
    """Suppress the columns with most values first; all of them where strength is that large."""
    order = task.table[task.quasi].nunique().sort_values(ascending=False, kind="stable").index
    hidden = dict.fromkeys(order[: int(task.strength)], SUPPRESSED)
    return task.table.assign(**hidden), "generalized"


def pseudonymized(task: Task) -> Made:
    """Replace name and number of the patients by codes."""
    key = task.rng.bytes(32)
    coded = {
        name: pseudonymization.code(task.table[name], key, field=name) for name in _present(task)
    }
    return task.table.assign(**coded), "generalized"


def encrypted(task: Task) -> Made:
    """Encrypt name and number of the patients."""
    key = task.rng.bytes(32)
    hidden = {name: encryption.encrypt(task.table[name], key) for name in _present(task)}
    return task.table.assign(**hidden), "generalized"


def _present(task: Task) -> list[str]:
    return [name for name in _IDENTITY if name in task.table]


def randomized(task: Task) -> Made:
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
        return randomization.noise(column, sd, task.rng, limits=(low, high))
    drawn = task.rng.random(len(column)) < task.strength
    others = column.to_numpy(copy=True)[task.rng.permutation(len(column))]
    return column.where(~drawn, others)


def bucketized(task: Task) -> Made:
    """Put numbers and days into equal bins, postcodes into areas.

    Strength is the number of bins; named ``width``, the width of classes of age and numbers.
    """
    table = task.table.copy()
    for name in task.quasi:
        column, types = table[name], pd.api.types
        if task.parameter == "width" and types.is_numeric_dtype(column.dtype):
            table[name] = _classes(column, int(task.strength))
        elif types.is_numeric_dtype(column.dtype) or types.is_datetime64_any_dtype(column.dtype):
            table[name] = _binned(column, int(task.strength))
        elif column.astype(str).str.fullmatch(r"\d{5}").all():
            table[name] = bucketization.postcode(column.astype(object), 3, stars=True)
    return table, "generalized"


def _classes(column: pd.Series[Any], width: int) -> Any:
    if column.name == "Age":
        return bucketization.age(column, width, label=True)
    return bucketization.number(column, width, label=True)


def _binned(column: pd.Series[Any], bins: int) -> pd.Series[Any]:
    """Return the smallest and the largest value of each bin as intervals."""
    number = pd.cut(column, bins, labels=False)
    ends = column.groupby(number).agg(["min", "max"])
    cells = {
        index: pd.Interval(low, high, closed="both") if low < high else low
        for index, low, high in ends.itertuples()
    }
    return number.map(cells).astype(object)


def tree(task: Task) -> Made:
    """Draw rows along a tree of noisy pairs; strength is epsilon, delta 1e-9."""
    return _of_nobody(task, "tree", epsilon=task.strength)


def copula(task: Task) -> Made:
    """Draw rows from a Gaussian copula, without guarantee."""
    return _of_nobody(task, "copula", rng=task.rng)


def _of_nobody(task: Task, model: Model, **more: Any) -> Made:
    """Return rows drawn from a model over a domain that is read off the table.

    Good to see what a model does; a guarantee needs a domain of public knowledge.
    """
    table = task.table[[*task.quasi, task.sensitive]]
    domain = parse_domain(draft_domain(table))
    if len(domain) < table.shape[1]:
        raise InputError("a column has too many labels, or no value, for a model to draw from")
    if task.subject is not None:
        table = table.assign(**{task.subject: task.table[task.subject]})
    made = synthesize(table, domain, model, subject=task.subject, **more).table
    return made.replace("", None), "synthetic"
