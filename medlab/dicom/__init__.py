"""DICOM: inspect headers, de-identify them to PS3.15, verify what is left."""

from __future__ import annotations

from medlab.dicom.codes import keyed_code, owner, patient_code
from medlab.dicom.cohort import cohort_table
from medlab.dicom.dates import coarsen_age, offset_days, shift_date, shift_datetime
from medlab.dicom.declarations import claim
from medlab.dicom.deidentify import Action, deidentify
from medlab.dicom.files import find_files, is_dicom, is_dicomdir, parse, read, to_bytes
from medlab.dicom.identity import Identity, identity_of, normalize
from medlab.dicom.inspection import inspect_to, matching
from medlab.dicom.own_rules import lay_over
from medlab.dicom.profile import EDITION, OPTIONS, POLICIES, Plan, Rule, load_profile, plan
from medlab.dicom.tags import (
    concern_counts,
    dictionary,
    directory_records,
    folder_tables,
    kept_text,
    search_dictionary,
    standard_says,
    tag_table,
)
from medlab.dicom.text import Search, clean
from medlab.dicom.uids import replace_uid
from medlab.dicom.verify import LIMITS, Finding, plan_of, verify, verify_dataset, verify_file

__all__ = [
    "EDITION",
    "LIMITS",
    "OPTIONS",
    "POLICIES",
    "Action",
    "Finding",
    "Identity",
    "Plan",
    "Rule",
    "Search",
    "claim",
    "clean",
    "coarsen_age",
    "cohort_table",
    "concern_counts",
    "deidentify",
    "dictionary",
    "directory_records",
    "find_files",
    "folder_tables",
    "identity_of",
    "inspect_to",
    "is_dicom",
    "is_dicomdir",
    "kept_text",
    "keyed_code",
    "lay_over",
    "load_profile",
    "matching",
    "normalize",
    "offset_days",
    "owner",
    "parse",
    "patient_code",
    "plan",
    "plan_of",
    "read",
    "replace_uid",
    "search_dictionary",
    "shift_date",
    "shift_datetime",
    "standard_says",
    "tag_table",
    "to_bytes",
    "verify",
    "verify_dataset",
    "verify_file",
]
