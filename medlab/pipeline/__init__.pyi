# What this package offers; each loads when it is touched.
from .job import deidentify, rerun
from .job_report import Summary
from .reidentification import open_envelopes, open_vault, reidentify, restore, treat_copies
from .settings import Settings
from .steps import some_headers
from .verification import inspect_to, verify

__all__ = [
    "Settings",
    "Summary",
    "deidentify",
    "inspect_to",
    "open_envelopes",
    "open_vault",
    "reidentify",
    "rerun",
    "restore",
    "some_headers",
    "treat_copies",
    "verify",
]
