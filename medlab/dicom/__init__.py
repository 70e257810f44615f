"""DICOM: inspect headers, de-identify them to PS3.15, verify what is left."""

from __future__ import annotations

from medlab.dicom.codes import owner
from medlab.dicom.cohort import cohort_table
from medlab.dicom.compared_elements import Finding
from medlab.dicom.dates import shift_date
from medlab.dicom.declarations import claim
from medlab.dicom.deidentify import deidentify
from medlab.dicom.files import find_files, is_dicom, parse, read, to_bytes
from medlab.dicom.identity import identity_of, normalize
from medlab.dicom.own_rules import lay_over
from medlab.dicom.profile import EDITION, OPTIONS, Plan, plan
from medlab.dicom.tags import (
    dictionary,
    inspect_to,
    kept_text,
    matching,
    search_dictionary,
    standard_says,
    tag_table,
)
from medlab.dicom.verify import verify, verify_dataset, verify_file

__all__ = [
    "EDITION",
    "OPTIONS",
    "Finding",
    "Plan",
    "claim",
    "cohort_table",
    "deidentify",
    "dictionary",
    "find_files",
    "identity_of",
    "inspect_to",
    "is_dicom",
    "kept_text",
    "lay_over",
    "matching",
    "normalize",
    "owner",
    "parse",
    "plan",
    "read",
    "search_dictionary",
    "shift_date",
    "standard_says",
    "tag_table",
    "to_bytes",
    "verify",
    "verify_dataset",
    "verify_file",
]
