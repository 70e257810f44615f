"""Table files: a table in, a release and a report as plain numbers out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from medlab.crypto import KEY_VARIABLE, keyed_digest, load_key
from medlab.disk import appearing
from medlab.errors import RefusedError, UsageError, not_installed
from medlab.tabular.cells import range_text
from medlab.tabular.methods import anonymize
from medlab.tabular.metrics import measures
from medlab.tabular.reading import TableFile, is_number, named_columns, read_file, read_table
from medlab.tabular.release import Release, ReleaseKind
from medlab.tabular.roles import DIRECT_IDENTIFIERS, check_columns, counted_by

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


def _released_cells(release: Release, source: TableFile) -> dict[str, pd.DataFrame]:
    """Return the tables of a release as they are written, the main one under an empty name.

    Generalized cells become text, such as ``[20, 30]`` and ``{F, M}``. Sensitive and kept
    columns stand as they were read: where a number would be written otherwise, its text.

    Raises
    ------
    RefusedError
        If a row has no value at all: read again, it would be nobody.
    """
    tables = {"": release.table, **release.extra}
    found = {}
    for title, table in tables.items():
        mixed = [name for name in release.quasi if name in table and table[name].dtype == object]
        out = table.assign(**dict(range_text(table, mixed)) if mixed else {})
        for name in out:
            if name not in release.quasi and name in source.table:
                out[name] = _as_read(out[name], source.table[name], source.text[name])
        found[title] = out
    if (found[""].isna() | (found[""].astype(str) == "")).all(axis=1).any():
        raise RefusedError("a row has no value in any released column; leave such rows out")
    return found


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

    With a key it follows from the key and a digest of the released rows, sorted, so that the same
    key puts them back and two releases share no order; without one it is drawn.
    """
    if key is None:
        return np.random.default_rng().permutation(len(table))
    lines = table.to_csv(index=False, header=False, lineterminator="\n").split("\n")
    digest = hashlib.sha256("\n".join(sorted(lines)).encode()).digest()
    seed = keyed_digest(key, "order of a release", digest)
    cipher = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor()
    stream = cipher.update(bytes(8 * len(table)))
    return np.argsort(np.frombuffer(stream, dtype=np.uint64), kind="stable")


def put_back(released: TableFile, key: bytes) -> pd.DataFrame:
    """Return the rows of a written release in the order of the original, with its key."""
    order = in_keyed_order(released.text, key)
    return released.table.iloc[np.argsort(order)].reset_index(drop=True)


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
    keep: Sequence[str] = (),
    key_file: Path | None = None,
    keep_order: bool = False,
    spreadsheet: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """Release a table file and return the report.

    Parameters
    ----------
    source, target : Path
        CSV or Parquet, by their suffix.
    quasi, sensitive, k, l, t, subject, hierarchies, method, keep, **more
        See `medlab.tabular.anonymize`. Without `subject` a direct identifier that repeats, such
        as PatientID, tells whose row it is.
    overwrite : bool
        Replace an existing output.
    key_file : Path, optional
        Key of the order in which the rows are written, so that `medlab evaluate` can put them
        back; else the file named by MEDLAB_KEY_FILE; without either the order is drawn.
    keep_order : bool
        Write the rows in the order of the source, where row i is person i.
    spreadsheet : bool
        Write an apostrophe before cells that a spreadsheet would run.

    Returns
    -------
    dict
        What `measures` found, what was asked, the columns that were left out, ``order``
        (shuffled or kept), ``columns`` (what each was taken for), ``notes`` (sentences).

    Raises
    ------
    RefusedError
        If the output exists, or is the input, or a released row has no value at all.
    """
    _check_target(source, target, two=method == "anatomy", overwrite=overwrite)
    key = load_key(key_file) if key_file or os.environ.get(KEY_VARIABLE) else None
    read = _Roles.of(source, quasi, sensitive, subject, hierarchies)
    keep = named_columns(keep, read.file.table.columns)
    table = read.file.table
    release = anonymize(
        table,
        read.quasi,
        read.sensitive,
        k,
        l,
        t,
        method=method,
        subject=read.subject,
        hierarchies=read.hierarchies or None,
        keep=keep or None,
        **more,
    )
    found = measures(
        release,
        original=table,
        k=k,
        l_kind=more.get("l_kind") or "distinct",
        c=more.get("c") or 3.0,
        distance=more.get("distance") or "auto",
        subject=read.subject,
        hierarchies=read.hierarchies,
    )
    tables = _released_cells(release, read.file)
    notes = [*read.notes, *_guard(tables, spreadsheet=spreadsheet)]
    if not keep_order:
        tables[""] = tables[""].iloc[in_keyed_order(tables[""], key)]
    for title, some in tables.items():
        write_table(some, _second(target) if title else target)
    return _told(release, found) | {
        "method": method,
        "left_out": [name for name in table if name not in release.table],
        "order": "kept" if keep_order else "shuffled",
        "columns": read.kinds([*read.quasi, *read.sensitive, *keep]),
        "notes": notes,
    }


