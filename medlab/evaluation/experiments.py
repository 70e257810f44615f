"""Methods of protection at many strengths, each attacked and measured: the grid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medlab import __version__
from medlab.disk import write_whole
from medlab.errors import InputError
from medlab.evaluation.groups import Tables
from medlab.evaluation.measures import evaluate
from medlab.methods.catalogue import ON_MAP, Point, protect
from medlab.tabular.column_roles import counted_by
from medlab.tabular.release import Release


def measure(
    tables: Tables | Sequence[pd.DataFrame | None],
    point: Point,
    quasi: Sequence[str],
    sensitive: str,
    seed: int,
) -> pd.DataFrame:
    """Protect one table by one method and evaluate it.

    Returns
    -------
    DataFrame
        As `evaluate`, with the columns ``method``, ``strength``, ``seed`` in front. Where a
        method refuses (no such release exists), one row of the group "refused" says why.
    """
    if point.method not in ON_MAP:
        raise InputError(f"no method of that name; choose of {', '.join(ON_MAP)}")
    released, register, control = tables
    assert released is not None
    released, subject = counted_by(released)
    # Two generators: what a method draws must not change what the attacks draw.
    rng, attacker = (np.random.default_rng([seed, number]) for number in (5, 6))
    try:
        made = protect(released, quasi, sensitive, point, rng, subject)
    except InputError as error:
        rows = pd.DataFrame([{"group": "refused", "measure": "refused", "note": str(error)}])
    else:
        table, kind = (made, "") if isinstance(made, Release) else made
        rows = evaluate(
            released,
            table,
            quasi,
            sensitive,
            control,
            register,
            attacker,
            kind=kind or "generalized",
            subject=subject,
        )
    rows.insert(0, "method", point.method)
    rows.insert(1, "strength", float(point.strength))
    rows.insert(2, "seed", seed)
    return rows


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
        The rows of `measure`, in the order of points and seeds.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    wanted = [(Point(*point), seed) for point in points for seed in tables]
    files = {}
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        marks = {seed: _digest(some, quasi, sensitive) for seed, some in tables.items()}
        files = {task: cache / f"{_name(*task, marks[task[1]])}.json" for task in wanted}
    found = {
        task: pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))
        for task, path in files.items()
        if path.exists()
    }
    todo = [task for task in wanted if task not in found]
    work = (delayed(measure)(tables[seed], point, quasi, sensitive, seed) for point, seed in todo)
    results = Parallel(n_jobs=min(jobs, max(len(todo), 1)), return_as="generator")(work)
    bar = tqdm(
        results, total=len(todo), unit="point", mininterval=2, disable=not progress or not todo
    )
    for task, rows in zip(todo, bar, strict=True):
        found[task] = rows
        if task in files:
            _save(rows, files[task])
    return pd.concat([found[task] for task in wanted], ignore_index=True)


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
