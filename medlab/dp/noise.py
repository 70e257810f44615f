"""Noise and choice, drawn by OpenDP, and what many Gaussian noises cost together.

This is the one place that knows the names of OpenDP.

OpenDP draws exactly, on whole numbers, from the operating system's randomness, and takes no seed:
noise that could be drawn again could be taken off again, and the last bits of rounded floats tell
of what they hide (Mironov, "On significance of the least significant bits", CCS 2012).
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

import numpy as np

from medlab.arrays import Array, Floats, Ints
from medlab.errors import InputError, not_installed


def integer_laplace(counts: Ints, scale: float) -> Ints:
    """Return whole numbers with noise of a two-sided geometric distribution.

    Parameters
    ----------
    counts : int array, any shape
    scale : float
        Where one person changes the sum of all counts by D, the answer is (D / scale)-DP.

    Raises
    ------
    InputError
        A scale that is not above 0 and finite.
    UnavailableError
        Without the extra dp.

    Notes
    -----
    P(noise = k) is proportional to exp(-abs(k) / scale). Ghosh, Roughgarden, Sundararajan, SIAM
    Journal on Computing 41(6), 2012. What would be beyond 64 bits is set to their end.
    """
    return _noisy(_mechanism("laplace", _checked(scale)), counts)


def integer_gaussian(counts: Ints, rho: float) -> Ints:
    """Return whole numbers with noise of the discrete Gaussian distribution.

    Parameters
    ----------
    counts : int array, any shape
    rho : float
        Zero-concentrated loss where one person changes one count by one: sd = sqrt(1 / (2 rho)).
        Canonne, Kamath, Steinke, NeurIPS 2020.
    """
    return _noisy(_mechanism("gaussian", _checked(rho) ** -0.5 / math.sqrt(2)), counts)


def choice(scores: Floats, rho: float, sensitivity: float = 1.0) -> int:
    """Return the place of a large score, by the exponential mechanism.

    Parameters
    ----------
    scores : float array, shape (candidates,)
        One person changes each of them by `sensitivity` at most, exactly: whole numbers, or
        multiples of a power of two.
    rho : float
        Zero-concentrated loss; epsilon-DP of the mechanism is epsilon^2 / 8 (Cesar and Rogers,
        ALT 2021).
    sensitivity : float
    """
    scale = sensitivity * _checked(rho) ** -0.5 / math.sqrt(2)
    return int(_mechanism("choice", scale)(scores.tolist()))


def _noisy(mechanism: Any, counts: Array) -> Ints:
    flat = mechanism(counts.ravel().tolist())
    return np.array(flat, dtype=np.int64).reshape(counts.shape)


def _checked(size: float) -> float:
    if not 0 < size < math.inf:
        raise InputError("the size of noise must be a finite number above 0")
    return float(size)


@lru_cache(maxsize=64)
def _mechanism(kind: str, scale: float) -> Any:
    """Return a measurement of OpenDP that takes a list of numbers."""
    dp = _opendp()
    counts = dp.domains.vector_domain(dp.domains.atom_domain(T="i64"))  # int would be 32 bits
    if kind == "laplace":
        return dp.measurements.make_laplace(counts, dp.metrics.l1_distance(T="i64"), scale)
    if kind == "gaussian":
        return dp.measurements.make_gaussian(counts, dp.metrics.l2_distance(T="i64"), scale)
    return dp.measurements.make_noisy_max(
        dp.domains.vector_domain(dp.domains.atom_domain(T=float, nan=False)),
        dp.metrics.linf_distance(T=float),
        dp.measures.zero_concentrated_divergence(),
        scale,
    )


@cache
def _opendp() -> Any:
    try:
        # Not opendp.prelude, which imports scikit-learn and takes ten times as long.
        import opendp
        from opendp import domains, measurements, measures, metrics, mod  # noqa: F401
    except ImportError as error:
        raise not_installed("opendp, which draws the noise,", "dp") from error
    mod.enable_features("contrib")
    return opendp


def rho_of(epsilon: float, delta: float) -> float:
    """Return the rho of zero-concentrated DP that implies (epsilon, delta)-differential privacy.

    Notes
    -----
    Bun, Steinke, "Concentrated Differential Privacy", TCC 2016, proposition 1.3:
    epsilon = rho + 2 sqrt(rho ln(1/delta)), solved for rho; nearly tight.

    Examples
    --------
    >>> round(rho_of(3, 1e-5), 5)
    0.17348
    """
    log = -math.log(delta)
    # the difference of the two roots, without the cancellation
    return (epsilon / (math.sqrt(log + epsilon) + math.sqrt(log))) ** 2


def noise_multiplier(epsilon: float, delta: float, steps: int) -> float:
    """Return the noise of each of many Gaussian steps, as a multiple of what one row adds.

    A step with noise sigma costs 1 / (2 sigma^2), and costs add up. Sites hold different
    patients, so all of them spend the same budget side by side.

    Examples
    --------
    >>> round(noise_multiplier(3, 1e-5, 30), 1)
    9.3
    """
    rho = rho_of(epsilon, delta) * (1 - 1e-12)  # rounding shall not overspend
    return math.sqrt(steps / (2 * rho))


def epsilon_of(noise: float, delta: float, steps: int) -> float:
    """Return the epsilon that many Gaussian steps have spent; see `rho_of`."""
    rho = steps / (2 * noise**2)
    return rho + 2 * math.sqrt(-rho * math.log(delta))
