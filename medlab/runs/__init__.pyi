# What this package offers; each loads when it is touched.
from .book import begin
from .execute import run
from .plan import find_notebooks, plan_jobs

__all__ = [
    "begin",
    "find_notebooks",
    "plan_jobs",
    "run",
]
