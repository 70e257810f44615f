"""Rows drawn from a Gaussian copula: the counts of each column, and how the columns go together.

Without guarantee. Categories keep their own counts and are drawn as categories: no label stands
between two others. How a label goes with other columns is what places it on the copula's scale.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from medlab.arrays import Floats, Ints

_ROUNDS = 3  # of placing labels; their order settles in two on the sample cohort
_LEAST_VARIANCE = 1e-3  # of the scores of a column; below it the column is nearly constant


def draw(
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
