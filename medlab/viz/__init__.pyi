# What this package offers; each loads when it is touched.
from . import disclosures, faces, frame_pictures, methods, pixels, rects, slices, tradeoff
from .figure import show

__all__ = [
    "disclosures",
    "faces",
    "frame_pictures",
    "methods",
    "pixels",
    "rects",
    "show",
    "slices",
    "tradeoff",
]
