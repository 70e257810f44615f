"""Synthetic T1 heads: a real brain's shape set into a head made of formulas.

The brain is the ICBM 2009a template of nilearn's wheel, warped a little for each patient. The
head around it is a field of signed distances (mm, negative inside): the skull follows the brain,
the face is a smooth union of ellipsoids and rods whose places and sizes differ from patient to
patient. World axes are RAS+ in mm, the origin at the anterior commissure.

First the parts of a head and the measures in which faces differ, then the image made of them.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files
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
from medlab.samples.people import DEFAULT_SEED

_Triple = tuple[float, float, float]


class _Space(NamedTuple):
    """Points in mm at which shapes are evaluated.

    Attributes
    ----------
    x, y, z : arrays of one 3-D shape
        Where each voxel lies in the head (right, anterior, superior of the origin).
    to_voxel : array, shape (3, 4)
        Takes head mm to the voxel index, nearly: small warps are left out.
    """

    x: Floats
    y: Floats
    z: Floats
    to_voxel: Floats

    def box(self, low: Floats, high: Floats) -> tuple[slice, ...]:
        """Return the slices of voxels that can lie between two corners, on both sides."""
        reach = max(abs(low[0]), abs(high[0]))
        corners = np.array(
            [
                [x, y, z, 1.0]
                for x in (-reach, reach)
                for y in (low[1], high[1])
                for z in (low[2], high[2])
            ]
        )
        index = corners @ self.to_voxel.T
        first = np.clip(np.floor(index.min(axis=0)), 0, self.x.shape).astype(int)
        last = np.clip(np.ceil(index.max(axis=0)) + 1, 0, self.x.shape).astype(int)
        return tuple(slice(a, max(a, b)) for a, b in zip(first, last, strict=True))


class Rod(NamedTuple):
    """A rod with round ends from `start` to `end`, its radius going from `thick` to `thin`."""

    start: _Triple
    end: _Triple
    thick: float
    thin: float

    def bounds(self) -> tuple[Floats, Floats]:
        """Return the two corners of a box around the rod, mm."""
        ends, radius = np.array([self.start, self.end]), max(self.thick, self.thin)
        return ends.min(axis=0) - radius, ends.max(axis=0) + radius

    def distance(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return the signed distance to the rod."""
        axis = np.subtract(self.end, self.start)
        px, py, pz = x - self.start[0], y - self.start[1], z - self.start[2]
        along = np.clip((px * axis[0] + py * axis[1] + pz * axis[2]) / (axis @ axis), 0, 1)
        away = (px - along * axis[0]) ** 2 + (py - along * axis[1]) ** 2
        away += (pz - along * axis[2]) ** 2
        return np.asarray(np.sqrt(away) - (self.thick + along * (self.thin - self.thick)))


