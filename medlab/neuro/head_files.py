"""Heads in files, NIfTI or DICOM series: found and read, stripped and defaced."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage

from medlab.dicom.files import quiet_pydicom
from medlab.errors import InputError, RefusedError, usable
from medlab.neuro import nifti_header, surface
from medlab.neuro.deface import MOST_RESIDUAL
from medlab.neuro.extraction import Extraction, extract_brain
from medlab.neuro.head_study import deface_all
from medlab.neuro.series import Series, is_series, read_series, write_segmentation, write_series
from medlab.neuro.volume import image_like, is_nifti, load, over_time, read_whole, save, voxels

if TYPE_CHECKING:
    import pandas as pd

_NO_HEAD = ("mask", "label", "seg", "dwi", "bold", "fmap")
_FEWEST_SLICES = 16


def find_heads(
    folder: str | Path, most: int = 3, passed: dict[int, str] | None = None
) -> list[Path]:
    """Return NIfTI heads in a folder, else folders of DICOM head series.

    Parameters
    ----------
    folder : path
        Searched at any depth. NIfTI files whose name says mask, label, seg, dwi, bold or
        fmap are passed over.
    most : int
        Stop after so many.
    passed : dict of int to str, optional
        Is filled with the NIfTI files that cannot be read: number in the listing, and why.

    Raises
    ------
    InputError
        If there is none.
    """
    files = sorted(filter(is_nifti, Path(folder).rglob("*")))
    named = [path for path in files if not names_no_head(path)]
    heads = [path for _, path, _ in islice(usable(named, load, passed), most)]
    heads = heads or find_series(folder, most)
    if not heads:
        raise InputError(
            "no NIfTI image and no DICOM series of a head in this folder can be read; "
            "give a folder that holds one"
        )
    return heads


def names_no_head(path: Path) -> bool:
    """Return whether the name of a file says mask, label, seg, dwi, bold or fmap.

    A word says so, or ends so (``aseg``); codes of subjects do not count.
    """
    words = re.split(r"[^a-z0-9]+", re.sub(r"(sub|ses)-[^_.]+", "", path.name.lower()))
    return any(word.rstrip("s").endswith(_NO_HEAD) for word in words)


def find_series(folder: str | Path, most: int = 1) -> list[Path]:
    """Return folders that hold one CT or MR series that is a volume.

    Parameters
    ----------
    folder : path
        Searched at any depth.
    most : int
        Stop after so many.
    """
    parents = {p.parent for p in Path(folder).rglob("*") if p.is_file()}
    full = (p for p in sorted(parents) if sum(1 for _ in p.iterdir()) >= _FEWEST_SLICES)
    return [parent for _, parent, _ in islice(usable(full, read_series), most)]


def read_head(path: str | Path) -> SpatialImage:
    """Return a head from a NIfTI file (4-D: its mean) or a DICOM series, as one volume.

    Parameters
    ----------
    path : path
        As `find_heads` returns it.
    """
    img = read_series(path).img if is_series(path) else load(path)
    return image_like(img, over_time(voxels(img)))  # in memory, and without text of the header


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
    pieces : sequence of {"mask", "outline"}
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
    targets = [_beside(target, piece) for piece in pieces]
    outputs = [
        *([target] if brain else []),
        *(f for f in (mask_file, segmentation) if f),
        *targets,
    ]
    _check_places([source], outputs, overwrite)
    dicom = is_series(source)
    if segmentation and not dicom:
        raise InputError("a DICOM Segmentation refers to a DICOM series; the source is none")
    volumes = [target] if brain and not dicom else []
    _check_endings(volumes, [mask_file] if mask_file else [])
    series = read_series(source) if dicom else None
    img = series.img if series else load(source)
    place = img if series else read_whole(source)  # in the unit of its header
    extraction = extract_brain(img, **options)
    mask = np.asanyarray(extraction.mask.dataobj) > 0
    if segmentation and series:
        write_segmentation(series, mask, segmentation, overwrite=overwrite)
    if brain and series:
        report = extraction.report
        words = f"BET ({report['version']}), f {report['f']:g}, g {report['g']:g}"
        write_series(
            series,
            mask,
            target,
            kind="skull stripping",
            description=words,
            faceless=_front_is_gone(img, extraction),
            overwrite=overwrite,
        )
    elif brain:
        write_cut(source, target, extraction.brain, ~mask)
    if mask_file:
        save(_at(place, extraction.mask), mask_file)
    for piece, path in zip(pieces, targets, strict=True):
        drawn = _outline(img, extraction.mask) if piece == "outline" else extraction.mask
        save(_at(place, drawn), path)
    return extraction.report


def deface(
    source: Path,
    target: Path,
    also: Sequence[tuple[Path, Path]] = (),
    *,
    overwrite: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Deface a NIfTI file or a DICOM series, and further images of the study.

    Parameters
    ----------
    source, target : Path
        Two NIfTI files, or a series (folder or enhanced file) and a new folder.
    also : sequence of (Path, Path)
        Further sources and targets: cut alike where the heads lie alike, else by themselves.
    overwrite : bool
        Replace what exists.
    **options
        Of `medlab.neuro.deface`.

    Returns
    -------
    dict
        The report of `medlab.neuro.deface`, with the worst figures of all images.

    Raises
    ------
    RefusedError
        If a face cannot be removed safely.
    """
    pairs = [(source, target), *also]
    _check_places([result for result, _ in pairs], [other for _, other in pairs], overwrite)
    _check_endings([other for result, other in pairs if not is_series(result)])
    heads = [read_series(result) if is_series(result) else load(result) for result, _ in pairs]
    images = [head.img if isinstance(head, Series) else head for head in heads]
    results, report = deface_all(images, **options)
    for head, (one_source, path), result in zip(heads, pairs, results, strict=True):
        if isinstance(head, Series):
            keep = np.asanyarray(result.removed.dataobj) == 0
            words = f"face cut ({' and '.join(result.report['parts'])})"
            write_series(head, keep, path, kind="defacing", description=words, overwrite=overwrite)
        else:
            write_cut(one_source, path, result.img, np.asanyarray(result.removed.dataobj) > 0)
    return report


