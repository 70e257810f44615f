"""What `medlab inspect` tells: of a file, a folder, a DICOMDIR."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from medlab.dicom.files import find_files, is_dicomdir, read
from medlab.dicom.tags import (
    concern_counts,
    directory_records,
    folder_tables,
    tag_fits,
    tag_table,
)
from medlab.disk import appearing
from medlab.errors import InputError, UsageError

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = ["path", "vr", "name", "value", "concern"]
#: Where `matching` looks, and the columns that it asks.
SEARCHED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "anywhere": ("path", "tag", "vr", "name", "keyword", "creator", "concern"),
        "group": ("group",),
        "element": ("element",),
        "VR": ("vr",),
        "name": ("name", "keyword", "creator"),
        "finding": ("concern",),
    }
)


def inspect_to(
    tell: Callable[[str], None],
    path: Path | str,
    *,
    reveal: bool = False,
    csv_file: Path | None = None,
    search: str = "",
    every: bool = False,
    further: Sequence[pd.DataFrame] = (),
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
    further : sequence of DataFrame
        Tables of the files there that are no DICOM; one for a file that is none.

    Raises
    ------
    InputError
        If there is nothing to inspect, or the CSV file exists already or would stand in
        the folder that is inspected.
    """
    path = Path(path)
    if csv_file is not None and csv_file.exists():
        raise InputError("the CSV file exists already; name another")
    if csv_file is not None and path.is_dir() and path.resolve() in csv_file.resolve().parents:
        raise InputError("nothing is ever written into the input; name a CSV file elsewhere")
    if path.is_dir():
        tables = _written(chain(folder_tables(path, reveal=reveal), further), csv_file)
        counts = concern_counts(matching(table, search) for table in tables)
        number = sum(1 for _ in find_files(path))
        if not number and not further:
            raise InputError("the folder holds no DICOM and no NIfTI file; check the path")
        tell(f"{number} DICOM files" + f", {len(further)} of NIfTI and BIDS" * bool(further))
        tell(counts.to_string(index=False))
        return
    table = further[0] if further else tag_table(path, reveal=reveal)
    list(_written(iter([table]), csv_file))
    if not further and is_dicomdir(dataset := read(path)):
        records = directory_records(dataset)
        tell(f"DICOMDIR: {len(records)} records, {records['identifiers'].sum()} identifiers")
        tell(records.groupby("type")["identifiers"].agg(["size", "sum"]).to_string())
    rows = matching(table, search)
    tell(
        rows[rows["concern"] != ""][_SHOWN].to_string() if not every else rows[_SHOWN].to_string()
    )


def matching(table: pd.DataFrame, search: str, where: str = "anywhere") -> pd.DataFrame:
    """Return the rows of a tag table that hold a text.

    Parameters
    ----------
    table : DataFrame
        As `tag_table` makes it.
    search : str
        A fragment, in whatever case; all rows fit an empty one.
    where : str
        One of `SEARCHED`: ``"anywhere"``, or the columns to look into by one word.

    Raises
    ------
    UsageError
        If there is no such place to look.
    """
    if where not in SEARCHED:
        raise UsageError(f"no place to search of that name; there are {', '.join(SEARCHED)}")
    if not search or table.empty:
        return table
    tag = table["tag"].str
    parts = table.assign(group=tag[1:5], element=tag[6:10])[list(SEARCHED[where])]
    held = parts.astype(str).apply(lambda part: part.str.contains(search, case=False, regex=False))
    fits = held.any(axis=1)
    if where == "anywhere":
        fits |= tag_fits(tag[1:5], tag[6:10], search)
    found: pd.DataFrame = table[fits]
    return found


def _written(tables: Iterator[pd.DataFrame], csv_file: Path | None) -> Iterator[pd.DataFrame]:
    """Hand tables on, writing each to the CSV file, which appears when all went well."""
    if csv_file is None:
        yield from tables
        return
    with appearing(csv_file, 0o600) as part:  # it may hold values
        for number, table in enumerate(tables):
            table.to_csv(part, mode="a", header=not number, index=False)
            yield table
