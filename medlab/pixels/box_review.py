"""What a person looks at before boxes are filled: a table to edit and a sheet of pictures.

Both show patients' values and belong into a private folder. `look` makes them for many files.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from medlab.arrays import Array
from medlab.dicom.element_texts import frame_count
from medlab.dicom.files import find_files, quiet_pydicom, read
from medlab.dicom.identity import identity_words
from medlab.disk import appearing
from medlab.errors import InputError, MedlabError, RefusedError, usable
from medlab.pixels import decide, detect, effects, frames
from medlab.pixels.cleaning import find_text
from medlab.pixels.decide import Decision
from medlab.pixels.effects import Box, font_path

if TYPE_CHECKING:
    import pandas as pd

# In the order in which examples are shown: those with text by custom first.
_TEXTY = ("US", "CT", "DX", "CR", "MG", "XA", "RF", "MR", "OT", "NM", "PT")
COLUMNS = ("file", "x0", "y0", "x1", "y1", "decision", "reason", "text", "score", "frame")
_DECISIONS = ("remove", "keep")
_REMOVE, _KEEP = (213, 94, 0), (86, 180, 233)  # vermilion, sky blue (Okabe and Ito)
_LONGEST = 900


def rows(file: str, decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return one row a box for a file's decisions; an empty one for a file without text."""
    found = [
        {
            "file": file,
            **box._asdict(),
            "decision": "remove" if decision.remove else "keep",
            "reason": decision.reason,
            "text": decision.word.text if decision.word else "",
            "score": f"{decision.word.score:.2f}" if decision.word else "",
            "frame": decision.word.frame if decision.word else "",
        }
        for decision in decisions
        for box in decision.boxes
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
    if decision not in _DECISIONS:
        raise InputError(f"line {number} of the review table says neither remove nor keep")
    if decision == "remove":
        boxes.append(box)


def picture(dataset: Dataset, frame: int = 0, *, like: Dataset | None = None) -> detect.Image:
    """Return one frame as the recognizer sees it, gray or RGB, 0 to 255.

    With `like`, in the window from that image's least to its largest value instead: two
    pictures in one window have equal grays where their stored values are equal.
    """
    shown = _displayed(dataset, frame)
    if like is None:
        return detect.rendering(shown)
    return frames.window(shown, *frames.bright_range(_displayed(like, frame)))


def _displayed(dataset: Dataset, frame: int) -> Array:
    form = frames.layout(dataset)
    stored = next(frames.stored_frames(dataset, form, [min(frame, form.frames - 1)]))
    return frames.displayed(dataset, form, stored)


def contact_sheet(
    path: str | Path, before: Dataset, decisions: Sequence[Decision], after: Dataset
) -> None:
    """Write a PNG: the image before, the boxes with their reasons, the image after.

    Readable by its owner only.
    """
    frame = _frame(decisions)
    sheet = _draw_sheet(picture(before, frame), decisions, picture(after, frame))
    with appearing(Path(path), 0o600) as part:
        sheet.save(part, "PNG")


def _draw_sheet(before: detect.Image, decisions: Sequence[Decision], after: detect.Image) -> Any:
    """Return a Pillow image of three panels; removed boxes are crossed, kept ones open."""
    from PIL import Image as Pillow

    panels = [_panel(before), _marked(before, decisions), _panel(after)]
    scale = min(1.0, _LONGEST / max(panels[0].size))
    size = tuple(max(1, round(side * scale)) for side in panels[0].size)
    sheet = Pillow.new("RGB", (3 * size[0] + 20, size[1]), "white")
    for index, panel in enumerate(panels):
        sheet.paste(panel.resize(size), (index * (size[0] + 10), 0))
    return sheet


def _marked(picture: detect.Image, decisions: Sequence[Decision]) -> Any:
    """Return a Pillow image with the boxes of the decisions and the reasons beside them."""
    from PIL import ImageDraw, ImageFont

    panel = _panel(picture)
    draw = ImageDraw.Draw(panel)
    font = ImageFont.truetype(font_path(), max(10, panel.size[1] // 50))
    taken = [box for decision in decisions for box in decision.boxes if decision.word]
    for decision in decisions:
        color = _REMOVE if decision.remove else _KEEP
        for x0, y0, x1, y1 in decision.boxes:
            draw.rectangle((x0, y0, x1, y1), outline=color, width=2)
            if decision.remove:
                draw.line((x0, y0, x1, y1), fill=color, width=1)
    read = {id(decision): decision for decision in decisions if decision.remove and decision.word}
    ruled = {
        decision.reason: decision
        for decision in decisions
        if decision.remove and not decision.word
    }  # once each
    for decision in [*read.values(), *ruled.values()]:
        taken.append(_label(draw, decision.reason, decision.boxes[0], font, taken))
    return panel


def _label(draw: Any, text: str, box: Box, font: Any, taken: Sequence[Box]) -> Box:
    """Write beside a box where it covers nothing, if there is such a place; return where."""
    wide, high = int(font.getlength(text)) + 4, int(font.size) + 2
    middle = (box.y0 + box.y1 - high) // 2
    places = [(box.x1 + 2, middle), (box.x0 - wide - 2, middle)]
    places += [(box.x0, box.y1 + 1), (box.x0, box.y0 - high - 1), (box.x0 + 2, middle)]
    columns, rows = draw.im.size
    for x, y in places:
        spot = Box(x, y, x + wide, y + high)
        inside = min(x, y) >= 0 and spot.x1 <= columns and spot.y1 <= rows
        if inside and not any(spot.meets(other) for other in taken):
            draw.rectangle(spot, fill=(0, 0, 0))
            draw.text((x + 2, y + high / 2), text, fill=_REMOVE, font=font, anchor="lm")
            return spot
    return Box(0, 0, 0, 0)


def _panel(picture: detect.Image) -> Any:
    from PIL import Image as Pillow

    return Pillow.fromarray(np.ascontiguousarray(picture)).convert("RGB")


def _frame(decisions: Sequence[Decision]) -> int:
    """Return the frame in which most of the text was read."""
    read = [
        decision.word.frame for decision in decisions if decision.word and decision.word.frame >= 0
    ]
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
    import pandas as pd

    return pd.DataFrame(
        {
            "text": [
                (decision.word.text if reveal else "***") if decision.word else ""
                for decision in decisions
            ],
            "score": [
                round(decision.word.score, 2) if decision.word else None for decision in decisions
            ],
            "decision": ["remove" if decision.remove else "keep" for decision in decisions],
            "reason": [decision.reason for decision in decisions],
        }
    )


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
        Device rules; see `decide.load_recipe`.
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
    rules = decide.load_recipe(recipe_file) if recipe_file else []
    folder = source if source.is_dir() else source.parent
    for path in (table, sheets):
        _check_place(path, source, overwrite)
    if sheets is not None:
        sheets.mkdir(mode=0o700, parents=True, exist_ok=True)
    found: list[dict[str, Any]] = []
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
        found += rows(path.relative_to(folder).as_posix(), decisions)
        removed = sum(len(one.boxes) for one in decisions if one.remove)
        yield _Look(number, removed, sum(len(one.boxes) for one in decisions) - removed)
    if not number:
        raise InputError("the folder holds no DICOM file; check the path")
    if table is not None:
        write_table(table, found)


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
        single = frame_count(dataset) == 1 and "Rows" in dataset
        if modality in _TEXTY and modality not in found and single:
            picture(dataset)  # or it cannot be decoded
            found[modality] = dataset


def _looked_at(path: Path, policy: str, rules: Any) -> tuple[Dataset, list[Decision]]:
    dataset = read(path)
    if not any(name in dataset for name in frames.KEYWORDS):
        raise RefusedError("the object has no pixels; other text in it was not looked at")
    words = identity_words(dataset)
    return dataset, find_text(dataset, words, policy=policy, rules=rules)


def _draw(path: Path, dataset: Dataset, decisions: list[Decision]) -> None:
    boxes = decide.boxes_of(decisions, frames.layout(dataset))
    contact_sheet(path, dataset, decisions, effects.fill(dataset, boxes))
