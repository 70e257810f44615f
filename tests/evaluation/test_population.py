"""Uniqueness in a population, estimated from a sample whose population is known."""

import numpy as np
import pytest

from medlab.evaluation.population import population_uniqueness


def test_population_uniqueness_is_near_the_truth_of_a_known_population():
    rng = np.random.default_rng(4)
    population = rng.zipf(1.6, 20_000) % 5_000
    sizes = np.unique(population, return_counts=True)[1]
    truth = (sizes == 1).sum() / len(population)
    sample = np.unique(rng.choice(population, 2_000, replace=False), return_counts=True)[1]
    assert population_uniqueness(sample, 20_000) == pytest.approx(truth, abs=0.05)


def test_a_sample_without_pairs_says_that_all_are_unique():
    assert population_uniqueness(np.ones(30, dtype=np.int64), 1_000) == 1.0
