"""Logistic regression by full-batch gradient descent: what a site does with its own rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom

import numpy as np
from scipy.special import expit

from medlab.arrays import Floats
from medlab.errors import InputError

Gradient = Callable[[Floats, Floats, Floats], Floats]


@dataclass(frozen=True)
class Descent:
    """How a site trains in one round.

    Attributes
    ----------
    steps : int
        Local steps, each over all rows of the site.
    rate : float
        Step length.
    l2 : float
        Weight of the penalty ``l2 / 2 |w|^2``, which the intercept bears too.
    mu : float
        Weight of FedProx's proximal term ``mu / 2 |w - w_global|^2`` (Li et al., MLSys 2020).
    """

    steps: int = 1
    rate: float = 0.5
    l2: float = 0.01
    mu: float = 0.0


def with_intercept(features: Floats) -> Floats:
    """Return features, shape (n, d), with a column of ones behind them, shape (n, d + 1)."""
    return np.column_stack([features, np.ones(len(features))])


def row_gradients(weights: Floats, X: Floats, y: Floats) -> Floats:
    """Return the gradient of the log-loss for each row alone, shape (n, d + 1)."""
    return np.asarray((expit(X @ weights) - y)[:, None] * X)


def clipped(gradients: Floats, clip: float) -> Floats:
    """Return gradients, one a row, each shortened to the length `clip` (L2) where it is longer."""
    lengths = np.linalg.norm(gradients, axis=1, keepdims=True)
    scale = np.minimum(lengths, clip) / np.maximum(lengths, np.finfo(float).tiny)
    return np.asarray(gradients * scale)


def private_gradient(
    clip: float, noise: float, rng: np.random.Generator | None = None
) -> Gradient:
    """Return a function of weights, X and y that clips each row's gradient and adds noise.

    Parameters
    ----------
    clip : float
        Largest L2 norm of what one row adds to the sum.
    noise : float
        Standard deviation of the Gaussian noise on the sum, as a multiple of `clip`.
    rng : numpy Generator, optional
        For lessons that are to come out alike. By default the noise is drawn from the operating
        system: whoever foretells it can subtract it.

    Notes
    -----
    Abadi et al., "Deep Learning with Differential Privacy", CCS 2016, with every row in every
    step.
    """
    gauss = rng.normal if rng else SystemRandom().gauss

    def gradient(weights: Floats, X: Floats, y: Floats) -> Floats:
        total = clipped(row_gradients(weights, X, y), clip).sum(axis=0)
        total += [gauss(0.0, noise * clip) for _ in range(len(total))]
        return np.asarray(total / len(y))

    return gradient


def descend(
    start: Floats, X: Floats, y: Floats, how: Descent, gradient: Gradient | None = None
) -> Floats:
    """Return the weights after the steps of one round.

    Parameters
    ----------
    start : ndarray, shape (d + 1,)
        The global weights, intercept last.
    X : ndarray, shape (n, d + 1)
        See `with_intercept`.
    y : ndarray, shape (n,)
        0 or 1.
    how : Descent
    gradient : callable, optional
        Of weights, X and y; by default that of the mean log-loss, without the penalty.

    Raises
    ------
    InputError
        If the weights grow beyond all numbers.
    """
    weights = start.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(how.steps):
            mean = gradient(weights, X, y) if gradient else X.T @ (expit(X @ weights) - y) / len(y)
            slope = mean + how.l2 * weights + how.mu * (weights - start)
            weights -= how.rate * slope
    if not np.isfinite(weights).all():
        raise _diverged()
    return weights


def fit(X: Floats, y: Floats, rounds: int, how: Descent) -> Floats:
    """Return the weights that one owner of all rows gets by the same steps from zero."""
    weights = np.zeros(X.shape[1])
    for _ in range(rounds):
        weights = descend(weights, X, y, how)
    return weights


def _loss(weights: Floats, X: Floats, y: Floats, l2: float) -> float:
    """Return the mean log-loss plus penalty; log 2 at zero weights."""
    margins = (2 * y - 1) * (X @ weights)
    return float(np.logaddexp(0.0, -margins).mean() + l2 / 2 * weights @ weights)


def check_fit(weights: Floats, X: Floats, y: Floats, l2: float) -> None:
    """Refuse weights that fit far worse than none do: the steps overshot.

    Descent from zero that converges ends below log 2. Drift between sites can lift the mean of
    their weights above its optimum, but stayed below log 2 in all that was tried, sites of one
    class among it; so twice that is no result any more.
    """
    if _loss(weights, X, y, l2) > 2 * math.log(2):
        raise _diverged()


def _diverged() -> InputError:
    """Return the error for steps that are too long."""
    return InputError("the training diverged; take a smaller rate, or features of a smaller scale")