def _check_target(source: Path, target: Path, *, two: bool, overwrite: bool) -> None:
    paths = [target, _second(target)] if two else [target]
    if source.resolve() in {path.resolve() for path in paths}:
        raise RefusedError("the output is the input; nothing is written over an original")
    if any(path.exists() for path in paths) and not overwrite:
        raise RefusedError("the output exists; choose another name or add --overwrite")
    if not target.parent.is_dir():
        raise UsageError("the folder of the output does not exist; make it first")


class _Roles(NamedTuple):
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
    ) -> _Roles:
        """Read a table and find the columns that were named, and whose row it is."""
        trees = hierarchies or {}
        file = read_file(source, {name.strip('" ') for name in trees} | set(trees))
        columns = file.table.columns
        trees = {named_columns([name], columns)[0]: tree for name, tree in trees.items()}
        quasi, sensitive = (named_columns(given, columns) for given in (quasi, sensitive))
        named = named_columns([subject], columns)[0] if subject else None
        counted, person = counted_by(file.table, named)
        notes = file.warnings(quasi)
        if person and not subject:
            notes.append(
                f"{person} repeats: persons are counted, not rows (--id names another column)"
            )
        if file.empty_lines:
            notes.append(f"lines without any value, which are nobody: {file.empty_lines}")
        if file.separator not in ("", "comma"):
            notes.append(f"the columns are separated by a {file.separator}")
        file = replace(file, table=counted)
        return cls(file, quasi, sensitive, person, dict(trees), notes)

    def kinds(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what each column was taken for, ready for JSON."""
        return {name: self.file.kinds[name]._asdict() for name in names}


def _guard(tables: dict[str, pd.DataFrame], *, spreadsheet: bool) -> list[str]:
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
    if not count:
        return []
    how = "an apostrophe stands before each" if spreadsheet else "--spreadsheet guards them"
    return [f"cells that a spreadsheet would run, beginning with =, +, @ or -: {count}; {how}"]


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
    kind: ReleaseKind = "generalized",
    key_file: Path | None = None,
    **more: Any,
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
    subject, hierarchies, kind, **more
        See `medlab.tabular.measures`. Without `subject` a direct identifier that repeats, here or
        in the original, tells whose row it is.
    key_file : Path, optional
        Key of the order in which the rows were written.

    Returns
    -------
    dict
        What `measures` found, and which columns name persons by their DICOM keyword.
    """
    read = _Roles.of(source, quasi, sensitive, subject, hierarchies)
    table, person, notes = read.file.table, read.subject, read.notes
    if key_file or os.environ.get(KEY_VARIABLE):
        table = put_back(read.file, load_key(key_file))
    check_columns(table, read.quasi, read.sensitive)
    others = [
        None if path is None else read_table(path, read.hierarchies)
        for path in (original, register)
    ]
    if person is None and others[0] is not None:
        others[0], person = counted_by(others[0])
        if person:
            notes.append(f"{person} of the original repeats: persons are counted, not rows")
    measured = measures(
        table,
        read.quasi,
        read.sensitive,
        original=others[0],
        register=others[1],
        subject=person,
        hierarchies=read.hierarchies,
        kind=kind,
        **more,
    )
    direct = sorted(DIRECT_IDENTIFIERS.intersection(map(str, table.columns)))
    names = {"quasi": read.quasi, "sensitive": read.sensitive}
    columns = read.kinds([*read.quasi, *read.sensitive])
    return measured | names | {"direct_identifiers": direct, "columns": columns, "notes": notes}
