"""Privacy models: which privacy criteria a table satisfies with its equivalence classes.

An equivalence class is a set of rows that are equal in all quasi-identifiers; a
missing cell equals another missing cell and nothing else. Every measure here takes
any DataFrame, released by medlab or not. Rows whose sensitive value is missing count
for k; for l, t and the others they say nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from medlab.arrays import Ints
from medlab.errors import InputError
from medlab.tabular import cells
from medlab.tabular import counts as tally
from medlab.tabular.column_roles import check_columns
from medlab.tabular.counts import Counts, Distance, Diversity, Sensitive


def class_numbers(table: pd.DataFrame, quasi: Sequence[str] | str) -> Ints:
    """Return the equivalence class of each row, numbered in order of appearance."""
    quasi, _ = check_columns(table, quasi)
    return combined([cell_numbers(table[name]) for name in quasi])


def cell_numbers(column: pd.Series[Any]) -> Ints:
    """Return a number for each cell, the same for equal cells."""
    codes, objects = cells.distinct(column)
    numbers = pd.factorize(objects, use_na_sentinel=False)[0].astype(np.int64)
    return np.asarray(numbers[codes])


def combined(columns: Iterable[Ints]) -> Ints:
    """Return a number for each row, the same where all columns are; in order of appearance."""
    group: Any = 0
    for codes in columns:
        group = pd.factorize(group * (int(codes.max()) + 1) + codes)[0].astype(np.int64)
    return np.asarray(group)


def person_numbers(table: pd.DataFrame, subject: str | None) -> Ints | None:
    """Return a number for the person of each row.

    Raises
    ------
    InputError
        If it is not known of some row whose it is.
    """
    if subject is None:
        return None
    codes = pd.factorize(table[subject])[0].astype(np.int64)
    if len(codes) and codes.min() < 0:
        raise InputError(
            f"{int((codes < 0).sum())} rows have no {subject}; "
            "fill it in or leave these rows out, so that persons can be counted"
        )
    return codes


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
    group = class_numbers(table, quasi)
    return group_sizes(group, person_numbers(table, subject))[group]


def group_sizes(group: Ints, persons: Ints | None = None) -> Ints:
    """Return the number of rows, or of distinct persons, of each group."""
    if persons is None:
        return np.bincount(group)
    groups, people = int(group.max()) + 1, int(persons.max()) + 1
    counts = tally.count_values(group, persons, groups, people)
    return tally.distinct(counts).astype(np.int64)


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
    distance: Distance = "auto",
    hierarchy: pd.DataFrame | None = None,
    subject: str | None = None,
) -> tuple[Counts, Sensitive]:
    """Return the sensitive values of each class counted, and the whole table's."""
    check_columns(table, quasi, sensitive, subject=subject)
    persons = person_numbers(table, subject)
    group = class_numbers(table, quasi)
    return tally.count_column(
        table, sensitive, group, distance=distance, hierarchy=hierarchy, persons=persons
    )


def l_diversity(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: str,
    kind: Diversity = "distinct",
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
    distance: Distance = "auto",
    hierarchy: pd.DataFrame | None = None,
    subject: str | None = None,
) -> float:
    """Return the largest earth mover's distance of a class from the whole table.

    0: every class repeats the table's distribution; 1: as far as can be. Li, Li,
    Venkatasubramanian, "t-Closeness", ICDE 2007. For `distance` see
    `medlab.tabular.counts.prepare`.
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


def beta_likeness(
    table: pd.DataFrame, quasi: Sequence[str] | str, sensitive: str, subject: str | None = None
) -> float:
    """Return the largest relative gain (p - q) / q of a value's share in any class.

    The beta of *basic* beta-likeness. Cao, Karras, PVLDB 5(11), 2012.
    """
    counts, ready = _class_counts(table, quasi, sensitive, subject=subject)
    q = ready.share[counts.value]
    return float(((counts.share - q) / q).max(initial=0.0))


def delta_disclosure(table: pd.DataFrame, quasi: Sequence[str] | str, sensitive: str) -> float:
    """Return the largest abs(ln(p / q)) of any class; infinite if a class lacks a value.

    Brickell, Shmatikov, KDD 2008.
    """
    counts, ready = _class_counts(table, quasi, sensitive)
    if len(counts.value) < len(counts.size) * int((ready.share > 0).sum()):
        return float("inf")
    return float(np.abs(np.log(counts.share / ready.share[counts.value])).max())


def delta_presence(
    table: pd.DataFrame, quasi: Sequence[str] | str, population: pd.DataFrame
) -> tuple[float, float]:
    """Return the smallest and largest share of a population class that is in the table.

    Parameters
    ----------
    table : DataFrame
        The released rows.
    quasi : column names
    population : DataFrame
        Everyone an attacker knows of, the released included, in the same generalized
        cells. A population class with nobody in the table has the share 0.

    Returns
    -------
    low, high : float
        delta_min and delta_max. Nergiz, Atzori, Clifton, SIGMOD 2007.

    Raises
    ------
    InputError
        If a class of the table is larger than in the population.
    """
    quasi, _ = check_columns(table, quasi)
    check_columns(population, quasi)
    inside, everyone = _joint_sizes(table, population, quasi)
    if (inside > everyone).any():
        raise InputError(
            f"{int((inside > everyone).sum())} classes hold more rows in the table than in the "
            "population; give the population that contains the table, in the same cells"
        )
    share = inside[everyone > 0] / everyone[everyone > 0]
    return float(share.min()), float(share.max())


def _joint_sizes(
    table: pd.DataFrame, population: pd.DataFrame, quasi: Sequence[str]
) -> tuple[Ints, Ints]:
    """Return the rows of each class in a table and in a population in the same cells."""
    both = pd.concat([table[list(quasi)], population[list(quasi)]], ignore_index=True)
    group = class_numbers(both.astype(object), quasi)
    groups = int(group.max()) + 1
    inside = np.bincount(group[: len(table)], minlength=groups)
    return inside, np.bincount(group[len(table) :], minlength=groups)
