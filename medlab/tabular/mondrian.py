"""Mondrian: split a table along its quasi-identifiers while every part stays safe.

LeFevre, DeWitt, Ramakrishnan, "Mondrian Multidimensional k-Anonymity", ICDE 2006.

All parts of one depth are split together by array operations. The rows of a part stand side
by side; nothing is sorted: the widest column of each part is counted by value, and the cut at
its median read off. Large tables are divided on the way into batches of parts that fit the
processor's cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.arrays import Array
from medlab.errors import InputError
from medlab.tabular.column_roles import Column
from medlab.tabular.criteria import Options, Task, check_weights, make_task
from medlab.tabular.cuts import Batch, Cut, Plan, choose, divide, first_batch, split
from medlab.tabular.release import Grouping, Release, check_release, make_release, number_by_box


class _Harvest:
    """The finished parts and the cuts, collected while the batches are worked off."""

    def __init__(self, rows: int, columns: int) -> None:
        self.class_of = np.full(rows, -1, dtype=np.int32)
        self.low: list[Array] = []
        self.high: list[Array] = []
        self.node: list[Array] = []
        self.cuts: list[dict[str, Array]] = []
        self.classes = 0
        self.nodes = 1

    def finish(self, batch: Batch, parts: Array) -> int:
        """Make classes of parts and return the number of their rows."""
        numbers = np.arange(self.classes, self.classes + len(parts), dtype=np.int32)
        rows = batch.rows[batch.spots(parts)]
        self.class_of[rows] = np.repeat(numbers, batch.sizes[parts])
        self.low.append(batch.low[:, parts].T)
        self.high.append(batch.high[:, parts].T)
        self.node.append(batch.node[parts])
        self.classes += len(parts)
        return len(rows)

    def record(self, batch: Batch, cut: Cut) -> int:
        """Keep the cuts of a batch; return the first number of the new parts."""
        parts = np.flatnonzero(cut.column >= 0)
        first = self.nodes
        self.nodes += 2 * len(parts)
        self.cuts.append(
            {
                "node": batch.node[parts],
                "depth": np.full(len(parts), batch.depth),
                "column": cut.column[parts],
                "value": cut.value[parts],
                "left": first + np.arange(len(parts)),
                "right": first + len(parts) + np.arange(len(parts)),
                "rows": batch.sizes[parts],
                "left_rows": cut.left[parts],
            }
        )
        return first


def _advance(plan: Plan, batch: Batch, harvest: _Harvest) -> tuple[list[Batch], int]:
    """Cut every part of a batch once; return the new batches and the rows finished."""
    cut = choose(plan, batch)
    done = np.flatnonzero(cut.column < 0)
    finished = harvest.finish(batch, done) if len(done) else 0
    if len(done) == len(batch.sizes):
        return [], finished
    return divide(split(plan, batch, cut, harvest.record(batch, cut))), finished


def _partition(plan: Plan, marks: list[Array], progress: bool) -> _Harvest:
    from tqdm import tqdm

    rows = len(plan.columns[0].codes)
    harvest = _Harvest(rows, len(plan.columns))
    batches = [first_batch(plan, marks)]
    with tqdm(total=rows, unit_scale=True, unit="row", disable=not progress, leave=False) as bar:
        while batches:
            more, finished = _advance(plan, batches.pop(), harvest)
            batches.extend(more)
            bar.update(finished)
    return harvest


def mondrian(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str | None = None,
    k: int = 5,
    l: float = 1,
    t: float | None = None,
    *,
    weights: Mapping[str, float] | None = None,
    strict: bool = True,
    quality: Literal["fast", "best"] = "fast",
    progress: bool = False,
    options: Options | None = None,
    **more: Any,
) -> Release:
    """Generalize a table so that every class keeps k, and l, t, alpha if asked for.

    Parameters
    ----------
    table : DataFrame, one row per record
    quasi : column names
        Numbers, dates, ordered categoricals, labels. Missing cells are a value of
        their own, never equal to another.
    sensitive : column name or names, optional
        A class keeps l, t and alpha for each of them.
    k : int
        Smallest class allowed, from 1.
    l : float
        Diversity of every class; 1 asks for nothing. Missing values do not count.
    t : float, optional
        Largest earth mover's distance between a class and the table, 0 to 1.
    weights : mapping of str to float, optional
        How much the width of a column matters when one is chosen to be cut; default 1.
    strict : bool
        Equal values stay together and boxes do not overlap. Otherwise (relaxed) a part
        is cut at exactly half of its rows.
    quality : "fast" or "best"
        "best" searches the cuts of all columns for the one that loses least.
    progress : bool
        Show a bar that counts finished rows.
    options, **more
        `Options`, as one object or by name: hierarchies, persons, kept columns, alpha.

    Returns
    -------
    Release
        Checked by an independent count of the cells that were written.

    Raises
    ------
    InputError
        Fewer rows (or persons) than k; l, t or alpha out of range or not feasible, with
        the largest feasible l; infinite numbers; columns in two roles or named twice.
    MissingError, KindError
        Unknown columns; mixed types in a column.

    Notes
    -----
    With the rows of a part sorted by a column, only the cuts just before and just after
    the run of values equal to the median need to be tried for k: any other cut is more
    unbalanced. Where the widest column cannot be cut, the next widest is tried.
    """
    _check_choices(strict, quality)
    task = make_task(table, quasi, sensitive, (k, l, t), options, **more)
    scale = check_weights(weights, task.quasi)
    plan = Plan(
        int(k), strict, quality == "best", task.columns, scale, task.tests, _places(task.columns)
    )
    harvest = _partition(plan, task.marks, progress)
    return _release(task, harvest)


def _release(task: Task, harvest: _Harvest) -> Release:
    low, high = np.concatenate(harvest.low), np.concatenate(harvest.high)
    grouping, old = number_by_box(Grouping(harvest.class_of, low, high))
    cuts = _cut_table(harvest, task.columns)
    release = make_release(
        task.table,
        task.columns,
        grouping,
        task.sensitive,
        task.keep,
        cuts=cuts,
        asked=task.criteria.asked(),
    )
    release.classes["node"] = np.concatenate(harvest.node)[old]
    return check_release(release, task.table, task.criteria.k, task.criteria.l, task.persons)


def _check_choices(strict: bool, quality: str) -> None:
    if quality not in ("fast", "best"):
        raise InputError(f"no quality {quality!r}; choose fast or best")
    if quality == "best" and not strict:
        raise InputError("quality='best' makes strict cuts; leave strict=True")


def _places(columns: Sequence[Column]) -> NDArray[np.float64]:
    """Return the places of all columns as one table, (columns, longest)."""
    table = np.zeros((len(columns), max(len(column.place) for column in columns)))
    for row, column in zip(table, columns, strict=True):
        row[: len(column.place)] = column.place
    return table


def _cut_table(harvest: _Harvest, columns: Sequence[Column]) -> pd.DataFrame:
    """Return the cuts in order of depth, with column names and values."""
    names = ["node", "depth", "column", "value", "left", "right", "rows", "left_rows"]
    if not harvest.cuts:
        return pd.DataFrame(columns=names)
    cuts = {name: np.concatenate([cut[name] for cut in harvest.cuts]) for name in names}
    order = np.lexsort((cuts["node"], cuts["depth"]))
    cuts = {name: values[order] for name, values in cuts.items()}
    column, codes = cuts["column"], cuts["value"]
    cuts["column"] = np.array([c.name for c in columns], dtype=object)[column]
    cuts["value"] = np.empty(len(order), dtype=object)
    for j, one in enumerate(columns):
        here = column == j
        cuts["value"][here] = np.append(one.values.astype(object), np.nan)[codes[here]]
    return pd.DataFrame(cuts)
