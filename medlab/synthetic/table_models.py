"""Models of a table of codes, and rows drawn from them: a tree, columns by themselves, a copula.

The tree is of pairs of columns, from counts that may be noisy. It follows the idea of MST
(McKenna, Miklau, Sheldon, Journal of Privacy and Confidentiality 11(3), 2021) and is not MST:
one-way counts, a spanning tree of pairs, two-way counts of the tree, and rows drawn by quota
along it.

The copula is Gaussian: the counts of each column, and how the columns go together. It has no
guarantee. Categories keep their own counts and are drawn as categories: no label stands between
two others. How a label goes with other columns is what places it on the copula's scale.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from medlab.arrays import Floats, Ints
from medlab.dp import noise
from medlab.errors import InputError

_MOST_CELLS = 100_000  # of a pair: noise in more takes seconds, and drowns a table that fits
_MOST_ROWS = 10_000_000  # where nobody says how many: a tiny epsilon makes any count noise
_STEP = 1 / 1024  # of expected counts, so that sums of scores are exact in floating point
_FITS = 50  # rounds of iterative proportional fitting; after 20 the margins move by under 1e-3
_SPREAD = 1e-3  # share of the independent table in a pair, so that no row of it is empty
_ROUNDS = 3  # of placing labels; their order settles in two on the sample cohort
_LEAST_VARIANCE = 1e-3  # of the scores of a column; below it the column is nearly constant


class _Loss(NamedTuple):
    """The loss rho of each count of a column, each choice of a pair, each count of a pair."""

    column: float
    choice: float
    pair: float


def split(rho: float, columns: int) -> _Loss:
    """Return how a total rho is divided: a third for each of the three stages.

    A table of one column has one stage.
    """
    if columns == 1:
        return _Loss(rho, 0.0, 0.0)
    pairs = columns - 1
    return _Loss(rho / 3 / columns, rho / 3 / pairs, rho / 3 / pairs)


def tree(
    codes: Ints,
    sizes: Sequence[int],
    rows: int | None,
    rng: np.random.Generator,
    *,
    rho: float | None = None,
) -> Ints:
    """Return rows drawn from a tree that was fitted to rows.

    Parameters
    ----------
    codes : int array, shape (patients, columns)
        One row a patient.
    sizes : sequence of int
        Number of codes of each column, known without the rows.
    rows : int or None
        How many are drawn; by default the estimated number of patients.
    rng : Generator
        Draws the rows, not the noise.
    rho : float, optional
        Zero-concentrated loss of everything that is read off the rows; None for exact counts.

    Returns
    -------
    int array, shape (rows, columns)

    Raises
    ------
    InputError
        If a pair of columns has too many cells.
    UnavailableError
        With rho, without the extra dp.

    Notes
    -----
    The whole is rho-zCDP (Bun and Steinke, TCC 2016), for tables that differ in one row:

    1. One row changes one count of a column by one, so each histogram costs its rho.
    2. A choice reads noisy counts, which are fixed by then, and scores that one row moves by at
       most one: it costs its rho (exponential mechanism, epsilon^2 / 8).
    3. One row changes one count of a pair by one, so each pair of the tree costs its rho.
    4. The losses of `split` add up to rho. All else reads what came out, and costs nothing.
    """
    columns = len(sizes)
    largest = max((a * b for a, b in itertools.combinations(sizes, 2)), default=0)
    if largest > _MOST_CELLS:
        raise InputError(
            f"a pair of columns has {largest} cells, more than {_MOST_CELLS}; give the domain "
            "fewer bins or categories"
        )
    loss = _Loss(0.0, 0.0, 0.0) if rho is None else split(rho, columns)
    margins = _margins(codes, sizes, lambda counts: _noisy(counts, loss.column))
    pairs = {}
    for i, j in _spanning_tree(codes, sizes, margins, loss.choice):
        counts = _noisy(_pair(codes, i, j, sizes), loss.pair)
        pairs[i, j] = _fitted(counts, margins[i], margins[j])
    return _sample(margins, pairs, rows, rng)


def independent(
    codes: Ints,
    sizes: Sequence[int],
    rows: int | None,
    rng: np.random.Generator,
    *,
    epsilon: float | None = None,
    rho: float | None = None,
) -> Ints:
    """Return rows of which each column is drawn by itself, for other parameters see `tree`.

    Parameters
    ----------
    epsilon : float, optional
        Pure loss of the counts of all columns, where `rho` is None; None for exact counts.
    """
    columns = len(sizes)  # one row changes each of them by one

    def noisy(counts: Ints) -> Ints:
        if rho is None and epsilon is not None:
            return noise.integer_laplace(counts, columns / epsilon)
        return _noisy(counts, (rho or 0.0) / columns)

    return _sample(_margins(codes, sizes, noisy), {}, rows, rng)


def _margins(codes: Ints, sizes: Sequence[int], noisy: Callable[[Ints], Ints]) -> list[Floats]:
    """Return the counts of each column after noise: none below 0, all with the same sum."""
    counts = [noisy(np.bincount(codes[:, j], minlength=size)) for j, size in enumerate(sizes)]
    # The sum of n noisy counts has n times their variance.
    total = np.average([margin.sum() for margin in counts], weights=[1 / size for size in sizes])
    return [_on_simplex(margin, max(float(total), 1.0)) for margin in counts]


def _noisy(counts: Ints, rho: float) -> Ints:
    return noise.integer_gaussian(counts, rho) if rho else counts


def _pair(codes: Ints, i: int, j: int, sizes: Sequence[int]) -> Ints:
    cells = sizes[i] * sizes[j]
    counts = np.bincount(codes[:, i] * sizes[j] + codes[:, j], minlength=cells)
    return counts.reshape(sizes[i], sizes[j])


def _on_simplex(counts: Ints, total: float) -> Floats:
    """Return the nearest counts that are not below 0 and sum up to `total`.

    Duchi, Shalev-Shwartz, Singer, Chandra, ICML 2008, figure 1.
    """
    descending = np.sort(counts.ravel())[::-1].astype(np.float64)
    shift = (np.cumsum(descending) - total) / np.arange(1, descending.size + 1)
    return np.asarray(np.maximum(counts - shift[np.flatnonzero(descending > shift)[-1]], 0.0))


def _spanning_tree(
    codes: Ints, sizes: Sequence[int], margins: Sequence[Floats], rho: float
) -> list[tuple[int, int]]:
    """Return pairs that join all columns, those far from independence first (Kruskal)."""
    total = margins[0].sum()
    scores = {}
    for i, j in itertools.combinations(range(len(sizes)), 2):
        expected = np.outer(margins[i], margins[j]) / total
        gap = _pair(codes, i, j, sizes) - np.round(expected / _STEP) * _STEP
        scores[i, j] = float(np.abs(gap).sum())
    part, pairs = np.arange(len(sizes)), list[tuple[int, int]]()
    while len(pairs) < len(sizes) - 1:
        joining = [pair for pair in scores if part[pair[0]] != part[pair[1]]]
        values = np.array([scores[pair] for pair in joining])
        chosen = joining[noise.choice(values, rho) if rho else int(values.argmax())]
        pairs.append(chosen)
        part[part == part[chosen[1]]] = part[chosen[0]]
    return pairs


def _fitted(counts: Ints, rows: Floats, columns: Floats) -> Floats:
    """Return counts of a pair that agree with the counts of its columns."""
    total = rows.sum()
    table = _on_simplex(counts, total) + _SPREAD * np.outer(rows, columns) / total
    for _ in range(_FITS):
        table *= (rows / np.maximum(table.sum(axis=1), 1e-300))[:, None]
        table *= columns / np.maximum(table.sum(axis=0), 1e-300)
    return np.asarray(table)


def _sample(
    margins: Sequence[Floats],
    pairs: Mapping[tuple[int, int], Floats],
    rows: int | None,
    rng: np.random.Generator,
) -> Ints:
    """Return rows whose counts are those of a forest of pairs, up to rounding.

    Parameters
    ----------
    margins : sequence of float arrays, shape (codes,)
        Counts of each column, all with the same sum.
    pairs : mapping of two columns to float array
        Counts of each pair; the pairs make no circle.
    rows : int or None
        By default the sum of the counts, and at most ten million.
    rng : Generator
    """
    rows = min(round(float(margins[0].sum())), _MOST_ROWS) if rows is None else rows
    drawn = np.full((rows, len(margins)), -1)
    shares = {**pairs} | {(j, i): table.T for (i, j), table in pairs.items()}
    for root, margin in enumerate(margins):
        if drawn[0, root] >= 0:
            continue
        drawn[:, root] = _spread(np.zeros(rows, dtype=np.int64), margin[None], rng)
        waiting = [root]
        while waiting:
            parent = waiting.pop()
            for (i, child), table in shares.items():
                if i == parent and drawn[0, child] < 0:
                    drawn[:, child] = _spread(drawn[:, parent], table + 1e-9 * margins[child], rng)
                    waiting.append(child)
    return drawn


def _spread(parents: Ints, shares: Floats, rng: np.random.Generator) -> Ints:
    """Return a code for each row, by quota among the rows that have the same code already.

    Parameters
    ----------
    parents : int array, shape (rows,)
    shares : float array, shape (given codes, codes)
        In which proportion the codes of rows with each given code stand.
    """
    rows = np.bincount(parents, minlength=len(shares))
    ends = np.cumsum(shares, axis=1)
    ends *= (rows / ends[:, -1])[:, None]
    ends[:, -1] = rows
    start = rng.random((len(rows), 1)) * (1 - 1e-6)  # systematic rounding: each up by chance
    quota: Ints = np.diff(np.floor(ends + start), axis=1, prepend=0).astype(np.int64)
    order = rng.permutation(len(parents))
    order = order[np.argsort(parents[order], kind="stable")]
    codes = np.empty(len(parents), dtype=np.int64)
    codes[order] = np.repeat(np.tile(np.arange(shares.shape[1]), len(shares)), quota.ravel())
    return codes


def copula(
    codes: Ints,
    sizes: Sequence[int],
    labeled: Sequence[bool],
    rows: int,
    rng: np.random.Generator,
) -> Ints:
    """Return rows drawn from the copula of rows.

    Parameters
    ----------
    codes : int array, shape (patients, columns)
    sizes : sequence of int
        Number of codes of each column.
    labeled : sequence of bool
        Whether the codes of a column are categories, without order.
    rows : int
    rng : Generator

    Returns
    -------
    int array, shape (rows, columns)

    Notes
    -----
    The score of a code is the mean of its part of the standard normal distribution. The
    covariance of two columns' scores, divided by both variances, estimates the correlation that
    they were cut from (to first order). Nelsen, An Introduction to Copulas, 2006.
    """
    counts = [np.bincount(codes[:, j], minlength=size) for j, size in enumerate(sizes)]
    orders = [np.arange(size) for size in sizes]
    for _ in range(_ROUNDS if any(labeled) else 0):
        for j in itertools.compress(range(len(sizes)), labeled):
            orders[j] = _placed(codes, counts, orders, j)
    scores = _scores(codes, counts, orders)
    latent = rng.multivariate_normal(
        np.zeros(len(sizes)), _correlation(scores), rows, method="eigh"
    )
    drawn = np.empty((rows, len(sizes)), dtype=np.int64)
    for j, order in enumerate(orders):
        ends = np.cumsum(counts[j][order]) * rows / len(codes)
        quota: Ints = np.diff(np.floor(ends + 0.5), prepend=0).astype(np.int64)
        drawn[np.argsort(latent[:, j]), j] = np.repeat(order, quota)
    return drawn


def _scores(codes: Ints, counts: Sequence[Ints], orders: Sequence[Ints]) -> Floats:
    """Return the normal score of each cell, shape (patients, columns)."""
    scores = np.empty(codes.shape)
    for j, order in enumerate(orders):
        share = counts[j][order] / len(codes)
        ends = ndtri(np.concatenate([[0.0], np.cumsum(share)]).clip(0, 1))
        density = np.exp(-(ends**2) / 2) / np.sqrt(2 * np.pi)
        score = np.empty(len(order))
        score[order] = -np.diff(density) / np.maximum(share, 1e-300)
        scores[:, j] = score[codes[:, j]]
    return scores


def _placed(codes: Ints, counts: Sequence[Ints], orders: Sequence[Ints], j: int) -> Ints:
    """Return the labels of a column in the order of what the other columns say of them."""
    others = np.delete(_scores(codes, counts, orders), j, axis=1)
    if not others.shape[1]:
        return orders[j]
    direction = np.linalg.eigh(np.atleast_2d(np.cov(others, rowvar=False, ddof=0)))[1][:, -1]
    totals = np.bincount(codes[:, j], others @ direction, minlength=len(counts[j]))
    return np.argsort(totals / np.maximum(counts[j], 1), kind="stable")


def _correlation(scores: Floats) -> Floats:
    """Return the nearest correlations that are possible together, by cutting eigenvalues at 0."""
    covariance = np.atleast_2d(np.cov(scores, rowvar=False, ddof=0))
    variance = np.maximum(np.diag(covariance), _LEAST_VARIANCE)
    correlation = np.clip(covariance / np.outer(variance, variance), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    correlation = (vectors * np.maximum(values, 1e-9)) @ vectors.T
    sd = np.sqrt(np.diag(correlation))
    return np.asarray(correlation / np.outer(sd, sd))
