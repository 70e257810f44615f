"""Bucketization: exact quasi-identifiers in one table, counts of sensitive values in another.

Xiao, Tao, "Anatomy: Simple and Effective Privacy Preservation", VLDB 2006. Nothing is
generalized, so it stays visible who is in the table; only the link to the sensitive
value is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from medlab.errors import InputError, RefusedError
from medlab.tabular import counts as tally
from medlab.tabular.column_roles import encode
from medlab.tabular.criteria import Options, make_task
from medlab.tabular.release import Release, group_rows, make_release, occurring

GROUP, COUNT = "Group", "Count"


def anatomy(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: str,
    l: int = 2,
    *,
    rng: np.random.Generator | None = None,
    options: Options | None = None,
    **more: Any,
) -> Release:
    """Put rows into groups of at least l different sensitive values and cut the link.

    With g = n // l groups, rows sorted by sensitive value (shuffled within a value) go
    to the groups in turn: a value of at most g rows meets no group twice. This keeps
    the criterion of Anatomy and places every row.

    Parameters
    ----------
    table : DataFrame
    quasi
        See `medlab.tabular.mondrian`.
    sensitive : str
    l : int
        No value has more than a share of 1/l in a group.
    rng : Generator, optional
        Decides which row goes to which group; default: seeded by the system. A seed
        that others know helps them to guess.
    options, **more
        Of `Options` the kept columns and the identifiers.

    Returns
    -------
    Release
        Of kind "anatomized": ``table`` with exact quasi-identifiers and the column
        "Group"; ``extra["sensitive"]`` with Group, the sensitive column, "Count".

    Raises
    ------
    InputError
        A value is more frequent than 1/l of the rows (the message names the largest
        feasible l), or missing.
    """
    task = make_task(table, quasi, sensitive, (1, 1, None), options, **more)
    column = encode(table, task.sensitive[0])
    if column.missing:
        raise InputError(f"{column.name} is missing in some rows; fill them in or leave them out")
    most = int(np.bincount(column.codes).max())
    if not 1 <= l <= len(table) // most:
        raise InputError(
            f"l={l} cannot be reached: one value of {column.name} is in {most} of {len(table)} "
            f"rows; the largest feasible l is {len(table) // most}"
        )
    rng = np.random.default_rng(rng)
    order = np.lexsort((rng.random(len(table)), column.codes))
    group = np.empty(len(table), dtype=np.int64)
    group[order] = np.arange(len(table)) % (len(table) // l)
    release = make_release(
        table,
        task.columns,
        group_rows(group, task.columns),
        [],
        task.keep,
        kind="anatomized",
        asked={"l": l},
    )
    return _anatomize(table, release, column.name)


def _anatomize(table: pd.DataFrame, release: Release, sensitive: str) -> Release:
    """Publish the classes of a release as an anatomized pair of tables.

    Parameters
    ----------
    table : DataFrame
        The original.
    release : Release
        Its classes become the groups.
    sensitive : str

    Raises
    ------
    RefusedError
        If the groups do not keep the l that was asked for.
    """
    column = encode(table, sensitive)
    groups = len(release.classes)
    shares = tally.count_values(release.class_of, column.codes, groups, len(column.values))
    top = float(tally.top_share(shares).max())
    if top > 1 / release.asked.get("l", 1) + 1e-9:
        raise RefusedError("a group came out less diverse than asked; nothing was released")
    counts = pd.DataFrame(
        {GROUP: shares.group, sensitive: column.values[shares.value], COUNT: shares.count}
    )
    others = release.table.drop(columns=[*release.quasi, sensitive], errors="ignore")
    exact = table[list(release.quasi)].apply(occurring).assign(**{GROUP: release.class_of})
    return replace(
        release,
        kind="anatomized",
        table=pd.concat([exact, others], axis=1),
        sensitive=(sensitive,),
        extra={"sensitive": counts},
        facts={"l": float(tally.distinct(shares).min()), "alpha": top, "t": None},
    )
