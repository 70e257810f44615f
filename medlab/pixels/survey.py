"""Look at many files: what stands in their pixels, as a table and as contact sheets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pydicom
from pydicom.dataset import Dataset
from pydicom.misc import is_dicom

from medlab.errors import InputError, MedlabError, RefusedError
from medlab.pixels import cleaning, decide, frames, mask, recipe, review
from medlab.pixels.decide import Decision

_TEXTY = ("US", "CT", "DX", "CR", "MG", "XA", "RF", "MR", "OT", "NM", "PT")


class Look(NamedTuple):
    """What one file gave: its number in the folder, counts of boxes, and why it failed."""

    number: int
    removed: int
    kept: int
    problem: str = ""


def look(
    source: Path,
    *,
    policy: str = "allow",
    recipe_file: Path | None = None,
    table: Path | None = None,
    sheets: Path | None = None,
) -> Iterator[Look]:
    """Look for text in a DICOM file or in all of a folder, without changing anything.

    Parameters
    ----------
    source : Path
    policy : {"allow", "match"}
    recipe_file : Path, optional
        Device rules; see `recipe.load`.
    table, sheets : Path, optional
        Where the table of boxes and the folder of contact sheets go. Both hold identifiers
        and are readable by their owner only.

    Yields
    ------
    Look
        One a DICOM file, in the order of their paths. A file that cannot be checked is told
        with its problem, and the others follow.

    Raises
    ------
    InputError
        If there is no such file or folder.
    """
    if not source.exists():
        raise InputError("there is no such file or folder")
    rules = recipe.load(recipe_file) if recipe_file else []
    paths = sorted(path for path in source.rglob("*") if path.is_file()) or [source]
    if sheets is not None:
        sheets.mkdir(mode=0o700, parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    folder = source if source.is_dir() else source.parent
    for number, path in enumerate(filter(is_dicom, paths), start=1):
        try:
            dataset, decisions = _looked_at(path, policy, rules)
            if sheets is not None and decisions:
                _draw(sheets / f"{number}.png", dataset, decisions)
        except MedlabError as error:
            yield Look(number, 0, 0, str(error))
            continue
        rows += review.rows(path.relative_to(folder).as_posix(), decisions)
        removed = sum(len(one.boxes) for one in decisions if one.remove)
        yield Look(number, removed, sum(len(one.boxes) for one in decisions) - removed)
    if table is not None:
        review.write_table(table, rows)


def examples(folder: Path, count: int = 3) -> list[Dataset]:
    """Return single-frame images of different modalities, those with text by custom first.

    Parameters
    ----------
    folder : Path
        All DICOM files in it are considered, one a modality.
    count : int
        How many at most.

    Raises
    ------
    InputError
        If there is no image with one frame.
    """
    found: dict[str, Dataset] = {}
    for path in filter(is_dicom, sorted(path for path in folder.rglob("*") if path.is_file())):
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        modality = str(header.get("Modality", ""))
        single = int(header.get("NumberOfFrames") or 1) == 1 and "Rows" in header
        if modality in _TEXTY and modality not in found and single:
            found[modality] = pydicom.dcmread(path)
    if not found:
        raise InputError("the folder holds no image with a single frame")
    return [found[name] for name in _TEXTY if name in found][:count]


def _looked_at(path: Path, policy: str, rules: Any) -> tuple[Dataset, list[Decision]]:
    try:
        dataset = pydicom.dcmread(path)
    except Exception:  # noqa: BLE001 - hostile files fail in any way; their words may hold values
        raise InputError("the file cannot be read as DICOM") from None
    if not any(name in dataset for name in frames.KEYWORDS):
        raise RefusedError("the object has no pixels; other text in it was not looked at")
    words = decide.identity_words(dataset)
    return dataset, cleaning.find_text(dataset, words, policy=policy, rules=rules)


def _draw(path: Path, dataset: Dataset, decisions: list[Decision]) -> None:
    boxes = cleaning.boxes_of(decisions, frames.layout(dataset))
    review.contact_sheet(path, dataset, decisions, mask.fill(dataset, boxes))
