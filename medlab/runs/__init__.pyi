# What this package offers; each loads when it is touched.
from .book import Run, begin
from .execute import run
from .plan import Job, find_notebooks, notebook_parameters, plan_jobs
from .notebook_pages import Outcome, write_report

__all__ = [
    "Job",
    "Outcome",
    "Run",
    "begin",
    "find_notebooks",
    "notebook_parameters",
    "plan_jobs",
    "run",
    "write_report",
]
