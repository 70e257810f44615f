"""Differential privacy: a budget, noisy answers about patients, learning with noise.

Noise and choice come from OpenDP (extra ``dp``), which is imported when something is drawn.
"""

from __future__ import annotations

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
