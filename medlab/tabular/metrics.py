"""Measures of a table: what an attacker may hope for and what was lost.

Each takes any table in released cells. `NCP`, normalized certainty penalty, of a cell:
number (hi - lo) / (range of the original column); category (labels - 1) / (M - 1) with
the M labels of the original column; suppressed 1. `GCP` is its mean over all cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.errors import InputError
from medlab.tabular import cells, models
from medlab.tabular import counts as tally
from medlab.tabular.counts import Diversity
from medlab.tabular.release import SUPPRESSED, Release, ReleaseKind
from medlab.tabular.roles import Column, Hierarchies, check_columns, encode

NOT_APPLICABLE = "n/a"
_FIT_CELLS = 20_000_000
_CLASSES = (
    "k",
    "classes",
    "c_avg",
    "discernibility",
    "uniqueness",
    "prosecutor_max",
    "prosecutor_mean",
    "journalist_max",
    "marketer",
)
_VALUES = ("l", "t", "alpha")
_PERTURBED = (*_CLASSES, *_VALUES, "gcp")
# Rows that were perturbed or regrouped form no classes; centroids have no width.
_SENSELESS: Mapping[str, Sequence[str]] = {
    "generalized": (),
    "anatomized": (),
    "aggregate": ("gcp",),
    "microdata": _PERTURBED,
    "synthetic": _PERTURBED,
    "sliced": _PERTURBED,
}
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Risks(NamedTuple):
    """Re-identification risks. El Emam, Dankar, JAMIA 15(5), 2008.

    Attributes
    ----------
    prosecutor_max, prosecutor_mean : float
        The attacker knows that the target is in the table: 1/(smallest class), and the
        mean over the rows of 1/(size of the class), which is classes/rows.
    journalist_max, marketer : float or None
        With a register of people: 1/(fewest people who fit a class); expected share
        of rows re-identified when each is linked to the people who fit its class.
    """

    prosecutor_max: float
    prosecutor_mean: float
    journalist_max: float | None
    marketer: float | None


def ncp(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    original: pd.DataFrame,
    hierarchies: Hierarchies | None = None,
) -> pd.DataFrame:
    """Return the normalized certainty penalty of every cell, 0 (exact) to 1 (nothing).

    Parameters
    ----------
    table : DataFrame
        The released table.
    quasi : column names
    original : DataFrame
        The table before; its columns give ranges and labels.
    hierarchies : mapping of str to DataFrame, optional
        Needed to read nodes: a node counts as the labels below it.
    """
    quasi, _ = check_columns(table, quasi)
    check_columns(original, quasi)
    hierarchies = hierarchies or {}
    found = {
        name: _column_ncp(table[name], encode(original, name), hierarchies.get(name))
        for name in quasi
    }
    return pd.DataFrame(found, index=table.index)


def _column_ncp(
    released: pd.Series[Any], column: Column, hierarchy: pd.DataFrame | None
) -> Floats:
    if column.kind in ("number", "date"):
        return _number_ncp(released, column)
    below = {} if hierarchy is None else _labels_below(column, hierarchy)
    codes, objects = cells.distinct(released)
    sizes = [_label_count(cell, column, below) for cell in objects]
    loss = (np.array(sizes, dtype=np.float64) - 1) / max(column.labels - 1, 1)
    return np.clip(loss, 0, 1)[codes]


def _number_ncp(released: pd.Series[Any], column: Column) -> Floats:
    low, high = cells.bounds(released)
    values = pd.Series(column.values)
    if column.kind == "date":
        values = pd.Series(cells.bounds(values)[0])
    width = float(values.iloc[-1] - values.iloc[0]) if len(values) else 0.0
    loss = (high - low) / width if width > 0 else np.zeros(len(low))
    hidden = np.isnan(low) & released.notna().to_numpy()
    return np.where(hidden, 1.0, np.nan_to_num(np.minimum(loss, 1.0)))


def _labels_below(column: Column, hierarchy: pd.DataFrame) -> dict[str, int]:
    occurring = hierarchy.loc[hierarchy.index.isin(column.values)].astype(str)
    below: dict[str, int] = {}
    for level in occurring:
        below |= {str(node): n for node, n in occurring[level].value_counts().items()}
    return below


def _label_count(cell: Any, column: Column, below: Mapping[str, int]) -> int:
    if isinstance(cell, str) and cell == SUPPRESSED:
        return max(column.labels, 2)
    if isinstance(cell, str) and cell in below:
        return below[cell]
    return len(cells.labels(cell)) or 1


def gcp(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    original: pd.DataFrame,
    hierarchies: Hierarchies | None = None,
) -> float:
    """Return the mean NCP of all quasi-identifier cells: 0 untouched, 1 all suppressed.

    Ghinita, Karras, Kalnis, Mamoulis, VLDB 2007.
    """
    return float(ncp(table, quasi, original, hierarchies).to_numpy().mean())


def c_avg(table: pd.DataFrame, quasi: Sequence[str] | str, k: int | None = None) -> float:
    """Return rows / classes / k; 1 is best. Without k, the k that the table keeps."""
    sizes = np.bincount(models.class_numbers(table, quasi))
    return float(sizes.sum() / len(sizes) / (k or sizes.min()))


def discernibility(table: pd.DataFrame, quasi: Sequence[str] | str) -> int:
    """Return the sum of squared class sizes; a suppressed row costs all rows.

    Bayardo, Agrawal, ICDE 2005.
    """
    quasi, _ = check_columns(table, quasi)
    hidden = suppressed_rows(table, quasi)
    left = table[~hidden]
    squares = int((np.bincount(models.class_numbers(left, quasi)) ** 2).sum()) if len(left) else 0
    return squares + int(hidden.sum()) * len(table)


def suppressed_rows(table: pd.DataFrame, quasi: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which rows are suppressed in every quasi-identifier."""
    hidden = np.ones(len(table), dtype=bool)
    for name in quasi:
        hidden &= (table[name].astype(object) == SUPPRESSED).to_numpy(dtype=bool)
    return hidden


