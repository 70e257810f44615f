"""Cost of attacking a release, against one nearest-neighbor search of scikit-learn.

    python benchmarks/evaluation.py                       # one release of 5,000 rows, memory
    python benchmarks/evaluation.py --grid                # 36 points x 5 seeds at 1,500 rows
    python benchmarks/evaluation.py --faces               # twelve heads, two sessions

The peer is `NearestNeighbors(algorithm="brute", metric="manhattan")`: each person's nearest
released row in the same distance, labels as pairs of half columns. CPU seconds of this
process, least of some runs; ratios hold within one run on one machine. The grid is timed
by the clock.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from medlab import evaluation, samples, tabular
from medlab.evaluation import image_attacks, measures
from medlab.tabular.released_cells import scales_of

QUASI = ["Age", "Sex", "Weight", "Height", "Postcode", "StudyDate", "Modality"]
SENSITIVE = "Diagnosis"


def cpu(work: Callable[[], Any], repeat: int = 3) -> float:
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def encoded(table, scales) -> np.ndarray:
    """Return numbers on the scale 0 to 1, then labels as columns of 0 and 1/2."""
    parts = []
    for one in sorted(scales, key=lambda one: not one.numeric):
        place = one.place(table[one.name])
        if one.numeric:
            parts.append(place[:, None])
        else:
            parts.append((place[:, None] == np.arange(len(one.labels))) / 2)
    return np.hstack(parts)


def one_release(rows: int) -> None:
    tables = evaluation.one_each(samples.cohort(rows))
    original, register, control = tables
    scales = scales_of(original, QUASI)
    known, asked = encoded(original, scales), encoded(control, scales)
    search = NearestNeighbors(n_neighbors=1, algorithm="brute", metric="manhattan").fit(known)
    peer = cpu(lambda: search.kneighbors(asked))
    print(f"{rows} rows, {len(QUASI)} quasi-identifiers, a register of {len(register)}")
    print(f"  one nearest-neighbor search (scikit-learn): {peer:.2f} s CPU = 1")
    numbers = sum(one.numeric for one in scales)
    search.fit(known[:, :numbers])
    less = cpu(lambda: search.kneighbors(asked[:, :numbers]))
    print(f"  the same on the {numbers} number columns alone: {less:.2f} s, {less / peer:.2f}")
    mondrian = tabular.mondrian(original, QUASI, SENSITIVE, k=5)
    for name, release in (("untouched table", original), ("Mondrian k=5", mondrian)):
        truth = measures.truth(original, QUASI, SENSITIVE, control, register)
        case = measures._case(truth, release, "generalized")
        nobody = np.full(len(control), -1)
        work = {
            "linkage, inference, membership of released": lambda case=case: measures._attack(
                case, [(case.original, case.owners)]
            ),
            "the same of the control group": lambda case=case, nobody=nobody: measures._attack(
                case, [(case.control, nobody)]
            ),
            "risks, with register": lambda case=case: list(measures._risks(case)),
            "everything (evaluate)": lambda release=release: evaluation.evaluate(
                original, release, QUASI, SENSITIVE, control, register
            ),
        }
        print(f"  {name}")
        for what, run in work.items():
            seconds = cpu(run, 2)
            print(f"    {what:45s} {seconds:6.2f} s  {seconds / peer:5.2f}")


def memory(rows: int) -> None:
    original, register, control = evaluation.one_each(samples.cohort(rows))
    tracemalloc.start()
    evaluation.evaluate(original, original, QUASI, SENSITIVE, control, register)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    share = peak / (8 * rows**2)
    print(f"memory of evaluate at {rows} rows: peak {peak / 2**20:.0f} MiB, ", end="")
    print(f"{share:.2f} of one table of rows x rows floats")


def whole_grid(rows: int, seeds: int, jobs: int) -> None:
    points = evaluation.usual_points(QUASI)
    points += [("Mondrian k", k) for k in (3, 7, 15, 35, 70)][: 36 - len(points)]
    tables = {s: evaluation.one_each(samples.cohort(rows, s)) for s in range(seeds)}
    start, busy = time.perf_counter(), time.process_time()
    found = evaluation.grid(tables, points, QUASI, SENSITIVE, jobs=jobs)
    seconds = time.perf_counter() - start
    print(
        f"grid of {len(points)} points x {seeds} seeds at {rows} rows, {jobs} processes: ", end=""
    )
    print(f"{seconds:.0f} s, {len(found)} figures, {time.process_time() - busy:.0f} s of it here")


def faces(heads: int, spacing: float) -> None:
    scans = [
        [samples.head(p, s, spacing_mm=spacing).img for p in range(1, heads + 1)] for s in (1, 2)
    ]
    start = time.process_time()
    found = image_attacks.reidentify(scans[0], {"second session": scans[1]}).iloc[0]
    seconds = time.process_time() - start
    print(f"{heads} heads, two sessions, {spacing:g} mm: rank-1 {found.rank1:.2f}, ", end="")
    print(f"mean rank {found.mean_rank:.2f}, chance {found.chance:.2f}; {seconds:.1f} s CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--grid", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--faces", action="store_true")
    parser.add_argument("--spacing", type=float, default=3.0)
    chosen = parser.parse_args()
    if chosen.grid:
        whole_grid(1500, chosen.seeds, chosen.jobs)
    elif chosen.faces:
        faces(12, chosen.spacing)
    else:
        one_release(chosen.rows)
        for rows in (chosen.rows // 2, chosen.rows, 2 * chosen.rows):
            memory(rows)


if __name__ == "__main__":
    main()
