# What this package offers; each loads when it is touched.
from .domain import Axis, distances, draft_domain, parse_domain, read_domain
from .synthesis import Synthesis, synthesize

__all__ = [
    "Axis",
    "Synthesis",
    "distances",
    "draft_domain",
    "parse_domain",
    "read_domain",
    "synthesize",
]
