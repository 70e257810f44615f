"""One job from SRC to DST: plan, clean, verify, report; and re-identification.

The modules load when a verb is touched, so that a new worker process starts fast.
"""

from __future__ import annotations

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
