"""Figures from plain data, each with a text alternative. Submodules load when touched."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from medlab.viz.figure import Shown, show

_MODULES = ("faces", "frames", "methods", "pixels", "rects", "slices", "tags", "tradeoff")

__all__ = ["Shown", "show", *_MODULES]


def __getattr__(name: str) -> ModuleType | Any:
    if name in _MODULES:
        return import_module(f"medlab.viz.{name}")
    raise AttributeError(f"module 'medlab.viz' has no attribute {name!r}")
