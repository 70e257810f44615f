"""Instruments for the notebooks: the figures of `viz` with handles (ipywidgets).

Each function returns an `Instrument`; leave it as the last expression of a cell. Modules
load when touched.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# What each module offers. No module is named like what it offers: once imported, it would
# stand in its place.
_OFFERS = {
    "boxes": ("TextBoxes", "text_boxes"),
    "brain": ("bet_explorer",),
    "comparer": ("method_comparer",),
    "instrument": ("Instrument",),
    "partition": ("partition_explorer",),
    "tags": ("tag_explorer",),
    "tradeoff": ("tradeoff_explorer",),
    "viewer": ("image_viewer",),
}

__all__ = sorted(name for names in _OFFERS.values() for name in names)


def __getattr__(name: str) -> Any:
    for module, names in _OFFERS.items():
        if name in names:
            return getattr(import_module(f"medlab.widgets.{module}"), name)
    raise AttributeError(f"module 'medlab.widgets' has no attribute {name!r}")
