"""Interactive widgets for the notebooks: the figures of `viz` with controls (ipywidgets).

Each function returns an `InteractiveWidget`; leave it as the last expression of a cell. Modules
load when touched.
"""

from __future__ import annotations

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
