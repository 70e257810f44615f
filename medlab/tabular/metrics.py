"""Measures of a table and of each of its classes: what they give away and what was lost.

Each takes any table, released by medlab or not. Rows whose sensitive value is missing count
for k; for l, t and the others they say nothing and are left out. `NCP`, normalized certainty
penalty, of a cell: number (hi - lo) / (range of the original column); category (labels - 1) /
(M - 1) with the M labels of the original column; suppressed 1. `GCP` is its mean over all cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.arrays import Ints
from medlab.errors import InputError
from medlab.tabular import counts as tally
from medlab.tabular.column_roles import Hierarchies, check_columns
from medlab.tabular.criteria import Options
from medlab.tabular.release import SUPPRESSED, Release, ReleaseKind
from medlab.tabular.released_cells import (
    Exact,
    Seen,
    exact_values,
    in_order,
    scales_of,
    see,
)

NOT_APPLICABLE = "n/a"
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


def class_sizes(
    table: pd.DataFrame, quasi: Sequence[str] | str, subject: str | None = None
) -> Ints:
    """Return for each row the size of its equivalence class.

    Parameters
    ----------
    table : DataFrame
    quasi : column names
    subject : str, optional
        Column that tells whose row it is; then distinct persons are counted.

    Returns
    -------
    int array, shape (rows,)
        1 marks who is unique.

    Examples
    --------
    >>> ward = pd.DataFrame({"Age": [30, 30, 41], "Sex": ["F", "F", "M"]})
    >>> class_sizes(ward, ["Age", "Sex"]).tolist()
    [2, 2, 1]
    """
    check_columns(table, quasi, subject=subject)
    group = tally.class_numbers(table, quasi)
    return tally.group_sizes(group, tally.person_numbers(table, subject))[group]


def k_anonymity(
    table: pd.DataFrame, quasi: Sequence[str] | str, subject: str | None = None
) -> int:
    """Return the size of the smallest equivalence class.

    Sweeney, "k-Anonymity", IJUFKS 10(5), 2002. With `subject`, distinct persons count.
    """
    return int(class_sizes(table, quasi, subject).min())


def _class_counts(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: str,
    *,
    distance: tally.Distance = "auto",
    hierarchy: pd.DataFrame | None = None,
    subject: str | None = None,
) -> tuple[tally.Counts, tally.Sensitive]:
    """Return the sensitive values of each class counted, and the whole table's."""
    check_columns(table, quasi, sensitive, subject=subject)
    persons = tally.person_numbers(table, subject)
    group = tally.class_numbers(table, quasi)
    return tally.count_column(
        table, sensitive, group, distance=distance, hierarchy=hierarchy, persons=persons
    )


def l_diversity(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: str,
    kind: tally.Diversity = "distinct",
    *,
    c: float = 3.0,
    subject: str | None = None,
) -> float:
    """Return the smallest l of any class.

    Parameters
    ----------
    table : DataFrame
    quasi : column names
    sensitive : str
    kind : "distinct", "entropy" or "recursive"
        Number of distinct values; exp(entropy), unrounded; the largest l for which the
        class is recursively (c,l)-diverse.
    c : float
        Only for "recursive".
    subject : str, optional
        Whose row it is; a person counts once for each value.

    Returns
    -------
    float
        A whole number for "distinct" and "recursive". 1 (or 0: nothing known) means
        that some class gives its value away.

    Notes
    -----
    Machanavajjhala et al., "l-Diversity", ACM TKDD 1(1), 2007.
    """
    counts, _ = _class_counts(table, quasi, sensitive, subject=subject)
    return float(tally.diversity(counts, kind, c).min())


