"""Utility: what an analyst still gets from a released table.

An analyst reads an interval as its middle, a set of labels as each label with the same
chance, a suppressed cell as anything. Every measure compares with the original.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from medlab.arrays import Floats
from medlab.evaluation.attack_statistics import Z95, Score
from medlab.tabular.released_cells import MISSING_PLACE, Exact, Scale, Seen

_FLOOR = 0.001  # of the rows: a count below it is compared with it
_FEWEST = 10  # test rows of a value for it to enter the mean AUC
_MOST = 30  # labels of a column, or sensitive values, that become columns of a model
_SHORT = 6  # labels of a column that enters the regression
_CHUNK_CELLS = 100_000
_RANGE = 0.4  # of a column's range: the width of a query
_QUERIES = 200


class _Labels(NamedTuple):
    """A column of labels as chances: those of a suppressed cell are equal, and not stored.

    Attributes
    ----------
    chance : sparse array, shape (rows, labels)
        Rows add up to 1; to 0 where suppressed or unknown.
    free : float array, shape (rows,)
        1 / labels where suppressed, else 0.
    """

    chance: Any
    free: Floats

    def first(self, count: int) -> Floats:
        """Return the chances of the first labels, shape (rows, count)."""
        return np.asarray(self.chance[:, :count].toarray() + self.free[:, None])

    def among(self, chosen: Floats) -> Floats:
        """Return the chance that the label is among the chosen, shape (rows, queries).

        Parameters
        ----------
        chosen : float array, shape (labels, queries)
            1.0 for each label that is chosen.
        """
        return np.asarray(self.chance @ chosen + np.outer(self.free, chosen.sum(axis=0)))

    def mean(self) -> Floats:
        """Return the distribution over all rows."""
        chance: Floats = np.asarray(self.chance.mean(axis=0)).ravel()
        return chance + float(self.free.mean())


@dataclass(frozen=True)
class Reading:
    """A table as an analyst reads it.

    Attributes
    ----------
    low, high : float arrays, shape (rows, numeric columns)
        On the scale 0 to 1 of the original.
    labels : tuple of Labels
        One a label column.
    sensitive : sparse array, shape (rows, values)
        Values in the order of their frequency.
    """

    low: Floats
    high: Floats
    labels: tuple[_Labels, ...]
    sensitive: sparse.csr_array

    def design(self) -> Floats:
        """Return the middles and the shares of labels as columns of a model."""
        middle = (self.low + self.high) / 2
        return np.asarray(np.hstack([middle, *(some.first(_MOST) for some in self.labels)]))

    def values(self) -> Floats:
        """Return the chances of the most frequent sensitive values."""
        return np.asarray(self.sensitive[:, :_MOST].toarray())


def read(seen: Seen, sensitive: sparse.csr_array) -> Reading:
    """Return how an analyst reads a release."""
    return _reading(seen.scales, seen.parts, seen.class_of, sensitive)


def read_exact(scales: Sequence[Scale], exact: Exact, sensitive: sparse.csr_array) -> Reading:
    """Return how an analyst reads an untouched table."""
    rows = sensitive.shape[0]
    parts: list[tuple[Any, Any]] = []
    for scale in scales:
        place = exact[scale.name]
        if scale.numeric:
            parts.append((place, place))
            continue
        rows_known = np.flatnonzero(place >= 0)
        shape = (len(scale.labels) + 1, rows)
        fits = sparse.csr_array(
            (np.ones(len(rows_known)), (place[rows_known], rows_known)), shape=shape
        )
        parts.append((np.ones(rows), fits))
    return _reading(scales, parts, np.arange(rows), sensitive)


def _reading(
    scales: Sequence[Scale], parts: Sequence[tuple[Any, Any]], class_of: Any, sensitive: Any
) -> Reading:
    numeric, labels = [], []
    for scale, part in zip(scales, parts, strict=True):
        if scale.numeric:
            numeric.append([end[class_of] for end in _ends(*part)])
        else:
            labels.append(_chances(*part, class_of))
    ends = np.array(numeric).reshape(len(numeric), 2, len(class_of))
    return Reading(ends[:, 0].T, ends[:, 1].T, tuple(labels), sensitive)


def _ends(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return the ends of intervals; suppressed and missing cells may be anything."""
    missing = low == MISSING_PLACE
    return (
        np.where(missing, 0.0, np.clip(low, 0.0, 1.0)),
        np.where(missing, 1.0, np.clip(high, 0.0, 1.0)),
    )


