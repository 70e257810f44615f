"""The elements of a file, filtered while typing; for one of them, what the standard says."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import pandas as pd
from pydicom import Dataset

from medlab import dicom
from medlab.dicom.profile import EDITION
from medlab.dicom.safe_harbor import KINDS
from medlab.dicom.tags import SEARCHED
from medlab.errors import InputError
from medlab.widgets.interactive import InteractiveWidget

_REVEALED = 30  # seconds after which values are masked again
_LISTED = ["path", "vr", "name", "value", "concern"]
_IN_PAGE = 25  # rows of the table below the card
_WIDTHS = (16, 3, 36, 24)  # characters for tag, VR, name and value in the list


def tag_explorer(
    files: Sequence[Path | str | Dataset] | Path | str | Dataset, *, start: int = 1
) -> InteractiveWidget:
    """Return an interactive widget that filters the elements of files and explains each.

    Parameters
    ----------
    files : path, Dataset, or sequence of these
        DICOM files; a file is chosen by its number, since its name may name the patient.
    start : int
        The file shown first, counted from 1.

    Returns
    -------
    InteractiveWidget
        Values are masked; where they are shown on demand, for `_REVEALED` seconds and for
        this file only.

    Raises
    ------
    InputError
        If there is no file.
    """
    sources = [files] if isinstance(files, Path | str | Dataset) else list(files)
    if not sources:
        raise InputError("there is no file to explore; give at least one")
    return _Explorer(sources, start).widget


class _Explorer:
    """The controls of `tag_explorer` and what each does to the others."""

    def __init__(self, sources: list[Path | str | Dataset], start: int) -> None:
        self.table = lru_cache(maxsize=8)(
            lambda number, reveal: dicom.tag_table(sources[number - 1], reveal=reveal)
        )
        last = len(sources)
        self.file = ipw.BoundedIntText(start, min=1, max=last, description=f"file, 1 to {last}")
        self.find = ipw.Text(description="find", placeholder="birth, 0010, PN, free text")
        self.where = ipw.Dropdown(options=list(SEARCHED), description="in")
        self.concern = ipw.Checkbox(True, description="only flagged", indent=False)
        self.reveal = ipw.Checkbox(
            False, description=f"show values for {_REVEALED} seconds", indent=False
        )
        self.row = ipw.Select(description="element", rows=10)
        self.row.add_class("medlab-list")
        self._masking: asyncio.TimerHandle | None = None
        self.offer()
        for control in (self.file, self.find, self.where, self.concern, self.reveal):
            control.observe(self.offer, names="value")
        self.file.observe(self.mask, names="value")
        self.reveal.observe(self.mask_later, names="value")
        names = ("file", "find", "where", "concern", "reveal", "row")
        controls = {name: getattr(self, name) for name in names}
        self.widget = InteractiveWidget("Tag explorer", controls, self.draw)

    def rows(self) -> pd.DataFrame:
        """Return the elements that fit the filter."""
        table = self.table(self.file.value, self.reveal.value)
        fits = dicom.matching(table, self.find.value.strip(), self.where.value)
        return fits[fits["concern"] != ""] if self.concern.value else fits

    def offer(self, _: Any = None) -> None:
        """List what fits; the element chosen before stays chosen, if it still fits."""
        before, rows = self.row.value, self.rows()
        self.row.options = [(_line(row), index) for index, row in rows.iterrows()]
        names = rows.index[rows["keyword"] == "PatientName"]
        wished = [before] if before in rows.index else [*names, *rows.index]
        self.row.value = wished[0] if wished else None

    def draw(self, row: int | None, **_: Any) -> str:
        """Return the card of the element chosen, and the table of all that fit."""
        table, fits = self.table(self.file.value, self.reveal.value), self.rows()
        counted = f"{len(fits)} of {len(table)} elements"
        if row is None or row >= len(table):
            return f"<p>{counted}: no element fits; change what is looked for.</p>"
        chosen: pd.Series = table.iloc[row]
        card = _card(chosen, dicom.standard_says(_number(chosen["tag"]), chosen["creator"]))
        listed = fits[_LISTED].head(_IN_PAGE).to_html(index=False, border=0, justify="left")
        return f"{card}<details><summary>{counted}, as a table</summary>{listed}</details>"

    def mask(self, _: Any = None) -> None:
        """Mask the values again."""
        self.reveal.value = False

    def mask_later(self, _: Any) -> None:
        """Let shown values be masked again after a while."""
        if self._masking is not None:
            self._masking.cancel()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a script: nobody looks on
            return
        self._masking = loop.call_later(_REVEALED, self.mask) if self.reveal.value else None


def _number(tag: str) -> int:
    return int(tag[1:5] + tag[6:10], 16)


def _line(row: pd.Series) -> str:
    """Return an element as a line of a list in type of one width."""
    nested = "· " * int(row["level"]) + row["tag"]
    cells = (nested, row["vr"], row["name"], row["value"])
    line = " ".join(f"{cell:{w}.{w}}" for cell, w in zip(cells, _WIDTHS, strict=True))
    return f"{line} {row['concern']}".replace(" ", "\u00a0")


def _card(row: pd.Series, says: pd.DataFrame) -> str:
    """Return one element of a file as HTML: what it is, what it says, what the standard asks.

    Parameters
    ----------
    row : Series
        A row of a tag table.
    says : DataFrame
        Of `dicom.standard_says`, for the same tag.

    Returns
    -------
    str
        HTML of two tables.
    """
    number = int(row["hipaa"])
    facts = {
        "path": row["path"],
        "VR, values": f"{row['vr']}, {row['vm']}",
        "keyword": row["keyword"] or "none",
        "private creator": row["creator"],
        "value": row["value"] or "(empty)",
        "flagged for": row["concern"] or "nothing found",
        "HIPAA identifier": f"{number} of 18: {KINDS[number].short}"
        if number
        else "none of the 18",
        "found in it": row["finding"],
    }
    description = pd.Series({name: text for name, text in facts.items() if text}).to_frame()
    actions = (
        says.to_html(index=False, border=0, justify="left")
        if len(says)
        else "<p>Table E.1-1 does not list it: no action is prescribed.</p>"
    )
    return (
        f"<h5>{html.escape(row['tag'])} {html.escape(row['name'])}</h5>"
        '<div style="display: flex; flex-wrap: wrap; gap: 0 3em">'
        f"<div>{description.to_html(header=False, border=0)}</div>"
        f"<div><b>PS3.15 {EDITION} asks</b>{actions}</div></div>"
    )
