"""What a server that looks at one update learns: the record of a site of one, and membership."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from medlab.arrays import Array, Floats
from medlab.errors import InputError
from medlab.federated import masks
from medlab.federated.logistic import Descent, clipped, row_gradients, with_intercept


def _gradient_of(start: Floats, update: Floats, how: Descent) -> Floats:
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
    gradient = _gradient_of(start, update, how)
    if not gradient[-1]:
        raise InputError("the gradient is zero, so no record can be read off it")
    return gradient[:-1] / gradient[-1], float(gradient[-1] < 0)


def _membership(
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
        See `_gradient_of`.
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
    gradients, own = (
        clipped(row_gradients(start, with_intercept(X), y), clip) for X, y in (others, candidates)
    )
    remainder = (len(gradients) + 1) * _gradient_of(start, update, how) - gradients.sum(axis=0)
    return np.asarray(own @ remainder - (own**2).sum(axis=1) / 2)


def last_rows(
    updates: Sequence[Sequence[Array]],
    site: int,
    rows: tuple[Floats, Floats],
    strangers: tuple[Floats, Floats],
    how: Descent,
    sizes: Sequence[int],
    clip: float = math.inf,
) -> Floats:
    """Return how often each row of a site is told from a stranger by what the server received.

    Parameters
    ----------
    updates : list of list of ndarray
        `medlab.federated.Training.received`, of all rounds; raw or masked.
    site : int
        Its place among the sites, from 0.
    rows, strangers : (features, labels)
        Of the site, and of as many people or fewer who are nowhere in it; number i is put
        against number i, with all other rows of the site known.
    how, clip
        See `_membership`.
    sizes : sequence of int
        Rows of each site.

    Returns
    -------
    ndarray, one a stranger
        1 where the row scores higher over all rounds, 0 where the stranger does, 0.5 for a tie.
    """
    (X, y), (others, labels), share = rows, strangers, np.asarray(sizes) / sum(sizes)
    start, scores = np.zeros(X.shape[1] + 1), np.zeros((len(labels), 2))
    for sent in updates:
        update, total = sent[site], share @ np.stack(sent)
        if update.dtype == np.uint32:  # masked words, read as if they were not
            update = update[:-1].view(np.int32) / masks.SCALE / share[site]
            total = masks.decode(sent)
        for i in range(len(labels)):
            rest = np.delete(X, i, axis=0), np.delete(y, i)
            both = np.stack([X[i], others[i]]), np.array([y[i], labels[i]])
            scores[i] += _membership(start, update, how, rest, both, clip)
        start = total
    return (1 + np.sign(scores[:, 0] - scores[:, 1])) / 2
