"""What is asked of a release: the privacy criteria of its classes, the roles of its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.errors import InputError, KindError
from medlab.tabular import counts as tally
from medlab.tabular.column_roles import (
    Column,
    Hierarchies,
    as_names,
    check_columns,
    encode,
)
from medlab.tabular.counts import Counts, Distance, Diversity, Sensitive

ROUNDING = 1e-9  # shares and distances are sums of doubles; far below one row in a million


@dataclass(frozen=True)
class Options:
    """What is asked of a release beside its quasi-identifiers, sensitive columns, k, l and t.

    Every algorithm takes them as one object, or by name: ``mondrian(..., alpha=0.8)`` is
    ``mondrian(..., options=Options(alpha=0.8))``. `measures` takes them too.

    Attributes
    ----------
    l_kind : "distinct", "entropy" or "recursive"
        What l counts; Machanavajjhala et al., ACM TKDD 1(1), 2007.
    c : float
        For recursive (c,l)-diversity.
    alpha : float, optional
        Largest share of one sensitive value in a class, in (0, 1].
    distance : "auto", "equal" or "ordered"
        Between sensitive values, for t; "auto" follows the column, or its hierarchy.
    hierarchies : mapping of str to DataFrame, optional
        For labels: one row a label (the index), one column a level, fine to coarse.
        The released cell is then a node. A hierarchy of a sensitive column is for t.
    subject : str, optional
        Column that tells whose row it is. k, l and t then count distinct persons.
    keep : column names
        Other columns that pass through unchanged.
    identifiers : column names
        Direct identifiers; never released, refused in any other role.
    counts : mapping of str to Series, optional
        Where the table is a part of a larger one: how often that one has each value (the index) of
        a sensitive column. t is then the distance from the larger one.
    """

    l_kind: Diversity = "distinct"
    c: float = 3.0
    alpha: float | None = None
    distance: Distance = "auto"
    hierarchies: Hierarchies | None = None
    subject: str | None = None
    keep: Sequence[str] = ()
    identifiers: Sequence[str] = ()
    counts: Mapping[str, pd.Series[Any]] | None = None

    def given(self) -> dict[str, Any]:
        """Return by name what is not left to its default."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            field.name: values[field.name]
            for field in fields(self)
            if values[field.name] is not field.default
        }


class _Criteria(NamedTuple):
    """The privacy criteria of every class."""

    k: int
    l: float
    t: float | None
    options: Options

    def asked(self) -> dict[str, Any]:
        """Return what was asked for, without the rest."""
        asked: dict[str, Any] = {"k": int(self.k)}
        if self.l > 1:
            asked |= {"l": self.l, "l_kind": self.options.l_kind}
            if self.options.l_kind == "recursive":
                asked["c"] = self.options.c
        limits = {"t": self.t, "alpha": self.options.alpha}
        return asked | {name: limit for name, limit in limits.items() if limit is not None}


