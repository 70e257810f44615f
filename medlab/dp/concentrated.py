"""Zero-concentrated differential privacy (zCDP): what many Gaussian noises cost together."""

from __future__ import annotations

import math


def rho_of(epsilon: float, delta: float) -> float:
    """Return the rho whose zCDP implies (epsilon, delta)-differential privacy.

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
