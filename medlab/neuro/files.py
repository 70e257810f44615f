"""Skull stripping and defacing of files: NIfTI in and out, DICOM series in and out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage

from medlab.errors import InputError, RefusedError
from medlab.neuro import deface as _function
from medlab.neuro.deface import cut_out
from medlab.neuro.extraction import Extraction, Mesh, extract_brain, outline, skull_image
from medlab.neuro.header import write_whole
from medlab.neuro.series import Series, is_series, read_series, write_segmentation, write_series
from medlab.neuro.volume import image_like, load, save

STILL_NAMED = (
    "header, file names and table entries still identify the patient; "
    "'medlab deidentify --option clean-recognizable-visual-features' removes both"
)
PIECES = ("mask", "outline", "skull", "mesh")


def strip(
    source: Path,
    target: Path,
    *,
    brain: bool = True,
    mask_file: Path | None = None,
    segmentation: Path | None = None,
    pieces: Sequence[str] = (),
    overwrite: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Strip a NIfTI file or a DICOM series.

    Parameters
    ----------
    source, target : Path
        Two NIfTI files, or a series (folder or enhanced file) and a new folder.
    brain : bool
        Write the stripped image to `target`.
    mask_file : Path, optional
        Where the mask goes as NIfTI.
    segmentation : Path, optional
        Where the mask goes as a DICOM Segmentation (series only).
    pieces : sequence of {"mask", "outline", "skull", "mesh"}
        What to write beside `target`, under its name with ``_mask`` and so on.
    overwrite : bool
        Replace what exists.
    **options
        Of `extract_brain`.

    Returns
    -------
    dict
        The report of `extract_brain`.

    Raises
    ------
    RefusedError
        If an output exists or lies in the source.
    """
    wanted = [_beside(target, piece) for piece in pieces]
    outputs = [*([target] if brain else []), *(f for f in (mask_file, segmentation) if f), *wanted]
    _check_places(source, outputs, overwrite)
    series = read_series(source) if is_series(source) else None
    if segmentation and series is None:
        raise InputError("a DICOM Segmentation refers to a DICOM series; the source is none")
    img = series.img if series else load(source)
    found = extract_brain(img, **options)
    mask = np.asanyarray(found.mask.dataobj) > 0
    if segmentation and series:
        write_segmentation(series, mask, segmentation, overwrite=overwrite)
    if brain and series:
        words = (
            f"BET ({found.report['version']}), f {found.report['f']:g}, g {found.report['g']:g}"
        )
        _write_series(series, mask, target, "skull stripping", words, overwrite)
    elif brain:
        save(found.brain, target)
    if mask_file:
        save(found.mask, mask_file)
    for piece, path in zip(pieces, wanted, strict=True):
        _write_piece(piece, path, img, found)
    return found.report


def deface(
    source: Path,
    target: Path,
    also: Sequence[tuple[Path, Path]] = (),
    *,
    overwrite: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Deface a NIfTI file or a DICOM series, and further images of the study alike.

    Parameters
    ----------
    source, target : Path
        Two NIfTI files, or a series (folder or enhanced file) and a new folder.
    also : sequence of (Path, Path)
        Further sources and targets that get the same cut.
    overwrite : bool
        Replace what exists.
    **options
        Of `medlab.neuro.deface`.

    Returns
    -------
    dict
        The report of `medlab.neuro.deface`.

    Raises
    ------
    RefusedError
        If the face cannot be removed safely, or series have different frames of reference.
    """
    pairs = [(source, target), *also]
    for one, other in pairs:
        _check_places(one, [other], overwrite)
    heads = [read_series(one) if is_series(one) else load(one) for one, _ in pairs]
    _check_frames([head for head in heads if isinstance(head, Series)])
    images = [head.img if isinstance(head, Series) else head for head in heads]
    found = _function(images[0], **options)
    cuts = [(found.img, found.removed), *(cut_out(img, found.cut) for img in images[1:])]
    words = f"face cut ({' and '.join(found.report['parts'])})"
    for head, (_, path), (img, removed) in zip(heads, pairs, cuts, strict=True):
        if isinstance(head, Series):
            keep = np.asanyarray(removed.dataobj) == 0
            _write_series(head, keep, path, "defacing", words, overwrite)
        else:
            save(img, path)
    return found.report


def _check_places(source: Path, outputs: Sequence[Path], overwrite: bool) -> None:
    inside = source.resolve()
    for path in outputs:
        if path.exists() and not overwrite:
            raise RefusedError("an output exists already; choose another name or --overwrite")
        if inside == path.resolve() or (source.is_dir() and inside in path.resolve().parents):
            raise RefusedError("an output would lie in the source, which is never changed")
        if not path.parent.is_dir():
            raise InputError("the folder of an output does not exist; make it first")


def _check_frames(series: Sequence[Series]) -> None:
    """Refuse series that do not share one world space."""
    if len({one.datasets[0].get("FrameOfReferenceUID") for one in series}) > 1:
        raise RefusedError("the series have different frames of reference; deface each by itself")


def _write_series(
    series: Series,
    keep: npt.NDArray[np.bool_],
    target: Path,
    kind: str,
    words: str,
    overwrite: bool,
) -> None:
    write_series(series, keep, target, kind=kind, description=words, overwrite=overwrite)


def _beside(target: Path, piece: str) -> Path:
    name = target.name
    for ending in (".nii.gz", ".nii", ".dcm"):
        name = name.removesuffix(ending)
    return target.with_name(f"{name}_{piece}" + (".vtk" if piece == "mesh" else ".nii.gz"))


def _write_piece(piece: str, path: Path, img: SpatialImage, found: Extraction) -> None:
    if piece == "mesh":
        write_mesh(found.mesh, path)
    elif piece == "mask":
        save(image_like(img, np.asanyarray(found.mask.dataobj)), path)
    else:
        save(outline(img, found.mask) if piece == "outline" else skull_image(img, found), path)


def write_mesh(mesh: Mesh, path: Path) -> Path:
    """Write a mesh as legacy text VTK, in world mm (RAS+).

    Parameters
    ----------
    mesh : Mesh
        The surface.
    path : Path
        The file.
    """
    lines = ["# vtk DataFile Version 3.0", "medlab", "ASCII", "DATASET POLYDATA"]
    lines.append(f"POINTS {len(mesh.vertices)} float")
    lines += ["{:.4f} {:.4f} {:.4f}".format(*vertex) for vertex in mesh.vertices.tolist()]
    lines.append(f"POLYGONS {len(mesh.faces)} {4 * len(mesh.faces)}")
    lines += ["3 {} {} {}".format(*face) for face in mesh.faces.tolist()]
    return write_whole(path, ("\n".join(lines) + "\n").encode())
