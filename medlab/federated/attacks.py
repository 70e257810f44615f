"""What a server that looks at one update learns: the record of a site of one, and membership."""

from __future__ import annotations

import math

import numpy as np

from medlab.arrays import Floats
from medlab.errors import InputError
from medlab.federated.logistic import Descent, clipped, row_gradients, with_intercept


def gradient_of(start: Floats, update: Floats, how: Descent) -> Floats:
    """Return the mean gradient of a site's rows, read off what it sent after one step.

    Parameters
    ----------
    start, update : ndarray, shape (d + 1,)
        Global weights before the step, and the site's after it.
    how : Descent
        Known to everybody.
    """
    if how.steps != 1:
        raise InputError("after several steps an update is no multiple of one gradient")
    return np.asarray((start - update) / how.rate - how.l2 * start)


def read_record(start: Floats, update: Floats, how: Descent) -> tuple[Floats, float]:
    """Return features and label of the only row of a site, exact but for rounding.

    The gradient of one row is (p - y) times the row, whose last entry is the 1 of the intercept;
    p lies between 0 and 1, so the sign of p - y tells y.

    Notes
    -----
    Phong et al., "Privacy-Preserving Deep Learning via Additively Homomorphic Encryption", IEEE
    TIFS 13(5), 2018, example 3.

    Examples
    --------
    >>> how, zero = Descent(), np.zeros(3)
    >>> row = np.array([[54.0, 1.8, 1.0]])
    >>> update = zero - how.rate * row_gradients(zero, row, np.ones(1))[0]
    >>> record, label = read_record(zero, update, how)
    >>> [round(float(value), 6) for value in record], label
    ([54.0, 1.8], 1.0)
    """
    gradient = gradient_of(start, update, how)
    if not gradient[-1]:
        raise InputError("the gradient is zero, so no record can be read off it")
    return gradient[:-1] / gradient[-1], float(gradient[-1] < 0)


def membership(
    start: Floats,
    update: Floats,
    how: Descent,
    others: tuple[Floats, Floats],
    candidates: tuple[Floats, Floats],
    clip: float = math.inf,
) -> Floats:
    """Return how well each candidate explains what an update holds beyond the rows known.

    The attacker of differential privacy: every row of the site but one is known, and the
    question is who the last one is.

    Parameters
    ----------
    start, update, how
        See `gradient_of`.
    others : (features, labels)
        All rows of the site but one.
    candidates : (features, labels)
    clip : float
        Of the training, where it clips.

    Returns
    -------
    ndarray, one a candidate
        Logarithm of the likelihood of the update with the candidate over that without, up to the
        variance of the noise: the best score there is under Gaussian noise (Neyman, Pearson).
    """
    known, own = (
        clipped(row_gradients(start, with_intercept(X), y), clip) for X, y in (others, candidates)
    )
    left = (len(known) + 1) * gradient_of(start, update, how) - known.sum(axis=0)
    return np.asarray(own @ left - (own**2).sum(axis=1) / 2)
