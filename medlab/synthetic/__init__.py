"""Data of nobody: tables drawn from a model of a table, with a guarantee or without."""

from __future__ import annotations

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
