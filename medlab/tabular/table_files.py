"""Table files: read as the text of every cell and its values, and written as they were read.

The one reader of tables, registers, control groups and hierarchies. A column holds numbers only
where each number is written in one way, so that what is released can be written as it was read.
Then releases as files: their cells as text, the order of their rows, spreadsheets.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from medlab.crypto import keyed_digest
from medlab.crypto.keys import keyed_order
from medlab.disk import appearing
from medlab.errors import InputError, RefusedError, UsageError, not_installed
from medlab.tabular.column_roles import counted_by
from medlab.tabular.release import Release
from medlab.tabular.released_cells import range_text

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
_MISSING = "."  # of SAS and Stata, in any column
_UNKNOWN = ("NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>")  # among numbers and dates
_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)?(?:\.\d*)?(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:,\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})?")  # 1,234: who wrote it knows which it is
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?")
_DICOM_DAY = re.compile(r"(?:1[89]|2[01])\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_DICOM_AGE = re.compile(r"(\d{3})([DWMY])")
_YEARS = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?")
# PS3.5 6.2. Such digits are a time only where the column says so: 101530 may be a number.
_DICOM_TIME = re.compile(r"([01]\d|2[0-3])(?:([0-5]\d)([0-5]\d(?:\.\d{1,6})?)?)?")
_GUARD = re.compile(r"^'(?=[=+@-])")  # keeps a spreadsheet from running the cell: `guard_cells`
_FORMULA = ("=", "+", "@", "-")  # a spreadsheet runs a cell that begins so and is no number
_NEARLY_ALL = 0.8  # of the cells of a column of labels are numbers: its writer meant numbers


class Kind(NamedTuple):
    """What a column was taken for.

    Attributes
    ----------
    kind : str
        "number", "number with a decimal comma", "date", "age in years", "hour of the day",
        "label", or the type of a Parquet column.
    missing : int
        Cells that are empty, a full stop or, among numbers and dates, a word such as NA.
    odd : int
        Cells of a column of labels that are no number where nearly all others are one.
    """

    kind: str
    missing: int
    odd: int = 0


@dataclass(frozen=True)
class TableFile:
    """A table as it was read.

    Attributes
    ----------
    table : DataFrame
        Numbers, dates and text.
    text : DataFrame
        Every cell as it stands in the file, missing where it is empty; of Parquet the table.
    kinds : dict of Kind
    separator : str
        "comma", "semicolon", "tab"; empty for Parquet.
    empty_lines : int
        Lines of separators only, which are nobody.
    """

    table: pd.DataFrame
    text: pd.DataFrame
    kinds: dict[str, Kind]
    separator: str = ""
    empty_lines: int = 0

    def warnings(self, names: Iterable[str]) -> list[str]:
        """Return a sentence for each column that nearly holds numbers, and does not."""
        sentences = []
        for name in self.kinds.keys() & set(names):
            kind, filled = self.kinds[name], int(self.text[name].notna().sum())
            if kind.odd:
                sentences.append(
                    f"column {name} is read as labels: {kind.odd} of {filled} cells are no "
                    "number, or a number written in two ways; write all of them as numbers "
                    "(90, not 90+) if it is to be cut into ranges"
                )
        return sentences


def read_file(path: Path, labels: Collection[str] = ()) -> TableFile:
    """Read a CSV (commas, semicolons or tabs) or Parquet file.

    A column holds numbers if every cell is one and none has leading zeros (postcodes are
    labels) or stands for a number that another cell writes otherwise (250.1 and 250.10 are two
    codes); dates if every cell is YYYY-MM-DD or a DICOM DA; years if every cell is a DICOM AS;
    hours if every cell is HH:MM, or a DICOM TM in a column called Time; else labels. Empty cells
    and full stops are missing; among numbers and dates so are words such as NA, which in a
    column of text are labels like any other.

    Parameters
    ----------
    path : Path
    labels : column names
        Labels whatever they look like, such as postcodes that a hierarchy has.

    Raises
    ------
    UsageError
        No such file.
    InputError
        Not a table; a line with more or fewer fields than the first; columns named twice.
    UnavailableError
        A Parquet file without pyarrow.
    """
    if not path.is_file():
        raise UsageError("the table file does not exist; give the path of a CSV or Parquet file")
    if is_parquet(path):
        table = _read_parquet(path)
        table.columns = table.columns.astype(str)
        kinds = {
            str(name): Kind(str(table[name].dtype), int(table[name].isna().sum()))
            for name in table
        }
        return TableFile(table, table, kinds)
    text, separator = read_text(path)
    blank = text.isna().all(axis=1) if text.shape[1] > 1 else np.zeros(len(text), dtype=bool)
    text = text[~blank].reset_index(drop=True)
    typed = {str(name): _typed(text[name], name in labels) for name in text}
    return TableFile(
        pd.DataFrame({name: column for name, (column, _) in typed.items()}, text.index),
        text,
        {name: kind for name, (_, kind) in typed.items()},
        separator,
        int(blank.sum()),
    )


def is_parquet(path: Path) -> bool:
    """Tell by its name whether a table file is Parquet; all others are read as CSV."""
    return path.suffix.lower() in (".parquet", ".pq")


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise not_installed("pyarrow, which reads Parquet,", "scale") from error
    except (OSError, ValueError) as error:
        raise InputError("the file is not a Parquet table") from error


def read_text(path: Path) -> tuple[pd.DataFrame, str]:
    """Return a CSV as text, missing where a cell is empty, and the name of its separator.

    Raises
    ------
    InputError
        See `read_file`.
    """
    try:
        separator, names = _first_line(path)
        table: pd.DataFrame = pd.read_csv(
            path,
            sep=separator,
            dtype=str,
            encoding="utf-8-sig",
            keep_default_na=False,
            na_values=[""],
            index_col=False,
        )
    except (ValueError, csv.Error, pd.errors.ParserError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            "the table file cannot be read; give UTF-8 text with commas, semicolons or tabs, "
            "closed quotes and one header line"
        ) from error
    table.columns = pd.Index(names)
    return table, _SEPARATORS[separator]


def _first_line(path: Path) -> tuple[str, list[str]]:
    """Return separator and column names, after counting the fields of every line.

    pandas takes the first field of longer lines for an index, and moves all others.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        headers = {}
        for separator in _SEPARATORS:
            file.seek(0)
            lines = csv.reader(file, delimiter=separator)
            headers[separator] = next(filter(None, lines), [])
        separator = max(headers, key=lambda mark: len(headers[mark]))
        names = headers[separator]
        if not names:
            raise InputError("the table file is empty; give one header line and the rows")
        file.seek(0)
        lines = csv.reader(file, delimiter=separator, strict=True)
        for fields in lines:
            if len(fields) != len(names) and fields:
                raise InputError(
                    f"line {lines.line_num} has {len(fields)} fields, the header {len(names)}; "
                    f"put a value that holds a {_SEPARATORS[separator]} into quotes, and give "
                    "each field a name"
                )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"columns named twice: {', '.join(twice)}; rename one of each")
    return separator, names


