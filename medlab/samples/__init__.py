"""Sample data: a small hospital of fictitious patients, the same bytes for the same seed."""

from medlab.samples.folder import default_folder, write
from medlab.samples.people import cohort
from medlab.samples.t1_heads import head

__all__ = ["cohort", "default_folder", "head", "write"]
