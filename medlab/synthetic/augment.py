"""Varied copies of an image: other positions, other scanners. More data, and no anonymization.

Each function takes an image and its label, both of shape (X, Y, Z), and returns both anew, of the
same shape and type. Positions are moved by one field for both, linear for the image, nearest for
the label, so that label values never change and both stay in step. What changes gray levels
leaves the label alone. Images of whole numbers are cut off at the ends of their type.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from medlab.arrays import Array, Floats
from medlab.errors import InputError

_Pair = tuple[Array, Array | None]
_Triple = Sequence[float]
_UNIT = (1.0, 1.0, 1.0)


def affine(
    image: Array,
    rng: np.random.Generator,
    label: Array | None = None,
    *,
    voxel_mm: _Triple = _UNIT,
    degrees: float = 10.0,
    scale: float = 0.1,
    shift_mm: float = 5.0,
) -> _Pair:
    """Turn, scale and shift about the center.

    Parameters
    ----------
    image, label : ndarray, shape (X, Y, Z)
    rng : numpy Generator
    voxel_mm : three floats
        Along the three axes.
    degrees, scale, shift_mm : float
        Largest turn about each axis, change of size along each, and shift along each.
    """
    _check(image, label)
    return _moved(image, label, _placed(image.shape, rng, voxel_mm, degrees, scale, shift_mm))


def elastic(
    image: Array,
    rng: np.random.Generator,
    label: Array | None = None,
    *,
    voxel_mm: _Triple = _UNIT,
    spacing_mm: float = 32.0,
    sd_mm: float = 3.0,
) -> _Pair:
    """Bend by a smooth field.

    Parameters
    ----------
    image, rng, label, voxel_mm
        See `affine`.
    spacing_mm, sd_mm : float
        Distance of the nodes that move freely, and by how much. A tenth does not fold.
    """
    _check(image, label)
    field = np.indices(image.shape, np.float32)
    for axis, size in enumerate(voxel_mm):
        field[axis] += sd_mm / size * _smooth(image.shape, rng, spacing_mm / np.asarray(voxel_mm))
    return _moved(image, label, field)


def bias_field(
    image: Array, rng: np.random.Generator, label: Array | None = None, *, strength: float = 0.2
) -> _Pair:
    """Shade as a coil does: gray levels above the darkest times exp(strength * smooth field)."""
    _check(image, label)
    low = float(image.min())
    shading = np.exp(strength * _smooth(image.shape, rng, np.asarray(image.shape) / 3))
    return _stored(low + (image - low) * shading, image), label


def noise(
    image: Array, rng: np.random.Generator, label: Array | None = None, *, level: float = 0.03
) -> _Pair:
    """Add Gaussian noise; `level` is its standard deviation over the range of gray levels."""
    _check(image, label)
    sd = level * float(np.percentile(image, 99) - image.min())
    return _stored(image + sd * rng.standard_normal(image.shape, np.float32), image), label


def motion(
    image: Array,
    rng: np.random.Generator,
    label: Array | None = None,
    *,
    voxel_mm: _Triple = _UNIT,
    degrees: float = 4.0,
    shift_mm: float = 4.0,
) -> _Pair:
    """Let the head move once while k-space is filled, line by line along a random axis.

    Parameters
    ----------
    image, rng, label, voxel_mm, degrees, shift_mm
        See `affine`.
    """
    _check(image, label)
    low, axis = float(image.min()), int(rng.integers(3))
    there = _placed(image.shape, rng, voxel_mm, degrees, 0.0, shift_mm)
    lines = image.shape[axis]
    # The center of k-space says where the head is: it is filled before, so the label still fits.
    late = slice(int(lines * rng.uniform(0.55, 0.85)), None)
    before, after = (
        np.moveaxis(np.fft.fftshift(np.fft.fft(values - low, axis=axis), axis), axis, 0)
        for values in (image, _moved(image.astype(np.float32), None, there)[0])
    )
    before[late] = after[late]
    ghosts = np.fft.ifft(np.fft.ifftshift(before, 0), axis=0)
    return _stored(low + np.abs(np.moveaxis(ghosts, 0, axis)), image), label


ALL = {each.__name__: each for each in (affine, elastic, bias_field, noise, motion)}
SPATIAL = (affine, elastic, motion)  # those that ask for the size of a voxel


def _check(image: Array, label: Array | None) -> None:
    if image.ndim != 3 or not np.isfinite(image).all():
        raise InputError("an image to vary has three axes and only finite values")
    if label is not None and label.shape != image.shape:
        raise InputError("the label has another shape than its image")


def _stored(values: Array, like: Array) -> Array:
    """Return values in the type of an image, cut off where it ends."""
    if like.dtype.kind in "iu":
        ends = np.iinfo(like.dtype)
        values = np.clip(np.rint(values), ends.min, ends.max)
    return values.astype(like.dtype)


def _moved(image: Array, label: Array | None, field: Array) -> _Pair:
    """Return image and label as they stand at the positions of a field, shape (3, X, Y, Z)."""
    values = ndimage.map_coordinates(
        image.astype(np.float32), field, order=1, mode="nearest", prefilter=False
    )
    if label is not None:
        label = ndimage.map_coordinates(label, field, order=0, mode="nearest", prefilter=False)
    return _stored(values, image), label


def _placed(
    shape: tuple[int, ...],
    rng: np.random.Generator,
    voxel_mm: _Triple,
    degrees: float,
    scale: float,
    shift_mm: float,
) -> Array:
    """Return where each voxel of a turned, scaled and shifted image comes from, in voxels."""
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_euler("xyz", rng.uniform(-degrees, degrees, 3), degrees=True).as_matrix()
    matrix = turn @ np.diag(1 + rng.uniform(-scale, scale, 3))
    size, center = np.asarray(voxel_mm), (np.asarray(shape) - 1) / 2
    matrix = matrix * size / size[:, None]
    offset = center - matrix @ center + rng.uniform(-shift_mm, shift_mm, 3) / size
    grid = np.indices(shape, np.float32).reshape(3, -1)
    field = matrix.astype(np.float32) @ grid + offset[:, None].astype(np.float32)
    return np.asarray(field.reshape(3, *shape))


def _smooth(shape: tuple[int, ...], rng: np.random.Generator, spacing: Floats) -> Array:
    """Return cubic splines through nodes with random values of sd 1, `spacing` voxels apart."""
    nodes = [max(2, round(size / step) + 1) for size, step in zip(shape, spacing, strict=True)]
    field = rng.standard_normal(nodes)
    for size, count in zip(shape, nodes, strict=True):  # axis by axis, each goes to the end
        spline = ndimage.zoom(np.eye(count), (size / count, 1), order=3, mode="nearest")
        field = np.tensordot(field, spline, (0, 1))
    return field.astype(np.float32)
