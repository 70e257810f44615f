"""Trials: heads found in a folder, one head under many settings, a head made harder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage

from medlab.dicom.files import quiet_pydicom
from medlab.errors import InputError, RefusedError, usable
from medlab.neuro import head_measures, surface
from medlab.neuro.extraction import Extraction, extract_brain
from medlab.neuro.series import is_series, read_series
from medlab.neuro.volume import image_like, load, over_time, to_working, voxels

if TYPE_CHECKING:
    import pandas as pd

NO_HEAD = ("mask", "label", "seg", "dwi", "bold", "fmap")
_FEWEST_SLICES = 16


class _Trials(NamedTuple):
    """One head under many settings.

    Attributes
    ----------
    found : dict of str to Extraction
        What each setting gave; settings that were refused are missing.
    table : DataFrame, one row a setting
        Volume, passes, number of warnings; Dice and the other scores where a true mask
        was given; ``refused`` tells why nothing was found.
    """

    found: dict[str, Extraction]
    table: pd.DataFrame


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
    files = sorted(p for p in Path(folder).rglob("*.nii*") if p.name.endswith((".nii", ".nii.gz")))
    named = []
    for path in files:  # a word says so, or ends so (``aseg``); codes of subjects do not count
        words = re.split(r"[^a-z0-9]+", re.sub(r"(sub|ses)-[^_.]+", "", path.name.lower()))
        if not any(word.rstrip("s").endswith(NO_HEAD) for word in words):
            named.append(path)
    heads = [path for _, path, _ in islice(usable(named, load, passed), most)]
    heads = heads or find_series(folder, most)
    if not heads:
        raise InputError(
            "no NIfTI image and no DICOM series of a head in this folder can be read; "
            "give a folder that holds one"
        )
    return heads


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


def run_trials(
    img: SpatialImage,
    settings: Mapping[str, Mapping[str, Any] | Extraction],
    truth: SpatialImage | None = None,
) -> _Trials:
    """Strip one head with several settings.

    Parameters
    ----------
    img : nibabel image
        The head.
    settings : mapping of str to mapping
        Name of a trial and the options of `extract_brain`; ``img`` among them replaces
        the head for this trial. A brain found before takes part as it is.
    truth : nibabel image, optional
        The true brain mask.
    """
    import pandas as pd

    extractions: dict[str, Extraction] = {}
    rows: dict[str, dict[str, Any]] = {}
    for name, options in settings.items():
        try:
            if isinstance(options, Extraction):
                extractions[name] = options
            else:
                extractions[name] = extract_brain(**{"img": img, **options})
        except (InputError, RefusedError) as error:
            rows[name] = {"refused": str(error)}
            continue
        rows[name] = _row(extractions[name], truth)
    return _Trials(extractions, pd.DataFrame.from_dict(rows, orient="index"))


def _row(extraction: Extraction, truth: SpatialImage | None) -> dict[str, Any]:
    report = extraction.report
    row = {
        "backend": report["backend"],
        "volume_ml": report["volume_ml"],
        "warnings": len(report["warnings"]),
    }
    if truth is not None:
        zooms = np.array(truth.header.get_zooms()[:3], dtype=float)
        mask, true = (np.asanyarray(m.dataobj) > 0 for m in (extraction.mask, truth))
        row |= head_measures.mask_scores(mask, true, zooms)
    return row


def half_voxel_spread(
    img: SpatialImage, extraction: Extraction, **options: Any
) -> dict[str, float]:
    """Return how well BET agrees with itself after the head moved by half a voxel.

    The image is resampled linearly on a grid moved by half a voxel along each axis and
    stripped again; the first mask is moved alike and compared.

    Parameters
    ----------
    img : nibabel image
        The head.
    extraction : Extraction
        The brain found in it.
    **options
        Those that gave `extraction`.

    Returns
    -------
    dict
        `mask_scores` of the second mask against the first.
    """
    again = extract_brain(image_like(img, _half_moved(voxels(img).astype(np.float32))), **options)
    first = _half_moved(np.asanyarray(extraction.mask.dataobj).astype(np.float32)) >= 0.5
    zooms = np.array(img.header.get_zooms()[:3], dtype=float)
    return head_measures.mask_scores(np.asanyarray(again.mask.dataobj) > 0, first, zooms)


def _half_moved(data: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return values half a voxel further along each axis, between the neighbors."""
    from scipy.ndimage import shift

    return np.asarray(shift(data, -0.5, order=1, mode="nearest"))


def blurred(
    img: SpatialImage, blur_mm: float, noise: float = 0.0, rng: np.random.Generator | None = None
) -> nib.Nifti1Image:
    """Return a head with less contrast between brain and what surrounds it.

    Parameters
    ----------
    img : nibabel image
        The head.
    blur_mm : float
        Standard deviation of a Gaussian blur.
    noise : float
        Standard deviation of added noise, as a share of the brightest value.
    rng : Generator, optional
        Needed for noise.
    """
    from scipy.ndimage import gaussian_filter

    data = voxels(img).astype(np.float32)
    zooms = np.array(img.header.get_zooms()[:3], dtype=float)
    data = gaussian_filter(data, blur_mm / zooms)
    if noise and rng is not None:
        data = data + rng.normal(0, noise * float(data.max()), data.shape)
    return image_like(img, data.astype(np.float32))


def compare_protection(
    heads: Mapping[str, SpatialImage],
    brain: SpatialImage,
    face: SpatialImage | None = None,
) -> pd.DataFrame:
    """Return what is left of face, brain and head; the first head is the original.

    Parameters
    ----------
    heads : mapping of str to nibabel image
        Names and heads of one grid.
    brain : nibabel image
        The brain mask (the true one, where it is known).
    face : nibabel image, optional
        The face region; without it the residual face is left out.

    Returns
    -------
    DataFrame, one row a head
        ``residual_face``, ``brain_changed`` (voxels) and ``head_kept`` (share).
    """
    import pandas as pd

    original = next(iter(heads.values()))
    before = voxels(original)
    inside = np.asanyarray(brain.dataobj) > 0
    working = to_working(original)
    threshold = surface.head_threshold(working.data)
    rows = {}
    for name, head in heads.items():
        row: dict[str, float] = {}
        if face is not None:
            row["residual_face"] = surface.residual_face(original, head, face)
        row["brain_changed"] = head_measures.brain_changed(before, voxels(head), inside)
        row["head_kept"] = head_measures.head_kept(
            working.data, to_working(head, working).data, threshold
        )
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


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
