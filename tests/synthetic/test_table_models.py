"""The tree: its budget, its counts by hand, and an honest neighbor test; the copula.

Of the copula: counts kept, columns that go together, categories without order.
"""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab.errors import InputError
from medlab.synthetic import table_models

SIZES = (3, 4, 2)


def rows(count=3000, seed=1):
    """Three columns: the second follows the first, the third is a coin."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 3, count)
    second = np.where(rng.random(count) < 0.8, first, rng.integers(0, 4, count))
    return np.stack([first, second, rng.integers(0, 2, count)], axis=1)


@given(st.floats(1e-12, 1e6), st.integers(1, 60))
def test_the_parts_of_the_budget_add_up(rho, columns):
    loss = table_models.split(rho, columns)
    spent = columns * loss.column + (columns - 1) * (loss.choice + loss.pair)
    assert math.isclose(spent, rho, rel_tol=1e-12)
    if columns > 1:
        assert math.isclose(columns * loss.column, rho / 3)
        assert math.isclose((columns - 1) * loss.choice, rho / 3)


def test_what_is_asked_of_the_mechanisms_is_what_was_paid_for(monkeypatch):
    """Every reading of the rows passes one of two mechanisms; their losses add up to rho."""
    paid = []
    monkeypatch.setattr(
        table_models.noise, "integer_gaussian", lambda counts, rho: paid.append(rho) or counts
    )
    monkeypatch.setattr(
        table_models.noise, "choice", lambda scores, rho: paid.append(rho) or int(scores.argmax())
    )
    table_models.tree(rows(), SIZES, None, np.random.default_rng(0), rho=0.3)
    assert len(paid) == 3 + 2 + 2
    assert math.isclose(sum(paid), 0.3)


def test_one_row_moves_no_score_by_more_than_one(monkeypatch):
    seen = []
    monkeypatch.setattr(table_models.noise, "choice", lambda scores, rho: seen.append(scores) or 0)
    margins = [np.array([11.3, 7.1, 5.0]), np.array([3.3, 7.1, 10.0, 3.0]), np.array([20.4, 3.0])]
    data = rows(50)
    for neighbor in (data, data[1:], np.vstack([data, [0, 3, 1]])):
        table_models._spanning_tree(neighbor, SIZES, margins, rho=1.0)
    first = [scores for scores in seen if len(scores) == 3]
    assert all(np.abs(first[0] - other).max() <= 1 for other in first[1:])


def test_without_noise_the_counts_of_columns_and_of_the_tree_are_kept():
    data = rows()
    drawn = table_models.tree(data, SIZES, len(data), np.random.default_rng(2))
    for j, size in enumerate(SIZES):
        gap = np.bincount(drawn[:, j], minlength=size) - np.bincount(data[:, j], minlength=size)
        assert np.abs(gap).max() <= 4  # rounding, one for each code of the column before it
    gap = table_models._pair(drawn, 0, 1, SIZES) - table_models._pair(data, 0, 1, SIZES)
    assert np.abs(gap).max() <= 6


def test_the_tree_takes_the_pair_that_hangs_together():
    margins = table_models._margins(rows(), SIZES, lambda counts: counts)
    assert table_models._spanning_tree(rows(), SIZES, margins, 0.0)[0] == (0, 1)


def test_the_same_seed_gives_the_same_rows_of_a_tree():
    first, second, third = (
        table_models.tree(rows(), SIZES, 500, np.random.default_rng(seed)) for seed in (4, 4, 5)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=8), st.floats(1, 200))
def test_the_simplex_projection_is_the_nearest_point(counts, total):
    counts = np.array(counts)
    found = table_models._on_simplex(counts, total)
    assert found.min() >= 0
    assert math.isclose(found.sum(), total, rel_tol=1e-9)
    # by the first-order condition: what is positive was moved alike, the rest at least as much
    shift = counts - found
    assert np.ptp(shift[found > 0]) < 1e-6
    assert (shift[found == 0] <= shift[found > 0].max() + 1e-6).all()


def test_a_pair_of_a_million_cells_is_refused_with_its_size():
    with pytest.raises(InputError, match="1000000 cells"):
        table_models.tree(np.zeros((5, 2), int), (1000, 1000), None, np.random.default_rng(0))


@pytest.mark.needs("dp")
def test_noise_shrinks_with_rho():
    data = rows()
    errors = {}
    for rho in (1e-4, 10.0):
        drawn = table_models.tree(data, SIZES, len(data), np.random.default_rng(0), rho=rho)
        pairs = itertools.combinations(range(3), 2)
        errors[rho] = sum(
            np.abs(
                table_models._pair(drawn, i, j, SIZES) - table_models._pair(data, i, j, SIZES)
            ).sum()
            for i, j in pairs
        )
    assert errors[10.0] < errors[1e-4]


@pytest.mark.needs("dp")
def test_of_no_rows_the_noise_draws_some():
    drawn = table_models.tree(np.empty((0, 3), int), SIZES, 10, np.random.default_rng(0), rho=0.1)
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
        np.array([len(table_models.tree(one, (2,), None, RNG, rho=rho)) for _ in range(draws)])
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


def table(rho=0.7, count=4000, seed=0):
    """Two numbers of a known correlation in ten bins, and a label that goes with the first."""
    rng = np.random.default_rng(seed)
    latent = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], count)
    numbers = np.searchsorted(np.linspace(-2, 2, 9), latent)
    # labels 2, 0, 1 stand for low, middle and high: their own order means nothing
    label = np.array([2, 0, 1])[np.searchsorted([-0.5, 0.5], latent[:, 0])]
    return np.column_stack([numbers, label])


def from_copula(codes, rows=4000, seed=1):
    return table_models.copula(
        codes, (10, 10, 3), (False, False, True), rows, np.random.default_rng(seed)
    )


def test_the_counts_of_each_column_are_kept():
    codes = table()
    made = from_copula(codes)
    for j, size in enumerate((10, 10, 3)):
        gap = np.bincount(made[:, j], minlength=size) - np.bincount(codes[:, j], minlength=size)
        assert np.abs(gap).max() <= 1


def test_the_correlation_of_numbers_is_kept():
    before, after = (
        np.corrcoef(some[:, 0], some[:, 1])[0, 1] for some in (table(), from_copula(table()))
    )
    assert abs(before - after) < 0.04


def test_a_label_goes_with_the_numbers_whatever_its_place_in_the_list():
    codes = table()
    before, after = (
        pd.Series(some[:, 0]).groupby(some[:, 2]).mean() for some in (codes, from_copula(codes))
    )
    assert (before - after).abs().max() < 0.5
    renamed = codes.copy()
    renamed[:, 2] = np.array([1, 2, 0])[codes[:, 2]]
    other = pd.Series(from_copula(renamed)[:, 0]).groupby(from_copula(renamed)[:, 2]).mean()
    assert np.allclose(sorted(other), sorted(after), atol=0.3)


def test_columns_that_never_vary_and_tables_of_one_column_are_from_copula():
    same = np.zeros((50, 2), int)
    rng = np.random.default_rng(0)
    assert not table_models.copula(same, (1, 3), (True, False), 20, rng).any()
    one = np.arange(60)[:, None] % 3
    made = table_models.copula(one, (3,), (True,), 30, rng)
    assert np.bincount(made[:, 0]).tolist() == [10, 10, 10]
    assert table_models.copula(one[:1], (3,), (True,), 5, rng).shape == (5, 1)


def test_the_same_seed_gives_the_same_rows_of_a_copula():
    assert np.array_equal(from_copula(table(), seed=3), from_copula(table(), seed=3))
    assert not np.array_equal(from_copula(table(), seed=3), from_copula(table(), seed=4))
