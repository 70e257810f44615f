"""k-anonymity of pictures: every published face is the mean of k faces.

Newton, Sweeney, Malin, "Preserving Privacy by De-identifying Face Images", IEEE TKDE
17(2), 2005 (k-Same). The pixels, or features of the pictures, take the place of the
quasi-identifiers: N numbers, N-dimensional k-anonymity.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medlab.errors import InputError
from medlab.tabular.rules import check_k


class Averaged(NamedTuple):
    """Averaged pictures, and the class of each.

    Attributes
    ----------
    pictures : float array, shape (pictures, ...)
    class_of : int array, shape (pictures,)
    """

    pictures: NDArray[np.float64]
    class_of: NDArray[np.int64]


def k_same(
    pictures: NDArray[Any], k: int = 5, *, features: NDArray[Any] | None = None
) -> Averaged:
    """Replace each picture by the mean of the k pictures of its class.

    A picture and its k - 1 nearest make a class; the last pictures, fewer than 2k,
    make one class. Whoever compares a published face with known faces finds at best
    its k originals.

    Parameters
    ----------
    pictures : array, shape (pictures, ...)
        Of one person each, aligned, of the same shape.
    k : int
    features : array, shape (pictures, features), optional
        What makes pictures alike; default: their pixels.

    Returns
    -------
    Averaged

    Raises
    ------
    InputError
        Fewer pictures than k; NaN; features of another number of pictures.
    """
    pictures = np.asarray(pictures, dtype=np.float64)
    k = check_k(k, len(pictures), "pictures")
    points = pictures.reshape(len(pictures), -1) if features is None else np.asarray(features)
    if len(points) != len(pictures) or not np.isfinite(points).all():
        raise InputError("features are finite numbers, one row for each picture")
    class_of = np.full(len(pictures), -1, dtype=np.int64)
    free, number = np.arange(len(pictures)), 0
    while len(free) >= 2 * k:
        apart = ((points[free] - points[free[0]]) ** 2).sum(axis=1)
        near = np.argsort(apart, kind="stable")[:k]
        class_of[free[near]] = number
        free, number = np.delete(free, near), number + 1
    class_of[free] = number
    means = np.stack([pictures[class_of == one].mean(axis=0) for one in range(number + 1)])
    return Averaged(means[class_of], class_of)