def uniqueness(table: pd.DataFrame, quasi: Sequence[str] | str) -> float:
    """Return the share of rows that stand alone in their class."""
    return float((models.class_sizes(table, quasi) == 1).mean())


def risks(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    register: pd.DataFrame | None = None,
    *,
    subject: str | None = None,
    hierarchies: Hierarchies | None = None,
) -> Risks:
    """Return prosecutor, journalist and marketer risk.

    Parameters
    ----------
    table : DataFrame
        Released cells.
    quasi : column names
    register : DataFrame, optional
        People an attacker knows, with their exact quasi-identifiers; it should hold
        everyone in the table. A class that fits fewer people than its rows is counted
        as fitting as many as it has rows.
    subject : str, optional
        Column that tells whose row it is; the size of a class then is its persons, and
        five rows of one person hide nobody.
    hierarchies : mapping of str to DataFrame, optional
        Needed to find the people below a node.
    """
    quasi, _ = check_columns(table, quasi, subject=subject)
    group = models.class_numbers(table, quasi)
    inside = models.group_sizes(group, models.person_numbers(table, subject))
    prosecutor = float(1 / inside.min()), float((1 / inside[group]).mean())
    if register is None:
        return Risks(*prosecutor, None, None)
    check_columns(register, quasi)
    first = np.unique(group, return_index=True)[1]
    people = np.maximum(fitting(table.iloc[first], register, quasi, hierarchies), inside)
    return Risks(*prosecutor, float(1 / people.min()), float((1 / people[group]).mean()))


