"""What a person looks at before boxes are filled: a table to edit and a sheet of pictures.

Both show patients' values and belong into a private folder.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydicom.dataset import Dataset

from medlab.disk import appearing
from medlab.errors import InputError, UsageError
from medlab.pixels import detect, frames
from medlab.pixels.decide import Decision
from medlab.pixels.mask import Box

COLUMNS = ("file", "x0", "y0", "x1", "y1", "decision", "reason", "text", "score", "frame")
DECISIONS = ("remove", "keep")


def rows(file: str, decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return one row a box for a file's decisions; an empty one for a file without text."""
    found = [
        {
            "file": file,
            **box._asdict(),
            "decision": "remove" if one.remove else "keep",
            "reason": one.reason,
            "text": one.word.text if one.word else "",
            "score": f"{one.word.score:.2f}" if one.word else "",
            "frame": one.word.frame if one.word else "",
        }
        for one in decisions
        for box in one.boxes
    ]
    return found or [{"file": file, "reason": "no text found"}]


def write_table(path: str | Path, table: Iterable[dict[str, Any]]) -> None:
    """Write the table, readable by its owner only.

    Cells that a spreadsheet would take for a formula get an apostrophe before them.
    """
    with (
        appearing(Path(path), 0o600) as part,
        part.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        for row in table:
            text = str(row.get("text", ""))
            formula = text.startswith(("=", "+", "-", "@", "\t"))
            writer.writerow({**row, "text": f"'{text}" if formula else text})


def read_table(path: str | Path) -> dict[str, list[Box]]:
    """Return the boxes to fill of each file in an edited table; a file may have none.

    Rows may be added (only file, box and decision count), dropped, or set to ``keep``.

    Raises
    ------
    InputError
        If the table cannot be read, or a row has no box or decision; the row is named by
        its number.
    """
    approved: dict[str, list[Box]] = {}
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as stream:
            for number, row in enumerate(csv.DictReader(stream), start=2):
                _take(row, number, approved)
    except (OSError, UnicodeDecodeError, csv.Error):
        raise InputError("the review table cannot be read as CSV") from None
    return approved


def _take(row: dict[str, Any], number: int, approved: dict[str, list[Box]]) -> None:
    decision = (row.get("decision") or "").strip().lower()
    try:
        boxes = approved.setdefault(row["file"].strip(), [])
        if not any(row.get(name) for name in ("x0", "y0", "x1", "y1")) and not decision:
            return  # a file in which nothing is to be filled
        box = Box(*(int(row[name]) for name in ("x0", "y0", "x1", "y1")))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise InputError(f"line {number} of the review table has no file or no box") from None
    if decision not in DECISIONS:
        raise InputError(f"line {number} of the review table says neither remove nor keep")
    if decision == "remove":
        boxes.append(box)


def picture(dataset: Dataset, frame: int = 0) -> detect.Image:
    """Return one frame as the recognizer sees it, gray or RGB, 0 to 255."""
    form = frames.layout(dataset)
    stored = next(frames.stored_frames(dataset, form, [min(frame, form.frames - 1)]))
    return detect.rendering(frames.displayed(dataset, form, stored))


def contact_sheet(
    path: str | Path, before: Dataset, decisions: Sequence[Decision], after: Dataset
) -> None:
    """Write a PNG: the image before, the boxes with their reasons, the image after.

    Readable by its owner only.
    """
    from medlab.pixels.sheet import draw_sheet

    frame = _frame(decisions)
    sheet = draw_sheet(picture(before, frame), decisions, picture(after, frame))
    with appearing(Path(path), 0o600) as part:
        sheet.save(part, "PNG")


def _frame(decisions: Sequence[Decision]) -> int:
    """Return the frame in which most of the text was read."""
    read = [one.word.frame for one in decisions if one.word and one.word.frame >= 0]
    return max(read, key=read.count, default=0)


def approve(
    table: str | Path,
    approved: str | Path,
    *,
    accept: Iterable[str] = (),
    add: Iterable[tuple[str, Box]] = (),
    drop: Iterable[int] = (),
) -> int:
    """Write the table of boxes a person approved from the proposed one; return its files.

    Parameters
    ----------
    table, approved : path
        The proposal, and what is approved. A file that was approved before keeps its rows
        unless it is named again.
    accept : iterable of str
        Names of files (first column) whose boxes are accepted as they stand in `table`;
        ``"all"`` for every file.
    add : iterable of (str, Box)
        Boxes to fill besides.
    drop : iterable of int
        Lines of `table` (the header is line 1) not to fill after all.

    Raises
    ------
    InputError
        If the table cannot be read, or a file or line is not in it.
    """
    proposed, added, dropped = _lines(table), list(add), set(drop)
    names = {row["file"] for row in proposed.values()}
    if not dropped <= set(proposed):
        raise InputError("a line to drop is not in the review table")
    chosen = names if "all" in (accept := set(accept)) else accept
    chosen = chosen | {name for name, _ in added} | {proposed[line]["file"] for line in dropped}
    if not chosen <= names:
        raise InputError("a file to accept or add to is not in the review table")
    earlier = _lines(approved) if Path(approved).exists() else {}
    rows_ = [row for row in earlier.values() if row["file"] not in chosen]
    for line, row in proposed.items():
        if row["file"] in chosen:
            rows_.append({**row, "decision": "keep"} if line in dropped else row)
    rows_ += [
        {"file": name, **box._asdict(), "decision": "remove", "reason": "added", "text": ""}
        for name, box in added
    ]
    write_table(approved, rows_)
    return len(read_table(approved))


def parse_addition(text: str) -> tuple[str, Box]:
    """Return file and box of a text such as ``7:0,0,640,40``.

    Raises
    ------
    UsageError
        If it is not so written.
    """
    name, _, numbers = text.rpartition(":")
    try:
        return name, Box(*(int(part) for part in numbers.split(",")))
    except (TypeError, ValueError):
        raise UsageError("a box to add is written ROW:X0,Y0,X1,Y1") from None


def _lines(path: str | Path) -> dict[int, dict[str, Any]]:
    """Return the rows of a table by line, the header being line 1."""
    read_table(path)  # refuses what is no review table
    with Path(path).open(newline="", encoding="utf-8-sig") as stream:
        rows_ = csv.DictReader(stream)
        return {
            line: {name: row.get(name) or "" for name in COLUMNS}
            for line, row in enumerate(rows_, start=2)
        }


def as_table(decisions: Sequence[Decision], *, reveal: bool = False) -> pd.DataFrame:
    """Return what was found as a table: text (masked unless `reveal`), score, decision, reason."""
    return pd.DataFrame(
        {
            "text": [
                (one.word.text if reveal else "***") if one.word else "" for one in decisions
            ],
            "score": [round(one.word.score, 2) if one.word else None for one in decisions],
            "decision": ["remove" if one.remove else "keep" for one in decisions],
            "reason": [one.reason for one in decisions],
        }
    )
