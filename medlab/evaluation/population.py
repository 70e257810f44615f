"""How many people of a whole population are unique, guessed from a sample of it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from medlab.arrays import Ints


def population_uniqueness(sizes: Ints, population: int) -> float:
    """Return the estimated share of a population that is unique, from class sizes of a sample.

    Parameters
    ----------
    sizes : int array, shape (classes,)
        Class sizes in the sample.
    population : int
        People in the population, not fewer than in the sample.

    Returns
    -------
    float

    Notes
    -----
    Pitman's sampling formula, fitted by maximum likelihood; Hoshino, "Applying Pitman's
    sampling formula to microdata disclosure risk assessment", J. Official Statistics 17(4),
    2001. Of a population of N, N^alpha * G(theta + 1) / G(theta + alpha) are unique.
    """
    from scipy.optimize import minimize
    from scipy.special import gammaln

    n, classes = int(sizes.sum()), len(sizes)
    if classes == n:
        return 1.0
    larger = sizes[sizes > 1]

    def surprise(at: NDArray[np.float64]) -> float:
        alpha, theta = 1 / (1 + math.exp(-at[0])), math.exp(at[1])
        steps = np.log(theta + np.arange(1, classes) * alpha).sum()
        grown = (gammaln(larger - alpha) - gammaln(1 - alpha)).sum()
        return float(gammaln(theta + n) - gammaln(theta + 1) - steps - grown)

    best = minimize(surprise, np.array([0.0, math.log(classes)]), method="Nelder-Mead")
    alpha, theta = 1 / (1 + math.exp(-best.x[0])), math.exp(best.x[1])
    log_share = (alpha - 1) * math.log(population) + gammaln(theta + 1) - gammaln(theta + alpha)
    return float(min(1.0, math.exp(log_share)))
