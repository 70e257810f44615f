"""Fixtures that several tests of this room share."""

import pytest
from evaluation_cases import FIVE_FACTS, HEADS, POINTS, SPACING, measured

from medlab import evaluation, samples


@pytest.fixture(scope="session")
def heads():
    return {
        (patient, session): samples.head(patient, session, spacing_mm=SPACING)
        for session in (1, 2)
        for patient in range(1, HEADS + 1)
    }


@pytest.fixture(scope="session")
def tables():
    return evaluation.one_each(samples.cohort(150))


@pytest.fixture(scope="session")
def rows(tables):
    return evaluation.grid({1: tables}, POINTS, FIVE_FACTS, "Diagnosis", jobs=1, progress=False)


@pytest.fixture(scope="session")
def small():
    return evaluation.one_each(samples.cohort(300))


@pytest.fixture(scope="session")
def full():
    return evaluation.one_each(samples.cohort(1500))


@pytest.fixture(scope="session")
def by_k(full):
    return {k: measured(full, "Mondrian k", k) for k in (2, 5, 10, 25, 50, 100)}
