"""Classes by clustering: k-member, its weighted form, fuzzy c-means, MDAV.

These look at every pair of rows or nearly so: some ten thousand rows are the limit.
Classes that violate a criterion are merged with their nearest neighbor in the end; all
criteria hold on for merged classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from medlab.arrays import Array, Floats
from medlab.errors import InputError
from medlab.tabular import counts as tally
from medlab.tabular.column_roles import Column
from medlab.tabular.criteria import Options, Task, make_task
from medlab.tabular.release import Release, make_release


class _Loss:
    """Normalized certainty penalty of growing clusters, row by row."""

    def __init__(self, task: Task, weights: Floats) -> None:
        flat = [_is_flat(column) for column in task.columns]
        lines = [(c, w) for c, w, f in zip(task.columns, weights, flat, strict=True) if not f]
        self.sets = [(c, w) for c, w, f in zip(task.columns, weights, flat, strict=True) if f]
        self.line_weights = np.array([w for _, w in lines])
        places = [np.minimum(column.place, 2.0)[column.codes] for column, _ in lines]
        self.place = np.stack(places, axis=1) if lines else np.zeros((len(task.table), 0))

    def growth(self, rows: Array, members: Array) -> Floats:
        """Return by how much each of some rows would widen a cluster."""
        inside = self.place[members]
        low, high = inside.min(axis=0), inside.max(axis=0)
        there = self.place[rows]
        wider = np.maximum(there - high, 0) + np.maximum(low - there, 0)
        total = wider @ self.line_weights
        for column, weight in self.sets:
            there = np.zeros(len(column.values) + 1, dtype=bool)
            there[column.codes[members]] = True
            total += weight * ~there[column.codes[rows]] / max(len(column.values) - 1, 1)
        return np.asarray(total)


def _is_flat(column: Column) -> bool:
    """Tell whether a column is a set of labels without order or hierarchy."""
    return column.kind == "category" and column.nodes is None


def _features(columns: Sequence[Column], weights: Floats | None = None) -> Floats:
    """Return rows as points: numbers by their place from 0 to 1, labels as indicators.

    Parameters
    ----------
    columns : sequence of Column
    weights : float array, shape (columns,), optional

    Returns
    -------
    float array, shape (rows, features)
        Two different labels are one apart, as are the ends of a number column.
    """
    parts = []
    weights = np.ones(len(columns)) if weights is None else weights
    for column, weight in zip(columns, weights, strict=True):
        if _is_flat(column):
            part = np.eye(len(column.values) + 1)[column.codes] / np.sqrt(2)
        else:
            part = column.place[column.codes][:, None]
        parts.append(weight * part)
    return np.hstack(parts)


def k_member(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str | None = None,
    k: int = 5,
    l: float = 1,
    t: float | None = None,
    *,
    weights: Mapping[str, float] | None = None,
    record_weights: Sequence[float] | Literal["outlyingness"] | None = None,
    sensitivity: Mapping[Any, float] | None = None,
    options: Options | None = None,
    **more: Any,
) -> Release:
    """Group rows greedily into clusters of k that widen least.

    Each cluster starts with the row farthest from the start of the one before, and takes
    in the row that widens it least until it has k. The last rows join the cluster they
    widen least. Byun, Kamra, Bertino, Li, DASFAA 2007. With `weights` it is weighted
    k-member clustering: a column of large weight stays fine. With `record_weights` (after Yan,
    Herman, Mahmood, Feng, Xie, "A weighted K-member clustering algorithm for K-anonymization",
    Computing 103, 2021) rows have weights too: one of large weight starts a cluster sooner and
    is taken in sooner, while it still finds near company.

    Parameters
    ----------
    table, quasi, sensitive, k, l, t
        See `medlab.tabular.mondrian`.
    weights : mapping of str to float, optional
        Weight of a column in the loss; default 1.
    record_weights : "outlyingness" or sequence of float, shape (rows,), optional
        Weights of rows; "outlyingness": see `_outlyingness`, 1 at least.
    sensitivity : mapping of sensitive value to float, optional
        How much more a row with this value weighs; default 1.
    options, **more
        `Options`, as one object or by name.

    Returns
    -------
    Release
    """
    task = make_task(table, quasi, sensitive, (k, l, t), options, **more)
    scale = task.weights(weights)
    loss = _Loss(task, scale)
    points = _features(task.columns, scale)
    heavy = _record_weights(task, points, record_weights, sensitivity)
    class_of = np.full(len(table), -1)
    free = np.arange(len(table))
    spot = points.mean(axis=0)
    for number in range(len(table) // task.criteria.k):
        far = int((heavy[free] * ((points[free] - spot) ** 2).sum(axis=1)).argmax())
        members, spot = free[[far]], points[free[far]]
        free = np.delete(free, far)
        for _ in range(task.criteria.k - 1):
            near = int((loss.growth(free, members) / heavy[free]).argmin())
            members = np.append(members, free[near])
            free = np.delete(free, near)
        class_of[members] = number
    _place_rest(class_of, free, loss)
    return _repaired(task, class_of, points)


def _outlyingness(points: Floats, k: int) -> Floats:
    """Return how far each row lies from its k-th nearest, shape (rows,); the median row has 1.

    The distance to the k-th neighbor as a measure of outliers: Ramaswamy, Rastogi, Shim, SIGMOD
    2000.
    """
    from scipy.spatial import KDTree

    far = KDTree(points).query(points, min(k + 1, len(points)))[0][:, -1]
    middle = float(np.median(far))
    return np.asarray(far / middle if middle > 0 else 1 + far)


def _record_weights(
    task: Task,
    points: Floats,
    wishes: Sequence[float] | Literal["outlyingness"] | None,
    sensitivity: Mapping[Any, float] | None,
) -> Floats:
    """Return the weight of each row; 1 without wishes."""
    heavy = np.ones(len(points))
    if isinstance(wishes, str):
        heavy = np.maximum(_outlyingness(points, task.criteria.k), 1.0)
    elif wishes is not None:
        heavy = np.asarray(wishes, dtype=float)
    for name in task.sensitive if sensitivity else ():
        heavy = heavy * task.table[name].map(dict(sensitivity or {})).fillna(1.0).to_numpy(
            dtype=float
        )
    if heavy.shape != (len(points),) or not (np.isfinite(heavy) & (heavy > 0)).all():
        raise InputError("weights of records are finite numbers above 0, one for each row")
    return np.asarray(heavy)


def _place_rest(class_of: Array, rest: Array, loss: _Loss) -> None:
    """Put the last rows, fewer than k, where they widen a cluster least."""
    order = np.argsort(class_of, kind="stable")[len(rest) :]
    clusters = np.split(order, np.flatnonzero(np.diff(class_of[order])) + 1)
    for row in rest:
        wider = [loss.growth(np.array([row]), members)[0] for members in clusters]
        class_of[row] = int(np.argmin(wider))


def _repaired(task: Task, class_of: Array, points: Floats, **details: Any) -> Release:
    """Merge every class that violates a criterion into its nearest one, then release."""
    class_of = np.unique(class_of, return_inverse=True)[1]
    while not (kept := task.passes(class_of)).all():
        size = np.bincount(class_of)
        sums = [np.bincount(class_of, feature) for feature in points.T]
        centers = np.stack(sums, axis=1) / size[:, None]
        worst = int(np.flatnonzero(~kept)[0])
        apart = ((centers - centers[worst]) ** 2).sum(axis=1)
        apart[worst] = np.inf
        class_of[class_of == worst] = int(apart.argmin())
        class_of = np.unique(class_of, return_inverse=True)[1]
    return make_release(task, class_of, **details)


def fuzzy_cmeans(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str | None = None,
    k: int = 5,
    l: float = 1,
    t: float | None = None,
    *,
    weights: Mapping[str, float] | None = None,
    fuzzifier: float = 2.0,
    rounds: int = 20,
    rng: np.random.Generator | None = None,
    options: Options | None = None,
    **more: Any,
) -> Release:
    """Cluster rows by fuzzy c-means, then repair the clusters below k.

    A row belongs to every center by a degree that falls with its distance (Bezdek,
    1981). It is put where it belongs most; a cluster below k then borrows the rows that
    belong to it most from clusters that can spare them, or is merged. The repair, not
    the fuzziness, gives k.

    Parameters
    ----------
    table, quasi, sensitive, k, l, t, weights, options, **more
        See `k_member`.
    fuzzifier : float
        Above 1; larger is fuzzier.
    rounds : int
        Times that the centers are moved.
    rng : Generator, optional
        Draws the first centers; default: seed 0.

    Returns
    -------
    Release
    """
    task = make_task(table, quasi, sensitive, (k, l, t), options, **more)
    points = _features(task.columns, task.weights(weights))
    rng = np.random.default_rng(0) if rng is None else rng
    count = len(points) // task.criteria.k
    centers = points[np.sort(rng.choice(len(points), count, replace=False))]
    for _ in range(rounds):
        power = _memberships(points, centers, fuzzifier) ** fuzzifier
        centers = (power.T @ points) / power.sum(axis=0)[:, None]
    membership = _memberships(points, centers, fuzzifier)
    class_of = membership.argmax(axis=1)
    _borrow(class_of, membership, task.criteria.k)
    return _repaired(task, class_of, points)


def _memberships(points: Floats, centers: Floats, fuzzifier: float) -> Floats:
    from scipy.spatial.distance import cdist

    apart = np.maximum(cdist(points, centers, "sqeuclidean"), 1e-12)
    nearness = (apart.min(axis=1, keepdims=True) / apart) ** (1 / (fuzzifier - 1))
    return np.asarray(nearness / nearness.sum(axis=1, keepdims=True))


def _borrow(class_of: Array, membership: Floats, k: int) -> None:
    """Let clusters below k, largest first, take rows from clusters above k."""
    size = np.bincount(class_of, minlength=membership.shape[1])
    for cluster in np.argsort(-size, kind="stable"):
        need = k - size[cluster]
        if need <= 0 or size[cluster] == 0:
            continue
        order = np.argsort(-membership[:, cluster], kind="stable")
        order = order[size[class_of[order]] > k]
        donor = class_of[order]
        by_donor = np.argsort(donor, kind="stable")
        starts = np.searchsorted(donor[by_donor], donor[by_donor])
        turn = np.empty_like(order)
        turn[by_donor] = np.arange(len(order)) - starts
        taken = order[turn < size[donor] - k][:need]
        if len(taken) == need:
            np.subtract.at(size, class_of[taken], 1)
            class_of[taken] = cluster
            size[cluster] = k


def mdav(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str | None = None,
    k: int = 5,
    l: float = 1,
    t: float | None = None,
    *,
    weights: Mapping[str, float] | None = None,
    options: Options | None = None,
    **more: Any,
) -> Release:
    """Replace groups of k to 2k-1 near rows by their center (microaggregation).

    The row farthest from the centroid is grouped with its k - 1 nearest, then the row
    farthest from that one; again, while 3k rows are left. Domingo-Ferrer, Mateo-Sanz,
    IEEE TKDE 14(1), 2002; Domingo-Ferrer, Torra, DMKD 11, 2005 (MDAV).

    Parameters
    ----------
    table, quasi, sensitive, k, l, t, weights, options, **more
        See `k_member`.

    Returns
    -------
    Release
        Of kind "aggregate": cells are means (whole where the column is whole), middle
        days, or the most frequent label of the group. `lower` and `upper` still tell
        the extent of each group.
    """
    task = make_task(table, quasi, sensitive, (k, l, t), options, **more)
    points = _features(task.columns, task.weights(weights))
    class_of = _mdav_groups(points, task.criteria.k)
    release = _repaired(task, class_of, points, kind="aggregate")
    return _with_centers(release, task.columns)


def _mdav_groups(points: Floats, k: int) -> Array:
    class_of = np.full(len(points), -1)
    free, number = np.arange(len(points)), 0
    while len(free) >= 2 * k:
        start = points[free].mean(axis=0)
        for _ in range(2 if len(free) >= 3 * k else 1):
            start = points[free[((points[free] - start) ** 2).sum(axis=1).argmax()]]
            apart = ((points[free] - start) ** 2).sum(axis=1)
            near = np.argpartition(apart, k - 1)[:k]
            class_of[free[near]] = number
            free, number = np.delete(free, near), number + 1
    class_of[free] = number
    return class_of


def _with_centers(release: Release, columns: Sequence[Column]) -> Release:
    """Put the center of each class in place of its cells."""
    table, classes = release.table.copy(), release.classes.copy()
    for column in columns:
        center = _centers(column, release.class_of, len(classes))
        classes[column.name] = center.array
        table[column.name] = center.take(release.class_of).array
    return replace(release, table=table, classes=classes)


def _centers(column: Column, class_of: Array, classes: int) -> pd.Series[Any]:
    """Return the mean of each class, whole for whole numbers, or its most frequent label."""
    if column.kind not in ("number", "date"):
        labels = np.append(column.values.astype(object), np.nan)
        counts = tally.count_values(class_of, column.codes, classes, len(labels))
        return pd.Series(tally.top_values(counts, counts.count, labels))
    present = column.codes < len(column.values)
    values = pd.Series(column.values if present.any() else [np.nan])
    cells = values.take(np.where(present, column.codes, 0)).reset_index(drop=True).where(present)
    center: pd.Series[Any] = cells.groupby(class_of).mean()
    if column.kind == "date":
        center = center.dt.normalize()
    elif column.values.dtype.kind in "iu":
        center = center.round().astype("Int64" if column.missing else "int64")
    return center
