"""What a head scan shows of a face: depth seen from the front, shading, a mesh to turn."""

from __future__ import annotations

from os import PathLike
from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage

from medlab.arrays import Floats, Mask
from medlab.errors import InputError
from medlab.neuro.volume import Working, load, to_working

FRONT, THREE_QUARTER = 0.0, 30.0
_AMBIENT = 0.25
_LIGHT = np.array([0.25, 0.75, 0.61])  # from the right of the head, from the front, from above
_CHANGED_MM = 2.0


class _Sight(NamedTuple):
    """The sampling grid of a view: ``world = turn @ (origin + spacing * index)``, in mm.

    The second axis of the grid runs towards the viewer.
    """

    turn: Floats
    origin: Floats
    shape: tuple[int, int, int]
    spacing: float
    threshold: float


class View(NamedTuple):
    """A head as it is seen by someone who stands before it.

    Attributes
    ----------
    depth_mm : ndarray, shape (rows, columns)
        How far the surface comes towards the viewer (world mm along the line of sight);
        NaN where there is no head. First row on top, first column at the patient's right.
    shade : ndarray, shape (rows, columns)
        Brightness from 0 to 1, 0 where there is no head.
    sight : Sight
        Where it was seen from, and what counts as skin.
    """

    depth_mm: Floats
    shade: Floats
    sight: _Sight


def head_threshold(data: npt.NDArray[np.float32]) -> float:
    """Return the value that divides head from air: half of Otsu's threshold.

    Taken over the voxels above the minimum, cut at their 99th percentile.
    """
    from skimage.filters import threshold_otsu

    base = float(data.min())
    values = data[data > base]
    if values.size < 2:
        raise InputError("the image has one single value everywhere, so it shows no head")
    values = np.minimum(values, np.percentile(values, 99))
    if not values.min() < values.max():
        return (base + float(values.max())) / 2
    otsu: float = threshold_otsu(values)
    return base + (otsu - base) / 2


def view(
    img: str | PathLike[str] | SpatialImage,
    angle_deg: float = FRONT,
    *,
    like: View | None = None,
    spacing_mm: float | None = None,
) -> View:
    """Render the surface of a head from the front or from a side.

    Parameters
    ----------
    img : path or nibabel image
        A head.
    angle_deg : float
        0 looks at the face; 30 is a three-quarter view (the viewer steps to the
        patient's left).
    like : View, optional
        Look from where another view was taken, with its threshold: for a processed image
        beside its original.
    spacing_mm : float, optional
        Size of a pixel; 1 mm, or three quarters of a voxel where voxels are larger.

    Raises
    ------
    InputError
        If the image is no volume or shows nothing.
    """
    working = to_working(load(img))
    sight = _sight(working, angle_deg, spacing_mm) if like is None else like.sight
    try:
        depth = _first_hit(_resample(working, sight), sight)
    except InputError:
        if like is None:
            raise
        depth = np.full(like.depth_mm.shape, np.nan)
    picture = depth[::-1, ::-1]  # top first; the patient's right comes left
    return View(picture, _shade(picture, sight.spacing), sight)


def _sight(working: Working, angle_deg: float, spacing: float | None) -> _Sight:
    """Lay a grid along the line of sight around the head, with 5 mm to spare."""
    spacing = spacing or max(1.0, 0.75 * float(working.zooms.min()))
    a = np.deg2rad(angle_deg)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
    threshold = head_threshold(working.data)
    head = np.argwhere(working.data[::3, ::3, ::3] > threshold) * 3
    if not head.size:
        raise InputError("the image shows no head above its threshold")
    points = nib.affines.apply_affine(working.affine, head) @ turn
    margin = 5 + 3 * float(working.zooms.max())
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    nx, ny, nz = (int(np.ceil(side / spacing)) + 1 for side in high - low)
    return _Sight(turn, low, (nx, ny, nz), spacing, threshold)


def _resample(working: Working, sight: _Sight) -> npt.NDArray[np.float32]:
    """Return the volume on the grid of a view, smoothed by 1 mm."""
    from scipy import ndimage

    inverse = np.linalg.inv(working.affine)
    matrix = inverse[:3, :3] @ sight.turn * sight.spacing
    offset = inverse[:3, :3] @ (sight.turn @ sight.origin) + inverse[:3, 3]
    low = float(working.data.min())
    turned = ndimage.affine_transform(
        working.data, matrix, offset, sight.shape, np.float32, 1, "constant", low
    )
    return np.asarray(ndimage.gaussian_filter(turned, 1.0 / sight.spacing, truncate=2.0))


