"""Cohort tables: k-anonymity, l-diversity and t-closeness, and what they cost."""

from __future__ import annotations

from medlab.tabular.cells import bounds, label_sets
from medlab.tabular.metrics import (
    Risks,
    c_avg,
    discernibility,
    gcp,
    measures,
    ncp,
    risks,
    uniqueness,
)
from medlab.tabular.models import (
    alpha,
    beta_likeness,
    class_numbers,
    class_sizes,
    delta_disclosure,
    delta_presence,
    enhanced_beta_holds,
    k_anonymity,
    l_diversity,
    t_closeness,
)
from medlab.tabular.mondrian import mondrian
from medlab.tabular.rects import Rectangles, frames, parts_after, rectangles
from medlab.tabular.release import LabelSet, Release
from medlab.tabular.roles import DIRECT_IDENTIFIERS

__all__ = [
    "DIRECT_IDENTIFIERS",
    "LabelSet",
    "Rectangles",
    "Release",
    "Risks",
    "alpha",
    "beta_likeness",
    "bounds",
    "c_avg",
    "class_numbers",
    "class_sizes",
    "delta_disclosure",
    "delta_presence",
    "discernibility",
    "enhanced_beta_holds",
    "frames",
    "gcp",
    "k_anonymity",
    "l_diversity",
    "label_sets",
    "measures",
    "mondrian",
    "ncp",
    "parts_after",
    "rectangles",
    "risks",
    "t_closeness",
    "uniqueness",
]
