"""Synthetic T1 heads: a real brain's shape set into a head made of formulas.

The brain is the ICBM 2009a template of nilearn's wheel, warped a little for each patient. The
head around it is a field of signed distances (mm, negative inside): the skull follows the brain,
the face is a smooth union of ellipsoids and rods whose places and sizes differ from patient to
patient. World axes are RAS+ in mm, the origin at the anterior commissure.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medlab.arrays import Floats
from medlab.errors import InputError, UnavailableError
from medlab.samples.cohorts import DEFAULT_SEED
from medlab.samples.face_shapes import (
    BONE,
    CSF,
    FAT,
    MARROW,
    MUSCLE,
    SKIN,
    WHITE,
    Face,
    base_contents,
    bone_parts,
    contents,
    face_of,
    outer_parts,
)  # fmt: skip
from medlab.samples.signed_distance import Space, assemble, inside, paint

_FIELD_MM = np.array([[-96.0, 96.0], [-129.0, 116.0], [-158.0, 102.0]])
_SLAB_VOXELS = 500_000  # made at a time: keeps a 1 mm head within some 500 MB

_NOISE = 1.5  # standard deviation at 2 mm, in units of brightness (faces.py)
# The template is the mean of many brains and has tissue up to its mask, where a single brain has
# fluid. Three quarters of the voxels are half as bright as white matter from 1 mm inside the mask
# in the template, from 3 mm in the public head ch2.
_FLUID_MM = 2.0
_BASE_MM = 2.5  # fluid between the brain and the base of the skull: cisterns are left out


class Head(NamedTuple):
    """A whole head with what is true of it; three images on one grid, RAS+ mm.

    Attributes
    ----------
    img : Nifti1Image, int16
        T1 contrast: fat > white > gray matter > fluid; bone and air dark.
    brain_mask : Nifti1Image, uint8
        1 in the brain, as the mask of the ICBM template draws it (sulci and ventricles belong).
    face_mask : Nifti1Image, uint8
        1 in the face: what lies in front of and below the brain and shows, ears not counted.
    """

    img: nib.Nifti1Image
    brain_mask: nib.Nifti1Image
    face_mask: nib.Nifti1Image


_TEMPLATE_ORIGIN = np.array([-98.0, -134.0, -72.0])
MARGIN = 20  # voxels of 2 mm around the template in its distance fields


class Template(NamedTuple):
    """The ICBM brain (1 mm), and signed distances to it and to its smooth cover (2 mm)."""

    brain: NDArray[np.uint8]
    surface: Floats
    cover: Floats


@lru_cache(maxsize=1)
def _template() -> Template:
    """Read nilearn's brain without importing nilearn, which takes seconds."""
    found = find_spec("nilearn")
    if found is None or not found.submodule_search_locations:
        raise UnavailableError(
            "the heads are built on a brain that comes with nilearn; install it"
        )
    folder = Path(found.submodule_search_locations[0]) / "datasets" / "data"
    file = folder / "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    brain = np.asarray(nib.load(file).dataobj)  # type: ignore[attr-defined]
    mask = ndimage.binary_fill_holes(np.pad(brain[::2, ::2, ::2] > 0, MARGIN))
    cover = ndimage.binary_closing(mask, iterations=9)
    return Template(brain, _signed_distance(mask, 1.0), _signed_distance(cover, 4.0))


def _signed_distance(mask: NDArray[np.bool_], smooth: float) -> Floats:
    """Return the distance in mm to the surface of a 2 mm mask, smoothed over `smooth` voxels."""
    outside = ndimage.distance_transform_edt(~mask, sampling=2.0)
    inner = ndimage.distance_transform_edt(mask, sampling=2.0)
    return np.asarray(ndimage.gaussian_filter(outside - inner, smooth))


