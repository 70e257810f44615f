"""Protecting one value or one column, so that the result still fits its DICOM VR.

Each verb takes a value or a pandas Series and gives back the same kind. Slicing, which is
a property of whole tables, lives in `medlab.tabular`.
"""

from __future__ import annotations

from medlab.methods import (
    bucketization,
    encryption,
    pseudonymization,
    randomization,
    suppression,
)
from medlab.methods.elements import apply, side_by_side
from medlab.methods.values import is_valid

__all__ = [
    "apply",
    "bucketization",
    "encryption",
    "is_valid",
    "pseudonymization",
    "randomization",
    "side_by_side",
    "suppression",
]
