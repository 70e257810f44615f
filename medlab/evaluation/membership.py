"""Membership: whether a release tells who is in it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medlab.arrays import Floats
from medlab.evaluation.attack_statistics import Score, auc_score, tpr_at, wilson


def membership(members: Floats, others: Floats) -> dict[str, Score]:
    """Return how well the distance to the nearest row tells members from others.

    Parameters
    ----------
    members, others : float arrays
        Distance to the nearest released row, of people in the release and of a control group.

    Returns
    -------
    dict
        AUC (0.5: nothing is told), and the share of members found where 1 % or 5 % of the
        others are taken for members; with fewer than 100 others 1 % is not given.
    """
    found = {"membership AUC": auc_score(-members, -others)}
    for fpr in (0.01, 0.05):
        if len(others) * fpr >= 1:
            value = tpr_at(-members, -others, fpr)
            low, high = wilson(value * len(members), len(members))
            name = f"membership TPR at {fpr:.0%} FPR"
            found[name] = Score(value, low, high, fpr, fpr)
    return found


def with_copies(
    released: pd.DataFrame, original: pd.DataFrame, share: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return a synthetic table with a share of its rows replaced by rows of the original.

    The positive control of attacks. None is copied twice as long as there are others, so a
    membership AUC of about 0.5 + 0.5 * (copies / originals) is the most that can be found.
    """
    count = round(share * len(released))
    columns = [name for name in released if name in original]
    copied = np.resize(rng.permutation(len(original)), count)
    kept = rng.permutation(len(released))[count:]
    both = [released.iloc[kept], original[columns].iloc[copied]]
    return pd.concat(both, ignore_index=True)
