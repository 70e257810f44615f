"""Measures: mask against mask, a head before and after, one head under many settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage

from medlab.arrays import Floats, Mask
from medlab.errors import InputError, RefusedError
from medlab.neuro import surface
from medlab.neuro.extraction import Extraction, extract_brain
from medlab.neuro.volume import image_like, to_working, voxels

if TYPE_CHECKING:
    import pandas as pd


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


class _Trials(NamedTuple):
    """One head under many settings.

    Attributes
    ----------
    found : dict of str to Extraction
        What each setting gave; settings that were refused are missing.
    table : DataFrame, one row a setting
        Volume, passes, number of warnings; Dice and the other scores where a true mask
        was given; ``refused`` tells why nothing was found.
    """

    found: dict[str, Extraction]
    table: pd.DataFrame


def run_trials(
    img: SpatialImage,
    settings: Mapping[str, Mapping[str, Any] | Extraction],
    truth: SpatialImage | None = None,
) -> _Trials:
    """Strip one head with several settings.

    Parameters
    ----------
    img : nibabel image
        The head.
    settings : mapping of str to mapping
        Name of a trial and the options of `extract_brain`; ``img`` among them replaces
        the head for this trial. A brain found before takes part as it is.
    truth : nibabel image, optional
        The true brain mask.
    """
    import pandas as pd

    extractions: dict[str, Extraction] = {}
    rows: dict[str, dict[str, Any]] = {}
    for name, options in settings.items():
        try:
            if isinstance(options, Extraction):
                extractions[name] = options
            else:
                extractions[name] = extract_brain(**{"img": img, **options})
        except (InputError, RefusedError) as error:
            rows[name] = {"refused": str(error)}
            continue
        rows[name] = _row(extractions[name], truth)
    return _Trials(extractions, pd.DataFrame.from_dict(rows, orient="index"))


def _row(extraction: Extraction, truth: SpatialImage | None) -> dict[str, Any]:
    report = extraction.report
    row = {
        "backend": report["backend"],
        "volume_ml": report["volume_ml"],
        "warnings": len(report["warnings"]),
    }
    if truth is not None:
        zooms = np.array(truth.header.get_zooms()[:3], dtype=float)
        mask, true = (np.asanyarray(m.dataobj) > 0 for m in (extraction.mask, truth))
        row |= mask_scores(mask, true, zooms)
    return row


def half_voxel_spread(
    img: SpatialImage, extraction: Extraction, **options: Any
) -> dict[str, float]:
    """Return how well BET agrees with itself after the head moved by half a voxel.

    The image is resampled linearly on a grid moved by half a voxel along each axis and
    stripped again; the first mask is moved alike and compared.

    Parameters
    ----------
    img : nibabel image
        The head.
    extraction : Extraction
        The brain found in it.
    **options
        Those that gave `extraction`.

    Returns
    -------
    dict
        `mask_scores` of the second mask against the first.
    """
    again = extract_brain(image_like(img, _half_moved(voxels(img).astype(np.float32))), **options)
    first = _half_moved(np.asanyarray(extraction.mask.dataobj).astype(np.float32)) >= 0.5
    zooms = np.array(img.header.get_zooms()[:3], dtype=float)
    return mask_scores(np.asanyarray(again.mask.dataobj) > 0, first, zooms)


def _half_moved(data: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return values half a voxel further along each axis, between the neighbors."""
    from scipy.ndimage import shift

    return np.asarray(shift(data, -0.5, order=1, mode="nearest"))


def blurred(
    img: SpatialImage, blur_mm: float, noise: float = 0.0, rng: np.random.Generator | None = None
) -> nib.Nifti1Image:
    """Return a head with less contrast between brain and what surrounds it.

    Parameters
    ----------
    img : nibabel image
        The head.
    blur_mm : float
        Standard deviation of a Gaussian blur.
    noise : float
        Standard deviation of added noise, as a share of the brightest value.
    rng : Generator, optional
        Needed for noise.
    """
    from scipy.ndimage import gaussian_filter

    data = voxels(img).astype(np.float32)
    zooms = np.array(img.header.get_zooms()[:3], dtype=float)
    data = gaussian_filter(data, blur_mm / zooms)
    if noise and rng is not None:
        data = data + rng.normal(0, noise * float(data.max()), data.shape)
    return image_like(img, data.astype(np.float32))


def compare_protection(
    heads: Mapping[str, SpatialImage],
    brain: SpatialImage,
    face: SpatialImage | None = None,
) -> pd.DataFrame:
    """Return what is left of face, brain and head; the first head is the original.

    Parameters
    ----------
    heads : mapping of str to nibabel image
        Names and heads of one grid.
    brain : nibabel image
        The brain mask (the true one, where it is known).
    face : nibabel image, optional
        The face region; without it the residual face is left out.

    Returns
    -------
    DataFrame, one row a head
        ``residual_face``, ``brain_changed`` (voxels) and ``head_kept`` (share).
    """
    import pandas as pd

    original = next(iter(heads.values()))
    before = voxels(original)
    inside = np.asanyarray(brain.dataobj) > 0
    working = to_working(original)
    threshold = surface.head_threshold(working.data)
    rows = {}
    for name, head in heads.items():
        row: dict[str, float] = {}
        if face is not None:
            row["residual_face"] = surface.residual_face(original, head, face)
        row["brain_changed"] = brain_changed(before, voxels(head), inside)
        row["head_kept"] = head_kept(working.data, to_working(head, working).data, threshold)
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")
