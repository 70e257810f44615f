"""Sample data: a small hospital of invented patients, the same bytes for the same seed."""

from medlab.samples.cohorts import DEFAULT_SEED, Cohort, cohort

__all__ = ["DEFAULT_SEED", "Cohort", "cohort"]
