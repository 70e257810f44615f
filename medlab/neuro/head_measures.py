"""Measures: mask against mask, brain and head before and after."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medlab.arrays import Floats, Mask
from medlab.errors import InputError


def mask_scores(mask: Mask, truth: Mask, zooms: Floats) -> dict[str, float]:
    """Compare a mask with the true one.

    Parameters
    ----------
    mask, truth : ndarray of bool, shape (X, Y, Z)
        Two masks of the same grid.
    zooms : ndarray, shape (3,)
        Voxel size in mm.

    Returns
    -------
    dict
        ``dice``, ``jaccard``, ``volume_error`` (share of the true volume, signed),
        ``sensitivity``, ``hd95_mm`` (the larger of the two directed 95th percentiles of
        surface distances) and ``assd_mm`` (average symmetric surface distance).

    Raises
    ------
    InputError
        If the shapes differ or a mask is empty.
    """
    mask, truth = np.asarray(mask) > 0, np.asarray(truth) > 0
    if mask.shape != truth.shape:
        raise InputError(f"masks of shape {mask.shape} and {truth.shape} cannot be compared")
    if not mask.any() or not truth.any():
        raise InputError("an empty mask has no overlap and no surface to measure")
    box = _box(mask | truth)
    mask, truth = mask[box], truth[box]
    both, a, b = (int(np.count_nonzero(m)) for m in (mask & truth, mask, truth))
    there, back = _surface_distances(mask, truth, np.asarray(zooms, dtype=float))
    return {
        "dice": 2 * both / (a + b),
        "jaccard": both / (a + b - both),
        "volume_error": a / b - 1,
        "sensitivity": both / b,
        "hd95_mm": float(max(np.percentile(there, 95), np.percentile(back, 95))),
        "assd_mm": float(np.concatenate([there, back]).mean()),
    }


def dice(mask: Mask, truth: Mask) -> float:
    """Return twice the overlap over the sum of two masks (1: equal, 0: apart).

    Examples
    --------
    >>> dice(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    mask, truth = np.asarray(mask) > 0, np.asarray(truth) > 0
    total = int(mask.sum()) + int(truth.sum())
    return 2 * int((mask & truth).sum()) / total if total else 1.0


def _box(mask: Mask) -> tuple[slice, ...]:
    """Return the smallest box that holds a mask."""
    from scipy import ndimage

    box: tuple[slice, ...] = ndimage.find_objects(mask.astype(np.int8))[0]
    return box


def _surface_distances(a: Mask, b: Mask, zooms: Floats) -> tuple[Floats, Floats]:
    """Return the distances (mm) of the surface of `a` to that of `b`, and back."""
    from scipy.ndimage import binary_erosion, distance_transform_edt

    skins = [mask & ~binary_erosion(mask) for mask in (a, b)]
    far = [distance_transform_edt(~skin, sampling=zooms) for skin in skins]
    return far[1][skins[0]], far[0][skins[1]]


def brain_changed(before: npt.NDArray[Any], after: npt.NDArray[Any], brain: Mask) -> int:
    """Return the number of brain voxels whose value is not what it was."""
    a, b = before[brain], after[brain]
    same = (a == b) | (np.isnan(a) & np.isnan(b)) if a.dtype.kind == "f" else a == b
    return int(np.count_nonzero(~same))


def head_kept(before: npt.NDArray[Any], after: npt.NDArray[Any], threshold: float) -> float:
    """Return the share of the head's voxels (brighter than `threshold`) that are still there."""
    head = before > threshold
    return float((after[head] > threshold).mean()) if head.any() else 0.0
