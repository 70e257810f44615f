"""Time and quality of cohort tables, as ratios against np.argsort, anonypy, pycanon.

    python benchmarks/tabular.py                     # 3,000 and 100,000 rows, quality
    python benchmarks/tabular.py --rows 1000000      # the large sizes
    python benchmarks/tabular.py --rows 10000000 --columns 4 --only memory
    python benchmarks/tabular.py --csv adult.csv --qi age,sex,hours --sensitive occupation

CPU seconds of this process. Ratios hold within one run on one machine. The table is
Adult-like: eight quasi-identifiers with heavy ties (hours = 40, one country in ten rows
out of eleven) and a skewed sensitive column.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medlab import tabular
from medlab.tabular.table_files import read_file

QUASI = ["age", "workclass", "education", "marital", "race", "sex", "hours", "country"]
SENSITIVE = "occupation"


def adult_like(rows: int, seed: int = 0) -> pd.DataFrame:
    """Return a table with the ties and skew of UCI Adult."""
    rng = np.random.default_rng(seed)

    def labels(prefix: str, weights: list[float]) -> np.ndarray:
        share = np.array(weights) / sum(weights)
        names = np.array([f"{prefix}{i:02d}" for i in range(len(weights))])
        return names[rng.choice(len(weights), rows, p=share)]

    education = [0.2, 0.5, 1, 2, 1.6, 3, 4, 1.5, 32, 22, 4, 3, 17, 5, 2, 1.2]
    hours = np.where(rng.random(rows) < 0.47, 40, rng.normal(40, 14, rows)).clip(1, 99)
    return pd.DataFrame(
        {
            "age": rng.gamma(6, 6.5, rows).clip(17, 90).astype(int),
            "workclass": labels("w", [70, 8, 6, 4, 4, 4, 0.1]),
            "education": 1 + rng.choice(16, rows, p=np.array(education) / sum(education)),
            "marital": labels("m", [46, 32, 14, 3, 3, 1.3, 0.1]),
            "race": labels("r", [85, 9, 3, 1, 1]),
            "sex": labels("s", [33, 67]),
            "hours": hours.astype(int),
            "country": labels("c", [90] + [10 / 40] * 40),
            SENSITIVE: labels("o", [13, 13, 13, 13, 11, 11, 7, 5, 5, 4, 3, 2, 0.5, 0.1]),
        }
    )


def cpu(work: Callable[[], Any], repeat: int = 1) -> tuple[float, Any]:
    """Return the least CPU seconds of some runs, and the last result."""
    best = np.inf
    for _ in range(repeat):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return best, result


def sort_seconds(table: pd.DataFrame, quasi: list[str]) -> float:
    """Return the cost of one np.argsort of each column (labels as integer codes)."""
    columns = [
        table[name].to_numpy()
        if pd.api.types.is_numeric_dtype(table[name])
        else pd.factorize(table[name], sort=True)[0]
        for name in quasi
    ]
    return sum(cpu(lambda column=column: np.argsort(column), 5)[0] for column in columns)


def speed(table: pd.DataFrame, quasi: list[str], sensitive: str, k: int) -> None:
    sort = sort_seconds(table, quasi)
    whole, release = cpu(lambda: tabular.mondrian(table, quasi, sensitive, k, l=3), 3)
    print(
        f"{len(table):>9,} rows x {len(quasi)}: argsort {sort:.3f} s; "
        f"whole DataFrame {whole:.2f} s = {whole / sort:.1f} x; "
        f"{len(release.classes):,} classes"
    )


def against_anonypy(rows: int, k: int) -> None:
    import anonypy

    table = adult_like(rows)
    frame = table.copy()
    for name in frame:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = frame[name].astype("category")
    peer, _ = cpu(lambda: anonypy.Preserver(frame, QUASI, SENSITIVE).anonymize_k_anonymity(k=k))
    ours, _ = cpu(lambda: tabular.mondrian(table, QUASI, SENSITIVE, k), 3)
    print(
        f"{rows:>9,} rows, k={k}: anonypy {peer:.2f} s, medlab {ours:.3f} s: {peer / ours:.0f} x"
    )


def against_pycanon(rows: int, k: int) -> None:
    from pycanon import anonymity

    table = tabular.mondrian(adult_like(rows), QUASI, SENSITIVE, k, l=2).table.astype(str)
    peer, theirs = cpu(
        lambda: (
            anonymity.k_anonymity(table, QUASI),
            anonymity.l_diversity(table, QUASI, [SENSITIVE]),
            anonymity.t_closeness(table, QUASI, [SENSITIVE]),
        )
    )
    ours, mine = cpu(
        lambda: (
            tabular.k_anonymity(table, QUASI),
            tabular.l_diversity(table, QUASI, SENSITIVE),
            tabular.t_closeness(table, QUASI, SENSITIVE),
        )
    )
    same = np.allclose(theirs, mine)
    print(
        f"{rows:>9,} rows, k l t: pycanon {peer:.2f} s, medlab {ours:.3f} s: {peer / ours:.0f} x, "
        f"same numbers: {same}"
    )


def probe(table: pd.DataFrame, quasi: list[str], k: int) -> float:
    """Return the GCP of a plain recursive Mondrian with the tie-aware widest-range rule."""
    codes = np.stack([pd.factorize(table[name], sort=True)[0] for name in quasi], axis=1)
    places = [
        np.unique(table[name].to_numpy().astype(float))
        if pd.api.types.is_numeric_dtype(table[name])
        else np.arange(table[name].nunique(), dtype=float)
        for name in quasi
    ]
    places = [(place - place[0]) / max(place[-1] - place[0], 1) for place in places]
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in quasi]
    waiting, loss = [np.arange(len(table))], 0.0
    while waiting:
        rows = waiting.pop()
        part = codes[rows]
        width = [p[c.max()] - p[c.min()] for p, c in zip(places, part.T, strict=True)]
        for j in np.argsort(-np.array(width), kind="stable"):
            values = part[:, j]
            median = np.sort(values)[len(values) // 2]
            sides = [values < median, values <= median]
            best = max(sides, key=lambda side: min(side.sum(), len(side) - side.sum()))
            if min(best.sum(), len(best) - best.sum()) >= k:
                waiting += [rows[best], rows[~best]]
                break
        else:
            for j, column in enumerate(part.T):
                cell = width[j] if numeric[j] else (len(set(column)) - 1) / (len(places[j]) - 1)
                loss += len(rows) * cell
    return loss / codes.size


def quality(table: pd.DataFrame, quasi: list[str], sensitive: str) -> None:
    for k in (2, 5, 10, 25, 50, 100):
        gcp = {
            mode: tabular.gcp(
                tabular.mondrian(table, quasi, sensitive, k, quality=mode).table, quasi, table
            )
            for mode in ("fast", "best")
        }
        peer = probe(table, quasi, k)
        print(
            f"{len(table):>9,} rows, k={k:>3}: GCP probe {peer:.4f}, fast {gcp['fast']:.4f}, "
            f"best {gcp['best']:.4f} ({1 - gcp['best'] / gcp['fast']:.0%} finer than fast)"
        )


def memory(table: pd.DataFrame, quasi: list[str], sensitive: str, k: int) -> None:
    """Print the highest memory in use beyond the table (Linux)."""
    table = table[[*quasi, sensitive]].copy()
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    seconds, release = cpu(lambda: tabular.mondrian(table, quasi, sensitive, k, l=3))
    print(
        f"{len(table):>9,} rows x {len(quasi)}: {seconds:.1f} s, "
        f"{status('VmHWM') - before:.2f} GiB beyond the table, {len(release.classes):,} classes"
    )


def status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(name)).split()[1]) / 2**20


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    words.add_argument("--rows", type=int, action="append", help="repeatable; default 100,000")
    words.add_argument("--columns", type=int, default=8)
    words.add_argument("--k", type=int, default=10)
    words.add_argument("--csv", type=Path, help="your own table in place of the Adult-like one")
    words.add_argument("--qi", default="", help="its quasi-identifiers: a,b,c")
    words.add_argument("--sensitive", default=SENSITIVE)
    words.add_argument("--only", choices=["speed", "peers", "quality", "memory"])
    given = words.parse_args()
    quasi = given.qi.split(",") if given.qi else QUASI[: given.columns]
    own = None if given.csv is None else read_file(given.csv).table
    for rows in given.rows or [100_000]:
        table = adult_like(rows) if own is None else own
        if given.only in (None, "speed"):
            speed(table, quasi, given.sensitive, given.k)
        if given.only == "memory":
            memory(table, quasi, given.sensitive, given.k)
    if given.only in (None, "peers"):
        against_anonypy(3_000, given.k)
        against_pycanon(3_000, given.k)
    if given.only in (None, "quality"):
        quality(adult_like(30_000) if own is None else own, quasi, given.sensitive)


if __name__ == "__main__":
    main()
