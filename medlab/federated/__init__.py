"""Learning without moving data: Flower in process, masks, noise by row, and attacks on updates.

Needs the extra ``federated``.
"""

from __future__ import annotations

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
