"""Volumes: NIfTI images in, checked; one working order for arrays; clean images out."""

from __future__ import annotations

import gzip
import zlib
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage

from medlab.arrays import Array, Floats
from medlab.disk import write_whole
from medlab.errors import InputError, KindError

_WORKING = ("L", "A", "S")  # radiological order: BET's own, see `medlab.neuro.bet`
_SMALLEST_SIDE = 3
AIR_HU = -1000.0
SOFT_HU = (0.0, 100.0)  # soft tissue; Muschelli 2015, NeuroImage 114:379
_STORED_OFFSET = 1024.0  # CT whose file has lost its rescale intercept
FINEST_MM, COARSEST_MM = 0.01, 100.0  # microscopes below it, meters taken for mm too
_MILLIMETERS = {"meter": 1e3, "micron": 1e-3}  # of the units that NIfTI knows beside mm


class Working(NamedTuple):
    """An array in radiological order, and the way back to the order of its file.

    Attributes
    ----------
    data : ndarray of float32, shape (X, Y, Z)
        Axes run to the patient's left, front and top. NaN and minus infinity are
        the least finite value, infinity is the largest.
    zooms : ndarray, shape (3,)
        Voxel size in mm.
    affine : ndarray, shape (4, 4)
        From working voxels to world (RAS+, mm).
    to_working, to_file : ndarray, shape (3, 2)
        nibabel orientations between the file's order and this one.
    offset : float or None
        In CT how far the stored values lie above Hounsfield units (0 or 1024), which `data`
        then holds, not below air: padding outside the field of view is no darker. Else None.
    """

    data: npt.NDArray[np.float32]
    zooms: Floats
    affine: Floats
    to_working: Floats
    to_file: Floats
    offset: float | None = None


