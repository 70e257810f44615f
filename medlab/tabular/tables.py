"""Table files: CSV and Parquet in, released tables out, a report as plain numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from medlab.errors import InputError, RefusedError, UnavailableError, UsageError, not_installed
from medlab.tabular.cells import range_text
from medlab.tabular.methods import anonymize
from medlab.tabular.metrics import measures
from medlab.tabular.release import Release
from medlab.tabular.roles import DIRECT_IDENTIFIERS, as_names, check_columns

_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)?(?:\.\d*)?(?:[eE][+-]?\d+)?")
_UNKNOWN = ("NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>")
_AS_TEXT: Mapping[str, Any] = {
    "dtype": str,
    "encoding": "utf-8-sig",
    "keep_default_na": False,
    "na_values": [""],
}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?")


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    A CSV column is numbers if every cell is one and none has leading zeros (postcodes
    stay text), dates if every cell is YYYY-MM-DD, else text. Empty cells are missing;
    among numbers and dates so are words such as NA and NaN, which in a column of text
    are labels like any other.

    Raises
    ------
    InputError
        No such file, not a table, or columns named twice.
    UnavailableError
        A Parquet file without pyarrow.
    """
    if not path.is_file():
        raise UsageError("the table file does not exist; give the path of a CSV or Parquet file")
    if path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path)
    try:
        names = pd.read_csv(path, header=None, nrows=1, **_AS_TEXT).iloc[0]
        table: pd.DataFrame = pd.read_csv(path, skip_blank_lines=False, **_AS_TEXT)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(
            "the table file cannot be read; give UTF-8 text with commas and one header line"
        ) from error
    if names.duplicated().any():
        twice = ", ".join(sorted(set(names[names.duplicated()].astype(str))))
        raise InputError(f"columns named twice: {twice}; rename one of each")
    return table.apply(_typed)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise not_installed("pyarrow, which reads Parquet,", "scale") from error
    except (OSError, ValueError) as error:
        raise InputError("the file is not a Parquet table") from error


def _typed(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of texts as numbers or dates if all its cells are such."""
    plain = column.mask(column.isin(_UNKNOWN))
    known = pd.Index(plain.dropna().unique())
    if not len(known):
        return column
    if all(_NUMBER.fullmatch(cell) and any(map(str.isdigit, cell)) for cell in known):
        return pd.to_numeric(plain)
    if all(_DAY.fullmatch(cell) for cell in known):
        days = pd.to_datetime(plain, errors="coerce", format="ISO8601")
        return column if days.isna().sum() > plain.isna().sum() else days
    return column


def read_hierarchy(path: Path) -> pd.DataFrame:
    """Read a hierarchy: a CSV with the labels first and a column for each coarser level."""
    try:
        table = pd.read_csv(path, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise UsageError("a hierarchy file cannot be read; give a CSV, labels first") from error
    if table.shape[1] < 2:
        raise InputError("a hierarchy needs the labels and at least one column of nodes")
    return table.set_index(table.columns[0])


def write_table(table: pd.DataFrame, path: Path, quasi: Sequence[str]) -> None:
    """Write a released table under a temporary name, then rename it.

    Generalized cells become text, such as ``[20, 30]`` and ``{F, M}``; columns in which
    nothing was generalized keep their type in Parquet.
    """
    mixed = [name for name in quasi if name in table and table[name].dtype == object]
    out = table.assign(**dict(range_text(table, mixed)) if mixed else {})
    part = path.with_name(f".{path.name}.part")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            out.to_parquet(part, index=False)
        else:
            out.to_csv(part, index=False)
        part.replace(path)
    except ImportError as error:
        raise UnavailableError("Parquet files need the package pyarrow") from error
    finally:
        part.unlink(missing_ok=True)


def anonymize_file(
    source: Path,
    target: Path,
    quasi: Sequence[str],
    sensitive: Sequence[str] = (),
    *,
    overwrite: bool = False,
    k: int = 5,
    l: float = 1,
    t: float | None = None,
    subject: str | None = None,
    hierarchies: Mapping[str, pd.DataFrame] | None = None,
    method: str = "mondrian",
    **more: Any,
) -> dict[str, Any]:
    """Release a table file and return the report.

    Parameters
    ----------
    source, target : Path
        CSV or Parquet, by their suffix.
    quasi, sensitive, k, l, t, subject, hierarchies, method, **more
        See `medlab.tabular.anonymize`.
    overwrite : bool
        Replace an existing output.

    Returns
    -------
    dict
        What `measures` found, what was asked, and the columns that were left out.

    Raises
    ------
    RefusedError
        If the output exists, or is the input.
    """
    paths = [target, _second(target)] if method == "anatomy" else [target]
    if source.resolve() in {path.resolve() for path in paths}:
        raise RefusedError("the output is the input; nothing is written over an original")
    if any(path.exists() for path in paths) and not overwrite:
        raise RefusedError("the output exists; choose another name or add --overwrite")
    if not target.parent.is_dir():
        raise UsageError("the folder of the output does not exist; make it first")
    table = read_table(source)
    release = anonymize(
        table,
        quasi,
        sensitive,
        k,
        l,
        t,
        method=method,
        subject=subject,
        hierarchies=hierarchies or None,
        **more,
    )
    found = measures(
        release,
        original=table,
        k=k,
        l_kind=more.get("l_kind") or "distinct",
        c=more.get("c") or 3.0,
        subject=subject,
        hierarchies=hierarchies,
    )
    write_table(release.table, target, release.quasi)
    for extra in release.extra.values():
        write_table(extra, _second(target), ())
    left_out = [name for name in table if name not in release.table]
    return _told(release, found) | {"method": method, "left_out": left_out}


def _second(target: Path) -> Path:
    return target.with_name(f"{target.stem}-sensitive{target.suffix}")


def _told(release: Release, found: Mapping[str, Any]) -> dict[str, Any]:
    told = {"quasi": list(release.quasi), "sensitive": list(release.sensitive)}
    return dict(found) | told | {"asked": dict(release.asked), "facts": dict(release.facts)}


def risk_file(
    source: Path,
    quasi: Sequence[str],
    sensitive: Sequence[str] = (),
    *,
    original: Path | None = None,
    register: Path | None = None,
    subject: str | None = None,
    hierarchies: Mapping[str, pd.DataFrame] | None = None,
) -> dict[str, Any]:
    """Measure a table file, released by medlab or not.

    Parameters
    ----------
    source : Path
    quasi, sensitive : column names
    original : Path, optional
        The table before, for ``gcp``.
    register : Path, optional
        People an attacker knows, exact, for ``journalist_max`` and ``marketer``.
    subject, hierarchies
        See `medlab.tabular.measures`.

    Returns
    -------
    dict
        What `measures` found, and which columns name persons by their DICOM keyword.
    """
    table = read_table(source)
    check_columns(table, quasi, sensitive)
    found = measures(
        table,
        quasi,
        sensitive,
        original=None if original is None else read_table(original),
        register=None if register is None else read_table(register),
        subject=subject,
        hierarchies=hierarchies,
    )
    direct = sorted(DIRECT_IDENTIFIERS.intersection(map(str, table.columns)))
    names = {"quasi": list(as_names(quasi)), "sensitive": list(as_names(sensitive))}
    return found | names | {"direct_identifiers": direct}
