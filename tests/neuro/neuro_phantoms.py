"""Heads whose brain is known."""

import nibabel as nib
import numpy as np


def phantom(
    shape=(80, 96, 80),
    zooms=(2.5, 2.5, 2.5),
    radii_mm=(65.0, 80.0, 62.0),
    shift_mm=(0.0, 0.0, 0.0),
):
    """Return (image, true brain): a bright ellipsoid in a dark gap in a bright scalp shell."""
    zooms, radii = np.array(zooms), np.array(radii_mm)
    axes = [
        (np.arange(n) - (n - 1) / 2) * z - s
        for n, z, s in zip(shape, zooms, shift_mm, strict=True)
    ]
    x, y, z = np.meshgrid(*axes, indexing="ij")

    def ellipsoid(extra):
        a, b, c = radii + extra
        return (x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 < 1

    data = np.zeros(shape, np.float32)
    data[ellipsoid(13)] = 90
    data[ellipsoid(9)] = 12
    brain = ellipsoid(0)
    data[brain] = 100
    rng = np.random.default_rng(1)
    data += rng.normal(0, 2, shape).astype(np.float32)
    affine = np.diag([*zooms, 1.0])
    affine[:3, 3] = -(np.array(shape) - 1) / 2 * zooms
    return nib.Nifti1Image(np.round(np.maximum(data, 0)).astype(np.int16), affine), brain


def body(zoom, shape, wide, deep, marrow):
    """Return a body of one cross-section (radii in mm) with a bone in it."""
    x, y = (np.indices(shape[:2]) - np.array(shape[:2])[:, None, None] / 2) * zoom
    slab = np.where((x / wide) ** 2 + (y / deep) ** 2 < 1, 400, 0)
    slab[np.hypot(x, y) < 20] = 120
    slab[np.hypot(x, y) < 16] = marrow
    noise = np.abs(np.random.default_rng(0).normal(0, 8, shape))
    data = (slab[..., None] + noise).astype(np.int16)
    return nib.Nifti1Image(data, np.diag([zoom, zoom, zoom, 1]))
