"""Re-identification: what goes into the vault for one file, and how it comes out again.

It comes out as copies of files, each treated by one function; what that refuses is left out and
counted.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from pydicom import Dataset
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from medlab import dicom
from medlab.crypto import (
    Lock,
    Vault,
    audit_key,
    envelope,
    keyed_digest,
    keys,
    load_key,
    lock,
    write_key,
)
from medlab.dicom import encrypted
from medlab.dicom.codes import NO_PERSON
from medlab.dicom.declarations import MARKS
from medlab.dicom.element_texts import is_plain, text_at
from medlab.dicom.files import quiet_pydicom
from medlab.dicom.profile import tag_of
from medlab.disk import write_whole
from medlab.errors import InputError, MedlabError, MissingError, RefusedError, UsageError
from medlab.pipeline.job_files import check_apart, check_places, job_key, private_folder, walk

_PATIENT = """PatientID IssuerOfPatientID PatientName PatientBirthDate PatientBirthTime
PatientSex PatientAge PatientSize PatientWeight PatientAddress PatientTelephoneNumbers
OtherPatientIDs OtherPatientNames PatientBirthName PatientMotherBirthName EthnicGroup"""
_STUDY = """StudyInstanceUID StudyDate StudyTime AccessionNumber StudyID StudyDescription
ReferringPhysicianName InstitutionName InstitutionAddress AdmissionID"""
_SERIES = """SeriesInstanceUID SeriesDate SeriesTime SeriesDescription ProtocolName
FrameOfReferenceUID StationName OperatorsName PerformingPhysicianName"""
_INSTANCE = """SOPInstanceUID AcquisitionDate AcquisitionTime AcquisitionDateTime
ContentDate ContentTime InstanceCreationDate InstanceCreationTime"""
_PATIENT_ID, _STUDY_UID, _SERIES_UID, _SOP_UID = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
# From the patient down: what is kept at a level, and the UID that names it.
_LEVELS = tuple(
    (kind, tuple(BaseTag(tag_of(keyword)) for keyword in keywords.split()), uid)
    for kind, keywords, uid in (
        ("patient", _PATIENT, 0),
        ("study", _STUDY, _STUDY_UID),
        ("series", _SERIES, _SERIES_UID),
        ("instance", _INSTANCE, _SOP_UID),
    )
)
_JOINED = (_STUDY_UID, _SERIES_UID, _SOP_UID, tag_of("FrameOfReferenceUID"))


class _Copies(NamedTuple):
    """How many files were written, and how many were refused."""

    files: int
    refused: int


def entries(
    before: Dataset, after: Dataset, key: bytes, whose: str
) -> Iterator[tuple[str, str, str, str]]:
    """Give the vault's rows for one file: kind, code, original, owner.

    What stood in the header at each level are *facts*: DICOM JSON under a code drawn from it
    with `key`, so that equal facts of a patient are kept once. The row of an instance, series,
    study or patient, under its new UID or Patient ID, names the facts of its level and those
    above; so a name that differs between two studies, or two files, stays with each. The owner
    is a keyed mark of `whose` the file is (`medlab.dicom.owner`): what two patients share, such
    as a UID, is kept once for each; of a file that names nobody, no patient's key opens a row.
    """
    owner = "" if whose == NO_PERSON else keyed_digest(key, "owner of entries", whose)[:16].hex()
    facts: list[str] = []
    for kind, tags, uid in _LEVELS:
        code = text_at(after, uid) if uid else _code_in(after)
        text = _values(before, tags)
        facts.append(keyed_digest(key, "facts", owner, text)[:16].hex())
        yield "facts", facts[-1], text, owner
        if code:
            yield kind, code, " ".join(facts), owner
    for uid in _JOINED:
        old, new = text_at(before, uid), text_at(after, uid)
        if old and new and old != new:
            yield "uid", new, old, owner


def _code_in(dataset: Dataset) -> str:
    """Return the code under which the vault keeps the patient of a de-identified file."""
    return text_at(dataset, _PATIENT_ID) or text_at(dataset, _STUDY_UID)


def restore(dataset: Dataset, vault: Vault, *, reason: str) -> Dataset:
    """Return a copy with the identifiers that the vault holds for it.

    Names, IDs, dates and descriptions of patient, study, series and image come back, and
    all UIDs with the references to them. What was only taken out (comments, private
    elements, pixels) does not, and the marks of the de-identification go.

    Raises
    ------
    MissingError
        If the vault knows neither the patient nor the image.
    RefusedError
        If they are another patient's than the one whose key opened the vault.
    """
    out = copy.deepcopy(dataset)
    read = partial(vault.originals, reason=reason, owner=vault.owner_of(_code_in(dataset)))
    for kind, _, uid in reversed(_LEVELS):  # an image made of ours is known by study or patient
        code = text_at(dataset, uid) if uid else _code_in(dataset)
        if named := read(kind, [code]):
            break
        if vault.owners(kind, code):  # no search further up: that would be another's name
            raise RefusedError("this file is of another patient than the key, or of several")
    else:
        raise MissingError("the vault knows nothing of this file; name the vault of its job")
    texts = read("facts", named[code].split())
    _rejoin(out, read)
    if any("\\u" in text for text in texts.values()):  # JSON's form of all but ASCII
        out.decode()
        out.SpecificCharacterSet = "ISO_IR 192"
    for text in texts.values():
        out.update(_read(text))
    for keyword in MARKS:
        if keyword in out:
            del out[keyword]
    return out


def open_vault(
    source: Path,
    vault_file: Path | None = None,
    key_file: Path | None = None,
    lock: Lock | None = None,
) -> Vault:
    """Open a vault, by default that of the job that made `source`, with its own key.

    `key_file` may hold a vault's key or a patient's.

    Raises
    ------
    MissingError
        If there is no vault or no key.
    """
    folder = private_folder(source)
    path = folder / "vault.db" if vault_file is None else vault_file
    if not path.is_file():
        raise MissingError("there is no vault at that place; name it with --vault")
    patient = keys.PatientKey.read(key_file) if key_file else None
    return Vault(path, lock or patient or job_key(folder, key_file))


def auditing_key(
    log: Path, vault_file: Path, key_file: Path | None, lock: Lock | None
) -> bytes | None:
    """Return what checks the seals of a job's logs; None if nothing was named.

    `key_file` may hold an auditor's key, a vault's or a patient's.
    """
    if key_file is None and lock is None:
        return None
    if key_file is not None and (key := keys.read_audit_key(key_file)):
        return key
    if vault_file.is_file() or lock is not None:
        with open_vault(log, vault_file, key_file, lock) as vault:
            return vault.audit_key
    return audit_key(load_key(key_file))


def rotate(
    source: Path, vault: Vault, key_files: Sequence[Path], passphrase_file: Path | None = None
) -> int:
    """Put the vault of `source` under a key, a passphrase or three shares; count its entries.

    Key files that are not there are made. A key of before that lies beside the vault goes.

    Raises
    ------
    UsageError
        If they lie in `source` or its private folder, or there are neither one nor three.
    """
    check_apart([*key_files, *([passphrase_file] if passphrase_file else [])], source)
    before = vault.key, vault.code_key
    moved = vault.rotate(_new_opener(key_files, passphrase_file))
    own = vault.path.with_name("key")
    if own.is_file() and load_key(own) in before and load_key(own) != vault.key:
        own.unlink()
    return moved


def _new_opener(key_files: Sequence[Path], passphrase_file: Path | None) -> bytes | Lock:
    if len(key_files) not in (0, 1, 3) or bool(key_files) == bool(passphrase_file):
        raise UsageError("rotate to one key, to three shares, or to one passphrase")
    keys = [load_key(file) if file.exists() else write_key(file) for file in key_files]
    return lock(passphrase_file, key_files if len(keys) == 3 else ()) or keys[0]


def reidentify(source: Path, target: Path, vault: Vault, *, reason: str = "") -> _Copies:
    """Restore the identifiers of a file, or of all DICOM files of a folder, into `target`.

    The copies keep their places below `target`, which is made with mode 0700. Nothing that
    is there is written over.

    Raises
    ------
    UsageError
        Without a reason.
    """
    if not reason.strip():
        raise UsageError("give a reason (--reason); it goes into the log of the vault")
    return treat_copies(source, target, partial(restore, vault=vault, reason=reason))


def open_envelopes(
    source: Path,
    target: Path,
    private_key: Path,
    certificate: Path,
    passphrase_file: Path | None = None,
) -> _Copies:
    """Restore a file, or all DICOM files of a folder, from their encrypted attributes.

    The copies keep their places below `target`; see `treat_copies`. No vault is read.

    Parameters
    ----------
    source, target : Path
    private_key, certificate : Path
        In PEM, those of one recipient. The certificate may have expired.
    passphrase_file : Path, optional
        What locks the private key.

    Raises
    ------
    UsageError, MissingError
        If key and certificate cannot be read, or do not belong together.
    """
    check_apart([private_key, *([passphrase_file] if passphrase_file else [])], target)
    key = envelope.read_private_key(private_key, passphrase_file)
    named = envelope.certificate_of(envelope.read_pem(certificate))
    if named.public_key() != key.public_key():
        raise UsageError("the private key is not that of the certificate; give a pair")
    return treat_copies(source, target, partial(encrypted.restore, key=key, certificate=named))


def treat_copies(source: Path, target: Path, treat: Callable[[Dataset], Dataset]) -> _Copies:
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
        return _Copies(1, 0)
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
    return _Copies(files, refused)


def _write(source: Path, target: Path, treat: Callable[[Dataset], Dataset]) -> None:
    if target.exists():
        raise RefusedError("there is an output of that name; choose a DST that is empty")
    with quiet_pydicom():
        data = dicom.to_bytes(treat(dicom.read(source)))
    write_whole(target, data, 0o600)


def _rejoin(dataset: Dataset, read: Callable[..., dict[str, str]]) -> None:
    """Put the original UIDs in place of the new ones, at every level and in the file meta."""
    parts = [dataset, getattr(dataset, "file_meta", Dataset())]
    elements = [e for part in parts for e in part.iterall() if e.VR == "UI" and e.value]
    originals = read("uid", {uid for e in elements for uid in _uids(e.value)})
    for element in elements:
        olds = [originals.get(uid, uid) for uid in _uids(element.value)]
        element.value = olds if len(olds) > 1 else olds[0]


def _read(text: str) -> Dataset:
    plain = json.loads(text)
    numbers = {tag: plain.pop(tag) for tag, number in list(plain.items()) if number["vr"] == "DS"}
    values = Dataset.from_json(plain)
    for tag, number in numbers.items():
        values.add_new(int(tag, 16), "DS", number.get("Value", [""]))
    return values


def _uids(value: object) -> list[str]:
    return [str(uid) for uid in _many(value)]


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (MultiValue, list)) else [value]


def _values(dataset: Dataset, tags: tuple[BaseTag, ...]) -> str:
    """Return elements as DICOM JSON."""
    elements = tuple(dataset.get_item(tag) for tag in tags if tag in dataset)
    if all(isinstance(e, RawDataElement) and is_plain(e.value) for e in elements):
        members = [_member_of_raw(element) for element in elements]
    else:
        members = [_member(dataset[element.tag]) for element in elements]
    return f"{{{', '.join(members)}}}"


@lru_cache(maxsize=4096)
def _member_of_raw(element: RawDataElement) -> str:
    """Return an undecoded ASCII element as DICOM JSON; the files of a series say the same."""
    return _member(convert_raw_data_element(element))


def _member(element: DataElement) -> str:
    try:
        plain = element.to_json_dict(None, 0)
        if element.VR == "DS" and element.value is not None:  # as written: 53 is not 53.0
            plain["Value"] = [str(value) for value in _many(element.value)]
        return f'"{element.tag:08X}": {json.dumps(plain)}'
    except (ValueError, TypeError):
        raise InputError("an identifying element holds no value of its VR") from None
