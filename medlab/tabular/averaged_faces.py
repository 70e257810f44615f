"""k-anonymity of pictures: every published face is the mean of k faces.

Newton, Sweeney, Malin, "Preserving Privacy by De-identifying Face Images", IEEE TKDE
17(2), 2005 (k-Same). The pixels, or features of the pictures, take the place of the
quasi-identifiers: N numbers, N-dimensional k-anonymity.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.errors import InputError
from medlab.tabular.criteria import check_k
from medlab.tabular.mondrian import mondrian

_EIGENFACES = 16  # coefficients that tell most faces of a small set apart


class _Eigenfaces(NamedTuple):
    """Principal components of pictures.

    Attributes
    ----------
    mean : float array, shape (features,)
    axes : float array, shape (components, features)
    coefficients : float array, shape (pictures, components)
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    coefficients: NDArray[np.float64]


class _Averaged(NamedTuple):
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
) -> _Averaged:
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
    _Averaged

    Raises
    ------
    InputError
        Fewer pictures than k; NaN; features of another number of pictures.
    """
    pictures, points = _checked(pictures, features)
    k = check_k(k, len(pictures), "pictures")
    return _averaged(pictures, _nearest_classes(points, k))


def k_same_eigen(
    pictures: NDArray[Any], k: int = 5, *, components: int = _EIGENFACES
) -> _Averaged:
    """Replace each picture by the mean of k pictures in the space of eigenfaces.

    As `k_same`, but alike is who has like coefficients, and these are averaged: what eigenfaces
    do not show is lost as well. k-Same-Eigen of the same paper; eigenfaces: Turk, Pentland,
    CVPR 1991.

    Parameters
    ----------
    pictures, k
        See `k_same`.
    components : int
        Eigenfaces taken, at most one fewer than pictures.
    """
    pictures, points = _checked(pictures)
    k = check_k(k, len(pictures), "pictures")
    basis = _eigenfaces(points, components)
    class_of = _nearest_classes(basis.coefficients, k)
    means = _averaged(basis.coefficients, class_of).pictures[np.unique(class_of, True)[1]]
    # Once a class: equal rows of a matrix product may differ in their last bit.
    faces = (means @ basis.axes + basis.mean)[class_of]
    return _Averaged(faces.reshape(pictures.shape), class_of)


def partition_faces(
    pictures: NDArray[Any], k: int = 5, *, components: int = _EIGENFACES
) -> _Averaged:
    """Replace each picture by the mean of its class in a multidimensional partition.

    The coefficients of the eigenfaces are quasi-identifiers, N numbers a face, and
    `medlab.tabular.mondrian` cuts them into classes of k and more: N-dimensional k-anonymity.

    Parameters
    ----------
    pictures, k, components
        See `k_same_eigen`.
    """
    pictures, points = _checked(pictures)
    k = check_k(k, len(pictures), "pictures")
    table = pd.DataFrame(_eigenfaces(points, components).coefficients).add_prefix("eigenface ")
    return _averaged(pictures, mondrian(table, [str(name) for name in table], k=k).class_of)


def _eigenfaces(points: NDArray[Any], components: int = _EIGENFACES) -> _Eigenfaces:
    """Return the first principal components of pictures, shape (pictures, features).

    Raises
    ------
    InputError
        Fewer than one component.
    """
    if components < 1:
        raise InputError("at least one eigenface is needed")
    mean = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - mean, full_matrices=False)
    axes = axes[: min(components, len(points) - 1)]
    return _Eigenfaces(mean, axes, (points - mean) @ axes.T)


def _checked(
    pictures: NDArray[Any], features: NDArray[Any] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pictures = np.asarray(pictures, dtype=np.float64)
    points = pictures.reshape(len(pictures), -1) if features is None else np.asarray(features)
    if len(points) != len(pictures) or not np.isfinite(points).all():
        raise InputError("features are finite numbers, one row for each picture")
    return pictures, points


def _averaged(pictures: NDArray[np.float64], class_of: NDArray[np.int64]) -> _Averaged:
    classes = range(int(class_of.max()) + 1)
    means = np.stack([pictures[class_of == number].mean(axis=0) for number in classes])
    return _Averaged(means[class_of], class_of)


def _nearest_classes(points: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Return the class of each point: a point and its k - 1 nearest, until 2k are left."""
    class_of = np.full(len(points), -1, dtype=np.int64)
    free, number = np.arange(len(points)), 0
    while len(free) >= 2 * k:
        apart = ((points[free] - points[free[0]]) ** 2).sum(axis=1)
        near = np.argsort(apart, kind="stable")[:k]
        class_of[free[near]] = number
        free, number = np.delete(free, near), number + 1
    class_of[free] = number
    return class_of
