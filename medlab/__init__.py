"""medlab: see, protect, attack and measure the privacy of medical images.

The areas (`dicom`, `tabular`, `neuro`, ...) load when they are first touched
(PEP 562), so that ``import medlab`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"

_AREAS = (
    "crypto",
    "dicom",
    "errors",
    "evaluation",
    "methods",
    "neuro",
    "pipeline",
    "pixels",
    "runs",
    "samples",
    "scale",
    "tabular",
    "viz",
    "widgets",
)

__all__ = ["__version__", *_AREAS]


def __getattr__(name: str) -> ModuleType:
    if name in _AREAS:
        return import_module(f"medlab.{name}")
    raise AttributeError(f"module 'medlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