def write_cut(
    source: Path,
    target: Path,
    img: nib.Nifti1Image,
    removed: npt.NDArray[np.bool_],
    **words: Callable[[str], Any] | None,
) -> None:
    """Write a cut image: the very bytes of the file outside the cut, or nothing.

    `words` go to `medlab.neuro.nifti_header.clean_file`.
    """
    values = np.asanyarray(img.dataobj)[removed]
    empty = float(values.flat[0]) if values.size else 0.0
    cut: dict[str, Any] = {"removed": removed, "empty": empty, **words}
    with TemporaryDirectory(".part", ".", target.parent) as folder:
        part = Path(folder) / target.name
        nifti_header.clean_file(source, part, **cut)
        _check_outside(source, part, removed)
        for path in part.parent.iterdir():  # two halves of a pair
            path.replace(target.with_name(path.name))


def _check_outside(source: Path, target: Path, removed: npt.NDArray[np.bool_]) -> None:
    """Refuse a cut image that is not its source elsewhere, each stored value as nibabel reads it.

    Parameters
    ----------
    source, target : Path
        NIfTI.
    removed : ndarray of bool, shape (X, Y, Z)

    Raises
    ------
    RefusedError
        If type, shape, or a value outside of `removed` differs.
    """
    images: list[Any] = [read_whole(path) for path in (source, target)]
    before, after = (np.asanyarray(img.dataobj.get_unscaled()) for img in images)
    alike = before.dtype == after.dtype and before.shape == after.shape
    if not alike or before[~removed].tobytes() != after[~removed].tobytes():
        raise RefusedError("the cut changed voxels elsewhere, so nothing was written")


def _check_places(sources: Sequence[Path], outputs: Sequence[Path], overwrite: bool) -> None:
    """Refuse outputs that exist, meet each other, or would change or replace a source."""
    outputs = [path for output in outputs for path in nifti_header.halves(output)]
    places = [path.resolve() for path in outputs]
    if len(set(places)) < len(places):
        raise InputError("two outputs have one name; give each its own")
    for path, place in zip(outputs, places, strict=True):
        if path.exists() and not overwrite:
            raise RefusedError("an output exists already; choose another name or --overwrite")
        if not path.parent.is_dir():
            raise InputError("the folder of an output does not exist; make it first")
        for source in (source.resolve() for source in sources):
            if place in (source, *source.parents) or source in place.parents:
                raise RefusedError("an output would lie in or replace a source, never changed")


def _check_endings(outputs: Sequence[Path], masks: Sequence[Path] = ()) -> None:
    """Refuse names before the work that would be refused after it; a pair is for images only."""
    single = [*masks, *(path for path in outputs if nifti_header.halves(path) == (path,))]
    if not all(map(is_nifti, single)):
        raise InputError("the name of a NIfTI file ends in .nii or .nii.gz")


def _front_is_gone(img: SpatialImage, extraction: Extraction) -> bool:
    """Return whether nothing stands where the front of the head stood, and warn if it does."""
    share = float(surface.front_change(img, extraction.brain).kept.mean())
    if share > MOST_RESIDUAL:
        extraction.report["warnings"].append(
            f"{share:.0%} of the front of the head is still in the mask, so the derived series "
            "does not claim that the face is gone"
        )
    return share <= MOST_RESIDUAL


def _beside(target: Path, piece: str) -> Path:
    stem = re.sub(r"\.(nii(\.gz)?|hdr|img|dcm)$", "", target.name, flags=re.IGNORECASE)
    return target.with_name(f"{stem}_{piece}.nii.gz")


def _at(place: SpatialImage, img: nib.Nifti1Image) -> nib.Nifti1Image:
    return image_like(place, np.asanyarray(img.dataobj))


def _outline(img: SpatialImage, mask: SpatialImage) -> nib.Nifti1Image:
    """Return the image with the edge of a mask drawn in its brightest value (``-o``).

    Parameters
    ----------
    img, mask : nibabel image
        Of one shape; of a 4-D image the mean is drawn on.
    """
    from scipy.ndimage import binary_erosion

    inside = np.asanyarray(mask.dataobj) > 0
    data = over_time(voxels(img))
    edge = inside & ~binary_erosion(inside)
    brightest = data[np.isfinite(data)].max()
    return image_like(img, np.where(edge, brightest, data))


def header_changes(before: str | Path, after: str | Path) -> pd.DataFrame:
    """Return what a derived series says anew, without a patient's value.

    Parameters
    ----------
    before, after : path
        The series and the derived one.
    """
    import pandas as pd

    old, new = (read_series(path).datasets[0] for path in (before, after))
    same = {"PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID"}
    anew = {"SeriesInstanceUID", "SOPInstanceUID"}
    keywords = ("ImageType", "RecognizableVisualFeatures", "PatientIdentityRemoved")
    with quiet_pydicom():
        rows = {
            name: "same" if old.get(name) == new.get(name) else "new"
            for name in sorted(same | anew)
        }
        rows |= {name: str(new.get(name, "not set")) for name in keywords}
    return pd.DataFrame({"in the derived series": rows})
