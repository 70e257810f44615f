"""One job from SRC to DST: plan, clean, verify, report; and the way back.

The modules load when a verb is touched, so that a new worker process starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medlab.pipeline.job import Summary, deidentify, rerun
    from medlab.pipeline.settings import Settings
    from medlab.pipeline.steps import some_headers
    from medlab.pipeline.verification import inspect_to, verify
    from medlab.pipeline.wayback import open_vault, reidentify, restore

_MODULES = {
    "Settings": "settings",
    "Summary": "job",
    "deidentify": "job",
    "inspect_to": "verification",
    "open_vault": "wayback",
    "reidentify": "wayback",
    "rerun": "job",
    "restore": "wayback",
    "some_headers": "steps",
    "verify": "verification",
}
__all__ = [
    "Settings",
    "Summary",
    "deidentify",
    "inspect_to",
    "open_vault",
    "reidentify",
    "rerun",
    "restore",
    "some_headers",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"medlab.pipeline.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'medlab.pipeline' has no attribute {name!r}")
