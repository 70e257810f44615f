"""Runs: what a notebook calls to begin, and what executes notebooks without a screen.

`book` is imported by notebooks and stays light; `plan`, `execute` and `report`
need papermill and nbconvert and load when touched.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from medlab.runs.book import Run, begin

_LATER = {
    "Job": "plan",
    "Outcome": "report",
    "find_notebooks": "plan",
    "notebook_parameters": "plan",
    "plan_jobs": "plan",
    "run": "execute",
    "write_report": "report",
}

__all__ = ["Run", "begin", *_LATER]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"medlab.runs.{_LATER[name]}"), name)
    raise AttributeError(f"module 'medlab.runs' has no attribute {name!r}")
