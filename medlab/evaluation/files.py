"""A release in a table file, attacked and measured."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medlab.crypto import KEY_VARIABLE, load_key
from medlab.evaluation.measures import evaluate
from medlab.tabular.reading import named_columns, read_file, read_table
from medlab.tabular.roles import counted_by
from medlab.tabular.tables import put_back


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
    keyed = key_file or os.environ.get(KEY_VARIABLE)
    rows = evaluate(
        before.table,
        put_back(after, load_key(key_file)) if keyed else after.table,
        quasi,
        secret,
        None if control is None else read_table(control, secrets),
        None if register is None else read_table(register, secrets),
        np.random.default_rng(seed),
        kind=kind,
        subject=person,
    )
    person = counted_by(before.table, person)[1]
    notes = [f"{person} tells whose row it is: persons are counted"] if person else []
    found = rows.astype(object).where(rows.notna(), None).to_dict("records")
    return {"kind": kind, "rows": found, "notes": notes + before.warnings(quasi)}
