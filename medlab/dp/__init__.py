"""Differential privacy: answers whose dependence on one patient is bounded by a number."""

from __future__ import annotations

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
