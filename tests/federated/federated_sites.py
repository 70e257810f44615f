"""Sites of fictitious patients, and the formula of the training as a plain loop."""

import numpy as np


def unequal_sites(rows=(1, 7, 20, 33), width=3, seed=0):
    """Sites of unequal size whose patients differ; the first holds one row."""
    rng = np.random.default_rng(seed)
    sites = []
    for number, size in enumerate(rows):
        features = rng.normal(number / 2 - 0.5, 1, (size, width))
        chance = 1 / (1 + np.exp(-features @ np.linspace(1, -1, width)))
        sites.append((features, (rng.random(size) < chance).astype(float)))
    return sites


def plain_loop(sites, rounds, steps, rate, l2, mu=0.0):
    """What the sites agree on, by the formula, row by row."""
    total = sum(len(y) for _, y in sites)
    w = np.zeros(sites[0][0].shape[1] + 1)
    for _ in range(rounds):
        mean = np.zeros_like(w)
        for X, y in sites:
            X = np.c_[X, np.ones(len(X))]
            local = w.copy()
            for _ in range(steps):
                slope = sum(
                    (1 / (1 + np.exp(-x @ local)) - label) * x
                    for x, label in zip(X, y, strict=True)
                ) / len(y)
                local = local - rate * (slope + l2 * local + mu * (local - w))
            mean += len(y) / total * local
        w = mean
    return w
