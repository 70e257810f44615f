"""Releases that protect sensitive values without coarser cells: Anatomy, slicing, two steps.

In Anatomy and slicing nothing is generalized, so it stays visible who is in the table; in groups
of rows the link to the sensitive values is broken: by tables of their own, or by shuffled columns.
Xiao, Tao, "Anatomy: Simple and Effective Privacy Preservation", VLDB 2006.
Li, Li, Zhang, Molloy, "Slicing", IEEE TKDE 24(3), 2012.

Scalable l-diversity in two steps partitions for k, then randomizes what is too uniform: in a
class with too few sensitive values some of them are replaced. That gives up the truth of single
rows: how often was replaced is part of the release, and counts of a randomized column are never
to be mixed with true ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.arrays import Array, Ints
from medlab.errors import InputError, RefusedError
from medlab.tabular import counts as tally
from medlab.tabular.column_roles import Column, as_names, encode
from medlab.tabular.criteria import ROUNDING, Options, make_task
from medlab.tabular.mondrian import mondrian
from medlab.tabular.release import Release, check_release, make_release, occurring

GROUP, COUNT = "Group", "Count"


def anatomy(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: str,
    l: int = 2,
    *,
    rng: np.random.Generator | None = None,
    options: Options | None = None,
    **more: Any,
) -> Release:
    """Put rows into groups of at least l different sensitive values and cut the link.

    With g = n // l groups, rows sorted by sensitive value (shuffled within a value) go
    to the groups in turn: a value of at most g rows meets no group twice. This keeps
    the criterion of Anatomy and places every row.

    Parameters
    ----------
    table : DataFrame
    quasi
        See `medlab.tabular.mondrian`.
    sensitive : str
    l : int
        No value has more than a share of 1/l in a group.
    rng : Generator, optional
        Decides which row goes to which group; default: seeded by the system. A seed
        that others know helps them to guess.
    options, **more
        Of `Options` the kept columns and the identifiers.

    Returns
    -------
    Release
        Of kind "anatomized": ``table`` with exact quasi-identifiers and the column
        "Group"; ``extra["sensitive"]`` with Group, the sensitive column, "Count".

    Raises
    ------
    InputError
        A value is more frequent than 1/l of the rows (the message names the largest
        feasible l), or missing; or there are several sensitive columns.
    """
    task = make_task(table, quasi, sensitive, (1, 1, None), options, **more)
    if len(task.sensitive) != 1:  # another one would stand beside exact quasi-identifiers
        raise InputError("anatomy takes one sensitive column")
    column = encode(table, task.sensitive[0])
    if column.missing:
        raise InputError(f"{column.name} is missing in some rows; fill them in or leave them out")
    most = int(np.bincount(column.codes).max())
    if not 1 <= l <= len(table) // most:
        raise InputError(
            f"l={l} cannot be reached: one value of {column.name} is in {most} of {len(table)} "
            f"rows; the largest feasible l is {len(table) // most}"
        )
    rng = np.random.default_rng(rng)
    order = np.lexsort((rng.random(len(table)), column.codes))
    group = np.empty(len(table), dtype=np.int64)
    group[order] = np.arange(len(table)) % (len(table) // l)
    release = make_release(task, group, by_box=False, kind="anatomized", asked={"l": l})
    return _anatomize(table, release, column.name)


def _anatomize(table: pd.DataFrame, release: Release, sensitive: str) -> Release:
    """Publish the classes of a release as an anatomized pair of tables.

    Parameters
    ----------
    table : DataFrame
        The original.
    release : Release
        Its classes become the groups.
    sensitive : str

    Raises
    ------
    RefusedError
        If the groups do not keep the l that was asked for.
    """
    column = encode(table, sensitive)
    groups = len(release.classes)
    shares = tally.count_values(release.class_of, column.codes, groups, len(column.values))
    top = float(tally.top_share(shares).max())
    if top > 1 / release.asked.get("l", 1) + ROUNDING:
        raise RefusedError("a group came out less diverse than asked; nothing was released")
    counts = pd.DataFrame(
        {GROUP: shares.group, sensitive: column.values[shares.value], COUNT: shares.count}
    )
    others = release.table.drop(columns=[*release.quasi, sensitive], errors="ignore")
    exact = table[list(release.quasi)].apply(occurring).assign(**{GROUP: release.class_of})
    return replace(
        release,
        kind="anatomized",
        table=pd.concat([exact, others], axis=1),
        sensitive=(sensitive,),
        extra={"sensitive": counts},
        facts={"l": float(tally.distinct(shares).min()), "alpha": top, "t": None},
    )


BUCKET = "Bucket"
_BINS = 10


def slicing(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str,
    k: int = 5,
    l: float = 1,
    t: float | None = None,
    *,
    groups: Sequence[Sequence[str]] | None = None,
    width: int = 2,
    rng: np.random.Generator | None = None,
    **more: Any,
) -> Release:
    """Cut a table into buckets and permute each group of columns inside each bucket.

    Parameters
    ----------
    table : DataFrame
    quasi, sensitive, k, l, t, **more
        The buckets are the classes of `medlab.tabular.mondrian` with these.
    groups : sequence of sequences of str, optional
        Columns that stay together; default: `column_groups`.
    width : int
        Most columns in a group found by `column_groups`.
    rng : Generator, optional
        Default: seeded by the system. Who knows the seed can undo the permutation: a
        seed of your own is for teaching, or must be kept secret.

    Returns
    -------
    Release
        Of kind "sliced": exact cells, and the column "Bucket". ``facts["groups"]``
        tells the groups of columns. The index of a row says nothing about its parts.

    Raises
    ------
    InputError
        If `groups` do not hold every released column once.
    """
    rng = np.random.default_rng(rng)
    buckets = mondrian(table, quasi, sensitive, k, l, t, **more)
    names = [*buckets.quasi, *buckets.sensitive]
    if groups is None:
        groups = column_groups(table, buckets.quasi, buckets.sensitive, width)
    if sorted(name for group in groups for name in group) != sorted(names):
        raise InputError("each quasi-identifier and sensitive column belongs to one group")
    sliced = buckets.table[names].copy()
    for group in groups:
        whose = exchanged(buckets.class_of, rng)
        for name in group:
            sliced[name] = occurring(table[name]).take(whose).array
    sliced[BUCKET] = buckets.class_of
    facts = {"groups": [list(group) for group in groups]}
    return replace(buckets, table=sliced, kind="sliced", facts=facts)


def exchanged(class_of: Ints, rng: np.random.Generator) -> Ints:
    """Return whose cell each row gets when cells are permuted within their classes."""
    whose = np.empty(len(class_of), dtype=np.int64)
    drawn = np.lexsort((rng.random(len(class_of)), class_of))
    whose[np.argsort(class_of, kind="stable")] = drawn
    return whose


def _contingency(table: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the mean-square contingency of each pair of columns, 0 to 1.

    Numbers and dates are put into ten bins of equal frequency first.
    """
    codes = [_binned(table, name) for name in names]
    shares = np.eye(len(names))
    for i, code in enumerate(codes):
        for j, other in enumerate(codes[:i]):
            shares[i, j] = shares[j, i] = _phi_squared(code, other)
    return shares


