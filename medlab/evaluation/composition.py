"""Two releases of the same people: what an attacker learns who holds both.

Ganta, Kasiviswanathan, Smith, "Composition Attacks and Auxiliary Information in Data Privacy",
KDD 2008: intersection attack.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from medlab.errors import InputError
from medlab.evaluation.attacker import chunk_rows, nearest
from medlab.evaluation.inference import by_class, numbered, shares
from medlab.tabular.models import group_sizes, person_numbers
from medlab.tabular.roles import as_names, check_columns, counted_by
from medlab.tabular.seen import SAME, Array, exact_values, scale, see


class Composition(NamedTuple):
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
) -> Composition:
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
        Column of `original` that tells whose row it is; see `medlab.tabular.roles.counted_by`.

    Raises
    ------
    InputError
        A release that has none of the quasi-identifiers, or that some person fits nowhere.
    """
    original, subject = counted_by(original, subject)
    quasi, _ = check_columns(original, quasi, sensitive, subject=subject)
    labels = pd.Index(original[sensitive].dropna().astype(object).unique() if sensitive else [])
    views, posteriors = [], []
    for table in (first, second):
        names = [name for name in quasi if name in table]
        if not names:
            raise InputError("a release has none of the quasi-identifiers; name some that it has")
        check_columns(table, names, as_names(sensitive))
        seen = see(table, [scale(original[name]) for name in names])
        views.append(seen)
        rows = shares(table, sensitive, labels) if sensitive else None
        posteriors.append(None if rows is None else by_class(rows, seen.class_of, len(seen.sizes)))
    exact = [exact_values(original, seen.scales) for seen in views]
    step = chunk_rows(max(len(seen.sizes) for seen in views))
    passes = [nearest(seen, some, step) for seen, some in zip(views, exact, strict=True)]
    rng = np.random.default_rng(0)
    # Who fits the same classes has the same sum of one random 64-bit number a class.
    marks = [rng.integers(0, 1 << 63, len(seen.sizes), dtype=np.uint64) for seen in views]
    pattern = np.zeros((2, len(original)), dtype=np.uint64)
    left = np.zeros((3, len(original)), dtype=np.int64)  # values still possible
    right = np.zeros(len(original), dtype=bool)
    truth = numbered(original[sensitive], labels) if sensitive else np.empty(0, dtype=np.int64)
    for pair in zip(*passes, strict=True):
        here = pair[0].targets
        if max(near.distance.max() for near in pair) > SAME:
            raise InputError("a release was not made of these people: some fit none of its rows")
        for i, near in enumerate(pair):
            pattern[i, here] = np.where(near.mask, marks[i], 0).sum(axis=1, dtype=np.uint64)
        if sensitive:
            first_, second_ = (
                near.mask @ rows > 0 for near, rows in zip(pair, posteriors, strict=True)
            )
            both = first_ & second_
            for i, possible in enumerate((first_, second_, both)):
                left[i, here] = possible.sum(axis=1)
            right[here] = both[np.arange(len(both)), truth[here]] & (truth[here] >= 0)
    persons = person_numbers(original, subject)
    owners = np.arange(len(original)) if persons is None else persons
    crowds = [_smallest(some, owners) for some in ([pattern[0]], [pattern[1]], [*pattern])]
    certain = [len(np.unique(owners[some == 1])) for some in left]
    sure = len(np.unique(owners[(left[2] == 1) & right]))
    figures = [*certain, sure] if sensitive else [None] * 4
    return Composition(len(np.unique(owners)), *crowds, *figures)


def _smallest(patterns: Sequence[Array], owners: Array) -> int:
    """Return the fewest persons who share all patterns."""
    group = np.unique(np.stack(patterns), axis=1, return_inverse=True)[1]
    return int(group_sizes(group.ravel(), owners).min())
