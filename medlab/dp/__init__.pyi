# What this package offers; each loads when it is touched.
from . import learning, noise
from .queries import Answer, Ledger, Meter, contingency, count, histogram, mean, quantile, total

__all__ = [
    "Answer",
    "Ledger",
    "Meter",
    "contingency",
    "count",
    "histogram",
    "learning",
    "mean",
    "noise",
    "quantile",
    "total",
]