def _typed(text: pd.Series[Any], label: bool) -> tuple[pd.Series[Any], Kind]:
    """Return the values of a column and what it was taken for; each text is looked at once."""
    codes, cells = pd.factorize(text)
    plain = pd.Series(cells).str.replace(_GUARD, "", regex=True).replace(_MISSING, None)
    if not plain.equals(pd.Series(cells)):
        cleaned = np.array([*plain.astype(object), None], dtype=object)[codes]
        text = pd.Series(cleaned, text.index, name=text.name, dtype="str")
        codes, cells = pd.factorize(text)
    filled = pd.Index(cells)[~np.isin(cells, _UNKNOWN)]
    read = None if label or not len(filled) else _reading(filled, str(text.name))
    if read is None:
        return text, Kind("label", int(text.isna().sum()), 0 if label else _odd_cells(text))
    kind, values = read
    rows = np.append(filled.get_indexer(cells), -1)[codes]
    if (rows < 0).any() and pd.api.types.is_integer_dtype(values.dtype):
        values = values.astype("Int64")
    column = pd.api.extensions.take(values.array, rows, allow_fill=True)
    return pd.Series(column, text.index, name=text.name), Kind(kind, int((rows < 0).sum()))


def _reading(texts: pd.Index, name: str) -> tuple[str, pd.Series[Any]] | None:
    """Return kind and values of the distinct cells of a column, by their text; None for labels."""
    hours = _hours(texts, digits="time" in name.lower())
    readings = {"date": _days(texts), "age in years": _ages(texts), "hour of the day": hours}
    if any("," in cell for cell in texts) and not all(map(_THOUSANDS.fullmatch, texts)):
        readings["number with a decimal comma"] = _numbers(texts, _COMMA.fullmatch)
    else:
        readings["number"] = _numbers(texts, _is_number)
    return next(((kind, values) for kind, values in readings.items() if values is not None), None)