def t_closeness(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: str,
    *,
    distance: tally.Distance = "auto",
    hierarchy: pd.DataFrame | None = None,
    subject: str | None = None,
) -> float:
    """Return the largest earth mover's distance of a class from the whole table.

    0: every class repeats the table's distribution; 1: as far as can be. Li, Li,
    Venkatasubramanian, "t-Closeness", ICDE 2007. For `distance` see
    `medlab.tabular.counts.count_column`.
    """
    counts, ready = _class_counts(
        table, quasi, sensitive, distance=distance, hierarchy=hierarchy, subject=subject
    )
    return float(tally.emd(counts, ready).max())


def alpha(
    table: pd.DataFrame, quasi: Sequence[str] | str, sensitive: str, subject: str | None = None
) -> float:
    """Return the largest share that one sensitive value has in any class.

    The alpha of (alpha,k)-anonymity. Wong et al., KDD 2006.
    """
    counts, _ = _class_counts(table, quasi, sensitive, subject=subject)
    return float(tally.top_share(counts).max())


class _Risks(NamedTuple):
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


def gcp(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    original: pd.DataFrame,
    hierarchies: Hierarchies | None = None,
) -> float:
    """Return the mean NCP of all quasi-identifier cells: 0 untouched, 1 all suppressed.

    Ghinita, Karras, Kalnis, Mamoulis, VLDB 2007.

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
    seen = see(table, scales_of(original, quasi, hierarchies), hierarchies=hierarchies)
    return float(seen.loss()[seen.class_of].ravel("F").mean())  # column by column


def _suppressed_rows(table: pd.DataFrame, quasi: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which rows are suppressed in every quasi-identifier."""
    hidden = np.ones(len(table), dtype=bool)
    for name in quasi:
        hidden &= (table[name].astype(object) == SUPPRESSED).to_numpy(dtype=bool)
    return hidden


def uniqueness(table: pd.DataFrame, quasi: Sequence[str] | str) -> float:
    """Return the share of rows that are unique."""
    return float((class_sizes(table, quasi) == 1).mean())


def risks(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    register: pd.DataFrame | None = None,
    *,
    subject: str | None = None,
    hierarchies: Hierarchies | None = None,
) -> _Risks:
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
    persons = tally.person_numbers(table, subject)
    figures: dict[str, Any] = class_figures(tally.class_numbers(table, quasi), persons)
    figures |= _by_register(table, quasi, register, persons, hierarchies)
    return _Risks(**{name: figures[name] for name in _Risks._fields})


def _by_register(
    table: pd.DataFrame,
    quasi: Sequence[str],
    register: pd.DataFrame | None,
    persons: Ints | None,
    hierarchies: Hierarchies | None,
) -> dict[str, float | None]:
    """Return the risks from who knows a register; None without one."""
    if register is None:
        return {"journalist_max": None, "marketer": None}
    check_columns(register, quasi)
    scales = scales_of(register, quasi, hierarchies, table)
    seen = see(table, scales, hierarchies=hierarchies)
    known = register_risks(seen, exact_values(register, scales), persons)
    return {name: known[name] for name in ("journalist_max", "marketer")}


def class_figures(group: Ints, persons: Ints | None = None) -> dict[str, float]:
    """Return what class sizes alone tell: k, classes, uniqueness, prosecutor risk.

    Parameters
    ----------
    group : int array, shape (rows,)
        The class of each row; suppressed rows are a class like any other.
    persons : int array, shape (rows,), optional
        Whose row it is: sizes then count persons.
    """
    people = tally.group_sizes(group, persons)[group]
    return {
        "k": int(people.min()),
        "classes": len(np.unique(group)),
        "uniqueness": float((people == 1).mean()),
        "prosecutor_max": float(1 / people.min()),
        "prosecutor_mean": float((1 / people).mean()),
    }


def register_risks(seen: Seen, register: Exact, persons: Ints | None = None) -> dict[str, float]:
    """Return what an attacker with a register may hope for: journalist and marketer risk.

    A class that fits fewer people of the register than are in it counts as fitting as many.
    """
    people = np.maximum(seen.fits(register), tally.group_sizes(seen.class_of, persons))
    marketer = float((seen.sizes / people).sum() / len(seen.class_of))
    return {
        "journalist_max": float(1 / people.min()),
        "journalist_mean": max(marketer, len(people) / float(people.sum())),
        "marketer": marketer,
    }


