"""Methods of protection at many strengths, each attacked and measured: the grid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from medlab import __version__
from medlab.disk import write_whole
from medlab.errors import InputError
from medlab.evaluation.measures import Truth, judge, truth
from medlab.methods.catalogue import ON_MAP, Point, protect
from medlab.tabular.column_roles import counted_by
from medlab.tabular.release import Release


def grid(
    tables: Mapping[int, Tables | Sequence[pd.DataFrame | None]],
    points: Iterable[Point | tuple[str, float]],
    quasi: Sequence[str],
    sensitive: str,
    *,
    jobs: int = 2,
    cache: Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure every point with every seed, in parallel.

    Parameters
    ----------
    tables : mapping of int to Tables
        The tables of each seed: original, register, control. The seed also drives method
        and attack.
    points : iterable of Point
    quasi, sensitive
        As for `evaluate`.
    jobs : int
        Processes.
    cache : Path, optional
        Folder that keeps the measured figures of each point (no rows of any table), by a
        digest of all that went in. A second run reads what is there.
    progress : bool
        Show a bar on standard error.

    Returns
    -------
    DataFrame
        As `evaluate`, with the columns ``method``, ``strength``, ``seed`` in front, in the order
        of points and seeds. Where a method refuses (no such release exists), one row of the group
        "refused" says why.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    wanted = [(Point(*point), seed) for point in points for seed in tables]
    files = {}
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        marks = {seed: _digest(some, quasi, sensitive) for seed, some in tables.items()}
        files = {task: cache / f"{_name(*task, marks[task[1]])}.json" for task in wanted}
    figures = {
        task: pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))
        for task, path in files.items()
        if path.exists()
    }
    todo = [task for task in wanted if task not in figures]
    truths = {}
    for seed in {seed for _, seed in todo}:
        released, register, control = tables[seed]
        assert released is not None
        truths[seed] = truth(released, quasi, sensitive, control, register)
    work = (delayed(_measure)(truths[seed], point, seed) for point, seed in todo)
    results = Parallel(n_jobs=min(jobs, max(len(todo), 1)), return_as="generator")(work)
    bar = tqdm(
        results, total=len(todo), unit="point", mininterval=2, disable=not progress or not todo
    )
    for task, rows in zip(todo, bar, strict=True):
        figures[task] = rows
        if task in files:
            _save(rows, files[task])
    return pd.concat([figures[task] for task in wanted], ignore_index=True)


def _measure(truth: Truth, point: Point, seed: int) -> pd.DataFrame:
    """Protect one table by one method and evaluate it."""
    if point.method not in ON_MAP:
        raise InputError(f"no method of that name; choose of {', '.join(ON_MAP)}")
    released, subject = counted_by(truth.original.table)
    quasi, sensitive = [scale.name for scale in truth.scales], truth.sensitive or ""
    # Two generators: what a method draws must not change what the attacks draw.
    rng, attacker = (np.random.default_rng([seed, number]) for number in (5, 6))
    try:
        made = protect(released, quasi, sensitive, point, rng, subject)
    except InputError as error:
        rows = pd.DataFrame([{"group": "refused", "measure": "refused", "note": str(error)}])
    else:
        table, kind = (made, "") if isinstance(made, Release) else made
        rows = judge(truth, table, attacker, kind or "generalized")
    rows.insert(0, "method", point.method)
    rows.insert(1, "strength", float(point.strength))
    rows.insert(2, "seed", seed)
    return rows


def _digest(tables: Sequence[Any], quasi: Sequence[str], sensitive: str) -> str:
    total = hashlib.sha256(f"{__version__} {list(quasi)} {sensitive}".encode())
    for table in tables:
        if table is not None:
            total.update(" ".join(map(str, table.columns)).encode())
            total.update(pd.util.hash_pandas_object(table).to_numpy().tobytes())
    return total.hexdigest()


def _name(point: Point, seed: int, mark: str) -> str:
    text = f"{point.method}|{point.strength!r}|{seed}|{mark}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _save(rows: pd.DataFrame, path: Path) -> None:
    write_whole(path, json.dumps(rows.to_dict("records")).encode())


class Tables(NamedTuple):
    """The tables of one experiment, in the order of `medlab.samples.cohort`.

    Attributes
    ----------
    released : DataFrame
        The original, to be protected and released.
    register : DataFrame or None
        People an attacker knows by name.
    control : DataFrame or None
        People of the same population who are not released.
    """

    released: pd.DataFrame
    register: pd.DataFrame | None = None
    control: pd.DataFrame | None = None


def one_each(tables: Sequence[pd.DataFrame | None], subject: str = "PatientID") -> Tables:
    """Return the tables with one row a person: the first of each.

    Several rows of one person make a class look larger than the crowd in it.

    Parameters
    ----------
    tables : released, register, control
        As `medlab.samples.cohort` returns them; the last two may be None.
    subject : str
        Column that tells whose row it is.
    """
    released, register, control = (
        table.drop_duplicates(subject, ignore_index=True)
        if table is not None and subject in table
        else table
        for table in tables
    )
    if released is None:
        raise InputError("there is no table to release")
    return Tables(released, register, control)


def hold_back(table: pd.DataFrame, rng: np.random.Generator, subject: str = "PatientID") -> Tables:
    """Split a table by chance: half of the people to be released, half as control group.

    Parameters
    ----------
    table : DataFrame
    rng : Generator
    subject : str
        All rows of a person go to one side.

    Raises
    ------
    InputError
        Fewer than four people.
    """
    people, names = pd.factorize(table[subject], use_na_sentinel=False)
    if len(names) < 4:
        raise InputError(f"{len(names)} people are too few to hold half of them back; 4 will do")
    chosen = rng.permutation(len(names)) < len(names) // 2
    nullable = table.select_dtypes(["Int64", "Float64"]).columns
    table = table.astype(dict.fromkeys(nullable, "float64"))
    sides = (table[chosen[people] == side].reset_index(drop=True) for side in (True, False))
    return Tables(next(sides), None, next(sides))
