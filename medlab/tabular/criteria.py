"""What is asked of a class: k, l, t and alpha, checked once and made into tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    check_index,
    encode,
)
from medlab.tabular.counts import Counts, Distance, Diversity, Sensitive
from medlab.tabular.models import person_numbers

_ROUNDING = 1e-9


class Rules(NamedTuple):
    """The promises asked for; see `medlab.tabular.mondrian` for their meaning."""

    k: int
    l: float = 1
    t: float | None = None
    l_kind: Diversity = "distinct"
    c: float = 3.0
    alpha: float | None = None
    distance: Distance = "auto"

    def asked(self) -> dict[str, Any]:
        """Return what was asked for, without the rest."""
        asked: dict[str, Any] = {"k": int(self.k)}
        if self.l > 1:
            asked |= {"l": self.l, "l_kind": self.l_kind}
            if self.l_kind == "recursive":
                asked["c"] = self.c
        limits = {"t": self.t, "alpha": self.alpha}
        return asked | {name: limit for name, limit in limits.items() if limit is not None}


class Task(NamedTuple):
    """A table and what is asked of its release, checked and encoded.

    Attributes
    ----------
    table : DataFrame
    quasi, sensitive, keep : tuples of str
    columns : tuple of Column
        The encoded quasi-identifiers.
    rules : Rules
    tests : tuple of Test
    marks : list of int arrays, shape (rows,)
        What the tests look at; last the persons if there is a subject.
    persons : int array, shape (rows,), or None
    """

    table: pd.DataFrame
    quasi: tuple[str, ...]
    sensitive: tuple[str, ...]
    keep: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: Rules
    tests: tuple[Test, ...]
    marks: list[NDArray[Any]]
    persons: NDArray[Any] | None

    def passes(self, class_of: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell for each class whether it keeps k and every test."""
        shown = np.flatnonzero(class_of >= 0)
        group = class_of[shown]
        classes = int(class_of.max(initial=-1)) + 1
        holds = np.bincount(group, minlength=classes) >= self.rules.k
        for test in self.tests:
            people = self.persons[shown] if test.by_person and self.persons is not None else None
            codes = self.marks[test.marks][shown]
            found = tally.count_values(group, codes, classes, test.values, people)
            holds &= test.holds(found)
        return np.asarray(holds, dtype=np.bool_)


class Test(NamedTuple):
    """Conditions on the values that a part shows in one column.

    `marks` is the number of the column among the marks; `by_person` counts a person
    once for each value.
    """

    marks: int
    values: int
    by_person: bool
    conditions: tuple[Callable[[Counts], NDArray[Any]], ...]

    def holds(self, found: Counts) -> NDArray[np.bool_]:
        """Tell for each group whether all conditions hold."""
        results = [condition(found) for condition in self.conditions]
        return np.asarray(np.logical_and.reduce(results), dtype=np.bool_)


def make_task(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str | None,
    rules: Rules,
    *,
    hierarchies: Hierarchies | None = None,
    subject: str | None = None,
    keep: Sequence[str] = (),
    identifiers: Sequence[str] = (),
) -> Task:
    """Check a table, the roles of its columns and the rules; encode what is needed.

    Raises
    ------
    InputError, MissingError, KindError
        See `medlab.tabular.mondrian`.
    """
    quasi, sensitive = check_columns(
        table, quasi, sensitive, keep=keep, identifiers=identifiers, subject=subject
    )
    check_index(table)
    hierarchies = hierarchies or {}
    tests, marks = _make_tests(table, sensitive, rules, hierarchies, subject)
    columns = tuple(encode(table, name, hierarchies.get(name)) for name in quasi)
    persons = None if subject is None else marks[-1]
    return Task(table, quasi, sensitive, as_names(keep), columns, rules, tests, marks, persons)


def task_of(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str | None,
    asked: tuple[int, float, float | None],
    more: Mapping[str, Any],
) -> Task:
    """Return the task of k, l, t and further arguments, of the rules or of the roles.

    Raises
    ------
    InputError, MissingError, KindError
        See `medlab.tabular.mondrian`.
    TypeError
        For a name that is neither.
    """
    rules = {name: more[name] for name in ("l_kind", "c", "alpha", "distance") if name in more}
    roles = {name: value for name, value in more.items() if name not in rules}
    return make_task(table, quasi, sensitive, Rules(*asked, **rules), **roles)


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