def _days(values: pd.Index) -> pd.Series[Any] | None:
    if not any(all(map(form.fullmatch, values)) for form in (_DICOM_DAY, _DAY)):
        return None
    form = "ISO8601" if "-" in values[0] else "%Y%m%d"
    days = pd.to_datetime(values.to_series(), errors="coerce", format=form)
    return days if days.notna().all() else None


def _ages(values: pd.Index) -> pd.Series[Any] | None:
    ages = [age for age in map(_DICOM_AGE.fullmatch, values) if age]
    if len(ages) < len(values):
        return None
    years = [int(age[1]) / _YEARS[age[2]] for age in ages]
    return pd.Series(years, values).astype(int if all(map(float.is_integer, years)) else float)


def _hours(values: pd.Index, *, digits: bool) -> pd.Series[Any] | None:
    for form in (_CLOCK, _DICOM_TIME) if digits else (_CLOCK,):
        times = [time for time in map(form.fullmatch, values) if time]
        if len(times) == len(values):
            parts = [[float(part or 0) for part in time.groups()] for time in times]
            return pd.Series([h + m / 60 + s / 3600 for h, m, s in parts], values)
    return None


def _numbers(values: pd.Index, fits: Callable[[str], Any]) -> pd.Series[Any] | None:
    if not all(map(fits, values)):
        return None
    cells = values.to_series().str.replace(",", ".")
    numbers = pd.to_numeric(cells)
    whole = bool(cells.str.fullmatch(r"[+-]?\d+").all())
    exact = numbers.dtype.kind == ("i" if whole else "f")  # whole numbers of 20 digits are not
    return numbers if exact and numbers.is_unique else None


def _is_number(cell: str) -> bool:
    """Tell whether a text is a number without leading zeros; 1E30 is a code."""
    if not _NUMBER.fullmatch(cell) or not any(map(str.isdigit, cell)):
        return False
    return "e" not in cell.lower() or repr(float(cell)) == cell


def cell_number(cell: str) -> float:
    """Return the number in one cell, read by itself, or NaN; a DICOM age in years."""
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        years = _ages(pd.Index([cell]))
        return float("nan" if years is None else years.iloc[0])


def _odd_cells(text: pd.Series[Any]) -> int:
    """Count what keeps a column of labels from being numbers, where nearly all of it is."""
    rows = text.value_counts()
    number = rows.index.map(_is_number).to_numpy(dtype=bool)
    if not len(rows) or rows[number].sum() < _NEARLY_ALL * rows.sum():
        return 0
    if number.all():
        spellings = pd.to_numeric(rows.index.to_series()).duplicated(keep=False)
        return int(rows[spellings.to_numpy()].sum())
    digits = rows.index.str.fullmatch(r"\d+")
    return 0 if (number | digits).all() else int(rows[~number].sum())


