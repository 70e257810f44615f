"""The tree: its budget, its counts by hand, and an honest neighbor test."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab.errors import InputError
from medlab.synthetic import tree

SIZES = (3, 4, 2)


def rows(count=3000, seed=1):
    """Three columns: the second follows the first, the third is a coin."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 3, count)
    second = np.where(rng.random(count) < 0.8, first, rng.integers(0, 4, count))
    return np.stack([first, second, rng.integers(0, 2, count)], axis=1)


@given(st.floats(1e-12, 1e6), st.integers(1, 60))
def test_the_parts_of_the_budget_add_up(rho, columns):
    loss = tree.split(rho, columns)
    spent = columns * loss.column + (columns - 1) * (loss.choice + loss.pair)
    assert math.isclose(spent, rho, rel_tol=1e-12)
    if columns > 1:
        assert math.isclose(columns * loss.column, rho / 3)
        assert math.isclose((columns - 1) * loss.choice, rho / 3)


def test_what_is_asked_of_the_mechanisms_is_what_was_paid_for(monkeypatch):
    """Every reading of the rows passes one of two mechanisms; their losses add up to rho."""
    paid = []
    monkeypatch.setattr(
        tree.noise, "integer_gaussian", lambda counts, rho: paid.append(rho) or counts
    )
    monkeypatch.setattr(
        tree.noise, "choice", lambda scores, rho: paid.append(rho) or int(scores.argmax())
    )
    tree.draw(rows(), SIZES, None, np.random.default_rng(0), rho=0.3)
    assert len(paid) == 3 + 2 + 2
    assert math.isclose(sum(paid), 0.3)


def test_one_row_moves_no_score_by_more_than_one(monkeypatch):
    seen = []
    monkeypatch.setattr(tree.noise, "choice", lambda scores, rho: seen.append(scores) or 0)
    margins = [np.array([11.3, 7.1, 5.0]), np.array([3.3, 7.1, 10.0, 3.0]), np.array([20.4, 3.0])]
    data = rows(50)
    for neighbor in (data, data[1:], np.vstack([data, [0, 3, 1]])):
        tree._spanning_tree(neighbor, SIZES, margins, rho=1.0)
    first = [scores for scores in seen if len(scores) == 3]
    assert all(np.abs(first[0] - other).max() <= 1 for other in first[1:])


def test_without_noise_the_counts_of_columns_and_of_the_tree_are_kept():
    data = rows()
    drawn = tree.draw(data, SIZES, len(data), np.random.default_rng(2))
    for j, size in enumerate(SIZES):
        gap = np.bincount(drawn[:, j], minlength=size) - np.bincount(data[:, j], minlength=size)
        assert np.abs(gap).max() <= 4  # rounding, one for each code of the column before it
    gap = tree._pair(drawn, 0, 1, SIZES) - tree._pair(data, 0, 1, SIZES)
    assert np.abs(gap).max() <= 6


def test_the_tree_takes_the_pair_that_hangs_together():
    margins = tree._margins(rows(), SIZES, lambda counts: counts)
    assert tree._spanning_tree(rows(), SIZES, margins, 0.0)[0] == (0, 1)


def test_the_same_seed_gives_the_same_rows():
    first, second, third = (
        tree.draw(rows(), SIZES, 500, np.random.default_rng(seed)) for seed in (4, 4, 5)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=8), st.floats(1, 200))
def test_the_simplex_projection_is_the_nearest_point(counts, total):
    counts = np.array(counts)
    found = tree._on_simplex(counts, total)
    assert found.min() >= 0
    assert math.isclose(found.sum(), total, rel_tol=1e-9)
    # by the first-order condition: what is positive was moved alike, the rest at least as much
    shift = counts - found
    assert np.ptp(shift[found > 0]) < 1e-6
    assert (shift[found == 0] <= shift[found > 0].max() + 1e-6).all()


def test_a_pair_of_a_million_cells_is_refused_with_its_size():
    with pytest.raises(InputError, match="1000000 cells"):
        tree.draw(np.zeros((5, 2), int), (1000, 1000), None, np.random.default_rng(0))


@pytest.mark.needs("dp")
def test_noise_shrinks_with_rho():
    data = rows()
    errors = {}
    for rho in (1e-4, 10.0):
        drawn = tree.draw(data, SIZES, len(data), np.random.default_rng(0), rho=rho)
        pairs = itertools.combinations(range(3), 2)
        errors[rho] = sum(
            np.abs(tree._pair(drawn, i, j, SIZES) - tree._pair(data, i, j, SIZES)).sum()
            for i, j in pairs
        )
    assert errors[10.0] < errors[1e-4]


@pytest.mark.needs("dp")
def test_of_no_rows_the_noise_draws_some():
    drawn = tree.draw(np.empty((0, 3), int), SIZES, 10, np.random.default_rng(0), rho=0.1)
    assert drawn.shape == (10, 3)
    assert (drawn < SIZES).all()


@pytest.mark.needs("dp")
def test_neighbors_differ_in_no_outcome_by_more_than_they_may():
    """Row counts of one column of two codes: log-ratios within epsilon and 4 standard errors.

    With rho-zCDP and delta 1e-6 epsilon is rho + 2 sqrt(rho ln 1e6); outcomes rarer than 1 in
    100 are put together, so that delta is far below what can be seen.
    """
    rho, draws = 0.05, 4000
    epsilon = rho + 2 * math.sqrt(rho * math.log(1e6))
    both = [np.zeros((6, 1), int), np.zeros((5, 1), int)]
    counts = [
        np.array([len(tree.draw(one, (2,), None, RNG, rho=rho)) for _ in range(draws)])
        for one in both
    ]
    edges = np.quantile(np.concatenate(counts), np.linspace(0, 1, 8)[1:-1])
    shares = [np.bincount(np.searchsorted(edges, one), minlength=7) for one in counts]
    seen = np.minimum(*shares) > draws / 100
    ratio = np.abs(np.log(shares[0][seen] / shares[1][seen]))
    error = np.sqrt(1 / shares[0][seen] + 1 / shares[1][seen])
    assert seen.any()
    assert (ratio <= epsilon + 5.5 * error).all()


RNG = np.random.default_rng(0)
