"""Defacing: the face goes, the rest of the head stays, and both are checked.

What is cut is the union of two regions: a face drawn in the coordinates of the ICBM
brain space, brought to the head by an affine fit of its brain surface, and everything
below a plane under the front of the brain (after quickshear, Schimke and Hale 2011). What
lies within 3 mm of the brain is never touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage

from medlab.errors import InputError, MedlabError, RefusedError, UnavailableError
from medlab.neuro import scores, surface
from medlab.neuro.extraction import Extraction, extract_brain
from medlab.neuro.volume import image_like, load, to_working, voxels

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

ICBM = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
STEP_MM, MARGIN = 3, 20  # grid of the distance to the ICBM brain, and voxels around it
BRAIN_HEIGHT_MM, FITTED_POINTS = 110.0, 700
PROTECTED_MM = 3.0  # around the brain mask: never cut
BRAIN_REACH_MM = 9.0  # a brain mask is believed this far outside the fitted ICBM brain
BUFFER_MM = 10.0  # between the brain and the shear plane (quickshear: 10 voxels)
BEHIND_MM = 12.0  # the shear plane ends this far behind the frontal pole
ALONE_MM = 35.0  # and so much further if there is no face mask
GOOD_FIT_MM, WORST_FIT_MM = 3.0, 4.2
LEAST_KEPT, MOST_RESIDUAL = 0.75, 0.05
FEWEST_PIXELS = 300

# The face in ICBM coordinates (mm, RAS): how far back it is cut on the midline, by height.
FACE_Z = np.array([-170.0, -110, -80, -60, -45, -30, -15, 0, 8])
FACE_Y = np.array([54.0, 61, 63, 64, 64, 64, 68, 74, 79])
FACE_TOP, FACE_SIDE = 8.0, 95.0
CHEEK_MM, CHEEK_X = 30.0, 70.0  # the cut runs back by so much at this distance from the midline
BROWS_TO_CHIN = np.array([[-1.0, 25, -130], [60.0, 130, -22]])  # |x|, y, z: what must be gone
BRAIN_MIDDLE = np.array([0.0, -18, 9])
EAR_LOW, EAR_HIGH = np.array([70.0, -60, -95]), np.array([130.0, 20, -5])  # |x|, y, z


class Fit(NamedTuple):
    """How the brain lies in ICBM space.

    Attributes
    ----------
    affine : ndarray, shape (4, 4)
        From world (RAS+, mm) to ICBM coordinates.
    distance_mm : float
        Mean distance between the fitted surfaces.
    """

    affine: Floats
    distance_mm: float


class Plane(NamedTuple):
    """Everything with ``normal . p > offset`` and in front of `behind` (mm, world y) is cut."""

    normal: Floats
    offset: float
    behind: float


@dataclass(frozen=True)
class Cut:
    """What is cut, in world space, so that every image of a study can be cut alike.

    Attributes
    ----------
    fit : Fit or None
        Where the ICBM face lies; None if the brain could not be fitted.
    plane : Plane or None
        The shear plane.
    brain : Nifti1Image
        The brain that is protected.
    ears : bool
        Whether the ears go too.
    """

    fit: Fit | None
    plane: Plane | None
    brain: nib.Nifti1Image
    ears: bool


@dataclass(frozen=True)
class Defacing:
    """A defaced head.

    Attributes
    ----------
    img : Nifti1Image
        The head without its face.
    removed : Nifti1Image
        1 where voxels were cut.
    brain : Nifti1Image
        The brain mask that was protected.
    others : tuple of Nifti1Image
        Further images of the study with the same cut.
    cut : Cut
        For `apply`.
    report : dict
        ``parts`` used, ``residual_face``, ``brain_changed``, ``head_kept``,
        ``registration_mm``, ``backend`` of the brain mask, ``warnings``.
    """

    img: nib.Nifti1Image
    removed: nib.Nifti1Image
    brain: nib.Nifti1Image
    others: tuple[nib.Nifti1Image, ...]
    cut: Cut
    report: dict[str, Any]


def deface(
    img: str | PathLike[str] | SpatialImage,
    others: Sequence[str | PathLike[str] | SpatialImage] = (),
    *,
    ears: bool = False,
    buffer_mm: float = BUFFER_MM,
    backend: str = "auto",
) -> Defacing:
    """Cut the face out of a head, and refuse rather than hand out a face.

    Parameters
    ----------
    img : path or nibabel image
        A head, in any orientation; of 4-D images the mean is looked at.
    others : sequence of path or nibabel image
        Other images of the same study (contrasts, localizers); one face left in any of them
        undoes the rest. Each is cut alike where its head lies alike, else by itself, and the
        report has the worst figures of all.
    ears : bool
        Cut the ears too; they identify, and other tools leave them.
    buffer_mm : float
        Distance of the shear plane from the brain.
    backend : {"auto", "fsl", "builtin"}
        BET for the brain mask.

    Returns
    -------
    Defacing

    Raises
    ------
    InputError
        If the image is no head.
    RefusedError
        If no way of cutting passes the checks: brain untouched, head still there, face gone.

    Notes
    -----
    Skull stripping removes more. Recognition has worked on defaced heads in 28 to 38 of
    100 cases (Schwarz et al., NeuroImage 231:117845, 2021), and gyri are individual too:
    a defaced image is not anonymous.
    """
    if others:
        from medlab.neuro.study import deface_all, worst

        options: dict[str, Any] = {"ears": ears, "buffer_mm": buffer_mm, "backend": backend}
        first, *rest = done = deface_all([load(one) for one in (img, *others)], **options)
        return replace(first, others=tuple(one.img for one in rest), report=worst(done))
    img = load(img)
    if not 0 <= buffer_mm <= 50:
        raise InputError(f"a buffer of {buffer_mm} mm; it lies between 0 and 50 mm")
    found, fit = _locate(img, backend)
    plane = shear_plane(found, buffer_mm)
    brain = _believed(found.mask, fit)
    for parts in _ways(fit, plane):
        cut = Cut(
            fit if "mask" in parts else None, _plane_for(parts, plane, buffer_mm), brain, ears
        )
        result, removed = _apply(img, cut)
        report = _measure(img, result, brain, fit)
        if not report["failed"]:
            break
    else:
        raise RefusedError(f"the face could not be removed safely: {'; '.join(report['failed'])}")
    del report["failed"]
    report |= {"parts": parts, "registration_mm": fit.distance_mm if fit else None}
    report |= {"backend": found.report["backend"], "warnings": report["warnings"]}
    return Defacing(result, removed, brain, (), cut, report)


def _ways(fit: Fit | None, plane: Plane | None) -> list[tuple[str, ...]]:
    """Return the ways to cut, best first."""
    ways: list[tuple[str, ...]] = [("mask", "shear"), ("mask",), ("shear",)]
    lacking = ({"mask"} if fit is None else set()) | ({"shear"} if plane is None else set())
    possible = [way for way in ways if not lacking & set(way)]
    if not possible:
        raise RefusedError("no brain was found well enough to tell where the face is")
    return possible


def _plane_for(parts: tuple[str, ...], plane: Plane | None, buffer_mm: float) -> Plane | None:
    """Return the plane if it takes part; alone it reaches further back and up to the brain."""
    if plane is None or "shear" not in parts:
        return None
    if "mask" in parts:
        return plane
    closer = max(0.0, buffer_mm - PROTECTED_MM)
    return plane._replace(offset=plane.offset - closer, behind=plane.behind - ALONE_MM)


def _locate(img: SpatialImage, backend: str) -> tuple[Extraction, Fit | None]:
    """Return the brain that fits the ICBM brain best, out of a few runs of BET."""
    best: tuple[Extraction, Fit] | None = None
    first: Extraction | None = None
    trouble: MedlabError | None = None
    for options in _attempts():
        try:
            found = extract_brain(img, backend=backend, **options)
        except RefusedError as error:
            trouble = error
            continue
        first = first or found
        fit = register(found.mesh.vertices)
        if best is None or fit.distance_mm < best[1].distance_mm:
            best = found, fit
        if fit.distance_mm < GOOD_FIT_MM:
            break
    if best is not None and best[1].distance_mm <= WORST_FIT_MM:
        return best
    if first is None:
        raise RefusedError("no brain was found, so the face cannot be told from it") from trouble
    return first, None


def _attempts() -> Iterator[dict[str, Any]]:
    yield {"crop_neck": True}
    yield {"crop_neck": True, "robust": True, "f": 0.6}
    yield {"crop_neck": True, "robust": True, "f": 0.75}
    yield {"crop_neck": True, "f": 0.3}


@cache
def _icbm_distance() -> tuple[npt.NDArray[np.float32], Floats]:
    """Return the signed distance (mm, negative inside) to the ICBM brain, and its affine.

    The brain (2009a, brain only) comes with nilearn; importing nilearn to find it would
    take longer than all the rest.
    """
    from scipy.ndimage import binary_fill_holes, distance_transform_edt

    found = find_spec("nilearn")
    if found is None or not found.submodule_search_locations:
        raise UnavailableError("the nilearn package, which holds the ICBM brain, is not installed")
    template = nib.Nifti1Image.from_filename(Path(found.submodule_search_locations[0]) / ICBM)
    brain = np.pad(np.asanyarray(template.dataobj)[::STEP_MM, ::STEP_MM, ::STEP_MM] > 0, MARGIN)
    brain = binary_fill_holes(brain)
    distance = STEP_MM * (distance_transform_edt(~brain) - distance_transform_edt(brain))
    grid = nib.affines.from_matvec(STEP_MM * np.eye(3), np.full(3, -1.0 * STEP_MM * MARGIN))
    return distance.astype(np.float32), np.asarray(template.affine @ grid)


def _distance_at(points: Floats) -> Floats:
    """Return the signed distance of ICBM points, shape (N, 3), to the ICBM brain."""
    from scipy.ndimage import map_coordinates

    distance, affine = _icbm_distance()
    index = (points - affine[:3, 3]) / np.diag(affine)[:3]
    return np.asarray(map_coordinates(distance, index.T, order=1, mode="nearest"), dtype=float)


def register(vertices: Floats) -> Fit:
    """Fit a brain surface to the ICBM brain by rotation, shift and three scales.

    Parameters
    ----------
    vertices : ndarray, shape (V, 3)
        Points on the brain surface, world mm.

    Returns
    -------
    Fit
        Best of three starts that differ in pitch; robust against parts of the surface
        that are no brain, and blind to what lies more than 110 mm below the crown, where
        a surface that went wrong runs into the neck.
    """
    from scipy.optimize import least_squares

    upper = vertices[vertices[:, 2] > vertices[:, 2].max() - BRAIN_HEIGHT_MM]
    points = upper[:: max(1, len(upper) // FITTED_POINTS)]
    middle = points.mean(axis=0)
    distance, affine = _icbm_distance()
    target = nib.affines.apply_affine(affine, np.argwhere(distance < 0)).mean(axis=0)

    def misfit(p: Floats) -> Floats:
        gap = np.clip(_distance_at((points - middle) @ _turn(p).T + target + p[6:9]), -25, 25)
        return np.concatenate([gap, 40 * p[3:6], 0.1 * p[6:9], 8 * p[:3]])  # priors keep it a head

    starts = np.zeros((3, 9))
    starts[:, 0] = np.deg2rad([0, -25, 25])
    fits = [
        least_squares(misfit, start, loss="soft_l1", f_scale=2.0, max_nfev=40) for start in starts
    ]
    best = min(fits, key=lambda found: float(found.cost)).x
    gap = np.abs(misfit(best)[: len(points)])
    matrix = nib.affines.from_matvec(_turn(best), target + best[6:9])
    shift = nib.affines.from_matvec(np.eye(3), -middle)
    return Fit(np.asarray(matrix @ shift), float(gap.mean()))


def _turn(p: Floats) -> Floats:
    """Return scales times rotation for (pitch, roll, yaw, three log scales, ...)."""
    from scipy.spatial.transform import Rotation

    return np.asarray(np.diag(np.exp(p[3:6])) @ Rotation.from_euler("xyz", p[:3]).as_matrix())


def shear_plane(found: Extraction, buffer_mm: float = BUFFER_MM) -> Plane | None:
    """Return the plane under the front of the brain (Schimke and Hale 2011).

    The brain is projected on the sagittal plane; the longest edge of its convex hull that
    looks forwards and down, moved towards the face by a buffer, is the plane.

    Parameters
    ----------
    found : Extraction
        The brain.
    buffer_mm : float
        Distance from the brain, in mm (the original counts voxels).

    Returns
    -------
    Plane or None
        None if no edge looks forwards and down.
    """
    from scipy.spatial import ConvexHull

    profile = found.mesh.vertices[:, 1:]
    hull = ConvexHull(profile)
    normals = hull.equations[:, :2]
    lengths = np.linalg.norm(np.diff(profile[hull.simplices], axis=1)[:, 0], axis=1)
    ahead = (normals[:, 0] > 0.15) & (normals[:, 1] < -0.15)
    if not ahead.any():
        return None
    edge = np.flatnonzero(ahead)[np.argmax(lengths[ahead])]
    normal = np.array([0.0, *normals[edge]])
    pole = float(profile[:, 0].max())
    return Plane(normal, buffer_mm - float(hull.equations[edge, 2]), pole - BEHIND_MM)


def _believed(mask: nib.Nifti1Image, fit: Fit | None) -> nib.Nifti1Image:
    """Return a brain mask without what lies too far outside the fitted ICBM brain."""
    if fit is None:
        return mask
    data = np.asanyarray(mask.dataobj) > 0
    index = np.argwhere(data)
    world = nib.affines.apply_affine(fit.affine @ mask.affine, index)
    far = _distance_at(world) > BRAIN_REACH_MM
    data[tuple(index[far].T)] = False
    return image_like(mask, data)


def face_region(world: Floats, fit: Fit, *, ears: bool = False) -> Mask:
    """Return which world points lie in the face as drawn in ICBM space.

    Parameters
    ----------
    world : ndarray, shape (..., 3)
        Positions in mm.
    fit : Fit
        Where the brain lies.
    ears : bool
        Count the ears in.
    """
    x, y, z = np.moveaxis(nib.affines.apply_affine(fit.affine, world), -1, 0)
    return _in_face(x, y, z, ears)


def _in_face(x: Floats, y: Floats, z: Floats, ears: bool) -> Mask:
    """Return which ICBM positions lie in the face."""
    side = np.abs(x)
    back = np.interp(z, FACE_Z, FACE_Y) - CHEEK_MM * (side / CHEEK_X) ** 2
    inside = (z < FACE_TOP) & (y > back) & (side < FACE_SIDE)
    if ears:
        near = [(p > a) & (p < b) for p, a, b in zip((side, y, z), EAR_LOW, EAR_HIGH, strict=True)]
        inside |= near[0] & near[1] & near[2]
    return np.asarray(inside)


def apply(img: str | PathLike[str] | SpatialImage, cut: Cut) -> nib.Nifti1Image:
    """Cut another image of the same study alike.

    Parameters
    ----------
    img : path or nibabel image
        In the world space of the image from which the cut was made.
    cut : Cut
        `Defacing.cut`.

    Raises
    ------
    RefusedError
        If the image does not overlap with the brain that the cut was made from.
    """
    return cut_out(img, cut)[0]


def cut_out(
    img: str | PathLike[str] | SpatialImage, cut: Cut
) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    """Return what `apply` returns, and the mask (1: removed) of what it cut."""
    img = load(img)
    corners = np.array([[0, 0, 0], img.shape[:3]]) - 0.5
    middle = nib.affines.apply_affine(
        cut.brain.affine, np.argwhere(np.asanyarray(cut.brain.dataobj))
    )
    index = nib.affines.apply_affine(
        np.linalg.inv(img.affine), middle[:: max(1, len(middle) // 5000)]
    )
    if ((index > corners[0]) & (index < corners[1])).all(axis=1).mean() < 0.02:
        raise RefusedError(
            "this image does not show the brain of the first one; deface it by itself"
        )
    return _apply(img, cut)


def _apply(img: SpatialImage, cut: Cut) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    """Return the image without the region, and what was removed."""
    region = np.zeros(img.shape[:3], dtype=bool)
    if cut.fit is not None:
        for i, (x, y, z) in _sheets(cut.fit.affine @ img.affine, img.shape):
            region[i] |= _in_face(x, y, z, cut.ears)
    if cut.plane is not None:
        towards = np.eye(4)
        towards[2, :3] = cut.plane.normal
        for i, (_, y, along) in _sheets(towards @ img.affine, img.shape):
            region[i] |= (along > cut.plane.offset) & (y > cut.plane.behind)
    region &= ~_protected(img, cut.brain)
    data = voxels(img)
    empty = data.min() if data.min() < 0 else 0
    cutting = region if data.ndim == 3 else region[..., None]
    return image_like(img, np.where(cutting, np.array(empty, data.dtype), data)), image_like(
        img, region
    )


def _sheets(affine: Floats, shape: tuple[int, ...]) -> Iterator[tuple[int, Floats]]:
    """Yield the positions of the voxels of each sheet along the first axis.

    Sheet by sheet, for the positions of all voxels at once would fill the memory.
    """
    _, ny, nz = shape[:3]
    origin = affine[:3, 3, None, None]
    across = affine[:3, 1, None, None] * np.arange(ny)[:, None] + origin
    sheet = across + affine[:3, 2, None, None] * np.arange(nz)
    for i in range(shape[0]):
        yield i, sheet + affine[:3, 0, None, None] * i


def _protected(img: SpatialImage, brain: nib.Nifti1Image) -> Mask:
    """Return the voxels of an image within 3 mm of the brain."""
    from scipy.ndimage import distance_transform_edt, find_objects

    there = np.asanyarray(brain.dataobj) > 0
    if img.shape[:3] != brain.shape or not np.allclose(img.affine, brain.affine, atol=1e-4):
        there = _nearest(there, np.linalg.inv(brain.affine) @ img.affine, img.shape[:3])
    if not there.any():
        return there
    zooms = np.sqrt((img.affine[:3, :3] ** 2).sum(axis=0))
    margin = np.ceil(PROTECTED_MM / zooms).astype(int) + 1
    box = tuple(
        slice(max(0, s.start - m), s.stop + m)
        for s, m in zip(find_objects(there.astype(np.uint8))[0], margin, strict=True)
    )
    near = np.zeros(there.shape, dtype=bool)
    near[box] = distance_transform_edt(~there[box], sampling=zooms) <= PROTECTED_MM
    return near


def _nearest(mask: Mask, matrix: Floats, shape: tuple[int, ...]) -> Mask:
    from scipy.ndimage import affine_transform

    moved = affine_transform(
        mask.astype(np.uint8), matrix[:3, :3], matrix[:3, 3], shape, np.uint8, 0
    )
    return np.asarray(moved > 0)


def _measure(
    before: SpatialImage,
    after: nib.Nifti1Image,
    brain: nib.Nifti1Image,
    fit: Fit | None,
) -> dict[str, Any]:
    """Measure a defaced head and tell which checks it fails."""
    old, new = to_working(before), to_working(after)
    threshold = surface.head_threshold(old.data)
    inside = np.asanyarray(brain.dataobj) > 0
    changed = scores.brain_changed(voxels(before), voxels(after), inside)
    kept = scores.head_kept(old.data, new.data, threshold)
    residual, pixels = _residual(before, after, brain, fit)
    failed, warnings = [], []
    if changed:
        failed.append("brain voxels would change")
    if kept < LEAST_KEPT:
        failed.append("too much of the head would go")
    if pixels < FEWEST_PIXELS and fit is None:
        failed.append("what was found does not look like a brain, so it does not tell the face")
    elif pixels < FEWEST_PIXELS:
        warnings.append("hardly any face is in the field of view")
    elif residual > MOST_RESIDUAL:
        failed.append("a part of the face would stay")
    return {
        "residual_face": residual,
        "brain_changed": changed,
        "head_kept": kept,
        "failed": failed,
        "warnings": warnings,
    }


def _residual(
    before: SpatialImage, after: nib.Nifti1Image, brain: nib.Nifti1Image, fit: Fit | None
) -> tuple[float, int]:
    """Return the share of the face that still stands, and its size in pixels of 1 mm.

    Brows to chin in ICBM coordinates: drawn apart from the region that is cut.
    """
    points, stands = surface.front_change(before, after)
    if fit is not None:
        place = nib.affines.apply_affine(fit.affine, points)
    else:
        index = np.argwhere(np.asanyarray(brain.dataobj))
        place = points - nib.affines.apply_affine(brain.affine, index).mean(axis=0) + BRAIN_MIDDLE
    place[:, 0] = np.abs(place[:, 0])
    face = ((place > BROWS_TO_CHIN[0]) & (place < BROWS_TO_CHIN[1])).all(axis=1)
    count = int(face.sum())
    return (float(stands[face].mean()) if count else 0.0), count
