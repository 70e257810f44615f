"""Cohort tables: k-anonymity, l-diversity and t-closeness, and what they cost."""

from __future__ import annotations

from medlab.tabular.algorithms import ALGORITHMS, anonymize
from medlab.tabular.averaged_faces import k_same, k_same_eigen, partition_faces
from medlab.tabular.broken_links import anatomy, slicing, two_step
from medlab.tabular.clustering import fuzzy_cmeans, k_member, mdav
from medlab.tabular.counts import class_numbers
from medlab.tabular.criteria import Options
from medlab.tabular.fulldomain import full_domain
from medlab.tabular.metrics import (
    alpha,
    beliefs,
    class_report,
    class_sizes,
    count_table,
    gcp,
    k_anonymity,
    l_diversity,
    measures,
    risks,
    t_closeness,
    uniqueness,
)
from medlab.tabular.mondrian import mondrian
from medlab.tabular.rectangles import Rectangles, frames, rectangles
from medlab.tabular.release import Release, representative
from medlab.tabular.released_cells import bounds, range_text

__all__ = [
    "ALGORITHMS",
    "Options",
    "Rectangles",
    "Release",
    "alpha",
    "anatomy",
    "anonymize",
    "beliefs",
    "bounds",
    "class_numbers",
    "class_report",
    "class_sizes",
    "count_table",
    "frames",
    "full_domain",
    "fuzzy_cmeans",
    "gcp",
    "k_anonymity",
    "k_member",
    "k_same",
    "k_same_eigen",
    "l_diversity",
    "mdav",
    "measures",
    "mondrian",
    "partition_faces",
    "range_text",
    "rectangles",
    "representative",
    "risks",
    "slicing",
    "t_closeness",
    "two_step",
    "uniqueness",
]
