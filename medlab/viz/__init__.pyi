# What this package offers; each loads when it is touched.
from . import (
    ciphers,
    disclosures,
    faces,
    methods,
    noisy_answers,
    pixels,
    rects,
    row_order,
    slices,
    tradeoff,
    variants,
)
from .figure import show

__all__ = [
    "ciphers",
    "disclosures",
    "faces",
    "methods",
    "noisy_answers",
    "pixels",
    "rects",
    "row_order",
    "show",
    "slices",
    "tradeoff",
    "variants",
]