def _chances(outside: Floats, fits: Any, class_of: Any) -> _Labels:
    table = fits[:-1].T.tocsr()
    total = np.maximum(np.asarray(table.sum(axis=1)).ravel(), 1.0)
    chance = (sparse.diags_array(1 / total) @ table).tocsr()[class_of]
    return _Labels(chance, (outside == 0)[class_of] / table.shape[1])


class _Queries(NamedTuple):
    """COUNT queries, one a row of each array.

    Attributes
    ----------
    columns : int array, shape (queries, ranges)
        The number columns asked for; their ranges begin at `start`, end at `stop`.
    start, stop : float arrays, shape (queries, ranges)
    which : int array
        The label column asked for.
    chosen : list of float arrays, shape (queries, labels)
        One a label column: 1.0 for the labels that count.
    value : int array
        The sensitive value asked for.
    """

    columns: Any
    start: Floats
    stop: Floats
    which: Any
    chosen: list[Floats]
    value: Any


def query_error(original: Reading, released: Reading, rng: np.random.Generator) -> Score:
    """Return the median relative error of 200 random COUNT queries, with its interval.

    A query counts the rows in ranges of two number columns (0.4 of the range each), with
    half of the labels of one column and with one sensitive value. An interval counts by the
    share of it that lies inside, a set by its share of labels.

    Parameters
    ----------
    original, released : Reading
    rng : Generator
        Draws the queries around rows of the original.

    Notes
    -----
    |estimate - truth| / max(truth, 0.1 % of the rows). The interval is that of order
    statistics.
    """
    questions = _draw_queries(original, rng, _QUERIES)
    truth, estimate = _count(original, questions), _count(released, questions)
    rows, others = original.low.shape[0], released.low.shape[0]
    errors = np.abs(estimate * rows / others - truth) / np.maximum(truth, _FLOOR * rows)
    errors.sort()
    half = 0.98 * math.sqrt(_QUERIES)
    low, high = (int(np.clip(_QUERIES / 2 + side, 0, _QUERIES - 1)) for side in (-half, half))
    return Score(float(np.median(errors)), float(errors[low]), float(errors[high]), 0.0)


