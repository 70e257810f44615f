"""Logistic regression by DP-SGD, and the accountant of its privacy loss.

Noise is NumPy's, in floats, from the generator that is given: enough to learn and to compare by.
A model that strangers will see wants a vetted library.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from medlab.arrays import Floats
from medlab.errors import InputError

_LARGEST_LOGIT = 500.0  # exp of more overflows
#: Orders at which the loss is looked up, as dp-accounting takes them; the best one counts.
_ORDERS = np.array([*range(2, 64), 128, 256, 512, 1024])


class _Fit(NamedTuple):
    """A fitted model.

    Attributes
    ----------
    weights : float array, shape (features + 1,)
        The intercept comes last.
    epsilon : float
        What the fit gives away, at the delta asked for; infinite without noise.
    """

    weights: Floats
    epsilon: float


def logistic_regression(
    features: ArrayLike,
    labels: ArrayLike,
    *,
    noise: float,
    delta: float,
    rate: float = 0.05,
    steps: int = 300,
    clip: float = 1.0,
    learning_rate: float = 1.0,
    subjects: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
) -> _Fit:
    """Fit a logistic regression so that no patient moves it by much.

    In each step every patient takes part by chance (Poisson sampling). The gradient of a
    patient, the sum over all rows of theirs, is cut to a length; the sum over patients gets noise.

    Parameters
    ----------
    features : array, shape (rows, features)
        Of like sizes, such as standardized by public means and deviations.
    labels : array of 0 and 1, shape (rows,)
    noise : float
        Standard deviation of the noise, in units of `clip` (the noise multiplier); 0 for none.
    delta : float
    rate : float
        Chance of a patient to take part in a step.
    steps : int
    clip : float
        Largest length (L2 norm) of a patient's gradient.
    learning_rate : float
        Of the noisy sum over the expected number of patients in a step: how many patients there
        are is taken for public.
    subjects : array, shape (rows,), optional
        Whose row it is; without it each row is a patient.
    rng : Generator, optional
        By default one that is drawn anew.

    Raises
    ------
    InputError
        Arrays that do not fit each other, missing or infinite numbers, other labels, a
        parameter out of its range.

    Notes
    -----
    Abadi et al., "Deep learning with differential privacy", CCS 2016, algorithm 1.
    """
    x, y = np.array(features, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if x.ndim != 2 or not len(x) or y.shape != x.shape[:1] or not np.isfinite(x).all():
        raise InputError("features are a table of finite numbers, with a label a row")
    if not np.isin(y, (0, 1)).all():
        raise InputError("labels are 0 or 1")
    if not (0 < clip < math.inf and 0 < learning_rate < math.inf):
        raise InputError("clip and learning_rate are numbers above 0")
    epsilon = rdp_epsilon(noise, rate, steps, delta)
    codes, people = pd.factorize(np.arange(len(x)) if subjects is None else np.asarray(subjects))
    if len(codes) != len(x) or (codes < 0).any():
        raise InputError("subjects name a patient for each row")
    rng = np.random.default_rng() if rng is None else rng
    x = np.column_stack([x, np.ones(len(x))])
    weights = np.zeros(x.shape[1])
    for _ in range(steps):
        rows = (rng.random(len(people)) < rate)[codes]
        logits = np.clip(x[rows] @ weights, -_LARGEST_LOGIT, _LARGEST_LOGIT)
        slopes = np.zeros((len(people), x.shape[1]))
        np.add.at(slopes, codes[rows], (1 / (1 + np.exp(-logits)) - y[rows])[:, None] * x[rows])
        lengths = np.linalg.norm(slopes, axis=1, keepdims=True)
        total = (slopes / np.maximum(1, lengths / clip)).sum(axis=0)
        total += rng.normal(0, noise * clip, len(weights))
        weights -= learning_rate * total / (rate * len(people))
    return _Fit(weights, epsilon)


def rdp_epsilon(noise: float, rate: float, steps: int, delta: float) -> float:
    """Return epsilon of steps with Gaussian noise on a Poisson sample, at some delta.

    Parameters
    ----------
    noise : float
        Standard deviation over sensitivity; 0 gives infinity.
    rate : float, above 0 to 1
        Chance of a patient to take part in a step.
    steps : int
    delta : float, above 0, below 1

    Raises
    ------
    InputError
        A number out of its range.

    Notes
    -----
    Renyi divergence at whole orders: Mironov, Talwar, Zhang, "Renyi differential privacy of the
    sampled Gaussian mechanism", 2019, section 3.3. From there to (epsilon, delta): Balle et al.,
    "Hypothesis testing interpretations", AISTATS 2020, theorem 21. An upper bound; for noise of 1
    and more within 1 % of one with fractional orders.
    """
    from scipy.special import gammaln, logsumexp, xlogy

    if not (0 <= noise < math.inf and 0 < rate <= 1 and 0 < delta < 1 and steps >= 1):
        raise InputError(
            "noise is 0 or more, rate above 0 to 1, delta between 0 and 1, steps 1 or more"
        )
    if noise < 0.01:  # costs epsilon in the thousands, where sums overflow
        return math.inf
    order = _ORDERS[:, None]
    k = np.arange(order.max() + 1)
    ways = gammaln(order + 1) - gammaln(k + 1) - gammaln(np.maximum(order - k, 0) + 1)
    chance = xlogy(np.maximum(order - k, 0), 1 - rate) + xlogy(k, rate)
    terms = ways + chance + k * (k - 1) / (2 * noise**2)
    renyi = logsumexp(terms, b=k <= order, axis=1) / (_ORDERS - 1)
    epsilons = (
        steps * renyi
        + np.log1p(-1 / _ORDERS)
        - (math.log(delta) + np.log(_ORDERS)) / (_ORDERS - 1)
    )
    return max(0.0, float(epsilons.min()))
