"""What noisy answers cost: a count beside the plain count of pandas, all queries on small tables.

python benchmarks/dp.py [--rows 1000000] [--repeat 7]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd

from medlab import dp

LARGEST_RATIO = 10  # of a count over table.groupby(subject).size()
LARGEST_MS = 5.0  # of an answer over 400 rows
QUERIES: dict[str, Callable[[pd.DataFrame, dp.Meter], object]] = {
    "count": lambda table, meter: dp.count(table, meter, 1),
    "histogram": lambda table, meter: dp.histogram(table, "Sex", ["F", "M"], meter, 1),
    "contingency": lambda table, meter: dp.contingency(
        table, ["Sex", "Age"], [["F", "M"], range(18, 91)], meter, 1
    ),
    "total": lambda table, meter: dp.total(table, "Age", (18, 90), meter, 1),
    "mean": lambda table, meter: dp.mean(table, "Age", (18, 90), meter, 1),
    "quantile": lambda table, meter: dp.quantile(table, "Age", 0.5, range(18, 91), meter, 1),
}


def cohort(rows: int) -> pd.DataFrame:
    """Return rows of about four fifths as many patients."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "PatientID": rng.integers(0, max(1, rows * 4 // 5), rows).astype(str),
            "Sex": rng.choice(["F", "M"], rows),
            "Age": rng.integers(18, 91, rows),
        }
    )


def seconds(work: Callable[[], object], repeat: int) -> float:
    """Return the median CPU time of some calls, after one that warms up."""
    work()
    taken = []
    for _ in range(repeat):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return median(taken)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=7)
    options = parser.parse_args()
    meter, large, small = dp.Meter(1e9), cohort(options.rows), cohort(400)
    plain = seconds(lambda: large.groupby("PatientID").size(), options.repeat)
    print(f"groupby size, {options.rows:,} rows: {plain:.3f} s")
    for name, ask in QUERIES.items():
        wide = seconds(lambda ask=ask: ask(large, meter), options.repeat)
        narrow = 1000 * seconds(lambda ask=ask: [ask(small, meter) for _ in range(50)], 5) / 50
        good = narrow <= LARGEST_MS and (name != "count" or wide <= LARGEST_RATIO * plain)
        reached = "reached" if good else "MISSED"
        print(f"{name}: {wide / plain:.2f} times that; 400 rows: {narrow:.2f} ms; {reached}")


if __name__ == "__main__":
    main()