class Task(NamedTuple):
    """A table and what is asked of its release, checked and encoded.

    Attributes
    ----------
    table : DataFrame
    quasi, sensitive, keep : tuples of str
    columns : tuple of Column
        The encoded quasi-identifiers.
    criteria : _Criteria
    tests : tuple of _Test
    marks : list of int arrays, shape (rows,)
        What the tests look at; last the persons if there is a subject.
    persons : int array, shape (rows,), or None
    """

    table: pd.DataFrame
    quasi: tuple[str, ...]
    sensitive: tuple[str, ...]
    keep: tuple[str, ...]
    columns: tuple[Column, ...]
    criteria: _Criteria
    tests: tuple[_Test, ...]
    marks: list[NDArray[Any]]
    persons: NDArray[Any] | None

    def passes(self, class_of: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell for each class whether it keeps k and every test."""
        rows = np.flatnonzero(class_of >= 0)
        group = class_of[rows]
        classes = int(class_of.max(initial=-1)) + 1
        holds = np.bincount(group, minlength=classes) >= self.criteria.k
        for test in self.tests:
            people = self.persons[rows] if test.by_person and self.persons is not None else None
            codes = self.marks[test.marks][rows]
            counts = tally.count_values(group, codes, classes, test.values, people)
            holds &= test.holds(counts)
        return np.asarray(holds, dtype=np.bool_)

    def weights(self, given: Mapping[str, float] | None) -> NDArray[np.float64]:
        """Return the weight of each quasi-identifier, 1 where none was given.

        Raises
        ------
        InputError
            If a weight is not a positive number or not of a quasi-identifier.
        """
        given = given or {}
        unknown = set(given) - set(self.quasi)
        scale = np.array([given.get(name, 1.0) for name in self.quasi], dtype=np.float64)
        if unknown or not np.isfinite(scale).all() or (scale <= 0).any():
            raise InputError("weights are positive numbers, each for a quasi-identifier by name")
        return scale


class _Test(NamedTuple):
    """Conditions on the values that a part shows in one column.

    `marks` is the number of the column among the marks; `by_person` counts a person
    once for each value.
    """

    marks: int
    values: int
    by_person: bool
    conditions: tuple[Callable[[Counts], NDArray[Any]], ...]

    def holds(self, counts: Counts) -> NDArray[np.bool_]:
        """Tell for each group whether all conditions hold."""
        results = [condition(counts) for condition in self.conditions]
        return np.asarray(np.logical_and.reduce(results), dtype=np.bool_)


def make_task(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str | None,
    criteria: tuple[int, float, float | None],
    options: Options | None,
    **more: Any,
) -> Task:
    """Check a table, the roles of its columns and the criteria; encode what is needed.

    Parameters
    ----------
    table, quasi, sensitive
        See `medlab.tabular.mondrian`.
    criteria : tuple
        k, l and t.
    options : Options
    **more
        Options by name; these win.

    Raises
    ------
    InputError, MissingError, KindError
        See `medlab.tabular.mondrian`.
    TypeError
        For a name that is no option.
    """
    options = replace(options or Options(), **more)
    quasi, sensitive = check_columns(
        table,
        quasi,
        sensitive,
        keep=options.keep,
        identifiers=options.identifiers,
        subject=options.subject,
    )
    if table.index.name is not None or not table.index.equals(pd.RangeIndex(len(table))):
        raise InputError(
            "the index of the table would leave with the release and may tell who is who; "
            "drop it by table.reset_index(drop=True), or make it a column"
        )
    criterion, hierarchies = _Criteria(*criteria, options), options.hierarchies or {}
    tests, marks = _make_tests(table, sensitive, criterion)
    columns = tuple(encode(table, name, hierarchies.get(name)) for name in quasi)
    persons = None if options.subject is None else marks[-1]
    keep = as_names(options.keep)
    return Task(table, quasi, sensitive, keep, columns, criterion, tests, marks, persons)


def check_k(k: int, rows: int, what: str = "rows") -> int:
    """Return k as an int.

    Raises
    ------
    KindError
        If it is no whole number.
    InputError
        If it is below 1 or above the number of rows or persons.
    """
    if isinstance(k, bool) or not isinstance(k, (int, float, np.integer)) or int(k) != k:
        raise KindError(f"k is the size of a class, a whole number, not {k!r}")
    if k < 1:
        raise InputError(f"k={k} is no class size; take at least 2 (1 protects nobody)")
    if rows < k:
        raise InputError(f"{rows} {what} cannot make a class of k={k}; lower k or add {what}")
    return int(k)


def _make_tests(
    table: pd.DataFrame,
    sensitive: Sequence[str],
    criteria: _Criteria,
) -> tuple[tuple[_Test, ...], list[NDArray[Any]]]:
    """Check the criteria against a table and return the tests of a class.

    Returns
    -------
    tests : tuple of _Test
    marks : list of int arrays, shape (rows,)
        The sensitive columns, and last the persons if there is a subject.

    Raises
    ------
    InputError
        A criterion out of range, without a sensitive column, or not even kept by the whole
        table; the message names the largest feasible l.
    """
    options = criteria.options
    check_k(criteria.k, len(table))
    _check_ranges(criteria, sensitive)
    persons = tally.person_numbers(table, options.subject)
    tests: list[_Test] = []
    marks: list[NDArray[Any]] = []
    for name in sensitive:
        hierarchy = (options.hierarchies or {}).get(name)
        counts = (options.counts or {}).get(name)
        whole, ready = tally.count_column(
            table,
            name,
            np.zeros(len(table), dtype=np.int64),
            distance=options.distance,
            hierarchy=hierarchy,
            persons=persons,
            counts=counts,
        )
        _check_feasible(criteria, whole, ready.column.name)
        conditions = _conditions(criteria, ready)
        if conditions:
            values = len(ready.column.values)
            tests.append(_Test(len(marks), values, persons is not None, conditions))
            marks.append(ready.column.codes)
    if persons is not None:
        people = int(persons.max()) + 1
        check_k(criteria.k, people, f"persons in {options.subject}")
        enough = (lambda counts: tally.distinct(counts) >= criteria.k,)
        tests.insert(0, _Test(len(marks), people, False, enough))
        marks.append(persons)
    return tuple(tests), marks


def _check_ranges(criteria: _Criteria, sensitive: Sequence[str]) -> None:
    (_, l, t, options), alpha = criteria, criteria.options.alpha
    if options.l_kind not in ("distinct", "entropy", "recursive"):
        raise InputError(f"no l-diversity {options.l_kind!r}: distinct, entropy or recursive")
    if not l >= 1:
        raise InputError(f"l={l} is out of range; l counts values, from 1")
    if t is not None and not 0 <= t <= 1:
        raise InputError(f"t={t} is out of range; t is a distance from 0 to 1")
    if alpha is not None and not 0 < alpha <= 1:
        raise InputError(f"alpha={alpha} is out of range; alpha is a share above 0, up to 1")
    if not options.c > 0:
        raise InputError(f"c={options.c} is out of range; c is a positive factor")
    if not sensitive and (l > 1 or t is not None or alpha is not None):
        raise InputError("l, t and alpha are about sensitive values; name a sensitive column")


def _check_feasible(criteria: _Criteria, whole: Counts, name: str) -> None:
    """Refuse what not even the whole table keeps."""
    alpha = criteria.options.alpha
    most = float(tally.diversity(whole, criteria.options.l_kind, criteria.options.c)[0])
    if criteria.l > 1 and most < criteria.l - ROUNDING:
        raise InputError(
            f"l={criteria.l} ({criteria.options.l_kind}) cannot be reached for {name}; "
            f"the largest feasible l is {int(np.floor(most * 1000)) / 1000:g}"
        )
    top = float(tally.top_share(whole)[0])
    if alpha is not None and top > alpha + ROUNDING:
        raise InputError(
            f"alpha={alpha} cannot be reached for {name}; one value has a share "
            f"of {np.ceil(top * 1000) / 1000:g} in the whole table"
        )


def _conditions(
    criteria: _Criteria, ready: Sensitive
) -> tuple[Callable[[Counts], NDArray[Any]], ...]:
    conditions: list[Callable[[Counts], NDArray[Any]]] = []
    l, t, options = criteria.l - ROUNDING, criteria.t, criteria.options
    alpha = options.alpha
    if criteria.l > 1:
        conditions.append(lambda counts: tally.diversity(counts, options.l_kind, options.c) >= l)
    if alpha is not None:
        conditions.append(lambda counts: tally.top_share(counts) <= alpha + ROUNDING)
    if t is not None:
        conditions.append(lambda counts: tally.emd(counts, ready) <= t + ROUNDING)
    return tuple(conditions)
