"""Who notices hidden data: two classic tests of the lowest bits of an image.

Both were made for photographs of 8 bits. On medical images they raise false alarms (a scaled CT
has pairs of equal counts by itself) and miss what is spread thinly: look at the figures of the
clean image too.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2

from medlab.arrays import Array
from medlab.errors import InputError

_LEAST = 5  # expected count of a category, the usual rule for a chi-square test
_MASK = np.array([0, 1, 1, 0])  # of the paper: the two inner pixels of four are flipped


def chi_square(pixels: Array) -> float:
    """Return the probability that pairs of values 2i, 2i + 1 are equally frequent.

    Parameters
    ----------
    pixels : ndarray of integers

    Returns
    -------
    float
        Near 1 where all lowest bits were replaced, near 0 where few were; 0 too where no pair
        is frequent enough for a test.

    Notes
    -----
    Westfeld and Pfitzmann, "Attacks on Steganographic Systems", Information Hiding 1999.
    """
    _check(pixels)
    values, counts = np.unique(pixels, return_counts=True)
    pair = np.unique(values >> 1, return_inverse=True)[1]
    both = np.bincount(pair, counts)
    even = np.bincount(pair, counts * (values & 1 == 0))
    expected = both / 2
    usual = expected >= _LEAST
    if usual.sum() < 2:
        return 0.0
    statistic = ((even - expected)[usual] ** 2 / expected[usual]).sum()
    return float(chi2.sf(statistic, usual.sum() - 1))


def rs_rate(pixels: Array) -> float:
    """Return the share of lowest bits that RS analysis takes to be replaced by a message.

    Parameters
    ----------
    pixels : ndarray of integers, shape (..., columns)

    Returns
    -------
    float
        About 0 for a clean photograph, about 1 for a full one; 0 where nothing can be said.
        Medical images are less regular: the figure may be anything up to 1, below zero too.

    Notes
    -----
    Fridrich, Goljan and Du, "Reliable Detection of LSB Steganography in Color and Grayscale
    Images", ACM Multimedia and Security 2001, equation (4).
    """
    _check(pixels)
    groups = pixels[..., : pixels.shape[-1] // 4 * 4].astype(np.int64).reshape(-1, 4)
    d0, d_0 = _excess(groups, 1), _excess(groups, -1)
    d1, d_1 = _excess(groups ^ 1, 1), _excess(groups ^ 1, -1)
    roots = np.roots([2 * (d1 + d0), d_0 - d_1 - d1 - 3 * d0, d0 - d_0])
    if not roots.size:
        return 0.0
    root = roots[np.abs(roots).argmin()]
    # In a full image noise may make both complex; they are far from 0 then, as for a rate of 1.
    x = float(root.real if np.isreal(root) else -abs(root))
    return min(1.0, x / (x - 0.5)) if x != 0.5 else 1.0


def _excess(groups: Array, sign: int) -> float:
    """Return how many more groups become rougher than smoother when flipped by the mask.

    Positive flips exchange 2i and 2i + 1, negative ones 2i - 1 and 2i.
    """
    flipped = groups ^ 1 if sign > 0 else ((groups + 1) ^ 1) - 1
    change = _roughness(np.where(_MASK, flipped, groups)) - _roughness(groups)
    return float(np.sign(change).sum())


def _roughness(groups: Array) -> Array:
    return np.asarray(np.abs(np.diff(groups, axis=-1)).sum(axis=-1))


def _check(pixels: Array) -> None:
    if pixels.dtype.kind not in "iu" or not pixels.size:
        raise InputError("hidden data are looked for in images of integers")
