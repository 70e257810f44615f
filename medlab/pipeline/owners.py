"""Whose a file is: what its header says, or what its study says where the header says less.

Series of one study come from several devices; one sends the issuer of the Patient ID, another
does not. Taken as they are, one study would become two patients with two shifts of dates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from pydicom import Dataset

from medlab import dicom
from medlab.crypto import keyed_digest
from medlab.dicom.codes import NO_NUMBER
from medlab.dicom.element_texts import text_at
from medlab.disk import write_whole
from medlab.errors import InputError, MissingError, UsageError, usable
from medlab.pipeline.job_files import Job
from medlab.pipeline.settings import Work


def place_of(key: bytes, dataset: Dataset) -> tuple[bytes, bytes]:
    """Return keyed digests of the study and of the owner that a header names."""
    study = text_at(dataset, 0x0020000D)
    return (
        keyed_digest(key, "study of", study)[:16],
        keyed_digest(key, "owner", dicom.owner(dataset))[:16],
    )


class Owners:
    """Tells the owner of a data set, as the job's plan has it: ``owners(dataset)``."""

    def __init__(self, work: Work) -> None:
        self._key = work.key
        self._joined = _read(work.owners)

    def __call__(self, dataset: Dataset) -> str:
        """Return whose a data set is."""
        own = dicom.owner(dataset)
        return self._joined.get(_place(self._key, dataset), own) if self._joined else own


def join(job: Job) -> None:
    """Give the files of each study one owner, where they differ in how much they say of him.

    Files that an earlier run took for another's are done again.
    """
    work, several = job.work, 0
    joined: dict[str, str] = {}
    for entries in job.ledger.divided_studies():
        paths = [work.source / entry.source for entry in entries]
        headers = [header for _, _, header in usable(paths, dicom.read)]
        owners = {_place(work.key, header): dicom.owner(header) for header in headers}
        full = _full(list(owners.values()))
        joined |= {place: full[own] for place, own in owners.items() if full[own] != own}
        several += len(set(full.values())) > 1
    earlier = _read(work.owners)
    if work.settings.stream:  # what left the queue stays as it was
        joined, earlier = earlier | joined, earlier | joined
    rows = {place: job.ledger.rows_of(place) for place in joined.keys() | earlier.keys()}
    for place in rows:
        if joined.get(place) != earlier.get(place):
            for row in rows[place]:
                job.ledger.reopen(row)
    write_whole(work.owners, json.dumps(joined).encode(), 0o600)
    job.owners = sum(len(rows[place]) for place in joined), several


def _full(owners: list[str]) -> dict[str, str]:
    """Return owner -> the fullest form among the owners of one study.

    A number without issuer is that of the one issuer that gave it; who has no number is the
    one person of the study. Where that is not clear, an owner stays as it is.
    """
    numbered = [owner for owner in owners if not owner.startswith(NO_NUMBER)]
    full = dict(zip(owners, owners, strict=True))
    for owner in numbered:
        issued = [other for other in numbered if other.endswith(f"\x1f{owner}")]
        full[owner] = issued[0] if len(issued) == 1 else owner
    people = {full[owner] for owner in numbered}
    if len(people) == 1:
        full = dict.fromkeys(owners, people.pop())
    return full


def _place(key: bytes, dataset: Dataset) -> str:
    """Return the digests of study and owner, as the ledger notes them."""
    return " ".join(digest.hex() for digest in place_of(key, dataset))


def _read(path: Path) -> dict[str, str]:
    owners: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return owners


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

    from medlab.tabular.table_files import read_text

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
    new_ids: dict[str, str] = {}
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
        if new_ids.setdefault(old, new) != new or owners.setdefault(new, old) != old:
            raise InputError(f"line {line} of the new IDs gives one to two, or two to one")
        if dicom.normalize(new).replace(" ", "") in originals:
            raise InputError(f"line {line} of the new IDs: the new one is an old one of the table")
    return [(kind, old, new) for old, new in new_ids.items()]


def keep_ids(path: Path, pairs: list[tuple[str, str, str]], key: bytes) -> None:
    """Keep the new IDs in the private folder of a job."""
    codes = {_digest(key, kind, original): new for kind, original, new in pairs}
    write_whole(path, json.dumps(codes, sort_keys=True).encode(), 0o600)


def _digest(key: bytes, kind: str, original: str) -> str:
    return keyed_digest(key, f"new {kind}", original).hex()
