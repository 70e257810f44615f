"""One job from SRC to DST: plan, clean, verify, report; and the way back."""

from __future__ import annotations

from medlab.pipeline.job import Summary, deidentify
from medlab.pipeline.settings import Settings
from medlab.pipeline.steps import some_headers
from medlab.pipeline.wayback import open_vault, reidentify, restore

__all__ = [
    "Settings",
    "Summary",
    "deidentify",
    "open_vault",
    "reidentify",
    "restore",
    "some_headers",
]
