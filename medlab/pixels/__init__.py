"""Text in the pixels: find it, take it out for good, prove it is gone."""

from medlab.pixels import (
    attack,
    carriers,
    codes,
    decide,
    detect,
    effects,
    frames,
    mask,
    recipe,
    review,
    survey,
)
from medlab.pixels.carriers import Finding
from medlab.pixels.cleaning import Cleaned, ReviewError, clean, find_text
from medlab.pixels.codes import Code
from medlab.pixels.decide import Decision, identity_words
from medlab.pixels.detect import Word, available
from medlab.pixels.mask import Box, fill, same_outside

__all__ = [
    "Box",
    "Cleaned",
    "Code",
    "Decision",
    "Finding",
    "ReviewError",
    "Word",
    "attack",
    "available",
    "carriers",
    "clean",
    "codes",
    "decide",
    "detect",
    "effects",
    "fill",
    "find_text",
    "frames",
    "identity_words",
    "mask",
    "recipe",
    "review",
    "same_outside",
    "survey",
]
