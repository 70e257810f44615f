"""Look at many files: what stands in their pixels, as a table and as contact sheets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pydicom.dataset import Dataset

from medlab.dicom.files import find_files, quiet_pydicom, read
from medlab.errors import InputError, MedlabError, RefusedError, usable
from medlab.pixels import box_review, cleaning, decide, effects, frames, recipe
from medlab.pixels.decide import Decision

_TEXTY = ("US", "CT", "DX", "CR", "MG", "XA", "RF", "MR", "OT", "NM", "PT")


class _Look(NamedTuple):
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
    overwrite: bool = False,
) -> Iterator[_Look]:
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
    overwrite : bool
        Write over a table or sheets that are there.

    Yields
    ------
    Look
        One a DICOM file, in the order of their paths. A file that cannot be checked is told
        with its problem, and the others follow.

    Raises
    ------
    InputError
        If there is no such file or folder, or no DICOM file in it.
    RefusedError
        If the table or the sheets are there already, or would go into the source.
    """
    rules = recipe.load(recipe_file) if recipe_file else []
    folder = source if source.is_dir() else source.parent
    for path in (table, sheets):
        _check_place(path, source, overwrite)
    if sheets is not None:
        sheets.mkdir(mode=0o700, parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    number = 0
    for number, path in enumerate(find_files(source), start=1):
        try:
            with quiet_pydicom():
                dataset, decisions = _looked_at(path, policy, rules)
                if sheets is not None and decisions:
                    _draw(sheets / f"{number}.png", dataset, decisions)
        except MedlabError as error:
            yield _Look(number, 0, 0, str(error))
            continue
        rows += box_review.rows(path.relative_to(folder).as_posix(), decisions)
        removed = sum(len(one.boxes) for one in decisions if one.remove)
        yield _Look(number, removed, sum(len(one.boxes) for one in decisions) - removed)
    if not number:
        raise InputError("the folder holds no DICOM file; check the path")
    if table is not None:
        box_review.write_table(table, rows)


def _check_place(path: Path | None, source: Path, overwrite: bool) -> None:
    if path is None:
        return
    if source.resolve() in path.resolve().parents or path.resolve() == source.resolve():
        raise RefusedError("the table and the sheets hold identifiers; put them outside of SRC")
    filled = any(path.iterdir()) if path.is_dir() else path.exists()
    if filled and not overwrite:
        raise RefusedError("the table or the folder of sheets exists; name another or --overwrite")


def examples(folder: Path, count: int = 3, passed: dict[int, str] | None = None) -> list[Dataset]:
    """Return single-frame images of different modalities, those with text by custom first.

    Parameters
    ----------
    folder : Path
        All DICOM files in it are considered, one a modality.
    count : int
        How many at most.
    passed : dict of int to str, optional
        Is filled with the files that cannot be read or decoded: number in the listing, why.

    Raises
    ------
    InputError
        If there is no image with one frame.
    """
    found: dict[str, Dataset] = {}
    list(usable(find_files(folder), partial(_keep_example, found=found), passed))
    if not found:
        raise InputError(
            "no image with a single frame in this folder can be decoded; give one that holds some"
        )
    return [found[name] for name in _TEXTY if name in found][:count]


def _keep_example(path: Path, found: dict[str, Dataset]) -> None:
    dataset = read(path)
    with quiet_pydicom():
        modality = str(dataset.get("Modality", ""))
        single = int(dataset.get("NumberOfFrames") or 1) == 1 and "Rows" in dataset
        if modality in _TEXTY and modality not in found and single:
            box_review.picture(dataset)  # or it cannot be decoded
            found[modality] = dataset


def _looked_at(path: Path, policy: str, rules: Any) -> tuple[Dataset, list[Decision]]:
    dataset = read(path)
    if not any(name in dataset for name in frames.KEYWORDS):
        raise RefusedError("the object has no pixels; other text in it was not looked at")
    words = decide.identity_words(dataset)
    return dataset, cleaning.find_text(dataset, words, policy=policy, rules=rules)


def _draw(path: Path, dataset: Dataset, decisions: list[Decision]) -> None:
    boxes = cleaning.boxes_of(decisions, frames.layout(dataset))
    box_review.contact_sheet(path, dataset, decisions, effects.fill(dataset, boxes))