def _binned(table: pd.DataFrame, name: str) -> NDArray[np.int64]:
    column = encode(table, name)
    codes = column.codes.astype(np.int64)
    if column.kind in ("number", "date") and len(column.values) > _BINS:
        edges = np.unique(np.quantile(codes, np.linspace(0, 1, _BINS + 1)[1:-1]))
        codes = np.searchsorted(edges, codes, side="right")
    return codes


def _phi_squared(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    shape = (int(first.max()) + 1, int(second.max()) + 1)
    cells = np.bincount(first * shape[1] + second, minlength=shape[0] * shape[1]).reshape(shape)
    joint = cells[cells.any(axis=1)][:, cells.any(axis=0)] / len(first)
    if min(joint.shape) < 2:
        return 0.0
    expected = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    return float(((joint - expected) ** 2 / expected).sum() / (min(joint.shape) - 1))


def column_groups(
    table: pd.DataFrame, quasi: Sequence[str], sensitive: Sequence[str] | str, width: int = 2
) -> list[list[str]]:
    """Group columns by correlation, the most correlated pairs first.

    Groups are joined in the order of their mean-square contingency as long as no group
    has more than `width` columns; each sensitive column so meets the quasi-identifiers
    that tell most about it.
    """
    names = [*quasi, *as_names(sensitive)]
    close = _contingency(table, names)
    home = np.arange(len(names))
    rows, columns = np.tril_indices(len(names), -1)
    for pair in np.argsort(-close[rows, columns], kind="stable"):
        a, b = home[rows[pair]], home[columns[pair]]
        joined = (home == a).sum() + (home == b).sum()
        # One group of all columns would cut nothing.
        if a != b and joined <= width and joined < len(names):
            home[home == a] = b
    return [[names[i] for i in np.flatnonzero(home == number)] for number in np.unique(home)]


_CELLS = 2**20  # classes times values that are drawn for at once: a few MB


def two_step(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str,
    k: int = 5,
    l: int = 2,
    *,
    rng: np.random.Generator | None = None,
    **more: Any,
) -> Release:
    """Partition for k with Mondrian, then replace sensitive values until l is met.

    In a class with fewer than l values, rows that repeat a value of their class are
    drawn and get values that the class lacks, drawn by their frequency in the table.

    Parameters
    ----------
    table, quasi, sensitive, k, **more
        See `medlab.tabular.mondrian`.
    l : int
        Distinct sensitive values in every class; at most k.
    rng : Generator, optional
        Default: seeded by the system. Who knows the seed can tell which values were
        candidates for a replacement.

    Returns
    -------
    Release
        ``facts["replaced"]`` is the share of replaced values by column, and
        ``facts["replaced_in_class"]`` the largest share in a class.

    Raises
    ------
    InputError
        If l is larger than k or than the number of values.
    """
    if l > k:
        raise InputError(f"l={l} values do not fit into a class of k={k}; take l up to k")
    rng = np.random.default_rng(rng)
    release = mondrian(table, quasi, sensitive, k, **more)
    randomized = release.table.copy()
    facts: dict[str, Any] = {"replaced": {}, "replaced_in_class": {}}
    for name in release.sensitive:
        column = encode(table, name)
        values = int(np.unique(column.codes[column.codes < len(column.values)]).size)
        if l > values:
            raise InputError(f"l={l} cannot be reached for {name}; the largest is {values}")
        codes = _diversified(column, release.class_of, int(l), rng)
        changed = np.flatnonzero(codes != column.codes)
        cells = table[name].astype(object).to_numpy().copy()
        cells[changed] = column.values.astype(object)[codes[changed]]
        randomized[name] = pd.Series(cells, index=table.index).astype(release.table[name].dtype)
        by_class = np.bincount(release.class_of, codes != column.codes)
        facts["replaced"][name] = len(changed) / len(table)
        facts["replaced_in_class"][name] = float((by_class / release.classes["size"]).max())
    options = {**release.asked, "l": l}
    done = replace(release, table=randomized, asked=options, facts=facts)
    return check_release(done, randomized, k, l)


def _diversified(column: Column, class_of: Array, l: int, rng: np.random.Generator) -> Array:
    """Return the codes with replacements, so that every class shows l values."""
    codes, m = column.codes.astype(np.int64), len(column.values)
    classes = int(class_of.max()) + 1
    counts = tally.count_values(class_of, codes, classes, m)
    lacking = np.maximum(l - tally.distinct(counts).astype(np.int64), 0)
    poor = np.flatnonzero(lacking)
    if not len(poor):
        return codes
    total = np.bincount(codes, minlength=m)[:m]
    step = max(1, _CELLS // m)
    parts = [poor[start : start + step] for start in range(0, len(poor), step)]
    new = np.concatenate([_missing_values(counts, part, total, l, rng) for part in parts])
    rows = np.flatnonzero(lacking[class_of] > 0)
    rows = rows[np.lexsort((rng.random(len(rows)), class_of[rows]))]
    first = np.unique(class_of[rows] * (m + 1) + codes[rows], return_index=True)[1]
    spare = np.ones(len(rows), dtype=bool)
    spare[first[codes[rows[first]] < m]] = False
    rows = rows[spare]
    turn = np.arange(len(rows)) - np.searchsorted(class_of[rows], class_of[rows])
    rows, turn = (x[turn < lacking[class_of[rows]]] for x in (rows, turn))
    codes[rows] = new[np.searchsorted(poor, class_of[rows]), turn]
    return codes


def _missing_values(
    counts: tally.Counts, poor: Array, total: Array, l: int, rng: np.random.Generator
) -> Array:
    """Return for each poor class l values that it lacks, drawn in turn by their frequency."""
    with np.errstate(divide="ignore"):
        keys = np.log(total) + rng.gumbel(size=(len(poor), len(total)))
    span = slice(*np.searchsorted(counts.group, [poor[0], poor[-1] + 1]))  # they are sorted
    group, value = counts.group[span], counts.value[span]
    here = np.isin(group, poor)
    keys[np.searchsorted(poor, group[here]), value[here]] = -np.inf
    return np.asarray(np.argsort(-keys, axis=1)[:, :l])
