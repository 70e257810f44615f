"""Learning over sites against learning in one place, and what varied copies of a head cost.

scikit-learn's breast-cancer data: 8 standardized features, 400 rows in five unequal sites sorted
by the first feature, the other 169 rows to test. CPU time without imports, the median of some
runs.

    python benchmarks/federated.py [--repeat 5]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import mean, median

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from medlab import federated, samples
from medlab.federated import logistic
from medlab.synthetic import augment

SIZES = (40, 60, 80, 100, 120)


def rows() -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray, np.ndarray]:
    """Return the sites, and features and labels of the test."""
    data = load_breast_cancer()
    X, y = data.data[:, :8], data.target.astype(float)
    X = (X - X[:400].mean(axis=0)) / X[:400].std(axis=0)
    parts = np.split(np.argsort(X[:400, 0]), np.cumsum(SIZES)[:-1])
    return [(X[part], y[part]) for part in parts], X[400:], y[400:]


def loop(
    sites: list[tuple[np.ndarray, np.ndarray]], rounds: int, steps: int, rate: float, l2: float
) -> np.ndarray:
    """Return what the formula gives, in plain NumPy."""
    total = sum(len(y) for _, y in sites)
    w = np.zeros(sites[0][0].shape[1] + 1)
    for _ in range(rounds):
        updates = []
        for X, y in sites:
            X, local = np.c_[X, np.ones(len(X))], w.copy()
            for _ in range(steps):
                local -= rate * (X.T @ (1 / (1 + np.exp(-X @ local)) - y) / len(y) + l2 * local)
            updates.append(len(y) / total * local)
        w = sum(updates)
    return w


def seconds(work: Callable[[], object], repeat: int) -> float:
    costs = []
    for _ in range(repeat):
        started = time.process_time()
        work()
        costs.append(time.process_time() - started)
    return median(costs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    sites, X, y = rows()
    whole = [tuple(np.concatenate(part) for part in zip(*sites, strict=True))]

    def auc(weights: np.ndarray) -> float:
        return float(roc_auc_score(y, logistic.with_intercept(X) @ weights))

    federated.train(sites, rounds=1)  # imports
    cost = seconds(lambda: federated.train(sites), repeat)
    plain = seconds(lambda: loop(sites, 20, 1, 0.5, 0.01), repeat)
    one = np.abs(federated.train(sites).weights - loop(whole, 20, 1, 0.5, 0.01)).max()
    many = federated.train(sites, rounds=40, local_steps=20, rate=0.1)
    gap = np.abs(many.weights - loop(sites, 40, 20, 0.1, 0.01)).max()
    central = auc(loop(whole, 40, 20, 0.1, 0.01))
    single = [auc(loop([site], 40, 20, 0.1, 0.01)) for site in sites]
    masked = np.abs(federated.train(sites, secure=True).weights - federated.train(sites).weights)
    budget = {"rounds": 30, "epsilon": 3, "delta": 1e-5, "clip": 1}
    private = [auc(federated.train(sites, **budget).weights) for _ in range(repeat)]
    head = np.asarray(samples.head(1).img.dataobj)
    copies = seconds(
        lambda: [step(head, np.random.default_rng(0)) for step in augment.ALL.values()], repeat
    )
    for name, value, limit in (
        ("CPU of 5 sites x 20 rounds, s (5 x the loop + .5)", cost, 5 * plain + 0.5),
        ("one step a round: distance to central descent", one, 1e-9),
        ("20 steps a round: distance to the plain loop", gap, 1e-9),
        ("AUC below central", central - auc(many.weights), 0.01),
        ("AUC of the mean single site, below federated", mean(single), auc(many.weights)),
        ("masks: largest change of a weight", masked.max(), 20 * 5 * 2**-17),
        ("epsilon 3: AUC below 1 (worst of the runs)", 1 - min(private), 0.2),
        ("all five augmentations of a 2 mm head, CPU s", copies, 2.0),
    ):
        verdict = "ok" if value <= limit else "MISSED"
        print(f"{name:52} {value:10.3g}   at most {limit:.3g}   {verdict}")
    print(f"AUC: federated {auc(many.weights):.4f}, central {central:.4f}, single sites", end=" ")
    print(", ".join(f"{value:.4f}" for value in single))


if __name__ == "__main__":
    main()
