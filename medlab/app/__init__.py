"""The web app: a local server, a private folder a session, the parts of the page.

`server` runs in the process that `medlab app` starts, everything else in the kernel of one
visit. The page only asks and shows; what is done is done by the other modules.
"""

from __future__ import annotations

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
