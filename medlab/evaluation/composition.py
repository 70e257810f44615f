"""Two releases of the same people: what an attacker learns who holds both.

Ganta, Kasiviswanathan, Smith, "Composition Attacks and Auxiliary Information in Data Privacy",
KDD 2008: intersection attack.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from medlab.arrays import Array
from medlab.errors import InputError
from medlab.evaluation.release_attacks import by_class, chunk_rows, nearest, numbered, shares
from medlab.tabular.column_roles import Hierarchies, as_names, check_columns, counted_by
from medlab.tabular.counts import group_sizes, person_numbers
from medlab.tabular.released_cells import SAME, Seen, exact_values, scales_of, see


class _Composition(NamedTuple):
    """What each release gives away, and both together.

    Attributes
    ----------
    people : int
        Persons of the original.
    k_first, k_second, k_both : int
        The fewest persons who fit the same classes.
    certain_first, certain_second, certain_both : int or None
        Persons of whom only one sensitive value is left; None without a sensitive column.
    right_both : int or None
        Those of `certain_both` for whom it is the true value.
    """

    people: int
    k_first: int
    k_second: int
    k_both: int
    certain_first: int | None
    certain_second: int | None
    certain_both: int | None
    right_both: int | None


def composition(
    original: pd.DataFrame,
    first: pd.DataFrame,
    second: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: str | None = None,
    *,
    subject: str | None = None,
    hierarchies: Hierarchies | None = None,
) -> _Composition:
    """Intersect what two releases say of each person.

    The attacker knows a person's quasi-identifiers exactly. He takes the classes that the
    person fits in each release, and the sensitive values that both still allow.

    Parameters
    ----------
    original : DataFrame, one row a record
    first, second : DataFrame
        Released tables in any order of rows, each with some of the quasi-identifiers.
    quasi : column names
    sensitive : str, optional
    subject : str, optional
        Column of `original` that tells whose row it is.
    hierarchies : mapping of str to DataFrame, optional
        A node of a column's hierarchy stands for the labels below it.

    Raises
    ------
    InputError
        A release that has none of the quasi-identifiers, or that some person fits nowhere.
    """
    original, subject = counted_by(original, subject)
    quasi, _ = check_columns(original, quasi, sensitive, subject=subject)
    persons = person_numbers(original, subject)
    owners = np.arange(len(original)) if persons is None else persons
    labels = pd.Index(original[sensitive].dropna().astype(object).unique() if sensitive else [])
    views = [
        _view(table, original, quasi, sensitive, labels, hierarchies) for table in (first, second)
    ]
    step = chunk_rows(max(len(view.seen.sizes) for view in views))
    passes = [nearest(view.seen, exact_values(original, view.seen.scales), step) for view in views]
    pattern = np.zeros((2, len(original)), dtype=np.uint64)
    candidates = np.zeros((3, len(original)), dtype=np.int64)  # values still possible
    right = np.zeros(len(original), dtype=bool)
    truth = numbered(original[sensitive], labels) if sensitive else np.full(len(original), -1)
    for pair in zip(*passes, strict=True):
        here = pair[0].targets
        if max(near.distance.max() for near in pair) > SAME:
            raise InputError("a release was not made of these people: some fit none of its rows")
        possible = []
        for i, (near, view) in enumerate(zip(pair, views, strict=True)):
            pattern[i, here] = np.where(near.mask, view.marks, 0).sum(axis=1, dtype=np.uint64)
            possible.append(near.mask @ view.values > 0)
        both = possible[0] & possible[1]
        candidates[:, here] = [some.sum(axis=1) for some in (*possible, both)]
        right[here] = both[np.arange(len(both)), truth[here]] & (truth[here] >= 0)
    crowds = []  # the fewest persons who share the patterns of one release, the other, both
    for patterns in (pattern[:1], pattern[1:], pattern):
        group = np.unique(patterns, axis=1, return_inverse=True)[1]
        crowds.append(int(group_sizes(group.ravel(), owners).min()))
    certain = [len(np.unique(owners[some == 1])) for some in candidates]
    sure = len(np.unique(owners[(candidates[2] == 1) & right]))
    figures = [*certain, sure] if sensitive else [None] * 4
    return _Composition(len(np.unique(owners)), *crowds, *figures)


class _View(NamedTuple):
    """A release, the sensitive values that each class shows, and a mark for each class.

    Who fits the same classes has the same sum of marks, random 64-bit numbers.
    """

    seen: Seen
    values: Any
    marks: Array


def _view(
    table: pd.DataFrame,
    original: pd.DataFrame,
    quasi: Sequence[str],
    sensitive: str | None,
    labels: pd.Index,
    hierarchies: Hierarchies | None,
) -> _View:
    names = [name for name in quasi if name in table]
    if not names:
        raise InputError("a release has none of the quasi-identifiers; name some that it has")
    check_columns(table, names, as_names(sensitive))
    seen = see(table, scales_of(original, names, hierarchies), hierarchies=hierarchies)
    shape = len(table), max(len(labels), 1)
    rows = shares(table, sensitive, labels) if sensitive else sparse.csr_array(shape)
    marks = np.random.default_rng(0).integers(0, 1 << 63, len(seen.sizes), dtype=np.uint64)
    return _View(seen, by_class(rows, seen.class_of, len(seen.sizes)), marks)
