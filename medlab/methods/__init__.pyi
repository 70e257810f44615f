# What this package offers; each loads when it is touched.
from . import bucketization, encryption, pseudonymization, randomization, suppression
from .catalogue import METHODS, overview
from .header_methods import apply, side_by_side

__all__ = [
    "METHODS",
    "apply",
    "bucketization",
    "encryption",
    "overview",
    "pseudonymization",
    "randomization",
    "side_by_side",
    "suppression",
]