def is_nifti(path: Path) -> bool:
    """Return whether a name is of one NIfTI file, in capitals or not; a pair is two."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def load(source: str | PathLike[str] | SpatialImage) -> SpatialImage:
    """Return a checked 3-D or 4-D image from a file name or an image.

    Parameters
    ----------
    source : path or nibabel image
        A NIfTI file (or either half of a pair), or any image of nibabel already in memory.

    Raises
    ------
    InputError
        If the file cannot be read to its end, has fewer than three dimensions or a side
        of fewer than three voxels, holds colors or complex numbers, or has an affine
        that cannot be inverted.
    """
    img = source if isinstance(source, SpatialImage) else read_whole(Path(source))
    shape = img.shape
    if len(shape) == 4 and shape[3] == 1 and isinstance(img.dataobj, np.ndarray):
        img, shape = nib.funcs.four_to_three(img)[0], shape[:3]
    if len(shape) not in (3, 4) or 0 in shape:
        raise InputError(f"a volume has three axes (four with time); this image has shape {shape}")
    if min(shape[:3]) < _SMALLEST_SIDE:
        raise InputError(
            f"a head needs at least {_SMALLEST_SIDE} voxels along each axis; "
            f"this image has shape {shape}"
        )
    dtype = img.get_data_dtype()
    if dtype.fields is not None or dtype.kind not in "iuf":
        raise InputError(f"voxels of type {dtype} are no gray values; give a scalar image")
    img = _in_mm(img)
    affine = np.asarray(img.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise InputError(
            "the affine of this image cannot be inverted, so left, right and mm are lost"
        )
    zooms = nib.affines.voxel_sizes(affine)
    if zooms.min() < FINEST_MM or zooms.max() > COARSEST_MM:
        raise InputError(
            f"voxels of {zooms.min():.2g} to {zooms.max():.2g} mm are of no head; the unit in the "
            "header may be wrong"
        )
    return img


def _in_mm(img: SpatialImage) -> SpatialImage:
    """Return the image with its affine in mm, if its header counts in meters or micrometers."""
    if not isinstance(img, nib.Nifti1Pair):
        return img
    units = img.header.get_xyzt_units()
    if units[0] not in _MILLIMETERS:
        return img
    scale = _MILLIMETERS[units[0]]
    affine = np.diag([scale, scale, scale, 1.0]) @ img.affine
    out = type(img)(img.dataobj, affine, img.header)
    out.header.set_xyzt_units("mm", units[1] if units[1] != "unknown" else None)
    for name in ("sform", "qform"):  # as they were, with their codes
        there, code = getattr(img, f"get_{name}")(coded=True)
        if there is not None:
            there = np.diag([scale, scale, scale, 1.0]) @ there
        getattr(out, f"set_{name}")(there, int(code))
    return out


def read_whole(path: Path) -> SpatialImage:
    """Read a file to its last voxel, so that a damaged one is refused before any work."""
    if not path.is_file():
        raise InputError("there is no such image file; check the name")
    try:
        img = nib.load(path)
        if not isinstance(img, SpatialImage):
            raise KindError("this file holds no volume (a surface or tracks?); give a NIfTI image")
        if not isinstance(img, nib.Nifti1Pair):
            name = type(img).__name__.removesuffix("Image")
            raise KindError(f"this file is of the format {name}; convert it to NIfTI first")
        np.asanyarray(img.dataobj[..., -1])
    except (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError) as error:
        raise InputError("this file is no NIfTI image that can be read") from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError("this image file is cut off or damaged; copy it again") from error
    return img


def voxels(img: SpatialImage) -> Array:
    """Return the voxel values: as stored where no scaling is stored, else float32."""
    try:
        data = np.asanyarray(img.dataobj)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError("this image file is cut off or damaged; copy it again") from error
    if data.dtype.kind != "f" or img.get_data_dtype() == np.float64:
        return data
    return data.astype(np.float32)  # scaled integers come as float64


def over_time(data: Array) -> Array:
    """Return one volume: of four axes the mean over the last, else the values as they are."""
    return np.asarray(data.mean(axis=3, dtype=np.float32)) if data.ndim == 4 else data


def _hounsfield_offset(data: Array) -> float | None:
    """Return how far values lie above Hounsfield units, or None if they do not look like CT.

    CT has air near -1000, bone above 300 and soft tissue between. If all of it lies 1024
    higher, more than half of what is no air is soft tissue within 100 units: of head CT nine
    tenths are, of T1 heads at no scale more than four; and it fills more of the image than
    bone does where nothing lies higher.
    """
    low, high = float(data.min()), float(data.max())
    tissue = data[data > _STORED_OFFSET - 500] - _STORED_OFFSET
    air = float(np.mean(data < _STORED_OFFSET - 800))
    shifted = air > 0.1 and high >= _STORED_OFFSET + 300 and tissue.size > 0.12 * data.size
    if shifted and np.mean(np.abs(tissue) < 100) > 0.5:
        return _STORED_OFFSET
    soft = float(np.mean((data > SOFT_HU[0]) & (data < SOFT_HU[1])))
    air = float(np.mean((data < -800) | (data == low)))
    return 0.0 if -10_000 <= low <= -500 and high >= 300 and air > 0.1 and soft > 0.03 else None


def to_working(img: SpatialImage, like: Working | None = None) -> Working:
    """Return the image (4-D: its mean over time) as an array in radiological order.

    Parameters
    ----------
    img : nibabel image
        3-D or 4-D.
    like : Working, optional
        The image from which this one was made; CT is told by that one's values.
    """
    data = over_time(voxels(img)).astype(np.float32)
    if not np.isfinite(data).all():
        finite = data[np.isfinite(data)]  # what was not measured is as dark as the darkest
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        data = np.nan_to_num(data, copy=False, nan=low, posinf=high, neginf=low)
    offset = like.offset if like else _hounsfield_offset(data)
    if offset is not None:
        data = np.maximum(data - np.float32(offset), np.float32(AIR_HU))
    here = nib.orientations.io_orientation(img.affine)
    there = nib.orientations.axcodes2ornt(_WORKING)
    turn = nib.orientations.ornt_transform(here, there)
    affine = img.affine @ nib.orientations.inv_ornt_aff(turn, img.shape[:3])
    return Working(
        np.ascontiguousarray(nib.orientations.apply_orientation(data, turn)),
        nib.affines.voxel_sizes(affine),
        affine,
        turn,
        nib.orientations.ornt_transform(there, here),
        offset,
    )


def image_like(img: SpatialImage, data: Array) -> nib.Nifti1Image:
    """Return a NIfTI image with new voxels and the geometry of another.

    Only geometry, voxel size, units and the codes of the two transforms travel; text
    fields, extensions and file name of the other image do not.

    Parameters
    ----------
    img : nibabel image
        Where the geometry comes from.
    data : ndarray, shape (X, Y, Z) or (X, Y, Z, T)
        Voxel values; booleans are stored as unsigned bytes.
    """
    data = data.astype(np.uint8) if data.dtype == bool else data
    out = nib.Nifti1Image(data, img.affine, dtype=data.dtype)
    sform, qform = 2, 2
    if isinstance(img, nib.Nifti1Pair):
        sform, qform = (int(img.header[name]) for name in ("sform_code", "qform_code"))
        out.header.set_xyzt_units(
            *(u if u != "unknown" else None for u in img.header.get_xyzt_units())
        )
    if len(img.header.get_zooms()) == 4 == data.ndim:
        out.header.set_zooms((*out.header.get_zooms()[:3], img.header.get_zooms()[3]))
    _set_transforms(out, img, sform, qform)
    return out


def _set_transforms(out: nib.Nifti1Image, img: SpatialImage, sform: int, qform: int) -> None:
    """Copy sform and qform, which may differ from each other, with their codes."""
    if sform or not qform:
        out.set_sform(
            img.affine if not sform or not hasattr(img, "get_sform") else img.get_sform(), sform
        )
    else:
        out.set_sform(None, 0)
    if qform and hasattr(img, "get_qform"):
        out.set_qform(img.get_qform(), qform)
    else:
        out.set_qform(img.affine, qform, strip_shears=True)


def save(img: nib.Nifti1Image, path: str | PathLike[str]) -> Path:
    """Write a NIfTI file at once or not at all; a gzip file holds neither name nor time.

    Parameters
    ----------
    img : Nifti1Image
        What to write.
    path : path
        Ends in ``.nii`` or ``.nii.gz``.

    Raises
    ------
    InputError
        If the name has another ending.
    """
    path = Path(path)
    if not is_nifti(path):
        raise InputError("the name of a NIfTI file ends in .nii or .nii.gz")
    return write_nifti(path, img.to_bytes())


def write_nifti(path: Path, content: bytes) -> Path:
    """Write the bytes of a NIfTI file at once or not at all.

    Parameters
    ----------
    path : Path
        Ends in ``.nii`` or ``.nii.gz``; compressed in the second case, with neither the
        name of the file nor the time in the gzip header.
    content : bytes
        Header and voxels.
    """
    if path.name.lower().endswith(".gz"):
        content = gzip.compress(content, compresslevel=5, mtime=0)
    return write_whole(path, content)
