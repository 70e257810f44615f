"""Released cells read back, from a DataFrame or from the text of a CSV file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from medlab.arrays import Floats
from medlab.errors import InputError
from medlab.tabular.counts import distinct_cells

# [20, 30], and as others write it: [20, 30), [20, 30[, (20, 30]
_INTERVAL = re.compile(r"([\[(\]])\s*(.+?)\s*,\s*(.+?)\s*([\])\[])")
# 20-29; 90+ and >=90; <20; 81*** for the numbers that begin so
_RANGE = re.compile(r"(\d+(?:\.\d+)?)\s*[-\u2013]\s*(\d+(?:\.\d+)?)")
_FROM = re.compile(r"(?:>=|\u2265)\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\+")
_BELOW = re.compile(r"<\s*(\d+(?:\.\d+)?)")
_MASK = re.compile(r"(\d+)(\*+)")
_MONTH = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])")
_OPEN = 1e-6  # of an interval's width lies between an open end and what belongs to it
_LABEL = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,]*)\s*(?:,|$)')


def bounds(column: pd.Series[Any]) -> tuple[Floats, Floats]:
    """Return the lower and upper ends of released numbers or dates.

    Parameters
    ----------
    column : Series
        Numbers, dates, intervals, or their text such as ``[20, 30]``; also ``[20, 30)`` and
        ``[20, 30[``, ``20-29``, ``90+``, ``>=90``, ``<20``, ``2024-03``, and ``81***`` for the
        numbers that begin so.

    Returns
    -------
    low, high : float arrays, shape (rows,)
        Equal for a single value; NaN for missing, suppressed and other cells. Dates are
        seconds since 1970. An open end lies a millionth of the width inside; one that
        is not given is infinite.
    """
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return values, values.copy()
    codes, cells = distinct_cells(column)
    ends = np.array([_ends(cell) for cell in cells], dtype=np.float64).reshape(-1, 2)
    return ends[codes, 0], ends[codes, 1]


def _ends(cell: Any) -> tuple[float, float]:
    if isinstance(cell, pd.Interval):
        ends = _number(cell.left), _number(cell.right)
        return _without_open_ends(*ends, cell.open_left, cell.open_right)
    if not isinstance(cell, str):
        return _number(cell), _number(cell)
    if match := _INTERVAL.fullmatch(cell):
        opening, first, second, closing = match.groups()
        ends = _number(first), _number(second)
        return _without_open_ends(*ends, opening != "[", closing != "]")
    if (match := _RANGE.fullmatch(cell)) and float(match[1]) <= float(match[2]):
        return float(match[1]), float(match[2])
    if match := _MASK.fullmatch(cell):
        first, second = (float(match[1] + digit * len(match[2])) for digit in "09")
        return first, second
    if _MONTH.fullmatch(cell):
        month = pd.Period(cell, "M")
        return _seconds(month.start_time), _seconds(month.end_time)
    if match := _FROM.fullmatch(cell):
        return float(match[1] or match[2]), np.inf
    if match := _BELOW.fullmatch(cell):
        return -np.inf, float(np.nextafter(float(match[1]), -np.inf))
    return _number(cell), _number(cell)


def _without_open_ends(
    low: float, high: float, open_low: bool, open_high: bool
) -> tuple[float, float]:
    inside = (high - low) * _OPEN
    return low + inside * open_low, high - inside * open_high


def _number(value: Any) -> float:
    """Return a number or date as a float; NaN for what is neither."""
    for read in (float, _seconds):
        try:
            return read(value)
        except (TypeError, ValueError):
            continue
    return np.nan


def _seconds(value: Any) -> float:
    moment = pd.Timestamp(value)
    return np.nan if pd.isna(moment) else moment.timestamp()


def labels(cell: Any) -> frozenset[str]:
    """Return the labels that one released cell allows.

    Raises
    ------
    InputError
        If a text in braces is no list of labels.
    """
    if isinstance(cell, frozenset | set):
        return frozenset(map(str, cell))
    if not isinstance(cell, str):
        return frozenset() if pd.isna(cell) else frozenset({str(cell)})
    if cell == "*":
        return frozenset()
    if not (cell.startswith("{") and cell.endswith("}")):
        return frozenset({cell})
    parts = [match.group(1).strip() for match in _LABEL.finditer(cell[1:-1]) if match.group(0)]
    try:
        return frozenset(json.loads(part) if part[:1] == '"' else part for part in parts)
    except json.JSONDecodeError as error:
        raise InputError("a cell in braces is not a list of labels; write {a, b}") from error


def range_text(release_table: pd.DataFrame, quasi: Sequence[str]) -> pd.DataFrame:
    """Return released cells as text, as they stand in a CSV file.

    Intervals are ``[20, 30]``, sets ``{F, M}``, dates without a time of day; missing
    cells are empty.
    """
    text = {}
    for name in quasi:
        codes, cells = distinct_cells(release_table[name])
        text[name] = np.array([_cell_text(cell) for cell in cells], dtype=object)[codes]
    return pd.DataFrame(text, index=release_table.index)


def _cell_text(cell: Any) -> str:
    """Return one released cell as text."""
    if isinstance(cell, pd.Interval):
        return f"[{_cell_text(cell.left)}, {_cell_text(cell.right)}]"
    if isinstance(cell, frozenset):
        return str(cell)
    if pd.isna(cell):
        return ""
    return str(cell).removesuffix(" 00:00:00")
