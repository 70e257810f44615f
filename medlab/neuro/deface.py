"""Defacing: the face goes, the rest of the head stays, and both are checked.

A fit of the brain's surface to the ICBM brain (turn, scales, shears, bends) tells where the
face lies; its skin tells how far back it is cut. Where that leaves a part of the face,
everything below a plane under the front of the brain goes too (after quickshear, Schimke and
Hale 2011). What lies within 7 mm of the brain is never touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage

from medlab.arrays import Floats, Mask
from medlab.errors import MedlabError, RefusedError, UnavailableError
from medlab.neuro import head_measures, surface
from medlab.neuro.extraction import Extraction, extract_brain
from medlab.neuro.volume import image_like, to_working, voxels

_ICBM = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
STEP_MM, MARGIN = 3, 20  # grid of the distance to the ICBM brain, and voxels around it
BRAIN_HEIGHT_MM, FITTED_POINTS = 110.0, 1000
_OUTSIDE_MM = 1.0  # BET's surface lies so far outside the ICBM brain, which ends at the tissue
_LOWEST_Z = -40.0  # ICBM height below which the second round of the fit does not look
# Around the brain: never cut. BET does not reach all fluid: on heads warped by 20 % (see
# benchmarks/deface.py) 3 mm lost 9 voxels of one of 12 brains, 5 mm 4 of one of 24; with 7 mm none
# of 24 lost any.
_PROTECTED_MM = 7.0
# Brain is what BET found no further than so from the ICBM brain, and all that is nearer than so:
# of 40 heads warped by 20 % (benchmarks/deface.py) no brain voxel was cut.
BRAIN_REACH_MM, BRAIN_SURE_MM = 12.0, 5.0
_BUFFER_MM = 10.0  # between the brain and the shear plane (quickshear: 10 voxels)
_BEHIND_MM = 12.0  # the shear plane ends this far behind the frontal pole
# Heads of all shapes fit within 2.0 to 2.8 mm, heads turned or mirrored not within 3.2 mm.
GOOD_FIT_MM, WORST_FIT_MM = 2.4, 3.0
_HOPELESS_MM = 5.0  # from here on BET found something else, which fits in no direction
_SMALLEST = 0.55  # scale of a fit; warped by 20 % the heads had 0.65 to 1.5
LEAST_KEPT, MOST_KEPT, MOST_RESIDUAL = 0.75, 0.999, 0.03
_FEWEST_PIXELS = 300

# The face in ICBM coordinates (mm, RAS). `_face_depth` says how far back it is cut.
FACE_LOW, FACE_TOP, FACE_SIDE = -125.0, 12.0, 92.0
_FACE_DEPTH = np.array([69.0, -7, -15, -30, 7, -16])  # mean of sample heads: if no face is seen
CHIN_Z, CHIN_SLOPE, NECK_MM = -120.0, 1.5, 40.0  # under the chin the cut runs back so steeply
# The cut lies so far behind nearly all of the skin, and behind its middle at least and at most
# so far: of the same heads at most .015 of the face stayed, and at least .88 of the head.
SKIN_MM, SHALLOWEST_MM, DEEPEST_MM = 3.5, 12.5, 24.5
_BROWS_TO_CHIN = np.array([[-1.0, 25, -130], [60.0, 130, -22]])  # |x|, y, z: what must be gone
_BRAIN_MIDDLE = np.array([0.0, -18, 9])
EAR_LOW, EAR_HIGH = np.array([70.0, -60, -95]), np.array([130.0, 20, -5])  # |x|, y, z


# A scale or shear of .1 weighs as much as 4 mm: turn, scale, shift, shear, bend.
_PRIORS = np.repeat([8, 40, 0.1, 40, 80], 3)
_STEP = np.finfo(np.float64).eps ** 0.5  # of a parameter, for a slope


class _Fit(NamedTuple):
    """How the brain lies in ICBM space.

    Attributes
    ----------
    affine : ndarray, shape (4, 4)
        From world (RAS+, mm) to ICBM coordinates.
    distance_mm : float
        Mean distance between the fitted surfaces; infinite if no brain has this size.
    bends : ndarray, shape (3,)
        How x and y move along z squared, and z along y squared; 0.2 is 20 mm at 100 mm
        from the middle of the brain.
    """

    affine: Floats
    distance_mm: float
    bends: Floats = np.zeros(3)

    def place(self, world: Floats) -> Floats:
        """Return the ICBM coordinates of world points, shape (..., 3)."""
        place = nib.affines.apply_affine(self.affine, world)
        _, y, z = np.moveaxis(place - _BRAIN_MIDDLE, -1, 0)
        along = np.stack([z, z, y], axis=-1)
        return np.asarray(place + self.bends * along**2 / 100)


class _Plane(NamedTuple):
    """Everything with ``normal . p > offset`` and in front of `behind` (mm, world y) is cut."""

    normal: Floats
    offset: float
    behind: float


@dataclass(frozen=True)
class _Cut:
    """What is cut, in world space, so that every image of a study can be cut alike.

    Attributes
    ----------
    fit : _Fit
        Where the ICBM face lies.
    plane : Plane or None
        The shear plane, if the face mask alone does not take the face.
    brain : Nifti1Image
        The brain that is protected.
    ears : bool
        Whether the ears go too.
    depth : ndarray, shape (6,)
        How far back the face is cut; see `_face_depth`.
    """

    fit: _Fit
    plane: _Plane | None
    brain: nib.Nifti1Image
    ears: bool
    depth: Floats


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
    cut : _Cut
        For `apply`.
    report : dict
        ``parts`` used, ``residual_face``, ``brain_changed``, ``head_kept``,
        ``registration_mm``, ``backend`` of the brain mask, ``warnings``.
    """

    img: nib.Nifti1Image
    removed: nib.Nifti1Image
    brain: nib.Nifti1Image
    others: tuple[nib.Nifti1Image, ...]
    cut: _Cut
    report: dict[str, Any]


