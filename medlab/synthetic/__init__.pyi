# What this package offers; each loads when it is touched.
from .synthesis import (
    Axis,
    Synthesis,
    distances,
    draft_domain,
    parse_domain,
    synthesize,
)

__all__ = [
    "Axis",
    "Synthesis",
    "distances",
    "draft_domain",
    "parse_domain",
    "synthesize",
]
