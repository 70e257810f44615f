"""Figures from plain data, each with a text alternative. Submodules load when touched."""

from __future__ import annotations

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