def check_weights(
    weights: Mapping[str, float] | None, quasi: Sequence[str]
) -> NDArray[np.float64]:
    """Return the weight of each quasi-identifier, 1 where none was given.

    Raises
    ------
    InputError
        If a weight is not a positive number or not of a quasi-identifier.
    """
    weights = weights or {}
    unknown = set(weights) - set(quasi)
    scale = np.array([weights.get(name, 1.0) for name in quasi], dtype=np.float64)
    if unknown or not np.isfinite(scale).all() or (scale <= 0).any():
        raise InputError("weights are positive numbers, each for a quasi-identifier by name")
    return scale


def _make_tests(
    table: pd.DataFrame,
    sensitive: Sequence[str],
    rules: Rules,
    hierarchies: Mapping[str, pd.DataFrame],
    subject: str | None,
) -> tuple[tuple[Test, ...], list[NDArray[Any]]]:
    """Check the rules against a table and return the tests of a class.

    Returns
    -------
    tests : tuple of Test
    marks : list of int arrays, shape (rows,)
        The sensitive columns, and last the persons if there is a subject.

    Raises
    ------
    InputError
        A rule out of range, without a sensitive column, or not even kept by the whole
        table; the message names the largest feasible l.
    """
    check_k(rules.k, len(table))
    _check_ranges(rules, sensitive)
    persons = person_numbers(table, subject)
    tests: list[Test] = []
    marks: list[NDArray[Any]] = []
    for name in sensitive:
        ready = tally.prepare(table, name, rules.distance, hierarchies.get(name), persons)
        _check_feasible(rules, ready, persons)
        conditions = _conditions(rules, ready)
        if conditions:
            values = len(ready.column.values)
            tests.append(Test(len(marks), values, persons is not None, conditions))
            marks.append(ready.column.codes)
    if persons is not None:
        people = int(persons.max()) + 1
        check_k(rules.k, people, f"persons in {subject}")
        enough = (lambda found: tally.distinct(found) >= rules.k,)
        tests.insert(0, Test(len(marks), people, False, enough))
        marks.append(persons)
    return tuple(tests), marks


def _check_ranges(rules: Rules, sensitive: Sequence[str]) -> None:
    if rules.l_kind not in ("distinct", "entropy", "recursive"):
        raise InputError(f"no l-diversity {rules.l_kind!r}: distinct, entropy or recursive")
    if not rules.l >= 1:
        raise InputError(f"l={rules.l} is out of range; l counts values, from 1")
    if rules.t is not None and not 0 <= rules.t <= 1:
        raise InputError(f"t={rules.t} is out of range; t is a distance from 0 to 1")
    if rules.alpha is not None and not 0 < rules.alpha <= 1:
        raise InputError(f"alpha={rules.alpha} is out of range; alpha is a share above 0, up to 1")
    if not rules.c > 0:
        raise InputError(f"c={rules.c} is out of range; c is a positive factor")
    if not sensitive and (rules.l > 1 or rules.t is not None or rules.alpha is not None):
        raise InputError("l, t and alpha are about sensitive values; name a sensitive column")


def _check_feasible(rules: Rules, ready: Sensitive, persons: NDArray[Any] | None) -> None:
    column = ready.column
    rows = np.zeros(len(column.codes), dtype=np.int64)
    whole = tally.count_values(rows, column.codes, 1, len(column.values), persons)
    most = float(tally.diversity(whole, rules.l_kind, rules.c)[0])
    if rules.l > 1 and most < rules.l - _ROUNDING:
        raise InputError(
            f"l={rules.l} ({rules.l_kind}) cannot be reached for {column.name}; "
            f"the largest feasible l is {int(np.floor(most * 1000)) / 1000:g}"
        )
    top = float(tally.top_share(whole)[0])
    if rules.alpha is not None and top > rules.alpha + _ROUNDING:
        raise InputError(
            f"alpha={rules.alpha} cannot be reached for {column.name}; one value has a share "
            f"of {np.ceil(top * 1000) / 1000:g} in the whole table"
        )


def _conditions(rules: Rules, ready: Sensitive) -> tuple[Callable[[Counts], NDArray[Any]], ...]:
    conditions: list[Callable[[Counts], NDArray[Any]]] = []
    l, t, alpha = rules.l - _ROUNDING, rules.t, rules.alpha
    if rules.l > 1:
        conditions.append(lambda found: tally.diversity(found, rules.l_kind, rules.c) >= l)
    if alpha is not None:
        conditions.append(lambda found: tally.top_share(found) <= alpha + _ROUNDING)
    if t is not None:
        conditions.append(lambda found: tally.emd(found, ready) <= t + _ROUNDING)
    return tuple(conditions)
