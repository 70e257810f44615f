"""Skull stripping: the brain out of a head, by FSL's BET or the built-in one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage

from medlab import __version__
from medlab.arrays import Floats, Indices, Mask
from medlab.errors import InputError, RefusedError, UnavailableError, not_installed
from medlab.neuro import bet
from medlab.neuro.volume import (
    SOFT_HU,
    Working,
    image_like,
    load,
    to_working,
    voxels,
)

_BACKENDS = ("auto", "fsl", "builtin")
_CT_F = 0.01
_BRIDGE_MM = 2.0
_FUNCTIONAL_F = 0.3
_ROBUST_RUNS = 10
_BRAIN_ML = (700.0, 2200.0)
_TALLEST_BRAIN_MM = 175.0
_THICKEST_CROWN_MM = 45.0  # scalp, skull and fluid above the brain are 15 to 25
_OPEN_BOTTOM = 0.4
_LEAST_CONTRAST = 0.05
_NECK_MM = 170.0  # a head from crown to the bottom of the cerebellum is not taller
_PADDED_MM = 160.0


class Mesh(NamedTuple):
    """A surface in world space.

    Attributes
    ----------
    vertices : ndarray, shape (V, 3)
        Positions in mm (RAS+).
    faces : ndarray, shape (F, 3)
        Vertex numbers of triangles.
    """

    vertices: Floats
    faces: Indices


@dataclass(frozen=True)
class Extraction:
    """A skull-stripped head.

    Attributes
    ----------
    brain : Nifti1Image
        The image with everything outside the brain set to 0 (all volumes of a 4-D image);
        to the lowest value, which is air, in CT.
    mask : Nifti1Image
        1 in the brain, 0 elsewhere.
    mesh : Mesh
        The surface.
    report : dict
        Backend and version, options, what was measured, and ``warnings``: sentences on
        what looks wrong. It holds numbers and fixed words only.
    """

    brain: nib.Nifti1Image
    mask: nib.Nifti1Image
    mesh: Mesh
    report: dict[str, Any]


@dataclass(frozen=True)
class ExtractionOptions:
    """How a brain is taken out of a head; the letters are those of FSL's ``bet``.

    Attributes
    ----------
    f : float, optional
        Fractional intensity threshold (``-f``), 0 to 1; smaller keeps more. 0.5, if not
        given; 0.3 with `functional`, 0.01 for CT.
    g : float
        Vertical gradient of `f` (``-g``), -1 to 1; positive keeps more at the bottom.
    radius_mm : float, optional
        Radius of the head (``-r``); the surface starts at half of it.
    center : three numbers, optional
        Where to start, in voxels of the file (``-c``).
    backend : {"auto", "fsl", "builtin"}
        ``auto`` takes FSL's ``bet`` when it is found; the report says which one ran.
    smoothness : float
        Factor on the radii of curvature that are smoothed (``-w``).
    threshold : bool
        Leave voxels darker than the head's threshold out of the mask (``-t``).
    robust : bool
        Start again from the middle of the brain found, until it moves less than a voxel (``-R``).
    pad : bool
        Repeat the end slices of a stack of few slices, and cut them off again (``-Z``).
    functional : bool
        For fMRI (``-F``): `f` 0.3 and a mask one voxel larger.
    crop_neck : bool
        Leave out of the estimate what lies more than 170 mm below the crown. Not in FSL.
    window : (low, high), "auto" or None
        For CT: set values outside to 0 and smooth by 1 mm before BET sees them, and take
        what is brighter (bone) and what lies beyond it out of the mask. ``auto`` does it,
        with 0 to 100, when the image reads as Hounsfield units.
    accelerate : bool
        Let numba, if installed, do the inner steps of the built-in BET: the same result.
    watch : callable, optional
        Told at times which share of a pass is done, 0 to 1; what it raises ends the work
        (built-in backend).

    Raises
    ------
    InputError
        If an option is out of its range.
    """

    f: float | None = None
    g: float = 0.0
    radius_mm: float | None = None
    center: Sequence[float] | None = None
    backend: str = "auto"
    smoothness: float = 1.0
    threshold: bool = False
    robust: bool = False
    pad: bool = False
    functional: bool = False
    crop_neck: bool = False
    window: tuple[float, float] | str | None = "auto"
    accelerate: bool = False
    watch: Callable[[float], None] | None = None

    def __post_init__(self) -> None:
        for name, value, low, high in (("f", self.f, 0, 1), ("g", self.g, -1, 1)):
            if value is not None and not low <= value <= high:
                raise InputError(f"{name} is {value}; it lies between {low} and {high}")
        for name, size in (("radius_mm", self.radius_mm), ("smoothness", self.smoothness)):
            if size is not None and not 0 < size < np.inf:
                raise InputError(f"{name} is {size}; it is a number above 0")
        center, window = self.center, self.window
        if center is not None and (len(center) != 3 or not np.isfinite(center).all()):
            raise InputError("the center is three voxel coordinates")
        if isinstance(window, str) and window != "auto":
            raise InputError(f"no window {window!r}; give (low, high), 'auto' or None")
        if isinstance(window, tuple) and not window[0] < window[1]:
            raise InputError("a window is (low, high) with low below high")


@dataclass
class _Outcome:
    mask: Mask
    vertices: Floats
    faces: Indices
    facts: dict[str, Any] = field(default_factory=dict)


def extract_brain(
    img: str | PathLike[str] | SpatialImage,
    options: ExtractionOptions | None = None,
    **changes: Any,
) -> Extraction:
    """Take the brain out of a head.

    Parameters
    ----------
    img : path or nibabel image
        A head, 3-D or 4-D (stripped on its mean), in any orientation and voxel size.
    options : ExtractionOptions, optional
        How it is done.
    **changes
        Single options by name, in place of those in `options`: ``f=0.4, backend="builtin"``.

    Returns
    -------
    Extraction
        Brain, mask, mesh and report.

    Raises
    ------
    InputError
        If the image is no head or an option is out of its range.
    UnavailableError
        If FSL is asked for and not installed.
    RefusedError
        If the mask found is empty.

    Notes
    -----
    Stripping takes away the face, not the identity in headers and file names. Axes follow
    the patient, not the file: `g` points up in any orientation.

    Examples
    --------
    >>> from medlab import neuro
    >>> neuro.extract_brain("head.nii.gz", f=0.4).report["volume_ml"]  # doctest: +SKIP
    1421.7
    """
    options = replace(options or ExtractionOptions(), **changes)
    img = load(img)
    working = to_working(img)
    limits = options.window
    if isinstance(limits, str):  # "auto"
        limits = None if working.offset is None else SOFT_HU
    f = options.f
    if f is None:
        f = _CT_F if limits else _FUNCTIONAL_F if options.functional else 0.5
    start = _to_working_voxel(options.center, working, img.shape)
    backend = settled_backend(options.backend)
    options = replace(options, f=f, center=start, backend=backend)
    data = _soft_tissue(working, limits) if limits else working.data
    searched = Working(data, *working[1:])
    outcome = _search(searched, options)
    if limits:
        outcome.mask = _without_bone(outcome.mask, working, limits[1])
    if options.threshold:
        outcome.mask &= data > bet.robust_threshold(data)
    if options.functional:
        from scipy import ndimage

        outcome.mask = ndimage.binary_dilation(outcome.mask, np.ones((3, 3, 3), bool))
    return _finish(img, searched, outcome, options, limits)


def settled_backend(backend: str) -> str:
    """Return which of "fsl" and "builtin" does the work when `backend` is asked for."""
    if backend not in _BACKENDS:
        raise InputError(f"no backend {backend!r}; there are {', '.join(_BACKENDS)}")
    if backend == "auto":
        # fslpy calls it; a plain folder called fsl is a package too, to Python.
        fslpy = find_spec("fsl") and find_spec("fsl.wrappers")
        return "fsl" if fslpy and _bet() else "builtin"
    return backend


def _bet() -> Path | None:
    """Return the path of FSL's ``bet``: ``$FSLDIR/bin`` first, then PATH."""
    folder = os.environ.get("FSLDIR")
    own = shutil.which("bet", path=Path(folder) / "bin") if folder else None
    program = own or shutil.which("bet")
    return Path(program) if program else None


