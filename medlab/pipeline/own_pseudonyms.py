"""New patient IDs and accession numbers of one's own, from a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from pydicom import Dataset

from medlab import dicom
from medlab.crypto import keyed_digest
from medlab.disk import appearing
from medlab.errors import InputError, MissingError, UsageError

#: Of a new ID: it is a Patient ID (LO), a name (PN) and a folder; accession numbers are shorter.
NEW_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LONGEST_ACCESSION = 16


class Ids:
    """The new IDs of a job, by keyed digests of the old ones."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._codes: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        self._key = key

    def code(self, kind: str, original: str) -> str | None:
        """Return the new ID of a patient (see `medlab.dicom.owner`) or accession number."""
        return self._codes.get(_digest(self._key, kind, original))


def read_ids(path: Path) -> list[tuple[str, str, str]]:
    """Read a table of new IDs.

    Parameters
    ----------
    path : Path
        CSV with the columns ``old`` and ``new``; optional ``issuer`` (of the old ID, where files
        tell it), ``old_accession`` and ``new_accession``. One row a patient, or several.

    Returns
    -------
    list of (kind, original, new)

    Raises
    ------
    UsageError
        No such file.
    InputError, MissingError
        A column that is missing; a cell that is empty; a new ID that cannot be one, that two
        patients get, or that is another patient's old one. The line is named, never the ID.
    """
    import pandas as pd

    from medlab.tabular.reading import read_text

    if not path.is_file():
        raise UsageError("the table of new IDs does not exist; give the path of a CSV")
    table = read_text(path)[0].fillna("").map(str.strip)
    if not {"old", "new"} <= set(table):
        raise MissingError("the table of new IDs needs the columns old and new")
    issuers = table["issuer"] if "issuer" in table else pd.Series("", table.index)
    patients = []
    for old, issuer, new in zip(table["old"], issuers, table["new"], strict=True):
        dataset = Dataset()
        dataset.PatientID, dataset.IssuerOfPatientID = old, issuer
        patients.append((dicom.owner(dataset) if old else "", new))
    pairs = [*_checked("patient", patients, NEW_ID)]
    if {"old_accession", "new_accession"} & set(table):
        if not {"old_accession", "new_accession"} <= set(table):
            raise MissingError("new accession numbers need both old_accession and new_accession")
        numbers = list(zip(table["old_accession"], table["new_accession"], strict=True))
        short = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{_LONGEST_ACCESSION - 1}}}")
        pairs += _checked("accession", numbers, short)
    return pairs


def _checked(
    kind: str, pairs: list[tuple[str, str]], form: re.Pattern[str]
) -> Iterable[tuple[str, str, str]]:
    what = {"patient": "an ID", "accession": "an accession number"}[kind]
    originals = {old.rpartition("\x1f")[2] for old, _ in pairs}
    given: dict[str, str] = {}
    owners: dict[str, str] = {}
    for line, (old, new) in enumerate(pairs, start=2):
        if kind == "accession" and not (old or new):
            continue
        if not old or not new:
            raise InputError(f"line {line} of the new IDs leaves {what} empty; fill it in")
        if not form.fullmatch(new):
            raise InputError(
                f"line {line} of the new IDs: {what} is made of letters, digits, - and _, begins "
                "with a letter or digit and is no longer than DICOM allows"
            )
        if given.setdefault(old, new) != new or owners.setdefault(new, old) != old:
            raise InputError(f"line {line} of the new IDs gives one to two, or two to one")
        if dicom.normalize(new).replace(" ", "") in originals:
            raise InputError(f"line {line} of the new IDs: the new one is an old one of the table")
    return [(kind, old, new) for old, new in given.items()]


def keep_ids(path: Path, pairs: list[tuple[str, str, str]], key: bytes) -> None:
    """Keep the new IDs in the private folder of a job."""
    codes = {_digest(key, kind, original): new for kind, original, new in pairs}
    with appearing(path, 0o600) as part:
        part.write_text(json.dumps(codes, sort_keys=True), encoding="utf-8")


def _digest(key: bytes, kind: str, original: str) -> str:
    return keyed_digest(key, f"new {kind}", original).hex()
