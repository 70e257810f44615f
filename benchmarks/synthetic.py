"""What synthetic tables keep, what attacks find in them, and how long they take.

    python benchmarks/synthetic.py [ADULT]

ADULT is the file adult.data of the UCI repository ("Adult", Becker and Kohavi 1996, 32,561 rows;
https://archive.ics.uci.edu/dataset/2/adult), which is not part of this project. Without it the
sample cohort of 5,000 patients is measured.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from medlab import evaluation, samples, synthetic
from medlab.evaluation.release_attacks import with_copies

SEEDS = range(3)
NAMES = (
    "age workclass fnlwgt education education-num marital-status occupation relationship race sex "
    "capital-gain capital-loss hours-per-week native-country income"
)
# Bins of 5 years and 6 to 9 bins of the other numbers; a gain or loss of 0 is a bin of its own.
ADULT = """
age: {bounds: [15, 90], bins: 15}
capital-gain: {bounds: [0, 99999], cuts: [0, 2500, 5000, 7500, 10000, 15000, 50000]}
capital-loss: {bounds: [0, 4400], cuts: [0, 1000, 1500, 1750, 2000, 2500]}
hours-per-week: {bounds: [0, 100], cuts: [10, 20, 30, 39, 40, 50, 60, 80]}
"""
COHORT = ["Age", "Sex", "Weight", "Height", "Modality", "Institution", "BodyPart", "Diagnosis"]


def tables(path: str | None) -> tuple[pd.DataFrame, list[synthetic.Axis]]:
    """Return a table and its domain; categories are those of the file."""
    if path is None:
        cohort = evaluation.one_each(samples.cohort(5000, 1))
        table = pd.concat([cohort.released, cohort.control])[COHORT].reset_index(drop=True)
        return table, synthetic.parse_domain(synthetic.draft_domain(table))
    table = pd.read_csv(Path(path), header=None, names=NAMES.split(), skipinitialspace=True)
    table = table.drop(columns=["fnlwgt", "education-num"])
    numbers = {axis.name: axis for axis in synthetic.parse_domain(ADULT)}
    labels = synthetic.parse_domain(synthetic.draft_domain(table, list(numbers)))
    found = {axis.name: axis for axis in labels} | numbers
    return table, [found[name] for name in table]


def closeness(table: pd.DataFrame, domain: list[synthetic.Axis]) -> None:
    """Print mean total variation, one-way and two-way, and CPU seconds."""
    print("model        epsilon  one-way  two-way  CPU s")
    asked = [("tree", 0.5), ("tree", 1), ("tree", 5), ("tree", None), ("copula", None)]
    for method, epsilon in [*asked, ("independent", 1), ("independent", None)]:
        start = time.process_time()
        made = [synthetic.synthesize(table, domain, method, epsilon=epsilon) for _ in SEEDS]
        cost = (time.process_time() - start) / len(SEEDS)
        apart = np.mean([synthetic.distances(table, one.table, domain) for one in made], axis=0)
        print(f"{method:12} {epsilon or '-':>7}  {apart[0]:.4f}   {apart[1]:.4f}   {cost:.2f}")


def attacks(table: pd.DataFrame, domain: list[synthetic.Axis]) -> None:
    """Print the AUC of membership by nearest record, without copies and with them."""
    order = np.random.default_rng(0).permutation(len(table))[: min(len(table), 6000)]
    half = len(order) // 2
    members, others = (table.iloc[some].reset_index(drop=True) for some in np.split(order, [half]))
    quasi, sensitive = list(table.columns[:-1]), table.columns[-1]
    print(f"membership AUC, {half} members, {half} others, copies of 0 and 30 % of the rows")
    for rows in (half, 2 * half, 3 * half):
        made = synthetic.synthesize(
            members, domain, "copula", rows=rows, rng=np.random.default_rng(1)
        ).table
        found = []
        for share in (0.0, 0.3):
            released = with_copies(made, members, share, np.random.default_rng(2))
            measured = evaluation.evaluate(
                members, released, quasi, sensitive, others, kind="synthetic"
            ).set_index("measure")
            found.append(f"{measured.loc['membership AUC', 'value']:.3f}")
        print(f"copula, {rows} rows: {'  '.join(found)}")


if __name__ == "__main__":
    read = tables(sys.argv[1] if len(sys.argv) > 1 else None)
    print(f"{len(read[0])} rows x {len(read[1])} columns")
    closeness(*read)
    attacks(*read)
