"""Mechanisms of OpenDP: noise on whole numbers, and the choice of one of many.

The one place that imports OpenDP. Noise is drawn exactly, on integers of 64 bits, from the
operating system's randomness: there is no seed, and no rounding of floats that an attacker
could read (Mironov, "On significance of the least significant bits", CCS 2012). What would be
beyond 64 bits is set to their end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from medlab.arrays import Ints
from medlab.errors import InputError, not_installed


def add_laplace(counts: ArrayLike, scale: float) -> Ints:
    """Return whole numbers with integer Laplace noise.

    Parameters
    ----------
    counts : array of int
    scale : float
        L1 sensitivity / epsilon, in the unit of the counts.

    Notes
    -----
    P(noise = k) is proportional to exp(-abs(k) / scale). Ghosh, Roughgarden, Sundararajan,
    "Universally utility-maximizing privacy mechanisms", SIAM J. Comput. 41(6), 2012.
    """
    return _noisy(counts, _mechanism("laplace", scale))


def add_gaussian(counts: ArrayLike, scale: float) -> Ints:
    """Return whole numbers with integer Gaussian noise.

    Parameters
    ----------
    counts : array of int
    scale : float
        Standard deviation sigma: rho = (L2 sensitivity / sigma)**2 / 2 (zCDP).

    Notes
    -----
    Canonne, Kamath, Steinke, "The discrete Gaussian for differential privacy", NeurIPS 2020.
    """
    return _noisy(counts, _mechanism("gaussian", scale))


def choose(scores: ArrayLike, scale: float) -> int:
    """Return the place of a high score: the exponential mechanism.

    Parameters
    ----------
    scores : array of int, one a candidate
    scale : float
        2 * sensitivity / epsilon, where one patient moves no score by more than the
        sensitivity. As zCDP it costs rho = epsilon**2 / 8.

    Notes
    -----
    Gumbel noise on the scores, then the largest. McSherry, Talwar, "Mechanism design via
    differential privacy", FOCS 2007; rho by Cesar, Rogers, ALT 2021.
    """
    return int(_mechanism("choice", scale)(np.asarray(scores, dtype=np.int64).tolist()))


def laplace_error(scale: float) -> float:
    """Return the expected absolute value of integer Laplace noise.

    2q / (1 - q**2) with q = exp(-1 / scale): below `scale`, and nearly `scale` where that is
    large.
    """
    return 1 / math.sinh(1 / scale) if scale > 0.01 else 0.0  # there it is below 1e-42


def _noisy(counts: ArrayLike, mechanism: Callable[[list[int]], list[int]]) -> Ints:
    values = np.asarray(counts, dtype=np.int64)
    return np.array(mechanism(values.ravel().tolist()), dtype=np.int64).reshape(values.shape)


@lru_cache(maxsize=32)
def _mechanism(kind: str, scale: float) -> Any:
    """Return a measurement of OpenDP on a list of whole numbers."""
    if not 0 < scale < math.inf:
        raise InputError("the scale of noise must be a finite number above 0")
    try:
        # Not opendp.prelude, which imports scikit-learn and takes ten times as long.
        from opendp import domains, measurements, measures, metrics, mod
    except ImportError as error:
        raise not_installed("OpenDP, which draws the noise,", "dp") from error
    mod.enable_features("contrib")
    vector = domains.vector_domain(domains.atom_domain(T="i64"))
    if kind == "laplace":
        return measurements.make_laplace(vector, metrics.l1_distance(T="i64"), scale)
    if kind == "gaussian":
        return measurements.make_gaussian(vector, metrics.l2_distance(T="i64"), scale)
    divergence = measures.zero_concentrated_divergence()
    return measurements.make_noisy_max(vector, metrics.linf_distance(T="i64"), divergence, scale)