def measures(
    table: pd.DataFrame | Release,
    quasi: Sequence[str] | str | None = None,
    sensitive: Sequence[str] | str | None = None,
    *,
    original: pd.DataFrame | None = None,
    register: pd.DataFrame | None = None,
    k: int | None = None,
    kind: ReleaseKind = "generalized",
    options: Options | None = None,
    **more: Any,
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
    kind : str
        What kind of release the table is. Class-based measures of perturbed or
        regrouped rows mean nothing and say "n/a".
    options, **more
        `Options`, as one object or by name: how l and t are counted, persons, hierarchies.

    Returns
    -------
    dict
        rows, suppressed, k, l, t, alpha, classes, gcp, c_avg, discernibility,
        uniqueness, prosecutor_max, prosecutor_mean, journalist_max, marketer.
    """
    facts: Mapping[str, Any] = {}
    options = replace(options or Options(), **more)
    subject, hierarchies = options.subject, options.hierarchies
    made = isinstance(table, Release)
    if isinstance(table, Release):
        kind, quasi, facts = table.kind, table.quasi, table.facts
        sensitive = [name for name in table.sensitive if name in table.table]
        table = table.table
    if quasi is None:
        raise InputError("name the quasi-identifiers of the table")
    quasi, sensitive = check_columns(table, quasi, sensitive)
    if subject is not None and subject not in table and original is not None:
        if subject not in original or len(original) != len(table):
            raise InputError(f"the original does not tell the {subject} of each released row")
        if not made:
            scales = scales_of(original, quasi, hierarchies)
            seen = see(table, scales, original, hierarchies)
            in_order(
                seen, exact_values(original, scales), pd.factorize(original[subject])[0], kind
            )
        table = table.assign(**{subject: original[subject].to_numpy()})
    check_columns(table, quasi, sensitive, subject=subject)
    hidden = _suppressed_rows(table, quasi)
    figures: dict[str, Any] = {"kind": kind, "rows": len(table), "suppressed": int(hidden.sum())}
    figures |= dict.fromkeys((*_CLASSES, *_VALUES, "gcp"))
    group, persons = tally.class_numbers(table, quasi), tally.person_numbers(table, subject)
    figures |= class_figures(group, persons)
    figures["c_avg"] = len(table) / figures["classes"] / (k or figures["k"])
    figures |= _by_register(table, quasi, register, persons, hierarchies)
    figures |= _value_measures(table, group, persons, sensitive, options)
    sizes = np.bincount(group[~hidden])  # a suppressed row costs all: Bayardo, Agrawal, ICDE 2005
    figures["discernibility"] = int((sizes**2).sum()) + int(hidden.sum()) * len(table)
    if original is not None:
        figures["gcp"] = gcp(table, quasi, original, hierarchies)
    figures |= dict.fromkeys(_SENSELESS[kind], NOT_APPLICABLE)
    return figures | {name: facts[name] for name in _VALUES if name in facts}


def _value_measures(
    table: pd.DataFrame,
    group: Ints,
    persons: Ints | None,
    sensitive: Sequence[str],
    options: Options,
) -> dict[str, Any]:
    """Return the worst l, t and alpha of the sensitive columns; nothing without one."""
    rows = []
    for name in sensitive:
        tree = (options.hierarchies or {}).get(name)
        counts, ready = tally.count_column(
            table,
            name,
            group,
            distance=options.distance,
            hierarchy=tree,
            persons=persons,
            counts=(options.counts or {}).get(name),
        )
        l = tally.diversity(counts, options.l_kind, options.c).min()
        rows.append((l, tally.emd(counts, ready).max(), tally.top_share(counts).max()))
    if not rows:
        return {}
    l, t, alpha = zip(*rows, strict=True)
    return {"l": float(min(l)), "t": float(max(t)), "alpha": float(max(alpha))}


def _sensitive(release: Release, name: str | None) -> str:
    """Return the sensitive column asked for, or the first one."""
    name = name or next(iter(release.sensitive), None)
    if name is None or name not in release.table:
        raise InputError("this release shows no sensitive column; name one when it is made")
    return name


def count_table(release: Release, sensitive: str | None = None) -> pd.DataFrame:
    """Return the release as counts: one row for each class and sensitive value in it.

    Parameters
    ----------
    release : Release
    sensitive : str, optional
        Default: the first sensitive column.

    Returns
    -------
    DataFrame
        ``class``, the released cells, ``size`` of the class, the sensitive value, and
        ``count``, how many rows of the class have it. It says all that the released
        table says, in fewer rows.
    """
    name = _sensitive(release, sensitive)
    counts, ready = tally.count_column(release.table, name, release.class_of)
    cells = release.classes[[*release.quasi, "size"]].iloc[counts.group].reset_index(drop=True)
    cells.insert(0, "class", counts.group)
    return cells.assign(**{name: ready.column.values[counts.value], "count": counts.count})


def class_report(
    release: Release, sensitive: str | None = None, distance: tally.Distance = "auto"
) -> pd.DataFrame:
    """Return for each class what it gives away.

    Returns
    -------
    DataFrame, one row a class
        The released cells; ``size``; ``l`` (distinct values) and ``entropy_l``;
        ``top`` and ``top_share`` (the most frequent value and its share); ``t`` (distance
        from the table); ``gain`` (the largest factor by which a value is more frequent
        here than in the table: what a skewness attack gains) and ``gain_of`` (that value);
        ``beta`` (basic beta-likeness, gain - 1: Cao, Karras, PVLDB 5(11), 2012) and ``delta``
        (delta-disclosure: the largest abs(ln) of these factors, infinite if the class lacks a
        value of the table: Brickell, Shmatikov, KDD 2008).
    """
    name = _sensitive(release, sensitive)
    counts, ready = tally.count_column(release.table, name, release.class_of, distance=distance)
    gain = counts.share / ready.share[counts.value]
    values = ready.column.values.astype(object)
    report = release.classes[[*release.quasi, "size"]].copy()
    report["l"] = tally.distinct(counts).astype(int)
    report["entropy_l"] = tally.diversity(counts, "entropy")
    report["top"] = tally.top_values(counts, counts.share, values)
    report["top_share"] = tally.top_share(counts)
    report["t"] = tally.emd(counts, ready)
    report["gain_of"] = tally.top_values(counts, gain, values)
    report["gain"] = counts.largest(gain)
    report["beta"] = report["gain"] - 1
    whole = tally.distinct(counts) == (ready.share > 0).sum()
    report["delta"] = np.where(whole, counts.largest(np.abs(np.log(gain))), np.inf)
    return report


def beliefs(release: Release, sensitive: str | None = None) -> NDArray[np.float64]:
    """Return how strongly an attacker who finds a row's class believes its true value.

    Returns
    -------
    float array, shape (rows,)
        Share of the row's sensitive value in its class: 1 is certainty. NaN for
        suppressed rows and missing values.
    """
    name = _sensitive(release, sensitive)
    counts, ready = tally.count_column(release.table, name, release.class_of)
    rows = np.flatnonzero(release.class_of >= 0)
    width = len(ready.column.values) + 1
    keys = counts.group * width + counts.value
    mine = release.class_of[rows].astype(np.int64) * width + ready.column.codes[rows]
    spot = np.minimum(np.searchsorted(keys, mine), len(keys) - 1)
    belief = np.full(len(release.class_of), np.nan)
    belief[rows] = np.where(keys[spot] == mine, counts.share[spot], np.nan)
    return belief
