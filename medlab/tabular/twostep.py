"""Scalable l-diversity in two steps: partition for k, then randomize what is too uniform.

The classes are those of plain k-anonymity, so the quasi-identifiers stay fine. In a
class with too few sensitive values some of them are replaced. That gives up the truth of
single rows: how often was replaced is part of the release, and counts of a randomized
column are never to be mixed with true ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from medlab.arrays import Array
from medlab.errors import InputError
from medlab.tabular import counts as tally
from medlab.tabular.column_roles import Column, encode
from medlab.tabular.mondrian import mondrian
from medlab.tabular.release import Release, check_release

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