class Ball(NamedTuple):
    """An ellipsoid with its half axes in mm; `lean` moves x by so many mm per mm of y behind."""

    center: _Triple
    radii: _Triple
    lean: float = 0.0

    def bounds(self) -> tuple[Floats, Floats]:
        """Return the two corners of a box around the ellipsoid, mm."""
        reach = np.array(self.radii) + np.array([abs(self.lean) * self.radii[1], 0.0, 0.0])
        return np.array(self.center) - reach, np.array(self.center) + reach

    def distance(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return the signed distance, exact at the surface and good near it."""
        px, py, pz = x - self.center[0], y - self.center[1], z - self.center[2]
        qx, qy, qz = (px + self.lean * py) / self.radii[0], py / self.radii[1], pz / self.radii[2]
        near = np.sqrt(qx * qx + qy * qy + qz * qz)
        slope = (qx / self.radii[0]) ** 2 + (qy / self.radii[1]) ** 2 + (qz / self.radii[2]) ** 2
        return near * (near - 1.0) / np.sqrt(np.maximum(slope, 1e-12))


_Shape = Rod | Ball


class _Part(NamedTuple):
    """A shape that is added to a field, or carved out of it, with a blend of `blend` mm."""

    shape: _Shape
    blend: float
    carve: bool = False


def _assemble(field: Floats, parts: list[_Part], space: _Space) -> Floats:
    """Add and carve `parts` one after the other; `field` (signed distances) is changed."""
    for shape, blend, carve in parts:
        low, high = shape.bounds()
        box = space.box(low - blend - 4.0, high + blend + 4.0)
        if 0 in field[box].shape:
            continue
        other = shape.distance(np.abs(space.x[box]), space.y[box], space.z[box])
        field[box] = (
            -_smooth_min(-field[box], other, blend)
            if carve
            else _smooth_min(field[box], other, blend)
        )
    return field


def _smooth_min(first: Floats, second: Floats, blend: float) -> Floats:
    """Return the smaller of two fields, rounded over `blend` mm where they meet."""
    if not blend:
        return np.minimum(first, second)
    overlap = np.maximum(blend - np.abs(first - second), 0.0)
    return np.minimum(first, second) - overlap * overlap / (4.0 * blend)


def _paint(image: Floats, shape: _Shape, value: float, space: _Space, soft: float) -> None:
    """Set `image` to `value` inside `shape`, over an edge `soft` mm wide."""
    low, high = shape.bounds()
    box = space.box(low - soft, high + soft)
    if 0 in image[box].shape:
        return
    distance = shape.distance(np.abs(space.x[box]), space.y[box], space.z[box])
    image[box] += inside(distance, soft) * (value - image[box])


def inside(distance: Floats, soft: float) -> Floats:
    """Return 1 inside, 0 outside, and a ramp `soft` mm wide across the surface."""
    return np.clip(0.5 - distance / soft, 0.0, 1.0)


# T1 brightness of the tissues; white matter is the reference. In the public head ch2 muscle has
# half of it and bone a tenth to a twentieth.
_AIR, _BONE, _CSF, _VITREOUS, _MUSCLE, _SKIN = 0.0, 9.0, 34.0, 28.0, 75.0, 105.0
_GRAY, _MARROW, _WHITE, _FAT = 112.0, 128.0, 170.0, 205.0


class _Face(NamedTuple):
    """What differs from face to face; data/face.csv tells each measure, its middle and spread."""

    width: float
    length: float
    height: float
    eye_x: float
    eye_z: float
    brow: float
    brow_out: float
    bridge: float
    bridge_out: float
    nose_z: float
    nose_out: float
    nose_tip: float
    nose_width: float
    cheek_x: float
    cheek_out: float
    fullness: float
    mouth_z: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    lips_out: float
    chin_z: float
    chin_out: float
    chin_width: float
    jaw: float
    ear: float
    ear_lean: float
    scalp: float


def _face_of(patient: int, seed: int = DEFAULT_SEED) -> _Face:
    """Return the measures of one patient's face."""
    rng = np.random.default_rng([seed, 1, patient])
    with files("medlab.samples").joinpath("data/face.csv").open("r", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    draws = rng.uniform(-1, 1, len(rows))
    return _Face(
        **{
            row["measure"]: float(row["middle"]) + float(row["spread"]) * float(draw)
            for row, draw in zip(rows, draws, strict=True)
        }
    )


def _frame(face: _Face) -> list[_Part]:
    """Return neck, nape, temples, cheeks, jaw and chin."""
    chin, wide = 80.0 + face.chin_out, face.fullness
    return [
        _Part(Rod((0, -30, -60), (0, -22, -200), 54, 58), 30),
        _Part(Ball((0, -52, -62), (58, 50, 42)), 25),
        _Part(Ball((50, 22, -28), (22, 42, 38)), 20),
        _Part(Ball((0, 32, -72), (62 + wide / 2, 51, 56)), 20),
        _Part(Ball((0, 34, -106), (face.jaw + 3 + wide, 44, 36)), 20),
        _Part(Rod((face.jaw, 2, -104), (10, chin - 16, face.chin_z + 4), 10, 12), 22),
        _Part(Ball((face.cheek_x, 63 + face.cheek_out, -66), (22, 14, 18)), 18),
        _Part(Ball((28, 58 + wide, -92), (20, 16, 22)), 16),
        _Part(Ball((0, chin - 8, face.chin_z), (face.chin_width + 4, 14, 14)), 14),
        _Part(Ball((0, 69 + face.lips_out / 2, face.mouth_z), (27, 17, 22)), 14),
    ]


def _eyes_and_nose(face: _Face) -> list[_Part]:
    """Return brow, sockets, eyes with lids, bridge, tip and nostrils."""
    eye, eye_z, brow = face.eye_x, face.eye_z, face.brow_out
    out, low, tip = face.nose_out, face.nose_z, face.nose_tip
    bridge = Rod((0, 76 + face.bridge_out, -38), (0, out - 6, low + 5), face.bridge + 1.5, tip)
    return [
        _Part(Rod((7, 78 + brow, -26), (36, 69 + brow, -24), face.brow + 2, face.brow), 14),
        _Part(Ball((0, 80 + brow, -29), (9, 6, 7)), 8),
        _Part(Ball((eye, 87, eye_z - 1), (19, 17, 12)), 10, True),
        _Part(Ball((eye, 61.5, eye_z), (15, 14, 12.5)), 4),
        _Part(Rod((eye - 13, 74, eye_z - 3), (eye, 77.5, eye_z - 4), 0.8, 1.2), 2, True),
        _Part(Rod((eye, 77.5, eye_z - 4), (eye + 13, 71, eye_z - 2.5), 1.2, 0.8), 2, True),
        _Part(bridge, 9),
        _Part(Ball((0, out - tip, low), (tip + 1, tip + 1, tip)), 6),
        _Part(Ball((face.nose_width, out - 16, low - 3), (6.5, 9, 7)), 6),
        _Part(Ball((6.0, out - 14, low - 12), (3.2, 5, 5)), 2, True),
    ]


def _mouth_and_ears(face: _Face) -> list[_Part]:
    """Return lips, the line between them, the grooves around them, and the ears."""
    lip, mouth, corner = 90.0 + face.lips_out, face.mouth_z, face.mouth_width
    ear, size, lean = 75.5 * face.width, face.ear, face.ear_lean
    upper = Rod((0, lip - 2, mouth + 5), (corner, lip - 15, mouth + 0.5), face.upper_lip, 2)
    lower = Rod((0, lip - 2.5, mouth - 6), (corner - 3, lip - 14, mouth - 1), face.lower_lip, 2)
    return [
        _Part(upper, 5),
        _Part(lower, 4),
        _Part(Rod((0, lip + 2.5, mouth), (corner, lip - 11, mouth), 1.8, 1.2), 3, True),
        _Part(Rod((0, lip + 2.5, mouth + 11), (0, lip + 5, mouth + 19), 2.5, 2), 4, True),
        _Part(Ball((0, lip + 4, mouth - 15), (14, 7, 4)), 6, True),
        _Part(Ball((ear + 6, -24, -50), (5.5, 19 * size, 31 * size), lean), 5),
        _Part(Ball((ear + 11, -20, -48), (6, 11, 17 * size), lean), 4, True),
    ]


def _bone_parts(face: _Face) -> list[_Part]:
    """Return the bones of the face: upper jaw, cheek bones, lower jaw."""
    chin = 80.0 + face.chin_out
    return [
        _Part(Ball((0, 52, -72), (30, 22, 26)), 6),
        _Part(Rod((face.cheek_x - 4, 58, -62), (58, 20, -58), 7, 4), 5),
        _Part(Rod((face.jaw - 5, 2, -102), (8, chin - 15, face.chin_z + 4), 6.5, 8), 5),
        _Part(Rod((face.jaw - 5, 2, -102), (52, 0, -62), 5.5, 5), 4),
        _Part(Rod((0, -46, -76), (0, -52, -200), 16, 17), 5),
        _Part(Rod((0, -28, -86), (0, -26, -200), 12, 13), 5),
    ]


def _contents(face: _Face) -> list[tuple[_Shape, float]]:
    """Return what is painted into the head below the skull, in this order: shape, brightness."""
    eye, eye_z, mouth = face.eye_x, face.eye_z, face.mouth_z
    return [
        (Ball((eye - 2, 48, eye_z), (16, 24, 15)), _FAT),
        (Rod((eye, 52, eye_z), (12, 12, eye_z - 2), 3.0, 2.5), _MUSCLE + 12),
        (Rod((eye + 9, 58, eye_z), (16, 14, eye_z), 2.0, 1.5), _MUSCLE),
        (Ball((eye, 61, eye_z), (12.6, 12.6, 12.6)), _SKIN),
        (Ball((eye, 61, eye_z), (11.6, 11.6, 11.6)), _VITREOUS),
        (Ball((eye, 68.5, eye_z), (4.5, 2.2, 4.5)), _GRAY),
        (Ball((0, 42, mouth + 2), (22, 28, 19)), _MUSCLE + 25),
        (Rod((10, 72, mouth + 1), (26, 44, mouth + 1), 5.5, 5.5), _BONE),
        (Rod((0, -49, -70), (0, -52, -200), 8.5, 8), _CSF),
        (Rod((0, -49, -70), (0, -52, -200), 5, 4.5), _WHITE - 15),
        (Ball((8, 48, -66), (4.5, 26, 14)), _AIR),
        (Ball((27, 50, -70), (12, 13, 14)), _AIR),
        (Ball((8, 24, -52), (8, 10, 6)), _AIR),
        (Rod((0, 18, -66), (0, 4, -130), 8, 7), _AIR),
        (Rod((0, 4, -130), (0, 6, -200), 8, 9), _AIR),
        (Rod((80, -22, -53), (52, -22, -53), 3, 2.5), _AIR),
        (Ball((56, -32, -62), (7, 8, 12)), _BONE + 8),
    ]


def _base_contents() -> list[tuple[_Shape, float]]:
    """Return what is painted into the base of the skull, in this order: shape, brightness.

    The marrow of the clivus; air in the sphenoid, along the petrous bone and above the eyes.
    """
    return [
        (Rod((0, 0, -36), (0, -20, -66), 5, 4), _MARROW - 20),
        (Ball((9, 20, -42), (8, 14, 11)), _AIR),
        (Rod((16, -4, -46), (60, -36, -48), 5, 9), _AIR),
        (Ball((14, 50, -32), (10, 16, 8)), _AIR),
    ]


_FIELD_MM = np.array([[-96.0, 96.0], [-129.0, 116.0], [-158.0, 102.0]])
_SLAB_VOXELS = 500_000  # made at a time: keeps a 1 mm head within some 500 MB

_NOISE = 1.5  # standard deviation at 2 mm, in units of brightness (faces.py)
# The template is the mean of many brains and has tissue up to its mask, where a single brain has
# fluid. Three quarters of the voxels are half as bright as white matter from 1 mm inside the mask
# in the template, from 3 mm in the public head ch2.
_FLUID_MM = 2.0
_BASE_MM = 2.5  # fluid between the brain and the base of the skull: cisterns are left out


class _Head(NamedTuple):
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
_MARGIN = 20  # voxels of 2 mm around the template in its distance fields


class _Template(NamedTuple):
    """The ICBM brain (1 mm), and signed distances to it and to its smooth cover (2 mm)."""

    brain: NDArray[np.uint8]
    surface: Floats
    cover: Floats


@lru_cache(maxsize=1)
def _template() -> _Template:
    """Read nilearn's brain without importing nilearn, which takes seconds."""
    package = find_spec("nilearn")
    if package is None or not package.submodule_search_locations:
        raise UnavailableError(
            "the heads are built on a brain that comes with nilearn; install it"
        )
    folder = Path(package.submodule_search_locations[0]) / "datasets" / "data"
    file = folder / "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    brain = np.asarray(nib.load(file).dataobj)  # type: ignore[attr-defined]
    mask = ndimage.binary_fill_holes(np.pad(brain[::2, ::2, ::2] > 0, _MARGIN))
    cover = ndimage.binary_closing(mask, iterations=9)
    return _Template(brain, _signed_distance(mask, 1.0), _signed_distance(cover, 4.0))


def _signed_distance(mask: NDArray[np.bool_], smooth: float) -> Floats:
    """Return the distance in mm to the surface of a 2 mm mask, smoothed over `smooth` voxels."""
    outside = ndimage.distance_transform_edt(~mask, sampling=2.0)
    inner = ndimage.distance_transform_edt(mask, sampling=2.0)
    return np.asarray(ndimage.gaussian_filter(outside - inner, smooth))


def head(
    patient: int, session: int = 1, *, spacing_mm: float = 2.0, seed: int = DEFAULT_SEED
) -> _Head:
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
    face, thick = _face_of(patient, seed), max(1, _SLAB_VOXELS // int(shape[0] * shape[1]))
    for start in range(0, shape[2], thick):
        slab = np.s_[:, :, start : start + thick]
        space = _space(to_head, shape, slab[2])
        clean[slab], brain[slab], front[slab] = _tissues(face, space, waves, spacing_mm)
    noisy = _scan(clean, _NOISE * (2.0 / spacing_mm) ** 1.5, rng)
    affine = _grid_affine(spacing_mm)
    return _Head(*(_image(data, affine) for data in (noisy, brain, front)))


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


def _space(to_head: Floats, shape: NDArray[np.int64], layers: slice) -> _Space:
    """Return where the voxels of some layers lie in the head."""
    stop = min(layers.stop, int(shape[2]))
    i, j, k = np.ogrid[: shape[0], : shape[1], layers.start : stop]
    x, y, z = (row[0] * i + row[1] * j + row[2] * k + row[3] for row in to_head[:3])
    to_voxel = np.linalg.inv(to_head)[:3]
    to_voxel[2, 3] -= layers.start
    return _Space(x, y, z, np.asarray(to_voxel, np.float64))


def _tissues(
    face: _Face, space: _Space, waves: Floats, soft: float
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return brightness without noise, the brain and the face in one space."""
    surface, cover, brain = _brain(face, space, waves)
    joined = [*_frame(face), *_eyes_and_nose(face), *_mouth_and_ears(face)]
    outer = _assemble(cover - 9.0 - face.scalp, joined, space)
    # strands of muscle, fat and dark fascia between them, some 10 by 14 by 50 mm
    grain = np.sin(space.x / 3.5) * np.sin(space.y / 4.5 + space.x / 11.0) * np.sin(space.z / 16.0)
    image = _MUSCLE + np.where(grain > 0, 45.0, 40.0) * grain
    image += inside(np.maximum(-face.scalp - 1.0 - outer, outer + 1.5), soft) * (_FAT - image)
    image += inside(np.maximum(-1.8 - outer, outer), soft) * (_SKIN - image)
    bone = _assemble(np.full_like(outer, 50.0), _bone_parts(face), space)
    _fill(image, np.maximum(bone, outer + 3.0), _BONE, soft)
    _fill(image, np.maximum(bone + 2.0, outer + 5.0), _MARROW, soft)
    for shape, value in _contents(face):
        _paint(image, shape, value, space, soft)
    base = np.clip((-20.0 - space.z) / 4.0, 0.0, 5.0)  # the base of the skull: thick, no marrow
    _fill(image, cover - 9.0 - 0.6 * base, _BONE, soft)
    _fill(image, np.maximum(cover - 6.8 + base, 4.6 - cover), _MARROW, soft)
    for shape, value in _base_contents():
        _paint(image, shape, value, space, soft)
    depth = np.clip((space.z + 24.0) / 2.0, 0.0, 30.0) + _BASE_MM  # of fluid: less and less below
    hollow = np.maximum(cover - 2.2, surface - depth)
    _fill(image, np.minimum(surface - 1.5, hollow), _CSF, soft)
    _fill(image, surface + _FLUID_MM, brain, soft)
    # How well a head coil sees: it ends below chin and nape, and sooner between them. Where it
    # ends it still sees the skin, which lies nearer than what is within.
    end = -40.0 - np.clip(np.maximum(0.8 * space.y, -0.4 * space.y), 0.0, 60.0)
    least = 0.1 + 0.3 * np.clip(1.0 + outer / 10.0, 0.0, 1.0)
    image *= inside(outer, soft) * np.clip(1.0 - (end - space.z) / 40.0, least, 1.0)
    front = (space.z < -20) & (space.y > 38 - 0.25 * (space.z + 80)) & (outer < 0) & (surface > 12)
    return image, surface <= 0, front


def _fill(image: Floats, distance: Floats, value: float | Floats, soft: float) -> None:
    """Set `image` to `value` where `distance` is negative, with a soft edge."""
    image += inside(distance, soft) * (value - image)


def _brain(face: _Face, space: _Space, waves: Floats) -> tuple[Floats, Floats, Floats]:
    """Return distances to brain and cover (mm), and the warped brain's brightness."""
    scales = np.array([face.width, face.length, face.height])
    place = np.stack([space.x, space.y, space.z]) / scales[:, None, None, None]
    place += 2.5 * np.sin(place[[1, 2, 0]] / 19.0 + waves[0][:, None, None, None])
    place -= _TEMPLATE_ORIGIN[:, None, None, None]
    template = _template()
    coarse = place / 2 + _MARGIN
    surface, cover = (
        ndimage.map_coordinates(field, coarse, order=1, mode="nearest") * scales.mean()
        for field in (template.surface, template.cover)
    )
    bright = np.full_like(surface, _CSF)
    near = surface < 4
    t1 = ndimage.map_coordinates(template.brain, place[:, near], np.float64, order=1)
    bright[near] = np.maximum(_CSF + (t1 - 62.0) * (_WHITE - _CSF) / (225.0 - 62.0), _CSF)
    return surface, cover, bright


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