def _to_working_voxel(
    center: Sequence[float] | None, working: Working, shape: tuple[int, ...]
) -> tuple[float, ...] | None:
    """Return a voxel of the file as a voxel of the working array."""
    if center is None:
        return None
    back = nib.orientations.inv_ornt_aff(working.to_working, shape[:3])
    voxel = np.linalg.solve(back, [*center, 1.0])[:3]
    if ((voxel < 0) | (voxel > np.array(working.data.shape) - 1)).any():
        raise InputError("the center lies outside the image; it is given in voxels of the file")
    return tuple(float(v) for v in voxel)


def _soft_tissue(working: Working, limits: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Return the image with everything but soft tissue set to 0, smoothed by 1 mm.

    Bone stays 0: smoothed, the thin bone of the temple would no longer stop the surface.
    """
    from scipy import ndimage

    low, high = limits
    data = np.where((working.data >= low) & (working.data <= high), working.data - low, 0)
    data = ndimage.gaussian_filter(data, 1.0 / working.zooms, truncate=2.5)
    return np.asarray(np.where(working.data > high, 0, data), dtype=np.float32)


def _without_bone(mask: Mask, working: Working, bone: float) -> Mask:
    """Return the largest soft part of a mask; parts joined by less than 4 mm fall apart.

    Bright spots inside it (calcium, blood, clips) belong to it.
    """
    from scipy import ndimage

    box = ndimage.find_objects(mask.astype(np.int8))
    if not box:
        return mask
    soft = np.pad(mask[box[0]] & (working.data[box[0]] <= bone), 1)
    deep = ndimage.distance_transform_edt(soft, sampling=working.zooms) > _BRIDGE_MM
    label, count = ndimage.label(deep)
    if not count:
        return np.zeros_like(mask)
    core = label == 1 + np.bincount(label.ravel())[1:].argmax()
    near = ndimage.distance_transform_edt(~core, sampling=working.zooms) <= _BRIDGE_MM
    brain = np.zeros_like(mask)
    brain[box[0]] = ndimage.binary_fill_holes(near & soft)[1:-1, 1:-1, 1:-1]
    return brain


def _search(searched: Working, options: ExtractionOptions) -> _Outcome:
    """Run BET on the image without its neck, or with repeated end slices, if asked for."""
    data = searched.data
    above, below, cut = 0, 0, 0
    if options.crop_neck:
        cut = max(0, _crown_row(data) - int(_NECK_MM / searched.zooms[2]))
        data = np.ascontiguousarray(data[:, :, cut:])
    if options.pad:
        missing = max(0, int(np.ceil(_PADDED_MM / searched.zooms[2])) - data.shape[2])
        below, above = missing // 2, missing - missing // 2
        data = np.pad(data, ((0, 0), (0, 0), (below, above)), mode="edge")
    shift = cut - below
    if options.center is not None:
        x, y, z = options.center
        options = replace(options, center=(x, y, z - shift))
    outcome = _robust(data, searched.zooms, options)
    inner = outcome.mask[:, :, below : outcome.mask.shape[2] - above]
    outcome.mask = np.pad(inner, ((0, 0), (0, 0), (cut, 0)))
    move = np.array([0, 0, shift * searched.zooms[2]])
    outcome.vertices = outcome.vertices + move
    if "center" in outcome.facts:
        outcome.facts["center"] = outcome.facts["center"] + move / searched.zooms
    return outcome


def _robust(data: npt.NDArray[np.float32], zooms: Floats, options: ExtractionOptions) -> _Outcome:
    """Run the backend, with ``-R`` until the middle of the brain stays where it is."""
    outcome = _run(data, zooms, options)
    if not options.robust or options.backend == "fsl":
        return outcome
    before = outcome.facts["center"]
    for _ in range(_ROBUST_RUNS - 1):
        middle = _middle(data, outcome.mask)
        if np.linalg.norm(middle - before) < 1:
            break
        outcome = _run(data, zooms, replace(options, center=tuple(middle)))
        before = middle
    return outcome


def _middle(data: npt.NDArray[np.float32], mask: Mask) -> Floats:
    """Return the center of gravity of the skull-stripped image in voxels."""
    from scipy import ndimage

    if not mask.any():
        raise RefusedError("no brain was found, so there is no middle of it to start from")
    return np.asarray(ndimage.center_of_mass(np.where(mask, data - data.min(), 0)))


def _run(data: npt.NDArray[np.float32], zooms: Floats, options: ExtractionOptions) -> _Outcome:
    """Run one backend once."""
    if options.backend == "fsl":
        return _run_fsl(data, zooms, options)
    center = None if options.center is None else np.array(options.center) * zooms
    levels = bet.intensities(data, zooms, center, options.radius_mm)
    surface = bet.grow(
        data,
        zooms,
        levels,
        f=cast(float, options.f),  # settled by `extract_brain`
        g=options.g,
        smoothness=options.smoothness,
        accelerate=options.accelerate,
        watch=options.watch,
    )
    mask = bet.fill(surface.vertices, surface.faces, zooms, data.shape)
    facts = {
        "t2": levels.t2,
        "t": levels.t,
        "t98": levels.t98,
        "tm": levels.tm,
        "radius_mm": levels.radius_mm,
        "center": levels.center_mm / zooms,
        "passes": surface.passes,
        "crossings": surface.crossings,
    }
    return _Outcome(mask, surface.vertices, surface.faces, facts)


def _run_fsl(data: npt.NDArray[np.float32], zooms: Floats, options: ExtractionOptions) -> _Outcome:
    """Run FSL's ``bet`` once, on an array in radiological order."""
    program = _bet()
    if program is None:
        raise UnavailableError(
            "FSL's bet was not found; install FSL and set FSLDIR, or choose the backend 'builtin'"
        )
    try:
        from fsl.utils import run as fslrun
        from fsl.wrappers import bet as wrapper
    except ImportError as error:
        raise not_installed("FSL's bet is there, but fslpy, which calls it,", "neuro") from error
    letters: dict[str, Any] = {"f": options.f, "g": options.g, "w": options.smoothness}
    if options.center is not None:
        letters["c"] = list(options.center)
    if options.radius_mm is not None:
        letters["r"] = options.radius_mm
    if options.robust:
        letters["R"] = True
    with tempfile.TemporaryDirectory(prefix="medlab-bet-") as folder:  # mode 0700
        source, target = Path(folder) / "head.nii", Path(folder) / "brain.nii.gz"
        affine = np.diag([-zooms[0], zooms[1], zooms[2], 1.0])  # negative: already radiological
        nib.Nifti1Image(data, affine).to_filename(source)
        before = fslrun.FSL_PREFIX, os.environ.get("FSLOUTPUTTYPE")
        fslrun.FSL_PREFIX, os.environ["FSLOUTPUTTYPE"] = str(program.parent), "NIFTI_GZ"
        try:
            wrapper(str(source), str(target), m=True, e=True, log={"tee": False}, **letters)
        except (RuntimeError, fslrun.FSLNotPresent) as error:
            raise InputError(
                "FSL's bet failed on this image; try the backend 'builtin'"
            ) from error
        finally:
            fslrun.FSL_PREFIX = before[0]
            os.environ.pop("FSLOUTPUTTYPE", None)
            if before[1] is not None:
                os.environ["FSLOUTPUTTYPE"] = before[1]
        outcome = _collect(Path(folder))
    note = program.resolve().parent.parent / "etc" / "fslversion"
    version = note.read_text().split(":")[0].strip() if note.is_file() else "unknown"
    outcome.facts["version"] = version
    return outcome


def _collect(folder: Path) -> _Outcome:
    """Read mask and mesh from the folder in which ``bet`` ran."""
    masks = sorted(folder.glob("brain_mask.nii*"))
    if not masks:
        raise InputError("FSL's bet wrote no mask for this image; try the backend 'builtin'")
    mask = np.asanyarray(nib.Nifti1Image.from_filename(masks[0]).dataobj) > 0
    meshes = sorted(folder.glob("brain_mesh.vtk"))
    vertices, faces = (
        _read_vtk(meshes[0]) if meshes else (np.empty((0, 3)), np.empty((0, 3), np.intp))
    )
    return _Outcome(mask, vertices, faces)


def _read_vtk(path: Path) -> tuple[Floats, Indices]:
    """Return vertices and triangles of a legacy text VTK file (``POINTS``, ``POLYGONS``)."""
    words = path.read_text().split()
    at = words.index("POINTS")
    count = int(words[at + 1])
    vertices = np.array(words[at + 3 : at + 3 + 3 * count], dtype=np.float64).reshape(-1, 3)
    at = words.index("POLYGONS")
    count = int(words[at + 1])
    faces = np.array(words[at + 3 : at + 3 + 4 * count], dtype=np.intp).reshape(-1, 4)[:, 1:]
    return vertices, faces


def _finish(
    img: SpatialImage,
    searched: Working,
    outcome: _Outcome,
    options: ExtractionOptions,
    limits: tuple[float, float] | None,
) -> Extraction:
    """Bring mask and surface back to the file, apply the mask, and report."""
    if not outcome.mask.any():
        raise RefusedError("no brain was found; give another center, radius or f")
    # In the order of the file.
    mask = nib.orientations.apply_orientation(outcome.mask, searched.to_file)
    mask = np.ascontiguousarray(mask)
    report = {
        "backend": options.backend,
        "version": f"medlab {__version__}",  # or what `_run_fsl` says
        "f": options.f,
        "g": options.g,
        "smoothness": options.smoothness,
        "robust": options.robust,
        "window": limits,
        **outcome.facts,
        "volume_ml": float(outcome.mask.sum() * np.prod(searched.zooms) / 1000),
        "warnings": _warnings_about(searched.data, outcome.mask, searched.zooms, outcome.facts),
    }
    vertices = nib.affines.apply_affine(searched.affine, outcome.vertices / searched.zooms)
    if "center" in outcome.facts:
        back = nib.orientations.inv_ornt_aff(searched.to_file, searched.data.shape)
        voxel = np.linalg.solve(back, [*outcome.facts["center"], 1.0])[:3]
        report["center"] = [round(float(v), 3) for v in voxel]
    data = voxels(img)
    empty = np.array(np.nanmin(data) if limits else 0, data.dtype)
    inside = mask if data.ndim == 3 else mask[..., None]
    return Extraction(
        image_like(img, np.where(inside, data, empty)),
        image_like(img, mask),
        Mesh(np.asarray(vertices), outcome.faces),
        report,
    )


def _warnings_about(
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
    gap = (_crown_row(data) - rows[-1]) * zooms[2]
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


def _crown_row(data: npt.NDArray[np.float32]) -> int:
    """Return the topmost row (third axis) of which more than a hundredth is head."""
    rows = np.flatnonzero((data > bet.robust_threshold(data)).mean(axis=(0, 1)) > 0.01)
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
