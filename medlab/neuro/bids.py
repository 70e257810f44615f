"""Names of a BIDS tree: what the specification itself says may stay, the rest gets codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import Any

Rename = Callable[[str], str]

ENDINGS = (".nii.gz", ".nii", ".json", ".bval", ".bvec", ".tsv")
#: Files at the root of a tree that are named as they are in every tree.
_FIXED = ("participants.tsv", "participants.json", "dataset_description.json")
_PART = re.compile(r"([a-z]+)-([0-9A-Za-z+]+)")
_MOST_RUNS = 3  # digits of a run, echo or other index; more may be a date or a record number


@cache
def schema() -> dict[str, Any]:
    """Return entities, data types, suffixes, words and sidecar keys of the BIDS schema.

    Besides, under ``scanner``, other sidecar keys that may stay: numbers and enumerated words on
    scanner settings.
    """
    folder = files("medlab.neuro").joinpath("data")
    standard = json.loads(folder.joinpath("bids-1.11.2.json").read_text(encoding="utf-8"))
    scanner = frozenset(folder.joinpath("sidecar_keys.txt").read_text().split())
    return {**standard, "scanner": scanner}


@cache
def vocabulary() -> frozenset[str]:
    """Return all words that a name of BIDS may be made of, and those of files in general."""
    standard = schema()
    words = {word for words in standard["words"].values() for word in words}
    listed = {*standard["entities"], *standard["datatypes"], *standard["suffixes"], *words}
    endings = {word for ending in ENDINGS for word in ending.split(".")}
    return frozenset(listed | endings | {"participants", "dataset", "sourcedata", "nifti"})


def coded_part(part: str, code: Rename) -> str | None:
    """Return ``entity-value`` with a code for a value that is no word of BIDS.

    Parameters
    ----------
    part : str
        Such as ``sub-mueller``, ``run-2`` or ``acq-highres``.
    code : callable
        From a value to letters and digits. A subject or session always gets one.

    Returns
    -------
    str or None
        None if BIDS knows no such entity, or not with such a value.
    """
    match = _PART.fullmatch(part)
    form = schema()["entities"].get(match[1]) if match else None
    if match is None or form is None:
        return None
    entity, value = match.groups()
    if form != "label":
        fits = value.isdecimal() and len(value) <= _MOST_RUNS if form == "index" else value in form
        return part if fits else None
    return part if value in schema()["words"].get(entity, ()) else f"{entity}-{code(value)}"


def coded_path(path: PurePath, code: Rename) -> PurePath | None:
    """Return the path of a file in a BIDS tree with codes for what is no word of BIDS.

    Parameters
    ----------
    path : path
        Below the root (or below a subject's folder, as tables have it), such as
        ``sub-mueller/ses-1/anat/sub-mueller_ses-1_acq-highres_T1w.nii.gz``.
    code : callable
        See `coded_part`.

    Returns
    -------
    path or None
        None if this is no path that BIDS knows, letter by letter: then nothing of it may stay.

    Examples
    --------
    >>> coded_path(PurePath("anat/sub-mueller_T1w.nii"), lambda label: "c1").as_posix()
    'anat/sub-c1_T1w.nii'
    >>> coded_path(PurePath("anat/sub-mueller_T1w_MUELLER.nii"), lambda label: "c1")
    """
    if path.as_posix() in _FIXED:
        return path
    *folders, name = path.parts or ("",)
    stem, dot, ending = name.partition(".")
    *entities, suffix = stem.split("_")
    if suffix not in schema()["suffixes"] or dot + ending not in ENDINGS:
        return None
    if not all(part in schema()["datatypes"] or part[:4] in ("sub-", "ses-") for part in folders):
        return None
    places = [part if "-" not in part else coded_part(part, code) for part in folders]
    parts = [coded_part(part, code) for part in entities]
    coded = [part for part in (*places, *parts) if part is not None]
    if len(coded) < len(places) + len(parts):
        return None
    return type(path)(
        *coded[: len(places)], "_".join([*coded[len(places) :], suffix]) + dot + ending
    )
