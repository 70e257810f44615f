"""Noise and choice, drawn by OpenDP: the one place that knows its names.

OpenDP draws with a generator of its own, exactly, and takes no seed: noise that could be drawn
again could be taken off again.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from medlab.arrays import Array, Floats, Ints
from medlab.errors import not_installed


def integer_laplace(counts: Ints, scale: float) -> Ints:
    """Return whole numbers with noise of a two-sided geometric distribution.

    Parameters
    ----------
    counts : int array, any shape
    scale : float
        Where one person changes the sum of all counts by D, the answer is (D / scale)-DP.

    Raises
    ------
    UnavailableError
        Without the extra dp.
    """
    dp = _opendp()
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l1_distance(T=int)
    return _noisy(dp.m.make_laplace(*space, scale), counts)


def integer_gaussian(counts: Ints, rho: float) -> Ints:
    """Return whole numbers with noise of the discrete Gaussian distribution.

    Parameters
    ----------
    counts : int array, any shape
    rho : float
        Zero-concentrated loss where one person changes one count by one: sd = sqrt(1 / (2 rho)).
        Canonne, Kamath, Steinke, NeurIPS 2020.
    """
    dp = _opendp()
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float)
    return _noisy(dp.m.make_gaussian(*space, (2 * rho) ** -0.5), counts)


def choice(scores: Floats, rho: float) -> int:
    """Return the place of a large score, by the exponential mechanism.

    Parameters
    ----------
    scores : float array, shape (candidates,)
        One person changes each of them by one at most.
    rho : float
        Zero-concentrated loss; epsilon-DP of the mechanism is epsilon^2 / 8 (Cesar and Rogers,
        ALT 2021).
    """
    dp = _opendp()
    mechanism = dp.m.make_noisy_max(
        dp.vector_domain(dp.atom_domain(T=float, nan=False)),
        dp.linf_distance(T=float),
        dp.zero_concentrated_divergence(),
        (2 * rho) ** -0.5,
    )
    return int(mechanism(scores.tolist()))


def _noisy(mechanism: Any, counts: Array) -> Ints:
    flat = mechanism(counts.ravel().tolist())
    return np.array(flat, dtype=np.int64).reshape(counts.shape)


@cache
def _opendp() -> Any:
    try:
        import opendp.prelude as dp
    except ImportError as error:
        raise not_installed("opendp, which draws the noise,", "dp") from error
    dp.enable_features("contrib")
    return dp
