"""How well an attacker tells decoys from the studies among which they stand.

Heads of the sample hospital at 8 mm, several visits each, at most eight slices of a series; the
policy is `research`. The attacker is told which studies are decoys, but for those of the patients
to be judged (boosted trees, cross-validated by patient), and looks at

- headers: of every element of a file its number, its length and its place among the values of all,
- file facts: how many files a study has, and how large they are, compressed as they are,
- pictures: brightness, edges and noise.

    python benchmarks/decoys.py [--heads 99] [--visits 4] [--decoys 100] [--folder KEPT]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydicom import Dataset, dcmread
from scipy.ndimage import laplace
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from medlab import dicom, pipeline, samples
from medlab.pipeline import decoys
from medlab.samples import studies

SLICES = 8
REPEATS = 3
SEED = 20240301


def hospital(folder: Path, heads: int, visits: int) -> None:
    """Write the series of heads, the slices in the middle."""
    for number in range(1, heads + 1):
        for visit in range(1, visits + 1):
            img = samples.head(number, visit, spacing_mm=8, seed=SEED).img
            made = list(studies.mr_series(number, SEED, visit, img))
            first = max(len(made) - SLICES, 0) // 2
            for one in made[first : first + SLICES]:
                path = folder / one.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(dicom.to_bytes(one.dataset))


def header_facts(dataset: Dataset) -> dict[str, Any]:
    """Return the values of a data set, without its pictures."""
    every = [*dataset.file_meta, *dataset.iterall()]
    return {str(e.tag): str(e.value) for e in every if e.VR[0] != "O" and e.VR != "SQ"}


def picture_facts(datasets: list[Dataset]) -> dict[str, float]:
    """Return brightness, edges and noise of the pictures of a study."""
    pictures = [dataset.pixel_array.astype(float) for dataset in datasets]
    facts = {
        "mean": [p.mean() for p in pictures],
        "spread": [p.std() for p in pictures],
        "edges": [np.abs(np.diff(p)).mean() for p in pictures],
        "noise": [np.abs(laplace(p)).mean() for p in pictures],
        "black": [(p < np.percentile(p, 99) / 20).mean() for p in pictures],
        "gray levels": [len(np.unique(p)) for p in pictures],
    }
    return {name: float(np.mean(values)) for name, values in facts.items()}


def size_facts(paths: list[Path]) -> dict[str, float]:
    """Return how many files a study has, and how large they are."""
    sizes = [path.stat().st_size for path in paths]
    return {
        "files": len(sizes),
        "mean": float(np.mean(sizes)),
        "least": min(sizes),
        "most": max(sizes),
        "spread": float(np.std(sizes)),
        "neighbors": float(np.abs(np.diff(sizes)).mean()) if len(sizes) > 1 else 0.0,
    }


def as_numbers(headers: pd.DataFrame) -> pd.DataFrame:
    """Return of each column its numbers, its lengths, and its place among all values."""
    numbers = headers.apply(pd.to_numeric, errors="coerce").add_prefix("number ")
    lengths = headers.apply(lambda column: column.str.len()).add_prefix("length ")
    places = headers.apply(lambda column: column.rank(method="dense")).add_prefix("place ")
    return pd.concat([numbers, lengths, places], axis=1)


def auc(facts: pd.DataFrame, truth: np.ndarray, groups: np.ndarray) -> float:
    """Return how well boosted trees tell decoys, the mean of some ways to divide the patients."""
    values, facts = [], facts.loc[:, facts.nunique() > 1].fillna(-1)
    for seed in range(REPEATS):
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        trees = GradientBoostingClassifier(n_estimators=50, random_state=seed)
        odds = cross_val_predict(
            trees, facts, truth, groups=groups, cv=folds, method="predict_proba"
        )
        values.append(roc_auc_score(truth, odds[:, 1]))
    return float(np.mean(values))


def measure(root: Path, count: int) -> None:
    """Print what attackers reach, and whether the owner finds decoys again."""
    register = decoys.Register(root / "clean.job" / "vault.db")
    everything = sorted((root / "clean").rglob("*.dcm"))
    by_study = [list(paths) for _, paths in groupby(everything, lambda p: p.parts[:-2])]
    marks = [[register(path) is not None for path in paths] for paths in by_study]
    truth = np.array([all(some) for some in marks])
    files, found = len(everything), sum(map(sum, marks))
    print(f"{len(by_study)} studies, of them {truth.sum()} decoys; {found} of {files} files found")
    if truth.sum() != count or any(any(some) != all(some) for some in marks):
        raise SystemExit("a decoy was not found again, or a real file was taken for one")
    datasets = [[dcmread(path) for path in paths] for paths in by_study]
    groups = pd.factorize(np.array([str(some[0].PatientID) for some in datasets]))[0]
    headers = as_numbers(pd.DataFrame([header_facts(some[0]) for some in datasets]))
    sizes = pd.DataFrame([size_facts(paths) for paths in by_study])
    pictures = pd.DataFrame([picture_facts(some) for some in datasets])
    looks = {
        "headers": headers,
        "file facts": sizes,
        "headers and file facts": headers.join(sizes),
        "pictures": pictures,
    }
    for name, facts in looks.items():
        print(f"{name:24} AUC {auc(facts, truth, groups):.2f}")
    syntaxes = np.array([str(some[0].file_meta.TransferSyntaxUID.name) for some in datasets])
    for syntax in np.unique(syntaxes):
        at = syntaxes == syntax
        print(f"file facts, {syntax}: AUC {auc(sizes[at], truth[at], groups[at]):.2f}")


def main() -> None:
    """Make the hospital, clean it, add decoys, attack."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--heads", type=int, default=99)
    parser.add_argument("--visits", type=int, default=4)
    parser.add_argument("--decoys", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="keep the hospital here and take it up again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = options.folder or Path(scratch)
        if not (root / "clean").is_dir():
            hospital(root / "src", options.heads, options.visits)
            pipeline.deidentify(root / "src", root / "clean", pipeline.Settings(policy="research"))
        started = time.process_time()
        print(decoys.add(root / "src", root / "clean", options.decoys)[1])
        print(f"{(time.process_time() - started) / options.decoys:.2f} s of CPU a decoy")
        measure(root, options.decoys)


if __name__ == "__main__":
    main()
