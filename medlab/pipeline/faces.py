"""Faces in DICOM heads: found on the whole series, cut out of each file's pixels.

A face shows only on a volume, so each series is read as one before the files are cleaned.
The masks of what is to be cut stand in the private folder until the job ends.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from medlab import dicom
from medlab.errors import RefusedError
from medlab.pipeline.ledger import Entry
from medlab.pipeline.settings import FACES, Work
from medlab.pixels.mask import cut_frames

MODALITIES = ("MR", "CT", "PT", "NM")
_log = logging.getLogger(__name__)


def may_show_face(dataset: Dataset) -> bool:
    """Return whether a face might be rendered from the images of this kind."""
    return dataset.get("Modality") in MODALITIES and "PixelData" in dataset


def cut(series: list[list[Entry]], work: Work) -> None:
    """Find the face in the series of one frame of reference and keep a mask for each file.

    The largest series decides; the others get the same cut. A series without masks (no head
    in it, slices missing) is left for `without_face` to refuse.
    """
    from medlab import neuro
    from medlab.neuro.deface import cut_out

    first = None
    for entries in series:
        try:
            volume = _volume(entries, work)
            if first is None:
                found = neuro.deface(volume.img)
                first, removed = found.cut, found.removed
            else:
                removed = cut_out(volume.img, first)[1]
            _keep_masks(volume, np.asanyarray(removed.dataobj) > 0, entries, work)
        except Exception as error:  # noqa: BLE001 - whatever happened, its files are refused
            _log.info("row %d and its series: %s", entries[0].row, type(error).__name__)


def without_face(before: Dataset, work: Work, row: int) -> Dataset:
    """Return the dataset with its face cut out of the stored values.

    Raises
    ------
    RefusedError
        If a face was to be removed and could not.
    """
    if FACES not in work.settings.options or not may_show_face(before):
        return before
    path = _mask_path(work, row)
    if not path.is_file():
        raise RefusedError("the face in this series could not be removed safely")
    removed = np.load(path)["removed"]
    return cut_frames(before, removed)


def claim(after: Dataset, work: Work) -> None:
    """Mark a dataset whose face was cut out."""
    if FACES in work.settings.options and may_show_face(after):
        dicom.claim(after, FACES)


def forget_masks(work: Work) -> None:
    """Take away the masks: they show the faces that were cut."""
    folder = _mask_path(work, 0).parent
    for path in folder.glob("*.npz"):
        path.unlink()
    if folder.is_dir():
        folder.rmdir()


def _volume(entries: list[Entry], work: Work) -> Any:
    """Read the files of one series, wherever they lie, in the order of their rows."""
    from medlab.neuro import series

    with tempfile.TemporaryDirectory(dir=work.folder) as folder:
        for entry in entries:
            link = Path(folder) / f"{entry.row:012d}.dcm"
            link.symlink_to((work.source / entry.source).resolve())
        volume = series.read_series(folder)
    if len(volume.datasets) != len(entries):
        raise RefusedError("a file of the series could not be read")
    return volume


def _keep_masks(volume: Any, removed: NDArray[np.bool_], entries: list[Entry], work: Work) -> None:
    masks = [
        np.zeros((int(d.get("NumberOfFrames") or 1), d.Rows, d.Columns), dtype=bool)
        for d in volume.datasets
    ]
    for at, (file, frame) in enumerate(volume.frames):
        masks[file][frame] = removed[:, :, at].T
    for entry, mask in zip(entries, masks, strict=True):
        path = _mask_path(work, entry.row)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        np.savez_compressed(path, removed=mask)


def _mask_path(work: Work, row: int) -> Path:
    return work.folder / "faces" / f"{row}.npz"
