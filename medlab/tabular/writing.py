"""Releases as table files: their cells as text, the order of their rows, spreadsheets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medlab.crypto import keyed_digest
from medlab.crypto.keys import keyed_order
from medlab.disk import appearing
from medlab.errors import RefusedError, not_installed
from medlab.tabular.cells import range_text
from medlab.tabular.reading import TableFile, is_number
from medlab.tabular.release import Release

_FORMULA = ("=", "+", "@", "-")  # a spreadsheet runs a cell that begins so and is no number


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table, CSV or Parquet by its suffix, under a temporary name, then rename it.

    Raises
    ------
    UnavailableError
        Parquet without pyarrow.
    """
    try:
        with appearing(path) as part:
            if path.suffix.lower() in (".parquet", ".pq"):
                table.to_parquet(part, index=False)
            else:
                table.to_csv(part, index=False)
    except ImportError as error:
        raise not_installed("pyarrow, which writes Parquet,", "scale") from error


def released_cells(release: Release, source: TableFile) -> dict[str, pd.DataFrame]:
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
        spelled = text.groupby(values).first()  # one text a number, see `reading.read_file`
        text = column.map(spelled)
    same = column.astype(str).where(column.notna()) == text
    return column if (same | text.isna()).all() else text


def in_keyed_order(table: pd.DataFrame, key: bytes | None = None) -> np.ndarray[Any, Any]:
    """Return the order in which the rows of a release are written, shape (rows,).

    With a key it follows from the key and a digest of the released rows, so that the same
    key puts them back and two releases share no order; without one it is drawn.
    """
    return order_of_rows(len(table), key, digest_of_rows([table]) if key else b"")


def order_of_rows(rows: int, key: bytes | None, digest: bytes) -> np.ndarray[Any, Any]:
    """Return the order of `in_keyed_order` from the number of rows and their digest."""
    if key is None:
        return np.random.default_rng().permutation(rows)
    return keyed_order(keyed_digest(key, "order of a release", digest), rows)


def digest_of_rows(tables: Iterable[pd.DataFrame]) -> bytes:
    """Return a digest of the rows of all tables, in any order: the sum of their SHA-256."""
    total = 0
    for table in tables:
        text = table.to_csv(index=False, header=False, lineterminator="\n")
        for line in text.removesuffix("\n").split("\n"):
            total += int.from_bytes(hashlib.sha256(line.encode()).digest())
    return (total % 2**256).to_bytes(32)


def put_back(released: TableFile, key: bytes) -> pd.DataFrame:
    """Return the rows of a written release in the order of the original, with its key."""
    order = in_keyed_order(released.text, key)
    return released.table.iloc[np.argsort(order)].reset_index(drop=True)


def guard_cells(tables: dict[str, pd.DataFrame], *, spreadsheet: bool) -> int:
    """Count the cells that a spreadsheet would run; on request write an apostrophe before them."""
    count = 0
    for title, table in tables.items():
        for name in table.columns[table.dtypes.map(pd.api.types.is_string_dtype)]:
            codes, cells = pd.factorize(table[name])
            texts = list(map(str, cells))
            formulas = [text.startswith(_FORMULA) and not is_number(text) for text in texts]
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