def fitting(
    classes: pd.DataFrame,
    register: pd.DataFrame,
    quasi: Sequence[str],
    hierarchies: Hierarchies | None = None,
) -> Ints:
    """Return how many people of a register fit each class.

    Parameters
    ----------
    classes : DataFrame, one row a class
    register : DataFrame, one row a person, exact values
    quasi : column names
    hierarchies : mapping of str to DataFrame, optional

    Returns
    -------
    int array, shape (classes,)
    """
    fits = [_fits(classes[name], register[name], (hierarchies or {}).get(name)) for name in quasi]
    people, count = np.unique([fit[2] for fit in fits], axis=1, return_counts=True)
    found = np.zeros(len(classes), dtype=np.int64)
    step = max(1, _FIT_CELLS // people.shape[1])
    for start in range(0, len(classes), step):
        part = slice(start, start + step)
        inside = np.ones((len(found[part]), people.shape[1]), dtype=bool)
        for (allowed, cell, _), value in zip(fits, people, strict=True):
            inside &= allowed[cell[part]][:, value]
        found[part] = inside @ count
    return found


def _fits(
    released: pd.Series[Any], known: pd.Series[Any], hierarchy: pd.DataFrame | None
) -> tuple[NDArray[np.bool_], Ints, Ints]:
    """Return which values each distinct cell allows, and both columns' numbers in it."""
    cell, objects = cells.distinct(released)
    value, values = pd.factorize(known, use_na_sentinel=False)
    column = pd.Series(objects, dtype=object)
    exact = cells.bounds(pd.Series(values))[0]
    if pd.api.types.is_numeric_dtype(known) or pd.api.types.is_datetime64_any_dtype(known):
        low, high = cells.bounds(column)
        allowed = (exact >= low[:, None]) & (exact <= high[:, None])
    else:
        names = pd.Index(values).astype(str)
        allowed = np.array([names.isin(_names(one, hierarchy)) for one in objects])
    allowed |= column.isna().to_numpy()[:, None] & pd.isna(values)
    allowed |= (column == SUPPRESSED).to_numpy(dtype=bool)[:, None]
    return allowed.reshape(len(objects), len(values)), cell, value.astype(np.int64)


def _names(cell: Any, hierarchy: pd.DataFrame | None) -> list[str]:
    """Return the labels that a cell allows, those below it if it is a node."""
    found = cells.labels(cell)
    if hierarchy is not None:
        below = hierarchy.index[(hierarchy.astype(str) == str(cell)).any(axis=1)]
        found |= set(below.astype(str))
    return list(found)


def measures(
    table: pd.DataFrame | Release,
    quasi: Sequence[str] | str | None = None,
    sensitive: Sequence[str] | str | None = None,
    *,
    original: pd.DataFrame | None = None,
    register: pd.DataFrame | None = None,
    k: int | None = None,
    l_kind: Diversity = "distinct",
    c: float = 3.0,
    kind: ReleaseKind = "generalized",
    subject: str | None = None,
    hierarchies: Hierarchies | None = None,
) -> dict[str, Any]:
    """Return all measures of a table as plain numbers, ready for JSON.

    Parameters
    ----------
    table : DataFrame or Release
        A release brings its own columns and kind.
    quasi, sensitive : column names
        With several sensitive columns l is the smallest, t and alpha the largest.
    original : DataFrame, optional
        The table before, for ``gcp``; without it ``gcp`` is None.
    register : DataFrame, optional
        People an attacker knows, for ``journalist_max`` and ``marketer``.
    k : int, optional
        The k asked for, for ``c_avg``; default: the k found.
    l_kind, c
        See `medlab.tabular.l_diversity`.
    kind : str
        What kind of release the table is. Class-based measures of perturbed or
        regrouped rows mean nothing and say "n/a".
    subject : str, optional
        Column that tells whose row it is.
    hierarchies : mapping of str to DataFrame, optional

    Returns
    -------
    dict
        rows, suppressed, k, l, t, alpha, classes, gcp, c_avg, discernibility,
        uniqueness, prosecutor_max, prosecutor_mean, journalist_max, marketer.
    """
    facts: Mapping[str, Any] = {}
    if isinstance(table, Release):
        kind, quasi, facts = table.kind, table.quasi, table.facts
        sensitive = [name for name in table.sensitive if name in table.table]
        table = table.table
    if quasi is None:
        raise InputError("name the quasi-identifiers of the table")
    table, subject = _with_subject(table, original, subject)
    quasi, sensitive = check_columns(table, quasi, sensitive, subject=subject)
    hidden = suppressed_rows(table, quasi)
    found: dict[str, Any] = {"kind": kind, "rows": len(table), "suppressed": int(hidden.sum())}
    found |= dict.fromkeys((*_CLASSES, *_VALUES, "gcp"))
    if not hidden.all():
        risk = risks(table[~hidden], quasi, register, subject=subject, hierarchies=hierarchies)
        group = np.full(len(table), -1)
        group[~hidden] = models.class_numbers(table[~hidden], quasi)
        persons = models.person_numbers(table, subject)
        found |= risk._asdict() | _class_measures(group, persons, k)
        found |= _value_measures(table, group, persons, sensitive, (l_kind, c), hierarchies)
        found["discernibility"] = discernibility(table, quasi)
    if original is not None:
        found["gcp"] = gcp(table, quasi, original, hierarchies)
    found |= dict.fromkeys(_SENSELESS[kind], NOT_APPLICABLE)
    return found | {name: facts[name] for name in _VALUES if name in facts}


def _with_subject(
    table: pd.DataFrame, original: pd.DataFrame | None, subject: str | None
) -> tuple[pd.DataFrame, str | None]:
    """Return the table with the persons of its rows, from the original if need be."""
    if subject is None or subject in table.columns or original is None:
        return table, subject
    if subject not in original.columns or len(original) != len(table):
        raise InputError(f"the original does not tell the {subject} of each released row")
    return table.assign(**{subject: original[subject].to_numpy()}), subject


def _class_measures(group: Ints, persons: Ints | None, k: int | None) -> dict[str, Any]:
    shown = group >= 0
    people = models.group_sizes(group[shown], None if persons is None else persons[shown])
    smallest, rows = int(people.min()), int(shown.sum())
    return {
        "k": smallest,
        "classes": len(people),
        "c_avg": rows / len(people) / (k or smallest),
        "uniqueness": float((people[group[shown]] == 1).mean()),
    }


def _value_measures(
    table: pd.DataFrame,
    group: Ints,
    persons: Ints | None,
    sensitive: Sequence[str],
    diversity: tuple[Diversity, float],
    hierarchies: Hierarchies | None,
) -> dict[str, Any]:
    """Return the worst l, t and alpha of the sensitive columns; nothing without one."""
    found = []
    for name in sensitive:
        tree = (hierarchies or {}).get(name)
        counts, ready = tally.count_column(table, name, group, hierarchy=tree, persons=persons)
        l = tally.diversity(counts, *diversity).min()
        found.append((l, tally.emd(counts, ready).max(), tally.top_share(counts).max()))
    if not found:
        return {}
    l, t, alpha = zip(*found, strict=True)
    return {"l": float(min(l)), "t": float(max(t)), "alpha": float(max(alpha))}
