"""Sample data: a small hospital of invented patients, the same bytes for the same seed."""

from medlab.samples.cohorts import DEFAULT_SEED, Cohort, cohort
from medlab.samples.folder import default_folder, write
from medlab.samples.t1_heads import Head, head

__all__ = ["DEFAULT_SEED", "Cohort", "Head", "cohort", "default_folder", "head", "write"]
