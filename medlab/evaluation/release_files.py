"""Releases in table files, attacked and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medlab.crypto import load_key
from medlab.crypto.keys import named_key_file
from medlab.errors import UsageError
from medlab.evaluation.measures import evaluate
from medlab.evaluation.release_attacks import composition, with_copies
from medlab.tabular.column_roles import DIRECT_IDENTIFIERS, check_columns, counted_by
from medlab.tabular.metrics import measures
from medlab.tabular.release import ReleaseKind
from medlab.tabular.table_files import (
    TableRoles,
    named_columns,
    put_back,
    read_file,
)


def evaluate_file(
    original: Path,
    released: Path,
    quasi: Sequence[str],
    sensitive: str | None = None,
    *,
    control: Path | None = None,
    register: Path | None = None,
    subject: str | None = None,
    kind: str = "generalized",
    key_file: Path | None = None,
    copies: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Attack a released table file and return what `evaluate` finds, ready for JSON.

    Parameters
    ----------
    original, released, control, register : Path
        CSV or Parquet.
    quasi, sensitive, subject, kind
        See `medlab.evaluation.evaluate`; columns as `named_columns` takes them.
    key_file : Path, optional
        Key of the order in which the rows were written; else the file named by MEDLAB_KEY_FILE.
    copies : float, optional
        Positive control: this share of the rows of a synthetic table is replaced by originals
        first. An attack that finds nothing then would not have found a leak.
    seed : int

    Returns
    -------
    dict
        ``kind``, ``rows`` (one a measure), ``notes`` (sentences).
    """
    before = read_file(original)
    columns = before.table.columns
    quasi, secrets, subjects = (
        named_columns([name for name in names if name], columns)
        for names in (quasi, [sensitive], [subject])
    )
    secret, person = (names[0] if names else None for names in (secrets, subjects))
    # Codes are the same in both tables only as text: 250.1 is not 250.10.
    if secret in before.kinds and before.kinds[secret].kind != "label":
        before = read_file(original, secrets)
    after = read_file(released, secrets)
    keyed = named_key_file(key_file)
    table = put_back(after, load_key(key_file)) if keyed else after.table
    rng = np.random.default_rng(seed)
    if copies is not None:
        if kind != "synthetic":
            raise UsageError("copies are a control of synthetic tables; add --kind synthetic")
        table = with_copies(table, before.table, copies, rng)
    rows = evaluate(
        before.table,
        table,
        quasi,
        secret,
        None if control is None else read_file(control, secrets).table,
        None if register is None else read_file(register, secrets).table,
        rng,
        kind=kind,
        subject=person,
    )
    person = counted_by(before.table, person)[1]
    notes = [f"{person} tells whose row it is: persons are counted"] if person else []
    if copies is not None:
        share = f"{copies:.0%} of the rows are originals, put there as a positive control"
        notes.append(f"{share}: the figures say what the attacks find, and nothing of the release")
    measures = rows.astype(object).where(rows.notna(), None).to_dict("records")
    return {"kind": kind, "rows": measures, "notes": notes + before.warnings(quasi)}


def risk_file(
    source: Path,
    quasi: Sequence[str],
    sensitive: Sequence[str] = (),
    *,
    second: Path | None = None,
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
        With `second`, the quasi-identifiers of either release, and one sensitive column at most.
    second : Path, optional
        Another release of the same people, to be intersected with this one; needs `original`.
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
        What `measures` found, and which columns name persons by their DICOM keyword; with
        `second`, under ``with`` what `composition` finds.

    Raises
    ------
    UsageError
        If `second` comes without the original, or with several sensitive columns.
    """
    common = {}
    if second is not None:
        quasi, sensitive, both = _intersected(
            (source, second), original, quasi, sensitive, subject, hierarchies
        )
        common = {"with": both}
    read = TableRoles.of(source, quasi, sensitive, subject, hierarchies)
    table, person, notes = read.file.table, read.subject, read.notes
    if named_key_file(key_file):
        table = put_back(read.file, load_key(key_file))
    check_columns(table, read.quasi, read.sensitive)
    others = [
        None if path is None else read_file(path, read.hierarchies).table
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
    found = {"direct_identifiers": direct, "columns": columns, "notes": notes}
    return measured | names | found | common


def _intersected(
    releases: tuple[Path, Path],
    original: Path | None,
    quasi: Sequence[str],
    sensitive: Sequence[str],
    subject: str | None,
    hierarchies: Mapping[str, pd.DataFrame] | None,
) -> tuple[list[str], list[str], dict[str, Any]]:
    """Return the columns to look at in the first release, and what both tell together."""
    if original is None:
        raise UsageError("two releases are compared by the people in them; add --original")
    columns = read_file(original).table.columns
    quasi, secrets, subjects = (
        named_columns([name for name in names if name], columns)
        for names in (quasi, sensitive, [subject])
    )
    if len(secrets) > 1:
        raise UsageError("two releases are intersected by one sensitive column; name one")
    people, first, second = (read_file(path, secrets).table for path in (original, *releases))
    both = composition(
        people,
        first,
        second,
        quasi,
        secrets[0] if secrets else None,
        subject=subjects[0] if subjects else None,
        hierarchies={
            named_columns([name], columns)[0]: tree for name, tree in (hierarchies or {}).items()
        },
    )
    return [name for name in quasi if name in first], secrets, both._asdict()
