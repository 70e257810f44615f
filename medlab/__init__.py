"""medlab: see, protect, attack and measure the privacy of medical images.

The areas (`dicom`, `tabular`, `neuro`, ...) load when they are first touched
(PEP 562), so that ``import medlab`` stays light.
"""

from __future__ import annotations

import lazy_loader as lazy

__version__ = "0.1.0"

_AREAS = (
    "crypto",
    "dicom",
    "dp",
    "errors",
    "evaluation",
    "federated",
    "methods",
    "neuro",
    "pipeline",
    "pixels",
    "runs",
    "samples",
    "synthetic",
    "tabular",
    "viz",
    "widgets",
)

__getattr__, __dir__, _ = lazy.attach(__name__, _AREAS)
__all__ = ["__version__", *_AREAS]