def deface_image(
    img: SpatialImage,
    *,
    ears: bool = False,
    backend: str = "auto",
) -> Defacing:
    """Cut the face out of one image; options and errors are those of `medlab.neuro.deface`."""
    extraction, fit = _locate(img, backend)
    plane = _shear_plane(extraction)
    brain = _believed(extraction.mask, fit)
    mask = _Cut(fit, None, brain, ears, _face_depth(surface.front_points(img), fit))
    for cut in (mask, replace(mask, plane=plane)):
        result, removed = _apply(img, cut)
        report = _measure(img, result, brain, fit)
        if not report["failed"] or plane is None:
            break
    if report["failed"]:
        raise RefusedError(
            f"the face could not be removed safely: {'; '.join(report['failed'])}; try another "
            "image of the study or another backend, or strip the skull, which removes more"
        )
    del report["failed"]
    report |= {"parts": ("mask", "shear") if cut.plane else ("mask",)}
    report |= {"registration_mm": fit.distance_mm, "backend": extraction.report["backend"]}
    return Defacing(result, removed, brain, (), cut, report)


def _locate(img: SpatialImage, backend: str) -> tuple[Extraction, _Fit]:
    """Return the brain that fits the ICBM brain best, out of a few runs of BET."""
    first: Extraction | None = None
    best: tuple[Extraction, _Fit] | None = None
    trouble: MedlabError | None = None
    for options in _attempts():
        try:
            extraction = extract_brain(img, backend=backend, **options)
        except RefusedError as error:
            trouble = error
            continue
        first, fit = first or extraction, _register(extraction.mesh.vertices)
        if best is None or fit.distance_mm < best[1].distance_mm:
            best = extraction, fit
        if fit.distance_mm < GOOD_FIT_MM:
            return extraction, fit
    if best is None or first is None:
        raise RefusedError("no brain was found, so the face cannot be told from it") from trouble
    _check_orientation(first.mesh.vertices, best[1].distance_mm)
    return best


