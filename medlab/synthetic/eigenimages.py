"""Slices of nobody: sums of eigen-images, and the test of what such a model remembers.

The mean of many slices and the directions in which they differ most (principal components). A
sample is the mean plus these directions, weighted as chance would have it. Samples are blurred:
they are for looking at, and no training data. With nearly as many components as slices the model
holds its slices, though no sample looks like one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from medlab.arrays import Array, Floats
from medlab.errors import InputError


class EigenImages(NamedTuple):
    """A model of slices of one shape.

    Attributes
    ----------
    mean : ndarray, shape (rows, columns)
    components : ndarray, shape (components, pixels)
        Orthonormal, by falling spread.
    sd : ndarray, shape (components,)
        Spread of the slices along each.
    """

    mean: Floats
    components: Floats
    sd: Floats


def fit(slices: Sequence[Array] | Array, components: int) -> EigenImages:
    """Return the mean and the first principal components of slices.

    Parameters
    ----------
    slices : sequence of ndarray, each of shape (rows, columns)
    components : int
        From 1 to the number of slices.

    Raises
    ------
    InputError
        If the slices have different shapes or hold cells that are no numbers, or there are more
        components than slices.

    Notes
    -----
    Turk, Pentland, "Eigenfaces for Recognition", J. Cognitive Neuroscience 3(1), 1991.
    """
    rows = _flat(slices)
    if not 1 <= components <= len(rows):
        raise InputError("the number of components lies between 1 and the number of slices")
    mean = rows.mean(axis=0)
    _, spread, directions = np.linalg.svd(rows - mean, full_matrices=False)
    sd = spread[:components] / np.sqrt(max(len(rows) - 1, 1))
    return EigenImages(mean.reshape(np.shape(slices[0])), directions[:components], sd)


def sample(model: EigenImages, n: int, rng: np.random.Generator) -> Floats:
    """Return slices drawn from a model, shape (n, rows, columns)."""
    weights = rng.normal(0.0, model.sd, (n, len(model.sd)))
    return np.asarray(model.mean + (weights @ model.components).reshape(n, *model.mean.shape))


def reconstruction_error(model: EigenImages, slices: Sequence[Array] | Array) -> Floats:
    """Return how far each slice lies from what the model can draw: root mean square, gray levels.

    Raises
    ------
    InputError
        If a slice has another shape than those of the model.
    """
    rows = _flat(slices)
    if rows.shape[1] != model.mean.size or np.shape(slices[0]) != model.mean.shape:
        raise InputError("the slices have another shape than those of the model")
    rest = rows - model.mean.ravel()
    rest = rest - rest @ model.components.T @ model.components
    return np.asarray(np.sqrt((rest**2).mean(axis=1)))


def memorization(
    model: EigenImages, members: Sequence[Array] | Array, others: Sequence[Array] | Array
) -> float:
    """Return how well the reconstruction error tells members from others, as an AUC.

    0.5: the model does not tell who was in it; 1: whoever has the model and a slice knows
    whether it was. Distance from a slice to the nearest sample hides this.

    Parameters
    ----------
    model : EigenImages
    members, others : sequences of ndarray
        Slices that the model was made from, and slices alike that it never saw.
    """
    from scipy.stats import mannwhitneyu

    inside, outside = (reconstruction_error(model, slices) for slices in (members, others))
    # Members reconstructed to rounding are equally good, whatever their last bits say.
    unit = 1e-9 * max(outside.max(), np.finfo(float).tiny)
    u = mannwhitneyu(np.rint(outside / unit), np.rint(inside / unit)).statistic
    return float(u / (len(inside) * len(outside)))


def _flat(slices: Sequence[Array] | Array) -> Floats:
    """Return slices as rows of pixels."""
    if not len(slices) or len({np.shape(each) for each in slices}) > 1 or np.ndim(slices[0]) != 2:
        raise InputError("the slices are two-dimensional and all of one shape")
    rows = np.stack([np.asarray(each, np.float64).ravel() for each in slices])
    if not np.isfinite(rows).all():
        raise InputError("a slice has cells that are missing or infinite")
    return rows
