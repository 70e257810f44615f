"""The statistics of attacks: rates with intervals, rates corrected by a control, AUC."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from medlab.errors import InputError

Z95 = 1.959963984540054


class Score(NamedTuple):
    """One measured figure.

    Attributes
    ----------
    value : float
        NaN where it could not be measured.
    low, high : float
        95 % confidence interval; NaN where the value is exact or has none.
    baseline : float
        What an attacker without the release reaches; for a loss of utility, what the
        untouched table has. NaN where there is none.
    control : float
        The same attack on people who were not released.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    baseline: float = math.nan
    control: float = math.nan


def wilson(successes: float, attempts: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a rate.

    Parameters
    ----------
    successes : float
        Expected successes; need not be whole.
    attempts : int

    Notes
    -----
    Wilson, JASA 22(158), 1927.

    Examples
    --------
    >>> [round(end, 4) for end in wilson(5, 10)]
    [0.2366, 0.7634]
    """
    if not 0 <= successes <= attempts * (1 + 1e-12) or attempts < 1:
        raise InputError("a rate needs at least one attempt and no more successes than attempts")
    n, z2 = attempts, Z95**2
    center = (successes + z2 / 2) / (n + z2)
    half = Z95 / (n + z2) * math.sqrt(max(successes * (n - successes), 0.0) / n + z2 / 4)
    low, high = center - half, center + half
    return (low if low > 1e-12 else 0.0), min(1.0, high)


def rate(successes: Any, baseline: float = math.nan, control: float = math.nan) -> Score:
    """Return the mean of success probabilities, one a target, with its Wilson interval."""
    hits = np.asarray(successes, dtype=np.float64)
    if not hits.size:
        return Score(math.nan, baseline=baseline, control=control)
    return Score(float(hits.mean()), *wilson(float(hits.sum()), hits.size), baseline, control)


def excess(member: Any, control: Any) -> Score:
    """Return the risk that is due to the release: (member - control) / (1 - control).

    Parameters
    ----------
    member, control : arrays
        Success probabilities of one attack on released people and on a control group.

    Returns
    -------
    Score
        Floored at 0, as is the lower end; `baseline` is 0, `control` the control's rate.

    Notes
    -----
    Giomi et al., "A Unified Framework for Quantifying Privacy Risk in Synthetic Data",
    PoPETs 2023: Wilson centers, and the two half-widths propagated.
    """
    (a, da), (b, db) = _center(member), _center(control)
    if b >= 1:
        return Score(math.nan, baseline=0.0, control=1.0)
    value = (a - b) / (1 - b)
    half = math.hypot(da / (1 - b), db * (1 - a) / (1 - b) ** 2)
    low, high = max(0.0, value - half), min(1.0, value + half)
    mean = float(np.mean(control))
    plain = (float(np.mean(member)) - mean) / (1 - mean) if mean < 1 else 0.0
    return Score(max(0.0, plain), low, max(high, 0.0), 0.0, mean)


def _center(successes: Any) -> tuple[float, float]:
    hits = np.asarray(successes, dtype=np.float64)
    low, high = wilson(float(hits.sum()), hits.size)
    return (low + high) / 2, (high - low) / 2


def auc(positive: Any, negative: Any) -> Score:
    """Return the chance that a positive scores above a negative, ties counted half.

    NaN if there is nobody on one side. The interval: Hanley, McNeil, Radiology 143, 1982.
    """
    from scipy.stats import rankdata

    n, m = len(positive), len(negative)
    if not n or not m:
        return Score(math.nan, baseline=0.5)
    ranks = rankdata(np.concatenate([positive, negative]))
    a = float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))
    q1, q2 = a / (2 - a), 2 * a**2 / (1 + a)
    variance = (a * (1 - a) + (n - 1) * (q1 - a**2) + (m - 1) * (q2 - a**2)) / (n * m)
    half = Z95 * math.sqrt(max(variance, 0.0))
    return Score(a, max(0.0, a - half), min(1.0, a + half), 0.5)


def tpr_at(positive: Any, negative: Any, fpr: float) -> float:
    """Return the true positive rate where the false positive rate is `fpr`.

    Between two thresholds the curve is straight: an attacker facing a tie throws a coin.
    """
    thresholds = np.unique(np.concatenate([positive, negative]))[::-1]
    above = [
        1 - np.searchsorted(np.sort(scores), thresholds) / len(scores)
        for scores in (positive, negative)
    ]
    return float(np.interp(fpr, np.r_[0.0, above[1], 1.0], np.r_[0.0, above[0], 1.0]))