def _check_orientation(vertices: Floats, distance_mm: float) -> None:
    """Refuse a brain that fits no better as its header says it lies than turned or mirrored.

    A brain is its own mirror image from left to right, so that the 24 turns of a cube stand
    for the mirrored heads too.
    """
    from scipy.spatial.transform import Rotation

    turns = Rotation.create_group("O").as_matrix().round()
    turns = sorted(turns, key=lambda turn: -10 * np.abs(np.diag(turn)).sum() - np.trace(turn))[1:]
    limit = min(distance_mm, WORST_FIT_MM) if distance_mm < _HOPELESS_MM else 0.0
    sample = vertices[::3]  # enough to tell, and sooner
    if any(_register(sample @ turn.T, pitches=(0,)).distance_mm <= limit for turn in turns):
        raise RefusedError(
            "turned or mirrored, this head fits a brain as well as it does the way its header "
            "says it lies: front and back or up and down may be exchanged; mend the orientation "
            "in the header"
        )
    if distance_mm > WORST_FIT_MM:
        raise RefusedError(
            f"what was found lies {distance_mm:.2g} mm from the shape of a brain (at most "
            f"{WORST_FIT_MM:g}), so it does not tell where the face is; check the orientation "
            "in the header, or strip the skull"
        )


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

    package = find_spec("nilearn")
    if package is None or not package.submodule_search_locations:
        raise UnavailableError("the nilearn package, which holds the ICBM brain, is not installed")
    template = nib.Nifti1Image.from_filename(Path(package.submodule_search_locations[0]) / _ICBM)
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


