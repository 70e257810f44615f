# What this package offers; each loads when it is touched.
from . import faces, frames, methods, pixels, rects, slices, tags, tradeoff
from .figure import Shown, show

__all__ = [
    "Shown",
    "faces",
    "frames",
    "methods",
    "pixels",
    "rects",
    "show",
    "slices",
    "tags",
    "tradeoff",
]
