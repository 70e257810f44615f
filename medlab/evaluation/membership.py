"""Membership: whether a release tells who is in it."""

from __future__ import annotations

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
