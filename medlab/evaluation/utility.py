"""Usefulness: what an analyst still gets from a released table.

An analyst reads an interval as its middle, a set of labels as each label with the same
chance, a suppressed cell as anything. Every measure compares with the original.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from medlab.evaluation.attacker import Seen
from medlab.evaluation.scores import Z95, Score, auc

Floats = NDArray[np.float64]
_FLOOR = 0.001  # of the rows: a count below it is compared with it
_FEWEST = 10  # test rows of a value for it to enter the mean AUC
_MOST = 30  # labels of a column, or sensitive values, that become columns of a model
_SHORT = 6  # labels of a column that enters the regression
_RANGE = 0.4  # of a column's range: the width of a query


class Labels(NamedTuple):
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
        """Return the chance that the label is among the chosen (1.0 each)."""
        return np.asarray(self.chance @ chosen + self.free * chosen.sum())

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
    labels: tuple[Labels, ...]
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
    numeric = [part for one, part in zip(seen.scales, seen.parts, strict=True) if one.numeric]
    rows = len(seen.class_of)
    ends = [
        np.stack([np.clip(part[end], 0.0, 1.0)[seen.class_of] for part in numeric], axis=1)
        if numeric
        else np.empty((rows, 0))
        for end in (0, 1)
    ]
    labels = tuple(
        _chances(*part, seen.class_of)
        for one, part in zip(seen.scales, seen.parts, strict=True)
        if not one.numeric
    )
    return Reading(ends[0], ends[1], labels, sensitive)


def _chances(outside: Floats, fits: Any, class_of: Any) -> Labels:
    table = fits[:-1].T.tocsr()
    total = np.maximum(np.asarray(table.sum(axis=1)).ravel(), 1.0)
    chance = (sparse.diags_array(1 / total) @ table).tocsr()[class_of]
    return Labels(chance, (outside == 0)[class_of] / table.shape[1])


def information_loss(seen: Seen) -> float:
    """Return the GCP: mean over all cells of the range left, 0 exact, 1 suppressed.

    Numbers: width of the interval / range of the original; labels: (labels - 1) / (M - 1).
    """
    losses = []
    for one, (a, b) in zip(seen.scales, seen.parts, strict=True):
        if one.numeric:
            hidden = np.isinf(a)
            width = np.where(hidden, 0.0, b) - np.where(hidden, 0.0, a)
            loss = np.where(hidden, 1.0, np.clip(width, 0.0, 1.0))
        else:
            labels = np.asarray(b.sum(axis=0)).ravel()
            left = np.clip((labels - 1) / max(len(one.labels) - 1, 1), 0.0, 1.0)
            loss = np.where(a == 0, 1.0, left)
        losses.append(float(loss @ seen.sizes) / len(seen.class_of))
    return float(np.mean(losses))


class _Query(NamedTuple):
    ranges: list[tuple[int, float, float]]
    labels: tuple[int, Floats] | None
    value: int


def query_error(
    original: Reading, released: Reading, rng: np.random.Generator, queries: int = 200
) -> Score:
    """Return the median relative error of random COUNT queries, with its interval.

    A query counts the rows in ranges of two number columns (0.4 of the range each), with
    half of the labels of one column and with one sensitive value. An interval counts by the
    share of it that lies inside, a set by its share of labels.

    Parameters
    ----------
    original, released : Reading
    rng : Generator
        Draws the queries around rows of the original.
    queries : int

    Notes
    -----
    |estimate - truth| / max(truth, 0.1 % of the rows). The interval is that of order
    statistics.
    """
    rows, others = original.low.shape[0], released.low.shape[0]
    errors = np.empty(queries)
    for i in range(queries):
        query = _draw_query(original, rng)
        truth = _count(original, query)
        estimate = _count(released, query) * rows / others
        errors[i] = abs(estimate - truth) / max(truth, _FLOOR * rows)
    errors.sort()
    half = 0.98 * math.sqrt(queries)
    low, high = (int(np.clip(queries / 2 + side, 0, queries - 1)) for side in (-half, half))
    return Score(float(np.median(errors)), float(errors[low]), float(errors[high]), 0.0)


def _draw_query(original: Reading, rng: np.random.Generator) -> _Query:
    rows, numbers = original.low.shape
    row = int(rng.integers(rows))
    ranges = []
    for j in rng.permutation(numbers)[:2]:
        start = original.low[row, j] - rng.random() * _RANGE
        ranges.append((int(j), start, start + _RANGE))
    labels = None
    if original.labels:
        which = int(rng.integers(len(original.labels)))
        count = original.labels[which].chance.shape[1]
        chosen = np.zeros(count)
        chosen[rng.permutation(count)[: (count + 1) // 2]] = 1.0
        labels = which, chosen
    values = original.sensitive[[row]].toarray().ravel()
    return _Query(ranges, labels, int(values.argmax()))


def _count(table: Reading, query: _Query) -> float:
    share = table.sensitive[:, [query.value]].toarray().ravel()
    for j, start, stop in query.ranges:
        low, high = table.low[:, j], table.high[:, j]
        width = high - low
        inside = np.minimum(high, stop) - np.maximum(low, start)
        spread = np.clip(inside / np.where(width > 0, width, 1.0), 0.0, 1.0)
        share *= np.where(width > 0, spread, (low >= start) & (low <= stop))
    if query.labels is not None:
        which, chosen = query.labels
        share *= table.labels[which].among(chosen)
    return float(share.sum())


class Fit(NamedTuple):
    """Coefficients of a linear model and their standard errors."""

    coefficients: Floats
    errors: Floats


def _regress(table: Reading, value: int) -> Fit:
    """Regress the chance of one sensitive value on the numbers and the short label columns."""
    short = [some.first(_SHORT)[:, 1:] for some in table.labels if some.chance.shape[1] <= _SHORT]
    x = np.hstack([(table.low + table.high) / 2, *short])
    x = np.hstack([x - x.mean(axis=0), np.ones((len(x), 1))])
    y = table.sensitive[:, [value]].toarray().ravel()
    inverse = np.linalg.pinv(x.T @ x, rcond=1e-10, hermitian=True)
    found = inverse @ (x.T @ y)
    rest = y - x @ found
    variance = float(rest @ rest) / max(len(y) - x.shape[1], 1)
    errors = np.sqrt(np.maximum(np.diag(inverse), 0.0) * variance)
    return Fit(found[:-1], errors[:-1])


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


def prediction(original: Reading, released: Reading, control: Reading) -> Score:
    """Return how well a model trained on the release predicts untouched people.

    Macro one-versus-rest AUC of a ridge classifier over the sensitive values that ten or more
    of the control group have; `baseline` is the same model trained on the original.
    """
    truth = control.values() > 0
    often = truth.sum(axis=0) >= _FEWEST
    found = []
    for train in (released, original):
        scores = _ridge(train, control)[:, often]
        values = [
            auc(column[here], column[~here])
            for column, here in zip(scores.T, truth[:, often].T, strict=True)
        ]
        found.append(float(np.nanmean(values)) if values else math.nan)
    return Score(found[0], baseline=found[1])


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
    found = {}
    for one in seen.scales:
        if one.numeric:
            found[one.name] = float(wasserstein_distance(*next(numeric)))
        else:
            first, second = next(labels)
            found[one.name] = float(np.abs(first.mean() - second.mean()).sum() / 2)
    return found


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
