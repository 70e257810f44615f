"""Measures: mask against mask, faces before and after, and warnings on odd masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medlab.arrays import Floats, Mask
from medlab.errors import InputError
from medlab.neuro.bet import robust_threshold

_BRAIN_ML = (700.0, 2200.0)
_TALLEST_BRAIN_MM = 175.0
_THICKEST_CROWN_MM = 45.0  # scalp, skull and fluid above the brain are 15 to 25
_OPEN_BOTTOM = 0.4
_LEAST_CONTRAST = 0.05


def mask_scores(found: Mask, truth: Mask, zooms: Floats) -> dict[str, float]:
    """Compare a mask with the true one.

    Parameters
    ----------
    found, truth : ndarray of bool, shape (X, Y, Z)
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
    found, truth = np.asarray(found) > 0, np.asarray(truth) > 0
    if found.shape != truth.shape:
        raise InputError(f"masks of shape {found.shape} and {truth.shape} cannot be compared")
    if not found.any() or not truth.any():
        raise InputError("an empty mask has no overlap and no surface to measure")
    box = _box(found | truth)
    found, truth = found[box], truth[box]
    both, a, b = (int(np.count_nonzero(m)) for m in (found & truth, found, truth))
    there, back = _surface_distances(found, truth, np.asarray(zooms, dtype=float))
    return {
        "dice": 2 * both / (a + b),
        "jaccard": both / (a + b - both),
        "volume_error": a / b - 1,
        "sensitivity": both / b,
        "hd95_mm": float(max(np.percentile(there, 95), np.percentile(back, 95))),
        "assd_mm": float(np.concatenate([there, back]).mean()),
    }


def dice(found: Mask, truth: Mask) -> float:
    """Return twice the overlap over the sum of two masks (1: equal, 0: apart).

    Examples
    --------
    >>> dice(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    found, truth = np.asarray(found) > 0, np.asarray(truth) > 0
    total = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / total if total else 1.0


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


def extraction_warnings(
    data: npt.NDArray[np.float32], mask: Mask, zooms: Floats, facts: dict[str, Any]
) -> list[str]:
    """Return sentences on what looks wrong with a brain mask; an empty list is no proof.

    Parameters
    ----------
    data, mask : ndarray, shape (X, Y, Z)
        Image and mask, third axis upwards.
    zooms : ndarray, shape (3,)
        Voxel size in mm.
    facts : dict
        ``t2``, ``t98`` and ``crossings`` of the run, where known.
    """
    warnings = []
    volume = float(mask.sum() * np.prod(zooms) / 1000)
    if not _BRAIN_ML[0] <= volume <= _BRAIN_ML[1]:
        warnings.append(
            f"the mask holds {volume:.0f} ml; adult brains hold "
            f"{_BRAIN_ML[0]:.0f} to {_BRAIN_ML[1]:.0f}"
        )
    rows = np.flatnonzero(mask.any(axis=(0, 1)))
    height = (rows[-1] - rows[0] + 1) * zooms[2]
    if height > _TALLEST_BRAIN_MM:
        warnings.append(f"the mask is {height:.0f} mm tall: it has run down the neck")
    gap = (crown_row(data) - rows[-1]) * zooms[2]
    if gap > _THICKEST_CROWN_MM:
        warnings.append(f"the mask ends {gap:.0f} mm below the crown: it lies in face or neck")
    areas = mask.sum(axis=(0, 1))
    if areas[0] > _OPEN_BOTTOM * areas.max():
        warnings.append("the mask is cut by the bottom of the image")
    if facts.get("crossings", 0) > 4000:
        warnings.append("the surface still crosses itself after ten passes")
    contrast = _edge_contrast(data, mask, zooms)
    if contrast < _LEAST_CONTRAST:
        warnings.append(
            f"the rim of the mask is hardly brighter ({contrast:.2f} of the range) than what "
            "lies outside it"
        )
    return warnings


def crown_row(data: npt.NDArray[np.float32]) -> int:
    """Return the topmost row (third axis) of which more than a hundredth is head."""
    rows = np.flatnonzero((data > robust_threshold(data)).mean(axis=(0, 1)) > 0.01)
    return int(rows[-1]) if rows.size else data.shape[2] - 1


def _edge_contrast(data: npt.NDArray[np.float32], mask: Mask, zooms: Floats) -> float:
    """Return how much brighter the mask is 4 mm inside than 2 mm outside its edge.

    Medians of the two rims, as a share of the median inside; brain is bounded by dark
    fluid and bone, so a good mask has 0.2 and more in T1.
    """
    from scipy.ndimage import distance_transform_edt

    coarse = tuple(slice(None, None, max(1, round(2 / zoom))) for zoom in zooms)
    data, mask, zooms = data[coarse], mask[coarse], zooms * [s.step for s in coarse]
    if not mask.any():
        return 0.0
    inside = distance_transform_edt(mask, sampling=zooms)
    outside = distance_transform_edt(~mask, sampling=zooms)
    step = float(max(zooms))
    rim = data[(inside > 3 - step / 2) & (inside <= 5 + step / 2)]
    skin = data[(outside > 1) & (outside <= 3 + step / 2)]
    scale = float(np.median(data[mask])) - float(data.min())
    if not rim.size or not skin.size or scale <= 0:
        return 0.0
    return float(np.median(rim) - np.median(skin)) / scale


def brain_changed(before: npt.NDArray[Any], after: npt.NDArray[Any], brain: Mask) -> int:
    """Return the number of brain voxels whose value is not what it was."""
    a, b = before[brain], after[brain]
    same = (a == b) | (np.isnan(a) & np.isnan(b)) if a.dtype.kind == "f" else a == b
    return int(np.count_nonzero(~same))


def head_kept(before: npt.NDArray[Any], after: npt.NDArray[Any], threshold: float) -> float:
    """Return the share of the head's voxels (brighter than `threshold`) that are still there."""
    head = before > threshold
    return float((after[head] > threshold).mean()) if head.any() else 0.0
