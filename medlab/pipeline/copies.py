"""Copies of DICOM files, each treated by one function; what it refuses is left out and counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pydicom import Dataset

from medlab import dicom
from medlab.dicom.files import quiet_pydicom
from medlab.disk import appearing
from medlab.errors import MedlabError, RefusedError
from medlab.pipeline.job_files import check_places, walk


class Copies(NamedTuple):
    """How many files were written, and how many were refused."""

    files: int
    refused: int


def treat_copies(source: Path, target: Path, treat: Callable[[Dataset], Dataset]) -> Copies:
    """Write what `treat` makes of a file, or of all DICOM files of a folder, into `target`.

    The copies keep their places below `target`, which is made with mode 0700, and are readable by
    their owner only. Nothing that is there is written over.

    Parameters
    ----------
    source, target : Path
    treat : callable
        Returns another dataset, or raises what keeps the file from being written.

    Raises
    ------
    UsageError, RefusedError
        If the places make no sense; of a single file what `treat` raises.
    """
    check_places(source, target)
    if source.is_file():
        _write(source, target, treat)
        return Copies(1, 0)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = refused = 0
    for path, kind, _, _ in walk(source):
        if kind != "file" or not dicom.is_dicom(source / path):
            continue
        try:
            _write(source / path, target / path, treat)
            files += 1
        except MedlabError:
            refused += 1
    return Copies(files, refused)


def _write(source: Path, target: Path, treat: Callable[[Dataset], Dataset]) -> None:
    if target.exists():
        raise RefusedError("there is an output of that name; choose a DST that is empty")
    with quiet_pydicom():
        data = dicom.to_bytes(treat(dicom.read(source)))
    with appearing(target, 0o600) as part:
        part.write_bytes(data)