def _register(vertices: Floats, pitches: Sequence[float] = (0, -25, 25)) -> _Fit:
    """Fit a brain surface to the ICBM brain by turn, shift, scales, shears and three bends.

    Parameters
    ----------
    vertices : ndarray, shape (V, 3)
        Points on the brain surface, world mm.
    pitches : sequence of float
        Degrees by which the starts are nodded.

    Returns
    -------
    Fit
        Best of the starts; robust against parts of the surface
        that are no brain. The first round is blind to what lies more than 110 mm below the
        crown, the second to what it places under the brain: there a surface that went wrong
        runs into the neck.
    """
    from scipy.optimize import least_squares
    from threadpoolctl import threadpool_limits

    vertices = vertices[:: max(1, len(vertices) // FITTED_POINTS)]
    middle = vertices[vertices[:, 2] > vertices[:, 2].max() - BRAIN_HEIGHT_MM].mean(axis=0)
    distance, affine = _icbm_distance()
    target = nib.affines.apply_affine(affine, np.argwhere(distance < 0)).mean(axis=0)

    def fitted(p: Floats) -> _Fit:
        matrix = nib.affines.from_matvec(_turn(p), target + p[6:9])
        return _Fit(matrix @ nib.affines.from_matvec(np.eye(3), -middle), np.inf, p[12:])

    def misfits(trials: Floats, points: Floats) -> Floats:
        places = np.concatenate([fitted(p).place(points) for p in trials])
        gaps = np.clip(_distance_at(places) - _OUTSIDE_MM, -25, 25).reshape(len(trials), -1)
        return np.hstack([gaps, trials * _PRIORS])

    def misfit(p: Floats, points: Floats) -> Floats:
        return np.asarray(misfits(p[None], points)[0])

    def slopes(p: Floats, points: Floats) -> Floats:
        moved = p + np.diag(_STEP * np.where(p < 0, -1.0, 1.0) * np.maximum(1.0, np.abs(p)))
        here, *there = misfits(np.vstack([p, moved]), points)
        return np.asarray((there - here).T / np.diag(moved - p))

    def settle(start: Floats, points: Floats) -> Any:
        options: dict[str, Any] = {"loss": "soft_l1", "f_scale": 2.0, "max_nfev": 40}
        with threadpool_limits(1):  # thousands of tiny matrices: two threads wait for each other
            return least_squares(misfit, start, slopes, args=(points,), **options)

    upper = vertices[vertices[:, 2] > vertices[:, 2].max() - BRAIN_HEIGHT_MM]
    fits = []
    for pitch in np.deg2rad(pitches):
        first = settle(np.eye(1, 15)[0] * pitch, upper).x
        points = vertices[fitted(first).place(vertices)[:, 2] > _LOWEST_Z]
        fits.append((settle(first, points), points) if len(points) > len(upper) / 2 else None)
    solution, points = min((f for f in fits if f), key=lambda f: f[0].cost / len(f[1]))
    fit, gap = fitted(solution.x), np.abs(misfit(solution.x, points)[: len(points)])
    sizes = np.linalg.svd(fit.affine[:3, :3], compute_uv=False)
    human = sizes.min() > _SMALLEST and sizes.max() < 1 / _SMALLEST
    return fit._replace(distance_mm=float(gap.mean()) if human else np.inf)


def _turn(p: Floats) -> Floats:
    """Return shears times scales times rotation for (pitch, roll, yaw, three log scales, ...)."""
    from scipy.spatial.transform import Rotation

    shear = np.eye(3)
    shear[[0, 1, 2], [2, 2, 1]] = p[9:12]
    return np.asarray(
        shear @ np.diag(np.exp(p[3:6])) @ Rotation.from_euler("xyz", p[:3]).as_matrix()
    )


def _shear_plane(extraction: Extraction) -> _Plane | None:
    """Return the plane under the front of the brain (Schimke and Hale 2011).

    The brain is projected on the sagittal plane; the longest edge of its convex hull that
    looks forwards and down, moved towards the face by a buffer, is the plane.

    Parameters
    ----------
    extraction : Extraction
        The brain.

    Returns
    -------
    Plane or None
        None if no edge looks forwards and down.
    """
    from scipy.spatial import ConvexHull

    profile = extraction.mesh.vertices[:, 1:]
    hull = ConvexHull(profile)
    normals = hull.equations[:, :2]
    lengths = np.linalg.norm(np.diff(profile[hull.simplices], axis=1)[:, 0], axis=1)
    ahead = (normals[:, 0] > 0.15) & (normals[:, 1] < -0.15)
    if not ahead.any():
        return None
    edge = np.flatnonzero(ahead)[np.argmax(lengths[ahead])]
    normal = np.array([0.0, *normals[edge]])
    pole = float(profile[:, 0].max())
    return _Plane(normal, _BUFFER_MM - float(hull.equations[edge, 2]), pole - _BEHIND_MM)


def _believed(mask: nib.Nifti1Image, fit: _Fit) -> nib.Nifti1Image:
    """Return a brain mask without what lies far outside the fitted ICBM brain, but with that."""
    data = np.asanyarray(mask.dataobj) > 0
    for i, world in _sheets(mask):
        distance = _distance_at(fit.place(world).reshape(-1, 3)).reshape(data[i].shape)
        data[i] = (data[i] & (distance <= BRAIN_REACH_MM)) | (distance <= BRAIN_SURE_MM)
    return image_like(mask, data)


def _face_depth(points: Floats, fit: _Fit) -> Floats:
    """Return how far back the face is cut, as a smooth surface behind its skin.

    Parameters
    ----------
    points : ndarray, shape (N, 3)
        The front of the head, world mm.
    fit : _Fit
        Where the brain lies.

    Returns
    -------
    ndarray, shape (6,)
        ICBM y on the terms 1, z, z squared, x squared, z x squared and x to the fourth. So
        stiff a surface repeats no nose, eye or mouth, as one of equal depth would.
    """
    from scipy.optimize import least_squares

    x, y, z = fit.place(points).T
    lowest = np.interp(z, [FACE_LOW, -90.0, 0.0], [40.0, 25, 22])  # what is further back is neck
    face = (np.abs(x) < 78) & (z > FACE_LOW) & (z < 5) & (y > lowest)
    if face.sum() < _FEWEST_PIXELS:
        return _FACE_DEPTH
    terms, skin = _terms(x[face], z[face]), y[face]
    solution = least_squares(
        lambda c: terms @ c - skin, _FACE_DEPTH, lambda c: terms, loss="cauchy", f_scale=8.0
    ).x
    depth = float(np.quantile(terms @ solution - skin, 0.995)) + SKIN_MM
    solution[0] -= np.clip(depth, SHALLOWEST_MM, DEEPEST_MM)
    return np.asarray(solution)


def _terms(x: Floats, z: Floats) -> Floats:
    """Return the terms of `_face_depth`; beyond the face they stay what they are at its edge."""
    x, z = (np.clip(x, -80, 80) / 80) ** 2, np.clip(z, FACE_LOW - 5, 10) / 100
    return np.stack([np.ones_like(x), z, z * z, x, x * z, x * x], axis=-1)


def _face_region(
    world: Floats, fit: _Fit, depth: Floats = _FACE_DEPTH, *, ears: bool = False
) -> Mask:
    """Return which world points lie in the face.

    Parameters
    ----------
    world : ndarray, shape (..., 3)
        Positions in mm.
    fit : _Fit
        Where the brain lies.
    depth : ndarray, shape (6,)
        How far back the face goes; see `_face_depth`.
    ears : bool
        Count the ears in.
    """
    x, y, z = np.moveaxis(fit.place(world), -1, 0)
    side = np.abs(x)
    inside = np.asarray((z < FACE_TOP) & (side < FACE_SIDE) & (y > -50))
    x, y, z = x[inside], y[inside], z[inside]
    chin = np.clip(CHIN_SLOPE * (CHIN_Z - z), 0, NECK_MM)
    inside[inside] = y > _terms(x, z) @ depth - chin
    if ears:
        place = np.stack([side, *np.moveaxis(fit.place(world), -1, 0)[1:]], axis=-1)
        inside |= ((place > EAR_LOW) & (place < EAR_HIGH)).all(axis=-1)
    return inside


def cut_alike(img: SpatialImage, first: Defacing) -> Defacing | None:
    """Return another image of the same study cut as the first one was, if it passes the checks.

    Parameters
    ----------
    img : nibabel image
        In the world space of the first one.
    first : Defacing
        How that was cut.

    Raises
    ------
    RefusedError
        If the image does not overlap with the brain that the cut was made from.
    """
    result, removed = _cut_out(img, first.cut)
    there = np.asanyarray(first.brain.dataobj) > 0
    there = _nearest(there, np.linalg.inv(first.brain.affine) @ img.affine, img.shape[:3])
    brain = image_like(removed, there)
    report = _measure(img, result, brain, first.cut.fit)
    nothing = not np.asanyarray(removed.dataobj).any() and report["warnings"]  # a slab above it
    if report.pop("failed") and not nothing:
        return None
    shared = ("parts", "registration_mm", "backend")
    report |= {name: first.report[name] for name in shared}
    return Defacing(result, removed, brain, (), first.cut, report)


def _cut_out(img: SpatialImage, cut: _Cut) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    """Return an image without the region, and the mask (1: removed) of what went."""
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


def _apply(img: SpatialImage, cut: _Cut) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    """Return the image without the region, and what was removed."""
    region = np.zeros(img.shape[:3], dtype=bool)
    for i, world in _sheets(img):
        region[i] = _face_region(world, cut.fit, cut.depth, ears=cut.ears)
        if cut.plane is not None:
            below = world @ cut.plane.normal > cut.plane.offset
            region[i] |= below & (world[..., 1] > cut.plane.behind)
    region &= ~_protected(img, cut.brain)
    data = voxels(img)
    empty = min(float(np.nanmin(data)), 0)  # NaN: not measured
    cutting = region if data.ndim == 3 else region[..., None]
    return image_like(img, np.where(cutting, np.array(empty, data.dtype), data)), image_like(
        img, region
    )


def _sheets(img: SpatialImage) -> Iterator[tuple[int, Floats]]:
    """Yield the world positions of the voxels of each sheet along the first axis.

    Sheet by sheet, for the positions of all voxels at once would fill the memory.
    """
    _, ny, nz = img.shape[:3]
    across, along, up, origin = img.affine[:3].T
    sheet = np.arange(ny)[:, None, None] * along + np.arange(nz)[:, None] * up + origin
    for i in range(img.shape[0]):
        yield i, sheet + across * i


def _protected(img: SpatialImage, brain: nib.Nifti1Image) -> Mask:
    """Return the voxels of an image within 7 mm of the brain."""
    from scipy.ndimage import distance_transform_edt, find_objects

    there = np.asanyarray(brain.dataobj) > 0
    if img.shape[:3] != brain.shape or not np.allclose(img.affine, brain.affine, atol=1e-4):
        there = _nearest(there, np.linalg.inv(brain.affine) @ img.affine, img.shape[:3])
    if not there.any():
        return there
    zooms = nib.affines.voxel_sizes(img.affine)
    margin = np.ceil(_PROTECTED_MM / zooms).astype(int) + 1
    box = tuple(
        slice(max(0, s.start - m), s.stop + m)
        for s, m in zip(find_objects(there.astype(np.uint8))[0], margin, strict=True)
    )
    near = np.zeros(there.shape, dtype=bool)
    near[box] = distance_transform_edt(~there[box], sampling=zooms) <= _PROTECTED_MM
    return near


def _nearest(mask: Mask, matrix: Floats, shape: tuple[int, ...]) -> Mask:
    """Return a mask on another grid, each voxel as the nearest one of the mask."""
    from scipy.ndimage import affine_transform

    moved = affine_transform(
        mask.astype(np.uint8), matrix[:3, :3], matrix[:3, 3], shape, np.uint8, 0
    )
    return np.asarray(moved > 0)


def _measure(
    before: SpatialImage,
    after: nib.Nifti1Image,
    brain: nib.Nifti1Image,
    fit: _Fit,
) -> dict[str, Any]:
    """Measure a defaced head and tell which checks it fails."""
    old = to_working(before)
    new = to_working(after, old)
    threshold = surface.head_threshold(old.data)
    inside = np.asanyarray(brain.dataobj) > 0
    changed = head_measures.brain_changed(voxels(before), voxels(after), inside)
    kept = head_measures.head_kept(old.data, new.data, threshold)
    residual, pixels = _residual(before, after, fit)
    failed, warnings = [], []
    if changed:
        failed.append(f"{changed} brain voxels would change")
    if kept < LEAST_KEPT:
        failed.append(f"only {kept:.2f} of the head would stay ({LEAST_KEPT:g} at least)")
    if kept > MOST_KEPT:
        failed.append("nothing would be cut, so either there is no face or it lies elsewhere")
    if pixels < _FEWEST_PIXELS:
        warnings.append("hardly any face is in the field of view")
    elif residual > MOST_RESIDUAL:
        failed.append(f"{residual:.3f} of the face would stay ({MOST_RESIDUAL:g} at most)")
    return {
        "residual_face": residual,
        "brain_changed": changed,
        "head_kept": kept,
        "failed": failed,
        "warnings": warnings,
    }


def _residual(before: SpatialImage, after: nib.Nifti1Image, fit: _Fit) -> tuple[float, int]:
    """Return the share of the face that still stands, and its size in pixels of 1 mm.

    Brows to chin in ICBM coordinates: drawn apart from the region that is cut.
    """
    points, stands = surface.front_change(before, after)
    place = fit.place(points)
    place[:, 0] = np.abs(place[:, 0])
    face = ((place > _BROWS_TO_CHIN[0]) & (place < _BROWS_TO_CHIN[1])).all(axis=1)
    count = int(face.sum())
    return (float(stands[face].mean()) if count else 0.0), count
