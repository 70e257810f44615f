"""The copula: counts kept, columns that go together, categories without order."""

import numpy as np
import pandas as pd

from medlab.synthetic import copula


def table(rho=0.7, count=4000, seed=0):
    """Two numbers of a known correlation in ten bins, and a label that goes with the first."""
    rng = np.random.default_rng(seed)
    latent = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], count)
    numbers = np.searchsorted(np.linspace(-2, 2, 9), latent)
    # labels 2, 0, 1 stand for low, middle and high: their own order means nothing
    label = np.array([2, 0, 1])[np.searchsorted([-0.5, 0.5], latent[:, 0])]
    return np.column_stack([numbers, label])


def drawn(codes, rows=4000, seed=1):
    return copula.draw(codes, (10, 10, 3), (False, False, True), rows, np.random.default_rng(seed))


def test_the_counts_of_each_column_are_kept():
    codes = table()
    made = drawn(codes)
    for j, size in enumerate((10, 10, 3)):
        gap = np.bincount(made[:, j], minlength=size) - np.bincount(codes[:, j], minlength=size)
        assert np.abs(gap).max() <= 1


def test_the_correlation_of_numbers_is_kept():
    before, after = (
        np.corrcoef(some[:, 0], some[:, 1])[0, 1] for some in (table(), drawn(table()))
    )
    assert abs(before - after) < 0.04


def test_a_label_goes_with_the_numbers_whatever_its_place_in_the_list():
    codes = table()
    before, after = (
        pd.Series(some[:, 0]).groupby(some[:, 2]).mean() for some in (codes, drawn(codes))
    )
    assert (before - after).abs().max() < 0.5
    renamed = codes.copy()
    renamed[:, 2] = np.array([1, 2, 0])[codes[:, 2]]
    other = pd.Series(drawn(renamed)[:, 0]).groupby(drawn(renamed)[:, 2]).mean()
    assert np.allclose(sorted(other), sorted(after), atol=0.3)


def test_columns_that_never_vary_and_tables_of_one_column_are_drawn():
    same = np.zeros((50, 2), int)
    rng = np.random.default_rng(0)
    assert not copula.draw(same, (1, 3), (True, False), 20, rng).any()
    one = np.arange(60)[:, None] % 3
    made = copula.draw(one, (3,), (True,), 30, rng)
    assert np.bincount(made[:, 0]).tolist() == [10, 10, 10]
    assert copula.draw(one[:1], (3,), (True,), 5, rng).shape == (5, 1)


def test_the_same_seed_gives_the_same_rows():
    assert np.array_equal(drawn(table(), seed=3), drawn(table(), seed=3))
    assert not np.array_equal(drawn(table(), seed=3), drawn(table(), seed=4))
