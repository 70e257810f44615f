# What this package offers; each loads when it is touched.
from . import disclosures, heads, pixels, protections, rects, tradeoff
from .figure import show

__all__ = [
    "disclosures",
    "heads",
    "pixels",
    "protections",
    "rects",
    "show",
    "tradeoff",
]