def head(
    patient: int, session: int = 1, *, spacing_mm: float = 2.0, seed: int = DEFAULT_SEED
) -> Head:
    """Return the synthetic head of a patient, as scanned in a session.

    A patient keeps face and brain over the sessions; each session has a position of its own
    (within 3 degrees about each axis and 3 mm along it), receive field, and Rician noise.

    Parameters
    ----------
    patient, session : int, 1 or more
    spacing_mm : float, 0.8 to 8
        Edge of the cubic voxels.
    seed : int, 0 or more
        The same numbers give the same head.

    Raises
    ------
    InputError
        If a number is out of its range.
    """
    if patient < 1 or session < 1 or seed < 0:
        raise InputError("patients and sessions count from 1, and the seed must be 0 or more")
    rng = np.random.default_rng([seed, 2, patient, session])
    shape = grid_shape(spacing_mm)
    to_head = _motion(rng) @ _grid_affine(spacing_mm)
    waves = np.random.default_rng([seed, 3, patient]).uniform(0, 2 * np.pi, (3, 3))
    clean, brain, front = np.empty(shape), np.empty(shape, np.uint8), np.empty(shape, np.uint8)
    face, thick = face_of(patient, seed), max(1, _SLAB_VOXELS // int(shape[0] * shape[1]))
    for start in range(0, shape[2], thick):
        slab = np.s_[:, :, start : start + thick]
        space = _space(to_head, shape, slab[2])
        clean[slab], brain[slab], front[slab] = _tissues(face, space, waves, spacing_mm)
    noisy = _scan(clean, _NOISE * (2.0 / spacing_mm) ** 1.5, rng)
    affine = _grid_affine(spacing_mm)
    return Head(*(_image(data, affine) for data in (noisy, brain, front)))


def grid_shape(spacing_mm: float) -> NDArray[np.int64]:
    """Return how many voxels of this edge a head has along x, y and z."""
    if not 0.8 <= spacing_mm <= 8:
        raise InputError(f"a spacing of {spacing_mm:g} mm is outside 0.8 to 8 mm")
    return np.ceil(np.diff(_FIELD_MM)[:, 0] / spacing_mm).astype(np.int64)


def _image(data: NDArray[np.integer], affine: Floats) -> nib.Nifti1Image:
    """Return a NIfTI image in mm, in scanner coordinates."""
    img = nib.Nifti1Image(data, affine)
    img.header.set_xyzt_units("mm")
    img.set_sform(affine, 1)
    img.set_qform(affine, 1)
    return img


def _grid_affine(spacing_mm: float) -> Floats:
    """Return the affine from voxel index to scanner mm."""
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = _FIELD_MM[:, 0] + spacing_mm / 2
    return affine


def _motion(rng: np.random.Generator) -> Floats:
    """Return a small rigid motion (scanner mm to head mm) about a point between the ears."""
    turn = Rotation.from_euler("xyz", rng.uniform(-3, 3, 3), degrees=True).as_matrix()
    pivot = np.array([0.0, -20.0, -50.0])
    motion = np.eye(4)
    motion[:3, :3] = turn
    motion[:3, 3] = pivot - turn @ pivot + rng.uniform(-3, 3, 3)
    return motion


def _space(to_head: Floats, shape: NDArray[np.int64], layers: slice) -> Space:
    """Return where the voxels of some layers lie in the head."""
    stop = min(layers.stop, int(shape[2]))
    i, j, k = np.ogrid[: shape[0], : shape[1], layers.start : stop]
    x, y, z = (row[0] * i + row[1] * j + row[2] * k + row[3] for row in to_head[:3])
    to_voxel = np.linalg.inv(to_head)[:3]
    to_voxel[2, 3] -= layers.start
    return Space(x, y, z, np.asarray(to_voxel, np.float64))


def _tissues(
    face: Face, space: Space, waves: Floats, soft: float
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return brightness without noise, the brain and the face in one space."""
    surface, cover, brain = _brain(face, space, waves)
    outer = assemble(cover - 9.0 - face.scalp, outer_parts(face), space)
    # strands of muscle, fat and dark fascia between them, some 10 by 14 by 50 mm
    grain = np.sin(space.x / 3.5) * np.sin(space.y / 4.5 + space.x / 11.0) * np.sin(space.z / 16.0)
    image = MUSCLE + np.where(grain > 0, 45.0, 40.0) * grain
    image += inside(np.maximum(-face.scalp - 1.0 - outer, outer + 1.5), soft) * (FAT - image)
    image += inside(np.maximum(-1.8 - outer, outer), soft) * (SKIN - image)
    bone = assemble(np.full_like(outer, 50.0), bone_parts(face), space)
    _fill(image, np.maximum(bone, outer + 3.0), BONE, soft)
    _fill(image, np.maximum(bone + 2.0, outer + 5.0), MARROW, soft)
    for shape, value in contents(face):
        paint(image, shape, value, space, soft)
    base = np.clip((-20.0 - space.z) / 4.0, 0.0, 5.0)  # the base of the skull: thick, no marrow
    _fill(image, cover - 9.0 - 0.6 * base, BONE, soft)
    _fill(image, np.maximum(cover - 6.8 + base, 4.6 - cover), MARROW, soft)
    for shape, value in base_contents():
        paint(image, shape, value, space, soft)
    depth = np.clip((space.z + 24.0) / 2.0, 0.0, 30.0) + _BASE_MM  # of fluid: less and less below
    hollow = np.maximum(cover - 2.2, surface - depth)
    _fill(image, np.minimum(surface - 1.5, hollow), CSF, soft)
    _fill(image, surface + _FLUID_MM, brain, soft)
    image *= inside(outer, soft) * _coil(space, outer)
    front = (space.z < -20) & (space.y > 38 - 0.25 * (space.z + 80)) & (outer < 0) & (surface > 12)
    return image, surface <= 0, front


def _fill(image: Floats, distance: Floats, value: float | Floats, soft: float) -> None:
    """Set `image` to `value` where `distance` is negative, with a soft edge."""
    image += inside(distance, soft) * (value - image)


def _brain(face: Face, space: Space, waves: Floats) -> tuple[Floats, Floats, Floats]:
    """Return distances to brain and cover (mm), and the warped brain's brightness."""
    scales = np.array([face.width, face.length, face.height])
    place = np.stack([space.x, space.y, space.z]) / scales[:, None, None, None]
    place += 2.5 * np.sin(place[[1, 2, 0]] / 19.0 + waves[0][:, None, None, None])
    place -= _TEMPLATE_ORIGIN[:, None, None, None]
    template = _template()
    coarse = place / 2 + MARGIN
    surface, cover = (
        ndimage.map_coordinates(field, coarse, order=1, mode="nearest") * scales.mean()
        for field in (template.surface, template.cover)
    )
    bright = np.full_like(surface, CSF)
    near = surface < 4
    t1 = ndimage.map_coordinates(template.brain, place[:, near], np.float64, order=1)
    bright[near] = np.maximum(CSF + (t1 - 62.0) * (WHITE - CSF) / (225.0 - 62.0), CSF)
    return surface, cover, bright


def _coil(space: Space, outer: Floats) -> Floats:
    """Return how well a head coil sees: it ends below chin and nape, and sooner between them.

    Where it ends it still sees the skin, which lies nearer than what is within.
    """
    end = -40.0 - np.clip(np.maximum(0.8 * space.y, -0.4 * space.y), 0.0, 60.0)
    least = 0.1 + 0.3 * np.clip(1.0 + outer / 10.0, 0.0, 1.0)
    return np.clip(1.0 - (end - space.z) / 40.0, least, 1.0)


def _scan(clean: Floats, noise: float, rng: np.random.Generator) -> NDArray[np.int16]:
    """Return what the scanner stores: a smooth receive field, Rician noise, whole numbers."""
    axes = [np.linspace(-1, 1, size) for size in clean.shape]
    tilt, bow = rng.uniform(-0.1, 0.1, 3), rng.uniform(-0.08, 0.08, 3)
    field = sum(
        (slope * axis + curve * axis**2).reshape([-1 if i == n else 1 for i in range(3)])
        for n, (axis, slope, curve) in enumerate(zip(axes, tilt, bow, strict=True))
    )
    real = clean * (1 + field) + rng.normal(0, noise, clean.shape)
    noisy = np.hypot(real, rng.normal(0, noise, clean.shape))
    return np.asarray(np.round(noisy), np.int16)
