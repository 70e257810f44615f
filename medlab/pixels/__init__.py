"""Text in the pixels: find it, take it out for good, prove it is gone."""

from medlab.dicom.identity import identity_words
from medlab.pixels.cleaning import Cleaned, CleaningOptions, Finding, ReviewError, clean, find_text
from medlab.pixels.decide import Decision
from medlab.pixels.detect import Code, Word, available
from medlab.pixels.effects import Box, fill, same_outside
from medlab.pixels.prefilter import SeriesStore

__all__ = [
    "Box",
    "Cleaned",
    "CleaningOptions",
    "Code",
    "Decision",
    "Finding",
    "ReviewError",
    "SeriesStore",
    "Word",
    "available",
    "clean",
    "fill",
    "find_text",
    "identity_words",
    "same_outside",
]
