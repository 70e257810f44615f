"""The page without code: a local server, a private folder a session, the parts of the page.

`server` runs in the process that `medlab app` starts, everything else in the kernel of one
visit. The page only asks and shows; what is done is done by the other rooms.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {"page": "panels", "serve": "server"}

__all__ = ["page", "serve"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"medlab.app.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'medlab.app' has no attribute {name!r}")
