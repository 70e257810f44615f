"""The real BET of FSL, when it is installed; found when called, never required."""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt

from medlab.arrays import Floats, Indices, Mask
from medlab.errors import InputError, UnavailableError, not_installed

_WAY_OUT = "install FSL and set FSLDIR, or choose the backend 'builtin'"


class _Result(NamedTuple):
    """What FSL's ``bet`` returned: a mask, and a surface in mm of the working array."""

    mask: Mask
    vertices: Floats
    faces: Indices


def find() -> Path | None:
    """Return the path of FSL's ``bet`` if it is there and fslpy, which calls it, else None."""
    # A plain folder called fsl is a package too, to Python.
    return _bet() if find_spec("fsl") and find_spec("fsl.wrappers") else None


def _bet() -> Path | None:
    """Return the path of FSL's ``bet``: ``$FSLDIR/bin`` first, then PATH."""
    folder = os.environ.get("FSLDIR")
    own = shutil.which("bet", path=Path(folder) / "bin") if folder else None
    program = own or shutil.which("bet")
    return Path(program) if program else None


def version() -> str:
    """Return FSL's version as its ``etc/fslversion`` tells it, else ``"unknown"``."""
    bet = find()
    note = bet.resolve().parent.parent / "etc" / "fslversion" if bet else None
    return note.read_text().split(":")[0].strip() if note and note.is_file() else "unknown"


def run(
    data: npt.NDArray[np.float32],
    zooms: Floats,
    **options: float | bool | list[float],
) -> _Result:
    """Run FSL's ``bet`` on an array in radiological order.

    Parameters
    ----------
    data : ndarray of float32, shape (X, Y, Z)
        The image.
    zooms : ndarray, shape (3,)
        Voxel size in mm.
    **options
        Letters of ``bet`` and their values: ``f=0.5, g=0, c=[x, y, z], r=75, w=1, R=True``.

    Raises
    ------
    UnavailableError
        If FSL or the fslpy package is not there.
    InputError
        If ``bet`` fails.
    """
    bet = _bet()
    if bet is None:
        raise UnavailableError(f"FSL's bet was not found; {_WAY_OUT}")
    try:
        from fsl.utils import run as fslrun
        from fsl.wrappers import bet as wrapper
    except ImportError as error:
        raise not_installed("FSL's bet is there, but fslpy, which calls it,", "neuro") from error
    with tempfile.TemporaryDirectory(prefix="medlab-bet-") as folder:  # mode 0700
        source, target = Path(folder) / "head.nii", Path(folder) / "brain.nii.gz"
        affine = np.diag([-zooms[0], zooms[1], zooms[2], 1.0])  # negative: already radiological
        nib.Nifti1Image(data, affine).to_filename(source)
        before = fslrun.FSL_PREFIX, os.environ.get("FSLOUTPUTTYPE")
        fslrun.FSL_PREFIX, os.environ["FSLOUTPUTTYPE"] = str(bet.parent), "NIFTI_GZ"
        try:
            wrapper(str(source), str(target), m=True, e=True, log={"tee": False}, **options)
        except (RuntimeError, fslrun.FSLNotPresent) as error:
            raise InputError(
                "FSL's bet failed on this image; try the backend 'builtin'"
            ) from error
        finally:
            fslrun.FSL_PREFIX = before[0]
            _restore("FSLOUTPUTTYPE", before[1])
        return _collect(Path(folder))


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _collect(folder: Path) -> _Result:
    """Read mask and mesh from the folder in which ``bet`` ran."""
    masks = sorted(folder.glob("brain_mask.nii*"))
    if not masks:
        raise InputError("FSL's bet wrote no mask for this image; try the backend 'builtin'")
    mask = np.asanyarray(nib.Nifti1Image.from_filename(masks[0]).dataobj) > 0
    meshes = sorted(folder.glob("brain_mesh.vtk"))
    vertices, faces = (
        _read_vtk(meshes[0]) if meshes else (np.empty((0, 3)), np.empty((0, 3), np.intp))
    )
    return _Result(mask, vertices, faces)


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
