"""Attacks on releases, what is left of their utility, and the map of both."""

from __future__ import annotations

from medlab.evaluation.experiments import grid, hold_back, one_each
from medlab.evaluation.measures import evaluate
from medlab.evaluation.risk_utility import (
    LIMITS,
    acceptable,
    pareto,
    review,
    risk_and_loss,
    summarize,
)
from medlab.methods.catalogue import Point, usual_points

__all__ = [
    "LIMITS",
    "Point",
    "acceptable",
    "evaluate",
    "grid",
    "hold_back",
    "one_each",
    "pareto",
    "review",
    "risk_and_loss",
    "summarize",
    "usual_points",
]
