# What this package offers; each loads when it is touched.
from . import bucketization, encryption, pseudonymization, randomization, suppression
from .catalogue import METHODS, overview
from .element_methods import apply, side_by_side
from .values import is_valid

__all__ = [
    "METHODS",
    "apply",
    "bucketization",
    "encryption",
    "is_valid",
    "overview",
    "pseudonymization",
    "randomization",
    "side_by_side",
    "suppression",
]