def _draw_queries(original: Reading, rng: np.random.Generator, queries: int) -> _Queries:
    """Draw queries around rows of the original."""
    rows, numbers = original.low.shape
    row = rng.integers(rows, size=queries)
    columns = rng.permuted(np.tile(np.arange(numbers), (queries, 1)), axis=1)[:, :2]
    start = original.low[row[:, None], columns] - rng.random(columns.shape) * _RANGE
    sizes = [some.chance.shape[1] for some in original.labels]
    which = rng.integers(len(sizes), size=queries) if sizes else np.full(queries, -1)
    chosen = [
        (rng.permuted(np.tile(np.arange(n), (queries, 1)), axis=1) < (n + 1) // 2).astype(float)
        for n in sizes
    ]
    value = original.sensitive[row].argmax(axis=1)
    return _Queries(columns, start, start + _RANGE, which, chosen, np.asarray(value).ravel())


def _count(table: Reading, queries: _Queries) -> Floats:
    """Return the expected counts of queries."""
    counts = np.zeros(len(queries.value))
    step = max(1, _CHUNK_CELLS // len(table.low))
    for first in range(0, len(counts), step):
        part = np.arange(first, min(first + step, len(counts)))
        share = table.sensitive[:, queries.value[part]].toarray()
        for number, columns in enumerate(queries.columns[part].T):
            low, high = table.low[:, columns], table.high[:, columns]
            share *= _inside(low, high, queries.start[part, number], queries.stop[part, number])
        for which, labels in enumerate(table.labels):
            mine = np.flatnonzero(queries.which[part] == which)
            share[:, mine] *= labels.among(queries.chosen[which][part[mine]].T)
        counts[part] = share.sum(axis=0)
    return counts


def _inside(low: Floats, high: Floats, start: Floats, stop: Floats) -> Floats:
    """Return the share of each interval that lies between start and stop."""
    width = high - low
    inside = np.minimum(high, stop) - np.maximum(low, start)
    spread = np.clip(inside / np.where(width > 0, width, 1.0), 0.0, 1.0)
    return np.where(width > 0, spread, (low >= start) & (low <= stop))


class _Fit(NamedTuple):
    """Coefficients of a linear model and their standard errors."""

    coefficients: Floats
    errors: Floats


def _regress(table: Reading, value: int) -> _Fit:
    """Regress the chance of one sensitive value on the numbers and the short label columns."""
    short = [some.first(_SHORT)[:, 1:] for some in table.labels if some.chance.shape[1] <= _SHORT]
    x = np.hstack([(table.low + table.high) / 2, *short])
    x = np.hstack([x - x.mean(axis=0), np.ones((len(x), 1))])
    y = table.sensitive[:, [value]].toarray().ravel()
    inverse = np.linalg.pinv(x.T @ x, rcond=1e-10, hermitian=True)
    weights = inverse @ (x.T @ y)
    rest = y - x @ weights
    variance = float(rest @ rest) / max(len(y) - x.shape[1], 1)
    errors = np.sqrt(np.maximum(np.diag(inverse), 0.0) * variance)
    return _Fit(weights[:-1], errors[:-1])


def regression(original: Reading, released: Reading) -> dict[str, Score]:
    """Return what becomes of a regression of the most frequent sensitive value.

    A linear probability model on the numbers and on label columns of few labels.

    Returns
    -------
    dict
        ``coefficient bias`` |b - b0| / |b0| over all coefficients, and ``interval overlap``,
        the mean share that the 95 % intervals have in common (1 the same, 0 apart; Karr et
        al., American Statistician 60(3), 2006).
    """
    a, b = _regress(original, 0), _regress(released, 0)
    size = float(np.linalg.norm(a.coefficients)) or 1.0
    bias = float(np.linalg.norm(a.coefficients - b.coefficients)) / size
    low, high = (
        np.stack([fit.coefficients + side * Z95 * fit.errors for fit in (a, b)])
        for side in (-1, 1)
    )
    common = np.clip(high.min(axis=0) - low.max(axis=0), 0.0, None)
    shares = np.divide(common, high - low, out=np.zeros_like(high), where=high > low)
    return {
        "coefficient bias": Score(bias, baseline=0.0),
        "interval overlap": Score(float(shares.mean()), baseline=1.0),
    }


def prediction(train: Reading, control: Reading) -> float:
    """Return how well a model trained on a table predicts untouched people.

    Macro one-versus-rest AUC of a ridge classifier over the sensitive values that ten or more
    of the control group have; NaN without any.
    """
    from scipy.stats import rankdata

    truth = control.values() > 0
    count = truth.sum(axis=0)
    often = (count >= _FEWEST) & (count < len(truth))
    n = count[often]
    ranks = rankdata(_ridge(train, control)[:, often].round(9), axis=0)  # equal but for rounding
    inside = (ranks * truth[:, often]).sum(axis=0) - n * (n + 1) / 2
    return float((inside / (n * (len(truth) - n))).mean()) if often.any() else math.nan


def _ridge(train: Reading, test: Reading) -> Floats:
    """Return the scores of a ridge classifier, shape (test rows, values)."""
    x, target = train.design(), test.design()
    middle = x.mean(axis=0)
    x, target = x - middle, target - middle
    y = train.values()
    gram = x.T @ x + np.eye(x.shape[1])
    return np.asarray(target @ np.linalg.solve(gram, x.T @ (y - y.mean(axis=0))))


def distances(original: Reading, released: Reading, seen: Seen) -> dict[str, float]:
    """Return how far each released column's distribution is from the original's.

    Numbers: Wasserstein distance of the middles / range; labels: total variation.
    """
    from scipy.stats import wasserstein_distance

    a, b = (((table.low + table.high) / 2).T for table in (original, released))
    numeric = zip(a, b, strict=True)
    labels = zip(original.labels, released.labels, strict=True)
    gaps = {}
    for scale in seen.scales:
        if scale.numeric:
            gaps[scale.name] = float(wasserstein_distance(*next(numeric)))
        else:
            first, second = next(labels)
            gaps[scale.name] = float(np.abs(first.mean() - second.mean()).sum() / 2)
    return gaps


def telling_apart(original: Reading, released: Reading) -> float:
    """Return the pMSE: mean of (p - share)^2 of a tree that tells original from released.

    0: it can't tell; 0.25: it always can (equal sizes). Snoke et al., JRSS A 181(3), 2018.
    """
    from sklearn.tree import DecisionTreeClassifier

    x = np.vstack([np.hstack([t.design(), t.values()]) for t in (original, released)])
    y = np.repeat([0, 1], [original.low.shape[0], released.low.shape[0]])
    tree = DecisionTreeClassifier(max_depth=5, min_samples_leaf=0.02, random_state=0)
    p = tree.fit(x, y).predict_proba(x)[:, 1]
    return float(((p - y.mean()) ** 2).mean())
