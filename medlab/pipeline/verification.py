"""An output folder compared with its source, however it was made: DICOM and NIfTI headers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from medlab import dicom
from medlab.dicom import tags
from medlab.errors import InputError


def verify(
    source: Path | str, target: Path | str, plan: dicom.Plan | None = None
) -> list[dicom.Finding]:
    """Return what is left of `source` in `target`; see `medlab.dicom.verify`.

    NIfTI files, their sidecars and BIDS tables are looked at on their own, without the
    source: whether they say anything beside numbers. Findings name them by their number.

    Raises
    ------
    InputError
        If there is nothing in `target` that could be verified.
    """
    niftis = list(_nifti_files(Path(target)))
    if niftis and not any(map(dicom.is_dicom, dicom.find_files(target))):
        return list(_left_in(niftis))
    return [*dicom.verify(source, target, plan), *_left_in(niftis)]


def inspect_to(tell: Callable[[str], None], path: Path | str, **choices: Any) -> None:
    """Tell what DICOM and NIfTI files, sidecars and BIDS tables give away.

    See `medlab.dicom.inspect_to`, which takes the same parameters but `further`.
    """
    niftis = enumerate(_nifti_files(Path(path)), start=1)
    reveal = bool(choices.get("reveal"))
    further = [_nifti_table(number, found, reveal) for number, found in niftis]
    dicom.inspect_to(tell, path, **choices, further=further)


def _nifti_table(number: int, path: Path, reveal: bool) -> pd.DataFrame:
    """Return what stands beside the numbers of one file, as `medlab.dicom.tag_table` has it."""
    from medlab.neuro import header

    columns = ["file", *tags.COLUMNS]
    try:
        found = header.inspect_file(path)
    except InputError as error:
        return pd.DataFrame([dict.fromkeys(columns, "") | {"file": number, "concern": str(error)}])
    rows = [
        dict.fromkeys(columns, "")
        | {"file": number, "path": one.place, "concern": f"{one.kind} stands in it"}
        | {"value": one.value if reveal else tags.MASK}
        for one in found
    ]
    return pd.DataFrame(rows, columns=columns)


def _nifti_files(target: Path) -> Iterator[Path]:
    from medlab.neuro import header

    if target.is_file():
        yield from [target] if header.handles(target) else []
    for folder, names, files in os.walk(target):
        names.sort()
        yield from (Path(folder, name) for name in sorted(files) if header.handles(Path(name)))


def _left_in(niftis: list[Path]) -> Iterator[dicom.Finding]:
    from medlab.neuro import header

    for number, path in enumerate(niftis, start=1):
        try:
            found = [(one.place, f"{one.kind} stands in it") for one in header.inspect_file(path)]
        except InputError:
            found = [("", "the file cannot be read")]
        for place, message in found:
            yield dicom.Finding(f"{number} (NIfTI)", place, "identity", "fail", message)