def _first_hit(volume: npt.NDArray[np.float32], sight: _Sight) -> Floats:
    """Return, for each (z, x), how far to the front the head reaches; between voxels."""
    head = _largest(volume > sight.threshold)
    visible = head.any(axis=1)
    hit = head.shape[1] - 1 - np.argmax(head[:, ::-1], axis=1)
    front = np.minimum(hit + 1, head.shape[1] - 1)
    here, before = (np.take_along_axis(volume, i[:, None], 1)[:, 0] for i in (hit, front))
    step = np.clip((here - sight.threshold) / np.maximum(here - before, 1e-6), 0, 1)
    depth = sight.origin[1] + (hit + step) * sight.spacing
    return np.asarray(np.where(visible, depth, np.nan).T)


def _largest(mask: Mask) -> Mask:
    """Return the largest connected part of a mask."""
    from scipy import ndimage

    label, count = ndimage.label(mask)
    if not count:
        raise InputError("the image shows no head above this threshold")
    sizes = np.bincount(label.ravel())
    sizes[0] = 0
    return np.asarray(label == sizes.argmax())


def _shade(depth: Floats, spacing: float) -> Floats:
    """Return Lambert shading with light from above and a rest of ambient light."""
    down, across = np.gradient(depth, spacing)
    normal = np.stack([across, np.ones_like(depth), down])
    normal /= np.sqrt((normal**2).sum(axis=0))
    lit = np.tensordot(_LIGHT / np.linalg.norm(_LIGHT), normal, axes=1)
    return np.asarray(np.nan_to_num(_AMBIENT + (1 - _AMBIENT) * np.clip(lit, 0, 1), nan=0.0))


class _FrontChange(NamedTuple):
    """The front surface of a head, and where it still stands after processing.

    Attributes
    ----------
    points : ndarray, shape (N, 3)
        World positions (mm) of the surface as seen from the front, one a pixel.
    kept : ndarray of bool, shape (N,)
        Whether the surface moved by less than 2 mm.
    """

    points: Floats
    kept: Mask


def front_change(
    before: str | PathLike[str] | SpatialImage, after: str | PathLike[str] | SpatialImage
) -> _FrontChange:
    """Compare the front surface of a head before and after.

    Parameters
    ----------
    before, after : path or nibabel image
        The head before and after, in one world space.
    """
    working, sight, old = _front(before)
    try:
        new = _first_hit(_resample(to_working(load(after), working), sight), sight)
    except InputError:  # nothing is left of the head
        new = np.full(old.shape, np.nan)
    return _FrontChange(_points(sight, old), stands(old, new))


def stands(before: Floats, after: Floats) -> Mask:
    """Return of each pixel in which a head was seen whether its surface still lies there.

    Parameters
    ----------
    before, after : ndarray
        How far the surface comes (mm), NaN where there is none; of one shape.
    """
    seen = np.isfinite(before)
    return np.asarray(np.abs(after[seen] - before[seen]) < _CHANGED_MM)  # NaN: not there


def front_points(img: str | PathLike[str] | SpatialImage) -> Floats:
    """Return the world positions (mm), shape (N, 3), of the surface seen from the front.

    Parameters
    ----------
    img : path or nibabel image
        A head.
    """
    return _points(*_front(img)[1:])


def _front(img: str | PathLike[str] | SpatialImage) -> tuple[Working, _Sight, Floats]:
    working = to_working(load(img))
    sight = _sight(working, FRONT, None)
    return working, sight, _first_hit(_resample(working, sight), sight)


def _points(sight: _Sight, depth: Floats) -> Floats:
    z, x = np.nonzero(np.isfinite(depth))
    points: Floats = sight.origin + np.stack([x, np.zeros_like(x), z], axis=1) * sight.spacing
    points[:, 1] = depth[z, x]
    return points


def residual_face(
    before: str | PathLike[str] | SpatialImage,
    after: str | PathLike[str] | SpatialImage,
    face: SpatialImage,
) -> float:
    """Return the share of the face that still stands where it stood.

    Of the pixels of the front view in which the original shows a surface inside the face
    region (or up to 4 mm before it), the share whose depth changed by less than 2 mm. 0 is
    a face that is gone.

    Parameters
    ----------
    before, after : path or nibabel image
        The head before and after.
    face : nibabel image
        Above 0 in the region of the face.

    Raises
    ------
    InputError
        If the region and the surface of the head do not meet.
    """
    points, kept = front_change(before, after)
    data, inverse = np.asanyarray(face.dataobj), np.linalg.inv(face.affine)
    inside = np.zeros(len(points), dtype=bool)
    for back in (0.0, 2.0, 4.0):
        voxel = nib.affines.apply_affine(inverse, points - [0, back, 0])
        index = np.round(voxel).astype(np.intp)
        valid = ((index >= 0) & (index < data.shape)).all(axis=1)
        inside[valid] |= data[tuple(index[valid].T)] > 0
    if not inside.any():
        raise InputError("the face region does not meet the front of this head")
    return float(kept[inside].mean())
