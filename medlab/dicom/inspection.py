"""What `medlab inspect` tells: of a file, a folder, a DICOMDIR."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from medlab.dicom.files import find_files, is_dicomdir, read
from medlab.dicom.tags import concern_counts, directory_records, folder_tables, tag_table
from medlab.errors import InputError

_SHOWN = ["path", "vr", "name", "value", "concern"]
_SEARCHED = ["path", "tag", "vr", "name", "keyword", "creator", "concern"]


def inspect_to(
    tell: Callable[[str], None],
    path: Path | str,
    *,
    reveal: bool = False,
    csv_file: Path | None = None,
    search: str = "",
    every: bool = False,
) -> None:
    """Tell, line by line, what a file, a folder or a DICOMDIR gives away.

    Parameters
    ----------
    tell : callable
        Takes one piece of text, such as ``click.echo``.
    path : path
        File, folder or DICOMDIR.
    reveal : bool
        Show values.
    csv_file : path, optional
        Where the whole table is written, too.
    search : str
        Only rows that hold this in tag, VR, name, creator or concern.
    every : bool
        Also rows of no concern.

    Raises
    ------
    InputError
        If there is nothing to inspect, or the CSV file exists already.
    """
    if csv_file is not None and csv_file.exists():
        raise InputError("the CSV file exists already; name another")
    path = Path(path)
    if path.is_dir():
        tables = _written(folder_tables(path, reveal=reveal), csv_file)
        counts = concern_counts(matching(table, search) for table in tables)
        number = sum(1 for _ in find_files(path))
        if not number:
            raise InputError("the folder holds no DICOM file; check the path")
        tell(f"{number} DICOM files")
        tell(counts.to_string(index=False))
        return
    table = tag_table(path, reveal=reveal)
    list(_written(iter([table]), csv_file))
    dataset = read(path)
    if is_dicomdir(dataset):
        records = directory_records(dataset)
        tell(f"DICOMDIR: {len(records)} records, {records['identifiers'].sum()} identifiers")
        tell(records.groupby("type")["identifiers"].agg(["size", "sum"]).to_string())
    rows = matching(table, search)
    tell(
        rows[rows["concern"] != ""][_SHOWN].to_string() if not every else rows[_SHOWN].to_string()
    )


def matching(table: pd.DataFrame, search: str) -> pd.DataFrame:
    """Return the rows of a tag table that hold a text in tag, VR, name, creator or concern."""
    if not search:
        return table
    held = [
        table[name].astype(str).str.contains(search, case=False, regex=False) for name in _SEARCHED
    ]
    return table[pd.concat(held, axis=1).any(axis=1)]


def _written(tables: Iterator[pd.DataFrame], csv_file: Path | None) -> Iterator[pd.DataFrame]:
    """Hand tables on, writing each to the CSV file."""
    first = True
    for table in tables:
        if csv_file is not None:
            table.to_csv(csv_file, mode="a", header=first, index=False)
            first = False
        yield table
