"""Whose a file is: what its header says, or what its study says where the header says less.

Series of one study come from several devices; one sends the issuer of the Patient ID, another
does not. Taken as they are, one study would become two patients with two shifts of dates.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydicom import Dataset

from medlab import dicom
from medlab.crypto import keyed_digest
from medlab.dicom.codes import NO_NUMBER
from medlab.dicom.element_texts import text_at
from medlab.disk import appearing
from medlab.errors import usable
from medlab.pipeline.preparation import Job
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
    with appearing(work.owners) as part:
        part.touch(mode=0o600)
        part.write_text(json.dumps(joined), encoding="utf-8")
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
    found: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found