def read_hierarchy(path: Path) -> pd.DataFrame:
    """Read a hierarchy: the labels first and a column for each coarser level, all of it text.

    Raises
    ------
    UsageError
        No such file.
    InputError
        See `read_file`; labels without a level.
    """
    if not path.is_file():
        raise UsageError("a hierarchy file does not exist; give the path of a CSV, labels first")
    table = read_text(path)[0].dropna(how="all")
    if table.shape[1] < 2:
        raise InputError("a hierarchy needs the labels and at least one column of nodes")
    return table.fillna("").set_index(table.columns[0])


def named_columns(given: Sequence[str], columns: Iterable[str]) -> list[str]:
    """Return the columns that a command line names: one, or several with commas.

    A name that holds a comma or ends in a blank is given alone as it stands, or in quotes as in
    a CSV; a name without its blanks will do.
    """
    names = {name.strip(): name for name in columns} | {name: name for name in columns}
    chosen: list[str] = []
    for text in given:
        parts = [text] if text in names else next(csv.reader([text], skipinitialspace=True))
        chosen += [names.get(part, part.strip()) for part in parts if part.strip()]
    return chosen


class TableRoles(NamedTuple):
    """A table file and the columns that a command line named."""

    file: TableFile
    quasi: list[str]
    sensitive: list[str]
    subject: str | None
    hierarchies: dict[str, pd.DataFrame]
    notes: list[str]

    @classmethod
    def of(
        cls,
        source: Path,
        quasi: Sequence[str],
        sensitive: Sequence[str],
        subject: str | None,
        hierarchies: Mapping[str, pd.DataFrame] | None,
    ) -> TableRoles:
        """Read a table and find the columns that were named, and whose row it is."""
        trees = hierarchies or {}
        file = read_file(source, {name.strip('" ') for name in trees} | set(trees))
        return cls.named(file, quasi, sensitive, subject, hierarchies)

    @classmethod
    def named(
        cls,
        file: TableFile,
        quasi: Sequence[str],
        sensitive: Sequence[str],
        subject: str | None,
        hierarchies: Mapping[str, pd.DataFrame] | None,
        identifiers: pd.DataFrame | None = None,
    ) -> TableRoles:
        """Find the columns of a table that were named, and whose row it is.

        `identifiers` are the direct identifiers of all rows where the file holds a sample.
        """
        trees, columns = hierarchies or {}, file.table.columns
        trees = {named_columns([name], columns)[0]: tree for name, tree in trees.items()}
        quasi, sensitive = (named_columns(given, columns) for given in (quasi, sensitive))
        named = named_columns([subject], columns)[0] if subject else None
        whose = file.table if identifiers is None else identifiers
        counted, person = counted_by(whose, named)
        notes = file.warnings(quasi)
        if person and not subject:
            notes.append(
                f"{person} repeats: persons are counted, not rows (--id names another column)"
            )
        if file.empty_lines:
            notes.append(f"lines without any value, which are nobody: {file.empty_lines}")
        if file.separator not in ("", "comma"):
            notes.append(f"the columns are separated by a {file.separator}")
        file = replace(file, table=counted) if identifiers is None else file
        return cls(file, quasi, sensitive, person, dict(trees), notes)

    def kinds(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what each column was taken for, ready for JSON."""
        return {name: self.file.kinds[name]._asdict() for name in names}


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table, CSV or Parquet by its suffix, under a temporary name, then rename it.

    Raises
    ------
    UnavailableError
        Parquet without pyarrow.
    """
    try:
        with appearing(path) as part:
            if is_parquet(path):
                table.to_parquet(part, index=False)
            else:
                table.to_csv(part, index=False)
    except ImportError as error:
        raise not_installed("pyarrow, which writes Parquet,", "scale") from error


def written_tables(release: Release, source: TableFile) -> dict[str, pd.DataFrame]:
    """Return the tables of a release as they are written, the main one under an empty name.

    Generalized cells become text, such as ``[20, 30]`` and ``{F, M}``. Sensitive and kept
    columns stand as they were read: where a number would be written otherwise, its text.

    Raises
    ------
    RefusedError
        If a row has no value at all: read again, it would be nobody.
    """
    tables = {"": release.table, **release.extra}
    texts = {}
    for title, table in tables.items():
        mixed = [name for name in release.quasi if name in table and table[name].dtype == object]
        text = range_text(table, mixed)
        out = table.assign(**dict(text.where(text != "")) if mixed else {})
        for name in out:
            if name not in release.quasi and name in source.table:
                out[name] = _as_read(out[name], source.table[name], source.text[name])
        texts[title] = out
    if (texts[""].isna() | (texts[""].astype(str) == "")).all(axis=1).any():
        raise RefusedError("a row has no value in any released column; leave such rows out")
    return texts


def _as_read(
    column: pd.Series[Any], values: pd.Series[Any], text: pd.Series[Any]
) -> pd.Series[Any]:
    """Return a released column with the text of its values, unless that is written anyway."""
    if not column.equals(values):
        spelled = text.groupby(values).first()  # one text a number, see `read_file`
        text = column.map(spelled)
    same = column.astype(str).where(column.notna()) == text
    return column if (same | text.isna()).all() else text


def in_keyed_order(
    rows: int, key: bytes | None = None, tables: Iterable[pd.DataFrame] = ()
) -> np.ndarray[Any, Any]:
    """Return the order in which the rows of a release are written, shape (rows,).

    With a key it follows from the key and a digest of the released rows, so that the same
    key puts them back and two releases share no order; without one it is drawn.

    Parameters
    ----------
    rows : int
    key : bytes, optional
    tables : iterable of DataFrame
        The released rows, whole or in parts, in any order: their digest is the sum of their
        SHA-256. Read with a key only.
    """
    if key is None:
        return np.random.default_rng().permutation(rows)
    total = 0
    for table in tables:
        text = table.to_csv(index=False, header=False, lineterminator="\n")
        for line in text.removesuffix("\n").split("\n"):
            total += int.from_bytes(hashlib.sha256(line.encode()).digest())
    digest = (total % 2**256).to_bytes(32)
    return keyed_order(keyed_digest(key, "order of a release", digest), rows)


def put_back(released: TableFile, key: bytes) -> pd.DataFrame:
    """Return the rows of a written release in the order of the original, with its key."""
    order = in_keyed_order(len(released.text), key, [released.text])
    return released.table.iloc[np.argsort(order)].reset_index(drop=True)


def guard_cells(tables: dict[str, pd.DataFrame], *, spreadsheet: bool) -> int:
    """Count the cells that a spreadsheet would run; on request write an apostrophe before them."""
    count = 0
    for title, table in tables.items():
        for name in table.columns[table.dtypes.map(pd.api.types.is_string_dtype)]:
            codes, cells = pd.factorize(table[name])
            texts = list(map(str, cells))
            formulas = [text.startswith(_FORMULA) and not _is_number(text) for text in texts]
            run = np.append(np.array(formulas, dtype=bool), False)[codes]
            count += int(run.sum())
            if spreadsheet and run.any():
                guarded = "'" + table[name].astype(str)
                tables[title] = tables[title].assign(**{name: table[name].where(~run, guarded)})
    return count


def guard_note(count: int, *, spreadsheet: bool) -> list[str]:
    """Return what is said of the cells that `guard_cells` counted."""
    if not count:
        return []
    how = "an apostrophe stands before each" if spreadsheet else "--spreadsheet guards them"
    return [f"cells that a spreadsheet would run, beginning with =, +, @ or -: {count}; {how}"]
