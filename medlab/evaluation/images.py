"""Pixels: whether a scan is recognized as the one published elsewhere, and what it still shows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.spatialimages import SpatialImage

from medlab.arrays import Floats, Mask
from medlab.errors import InputError
from medlab.evaluation.face_recognition import Identification, ranked

_GRID = 32  # voxels along each edge of the common grid
_HASH_EDGE = 5  # low frequencies along each edge of a perceptual hash
_ERODE_MM_VOXELS = 3  # half of the 7-voxel window of SSIM: a cut edge does not leak in
_GRAY_LEVELS = 32


def _pixel_hash(img: SpatialImage) -> str:
    """Return SHA-256 of the decoded voxels with shape, kind and scaling.

    The file's bytes would change with every header and compression; these do not.
    """
    data = np.ascontiguousarray(np.asarray(img.dataobj))
    head = f"{data.shape} {data.dtype.str}".encode()
    return hashlib.sha256(head + data.tobytes()).hexdigest()


def disguises(img: SpatialImage, rng: np.random.Generator) -> dict[str, SpatialImage]:
    """Return an image as someone might change it to hide where it came from.

    Parameters
    ----------
    img : nibabel image
    rng : Generator
        Draws the noise (2 % of the brightest).
    """
    from scipy import ndimage

    data = np.asarray(img.dataobj, dtype=np.float64)
    affine = np.asarray(img.affine)
    coarse = np.diag([1.25, 1.25, 1.25, 1.0])
    return {
        "header only": img,
        "brightness rescaled": _image(np.round(data * 0.7 + 10), affine),
        "noise": _image(data + rng.normal(0, 0.02 * float(data.max()), data.shape), affine),
        "blurred": _image(ndimage.gaussian_filter(data, 1.0), affine),
        "resampled": _image(ndimage.zoom(data, 0.8, order=1), affine @ coarse),
    }


def _image(data: Floats, affine: Floats) -> SpatialImage:
    image: SpatialImage = nib.Nifti1Image(np.round(data).astype(np.int16), affine)
    return image


def pixel_linkage(
    published: Sequence[SpatialImage], released: Sequence[SpatialImage]
) -> dict[str, Identification]:
    """Look for each released scan among scans published elsewhere; number i belongs to i.

    Parameters
    ----------
    published, released : sequences of nibabel images
        With fields of view alike.

    Returns
    -------
    dict
        By ``SHA-256`` of the voxels; by ``perceptual hash`` (signs of the lowest
        frequencies of the cosine transform); by ``correlation``; and by ``correlation inside
        the mask``, only where the released scan shows something.

    Raises
    ------
    InputError
        If the numbers differ, or there are fewer than two.
    """
    if len(published) != len(released) or len(released) < 2:
        raise InputError("give as many published as released scans, in one order, two or more")
    marks = [[_pixel_hash(img) for img in some] for some in (released, published)]
    exact = np.not_equal.outer(*map(np.array, marks)).astype(np.float64)
    small, public = (np.stack([_common(img) for img in some]) for some in (released, published))
    bits, public_bits = (np.stack([_bits(image) for image in some]) for some in (small, public))
    return {
        "SHA-256": ranked(exact),
        "perceptual hash": ranked((bits[:, None] != public_bits[None]).mean(axis=2)),
        "correlation": ranked(
            _pairs(small, public, lambda image: np.ones(image.shape, dtype=bool))
        ),
        "correlation inside the mask": ranked(_pairs(small, public, _shown)),
    }


def _common(img: SpatialImage) -> Floats:
    """Return the image on a grid of fixed size over its field of view."""
    from scipy import ndimage

    data = np.asarray(img.dataobj, dtype=np.float64)
    factors = [_GRID / size for size in data.shape]
    soft = ndimage.gaussian_filter(data, [0.4 / factor for factor in factors])
    return np.asarray(ndimage.zoom(soft, factors, order=1, grid_mode=True, mode="nearest"))


def _bits(data: Floats) -> Mask:
    from scipy.fft import dctn

    low = dctn(data)[:_HASH_EDGE, :_HASH_EDGE, :_HASH_EDGE].ravel()[1:]
    return np.asarray(low > np.median(low))


def _shown(data: Floats) -> Mask:
    low, high = float(data.min()), float(np.percentile(data, 99))
    return np.asarray(data > low + 0.1 * (high - low))


def _pairs(released: Floats, published: Floats, mask: Callable[[Floats], Mask]) -> Floats:
    """Return 1 - correlation of each released with each known image where the first shows."""
    rows = []
    for image in released:
        where = mask(image)
        a, b = image[where], published[:, where]
        a, b = a - a.mean(), b - b.mean(axis=1, keepdims=True)
        size = np.linalg.norm(a) * np.linalg.norm(b, axis=1)
        rows.append(1 - (b @ a) / np.where(size > 0, size, 1.0))
    return np.round(np.array(rows), 12)


def image_utility(
    before: SpatialImage,
    after: SpatialImage,
    brain: SpatialImage,
    brain_found: SpatialImage | None = None,
) -> pd.DataFrame:
    """Return what a protected head is still good for.

    Parameters
    ----------
    before, after : nibabel images of one grid
        The head before and after; what was cut has the smallest value of `after`.
    brain : nibabel image
        The true brain, above 0.
    brain_found : nibabel image, optional
        The brain mask that a tool found, for its Dice with the true one.

    Returns
    -------
    DataFrame
        measure, value, baseline (what an untouched image has). Whole-image similarity is
        left out: cut background says nothing about use.

    Raises
    ------
    InputError
        If the grids differ, or the brain is too small to be eroded.
    """
    old, new = (np.asarray(img.dataobj, dtype=np.float64) for img in (before, after))
    inside = np.asarray(brain.dataobj) > 0
    if old.shape != new.shape or old.shape != inside.shape:
        raise InputError("the images lie on different grids; resample one to the other first")
    cut = (new != old) & (new <= float(new.min()))
    kept = inside & ~cut
    rows: dict[str, tuple[float, float]] = {
        "brain kept": (float(kept.sum() / inside.sum()), 1.0),
        "volume change": (float(kept.sum() / inside.sum() - 1), 0.0),
    }
    if brain_found is not None:
        from medlab.neuro.head_measures import dice

        rows["Dice of the brain mask"] = (dice(np.asarray(brain_found.dataobj) > 0, inside), 1.0)
    rows |= _similarity(old, new, inside)
    rows |= _contrast(old, new, inside, kept)
    rows |= _features(old, new, inside, kept)
    rows |= _registered(old, new, float(np.mean(np.linalg.norm(before.affine[:3, :3], axis=0))))
    return pd.DataFrame(
        [(name, *pair) for name, pair in rows.items()], columns=["measure", "value", "baseline"]
    )


def _similarity(old: Floats, new: Floats, inside: Mask) -> dict[str, tuple[float, float]]:
    """Return SSIM over the eroded brain, and PSNR in the brain (infinite where untouched)."""
    from scipy.ndimage import binary_erosion
    from skimage.metrics import structural_similarity

    core = binary_erosion(inside, iterations=_ERODE_MM_VOXELS)
    if not core.any():
        raise InputError("the brain is too small for the 7-voxel window of SSIM")
    span = float(old.max() - old.min())
    _, ssim = structural_similarity(old, new, data_range=span, full=True)
    error = float(((old - new)[inside] ** 2).mean())
    psnr = 10 * math.log10(span**2 / error) if error else math.inf
    return {
        "SSIM in the eroded brain": (float(ssim[core].mean()), 1.0),
        "PSNR in the brain (dB)": (psnr, math.inf),
    }


def _contrast(
    old: Floats, new: Floats, inside: Mask, kept: Mask
) -> dict[str, tuple[float, float]]:
    """Return (white - gray) / pooled sd, tissues by thresholds on the original."""
    from skimage.filters import threshold_multiotsu

    low, high = threshold_multiotsu(old[inside], classes=3)
    contrasts = []
    for data, where in ((new, kept), (old, inside)):
        gray, white = data[where & (old > low) & (old <= high)], data[where & (old > high)]
        spread = math.sqrt((gray.var() + white.var()) / 2) if gray.size and white.size else 0.0
        contrasts.append((white.mean() - gray.mean()) / spread if spread else math.nan)
    return {"gray-white contrast": (float(contrasts[0]), float(contrasts[1]))}


def _features(
    old: Floats, new: Floats, inside: Mask, kept: Mask
) -> dict[str, tuple[float, float]]:
    """Return the relative change of first-order and texture features of the brain."""
    after, before = (_feature_values(*pair) for pair in ((new, kept), (old, inside)))
    return {
        f"change of {name}": (
            abs(after[name] - value) / abs(value) if value else abs(after[name]),
            0.0,
        )
        for name, value in before.items()
    }


def _feature_values(data: Floats, where: Mask) -> dict[str, float]:
    from scipy.stats import entropy, skew
    from skimage.feature import graycomatrix, graycoprops

    values = data[where]
    low, high = np.percentile(values, (1, 99))
    level = np.clip((data - low) / max(high - low, 1e-9), 0, 1) * (_GRAY_LEVELS - 2) + 1
    plane = np.where(where, level, 0).astype(np.uint8)[:, :, int(np.argwhere(where)[:, 2].mean())]
    pairs: Any = graycomatrix(plane, [1], [0, np.pi / 2], levels=_GRAY_LEVELS, symmetric=True)
    pairs[0] = pairs[:, 0] = 0  # level 0 lies outside of the brain
    pairs = pairs / pairs.sum(axis=(0, 1), keepdims=True)
    return {
        "mean": float(values.mean()),
        "standard deviation": float(values.std()),
        "skewness": float(skew(values)),
        "entropy": float(entropy(np.histogram(values, 64)[0])),
        "10th percentile": float(np.percentile(values, 10)),
        "90th percentile": float(np.percentile(values, 90)),
        "texture contrast": float(graycoprops(pairs, "contrast").mean()),
        "texture homogeneity": float(graycoprops(pairs, "homogeneity").mean()),
    }


def _registered(old: Floats, new: Floats, voxel_mm: float) -> dict[str, tuple[float, float]]:
    """Return the shift that registering the protected to the original image finds."""
    from skimage.metrics import normalized_mutual_information
    from skimage.registration import phase_cross_correlation

    shift = phase_cross_correlation(old, new, upsample_factor=4)[0]
    return {
        "registration shift (mm)": (float(np.linalg.norm(shift)) * voxel_mm, 0.0),
        "normalized mutual information": (
            float(normalized_mutual_information(old, new)),
            float(normalized_mutual_information(old, old)),
        ),
    }


def linkage_table(identifications: Mapping[str, Mapping[str, Identification]]) -> pd.DataFrame:
    """Return the share found, one row a change of the image, one column a way of looking."""
    table = {
        change: {way: identification.rank1 for way, identification in ways.items()}
        for change, ways in identifications.items()
    }
    return pd.DataFrame(table).T.rename_axis("change")
