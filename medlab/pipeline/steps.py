"""One file: examined, and de-identified in small steps. What a worker process does.

Nothing raised in here leaves: a file that fails at any step is withheld, and its outcome
says at which.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import logging
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, config

from medlab import dicom
from medlab.crypto import Vault, keyed_digest
from medlab.dicom import encrypted
from medlab.dicom.codestream import PIXEL_BITS
from medlab.dicom.element_texts import text_at
from medlab.dicom.files import bytes_of
from medlab.dicom.profile import SAFE_HARBOR
from medlab.dicom.treatment import Log
from medlab.disk import appearing
from medlab.errors import InputError, MedlabError, RefusedError, UsageError, usable
from medlab.pipeline import nifti, reidentification, text_removal
from medlab.pipeline.job_files import Job
from medlab.pipeline.ledger import Entry, Phrases, phrase_digest
from medlab.pipeline.owners import NEW_ID, Ids, Owners, place_of
from medlab.pipeline.settings import (
    FACES,
    NO_HEAD,
    NO_PICTURE,
    PIXELS,
    Outcome,
    Settings,
    Work,
)
from medlab.pixels.mask import cut_frames

ENVELOPE_KEPT = "attributes that another hand has encrypted were kept as they came"
_FACE = 17  # of the 18 kinds
_SOP_UID, _STUDY_UID, _SERIES_UID, _FRAME_UID = 0x00080018, 0x0020000D, 0x0020000E, 0x00200052
_PATIENT_ID, _REMOVED = 0x00100020, 0x00120062
_log = logging.getLogger(__name__)


class _Examined(NamedTuple):
    """What the first look at a file found; only digests of its identity."""

    row: int
    kind: str
    instance: bytes | None = None
    phrases: Sequence[bytes] = ()
    places: tuple[bytes | None, bytes | None] = (None, None)
    owner: tuple[bytes, bytes] = (b"", b"")
    words: Sequence[bytes] = ()


class _UnverifiedError(RefusedError):
    """The output did not stand the verification."""


_STATUSES: tuple[tuple[type[MedlabError], str], ...] = (
    (_UnverifiedError, "unverified"),
    (text_removal.QuarantineError, "quarantined"),
    (RefusedError, "refused"),
    (InputError, "unreadable"),
)


#: What a report says of the notes of `medlab.dicom.treatment.Action`.
_NOTES = {
    "beside": ("info", "bytes beside the image were removed from the pixel data"),
    "frames": ("review", "frames beyond Number of Frames were removed"),
    "mended": ("review", "a value that is none of its VR was written as its VR asks"),
    "unreadable": ("review", "a value that is none of its VR was emptied, or is a dummy date"),
    "probable": (
        "review",
        "a word one letter from the patient's name was taken for it and removed",
    ),
    "opaque": ("review", "the pixel data could not be looked through for text beside the image"),
}


class _Hands:
    """What a worker process holds open: the phrases of all patients and, if need be, the vault."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.phrases = Phrases(work.phrases, work.key)
        self.cohort = text_removal.Cohort(work.cohort, work.key) if work.cohort.exists() else None
        self.approved = text_removal.approved_boxes(work)
        self.series = text_removal.new_series(work.settings)
        self.let_pass = _let_pass(work)
        self.owner_of = Owners(work)
        self.ids = Ids(work.ids, work.key) if work.settings.ids else None
        drawn = work.settings.codes == "random"
        self.vault = Vault(work.vault, work.vault_key) if drawn else None

    def code_of(self, kind: str, original: str) -> str | None:
        """Return the code of a patient or accession number: given, drawn, or None for keyed."""
        new = None if self.ids is None else self.ids.code(kind, original)
        if new or self.vault is None:
            return new
        return self.vault.code_for(f"code of {kind}", original, _draw)

    def check_known(self, whose: str) -> None:
        """Refuse a patient whom the table of new IDs does not name, where that was asked for."""
        if self.ids is None or self.work.settings.unknown == "code":
            return
        if self.ids.code("patient", whose) is None:
            raise RefusedError("the table of new IDs does not name the patient of this file")

    def close(self) -> None:
        """Close what is open."""
        self.phrases.close()
        if self.vault is not None:
            self.vault.close()


_hands: list[_Hands] = []


def start(work: Work) -> None:
    """Take up the work of a job in this process."""
    stop()
    _hands.append(_Hands(work))


def stop() -> None:
    """Put the work of a job down."""
    while _hands:
        _hands.pop().close()


def examine(entry: Entry) -> _Examined:
    """Look at one file for the first time: what is it, whose is it."""
    work = _hands[-1].work
    path = work.source / entry.source
    try:
        with _quiet():
            look = _examine(entry, path, work.source, work.key)
            if look.kind not in ("nifti", "sidecar"):
                return look
            said = nifti.said(path, entry.source)
            return look._replace(phrases=[phrase_digest(work.key, phrase) for phrase in said])
    except Exception as error:  # noqa: BLE001 - hostile files fail in any way; the job goes on
        _note(entry, error)
        return _Examined(entry.row, "unreadable")


def _examine(entry: Entry, path: Path, root: Path, key: bytes) -> _Examined:
    row = entry.row
    if entry.kind == "nifti":
        return _Examined(row, entry.kind)
    if not dicom.is_dicom(path):
        named = path.suffix.lower() in (".dcm", ".dicom", ".ima")
        kind = nifti.other_kind(path, root) or ("unreadable" if named else "not-dicom")
        return _Examined(row, kind)
    dataset = dicom.read(path)
    if dicom.files.is_dicomdir(dataset):
        return _Examined(row, "dicomdir")
    uid = text_at(dataset, _SOP_UID)
    phrases = [phrase_digest(key, phrase) for phrase in dicom.identity_of(dataset).phrases]
    instance = keyed_digest(key, "instance", uid)[:16]
    said = [phrase_digest(key, word) for word in dicom.identity.words_said(dataset)]
    return _Examined(
        row, "dicom", instance, phrases, _places(dataset, key), place_of(key, dataset), said
    )


def _places(dataset: Dataset, key: bytes) -> tuple[bytes | None, bytes | None]:
    """Return digests of the series and its space, for images in which a face may be cut.

    A frame of reference is one patient's in one study, whatever its UID says; one series may
    have several.
    """
    if not may_hold_head(dataset):
        return None, None
    study, frame, series = (text_at(dataset, uid) for uid in (_STUDY_UID, _FRAME_UID, _SERIES_UID))
    space = "\x1f".join((dicom.owner(dataset), study, frame or series))
    places = (
        keyed_digest(key, "place", f"{space}\x1f{series}"),
        keyed_digest(key, "place", space),
    )
    return places[0][:16], places[1][:16]


def cut_heads(series: list[list[Entry]]) -> dict[int, dict[str, Any]]:
    """Find what is cut out of the series of one space; see `cut`."""
    with _quiet():
        return cut(series, _hands[-1].work)


def clean(entry: Entry) -> Outcome:
    """De-identify one file, verify the result and let it appear; or withhold it."""
    hands = _hands[-1]
    work = hands.work
    if entry.row in hands.let_pass:  # by a person: its head is left alone
        work = replace(work, settings=replace(work.settings, head="leave"))
    done = Outcome(entry.row, "failed")
    try:
        with _quiet():
            if entry.kind == "dicom":
                _clean(entry, hands, work, done)
            elif work.settings.policy == SAFE_HARBOR:
                raise RefusedError("Safe Harbor is checked for DICOM only; convert it first")
            else:
                source = work.source / entry.source
                nifti.clean_nifti(source, entry.source, work, hands.phrases, done)
    except MedlabError as error:  # whose sentences never repeat a value
        done.status = next((s for kind, s in _STATUSES if isinstance(error, kind)), "failed")
        place = PLACE if isinstance(error, _FaceError) else ""
        done.kinds |= {_FACE: done.kinds.get(_FACE, 0) + 1} if place and done.kinds else {}
        done.findings.append(("fail", str(error), place))
        _note(entry, error)
    except Exception as error:  # noqa: BLE001 - fail closed: whatever happened, nothing appears
        _note(entry, error)
    return done


def some_headers(
    folder: Path | str, most: int = 60, passed: dict[int, str] | None = None
) -> list[Dataset]:
    """Return the first DICOM files of a folder that can be read; `usable` fills `passed`."""
    readable = usable(dicom.find_files(folder), dicom.read, passed)
    headers: list[Dataset] = [dataset for _, _, dataset in islice(readable, most)]
    if not headers:
        raise InputError("the folder holds no DICOM file that can be read; check the path")
    return headers


def plan_of(settings: Settings) -> dicom.Plan:
    """Return the header plan of a job; pixels and faces are steps of their own."""
    words = (settings.policy, settings.options, settings.keep_private)
    return _plan(*words, settings.restricted_zips, settings.rules, settings.allow_identifiers)


def _output_name(dataset: Dataset, copies: int = 0) -> Path:
    """Return the path of an output below DST, made of nothing but its new codes and UIDs."""
    patient = text_at(dataset, _PATIENT_ID)
    safe = NEW_ID.fullmatch(patient) and text_at(dataset, _REMOVED) != "NO"
    uid = text_at(dataset, _SOP_UID)
    name = uid if uid.startswith("2.25.") else _short(uid)
    return Path(
        patient if safe else "no-code",
        f"study-{_short(text_at(dataset, _STUDY_UID))}",
        f"series-{_short(text_at(dataset, _SERIES_UID))}",
        f"{name}-{copies + 1}.dcm" if copies else f"{name}.dcm",
    )


def _clean(entry: Entry, hands: _Hands, work: Work, done: Outcome) -> None:
    content = bytes_of(work.source / entry.source)
    original = dicom.parse(content)  # of which nothing is decoded here: every step has its own
    before = encrypted.as_read(original)
    if work.settings.stream:  # what came over a network under another UID than its own
        uid = text_at(before, _SOP_UID)
        if not uid or uid != text_at(before.file_meta, 0x00020003):
            what = "it names no instance, or another than the sender said"
            raise text_removal.QuarantineError(what)
    whose = hands.owner_of(before)
    hands.check_known(whose)
    _count_kinds(before, work, done)
    faceless, face_cut = without_face(before, work, done)
    done.kinds |= {_FACE: done.kinds.get(_FACE, 0) + 1} if face_cut else {}
    headers, actions = dicom.deidentify(
        encrypted.as_read(original) if faceless is before else faceless,
        plan_of(work.settings),
        key=work.key,
        others=hands.phrases,
        code_of=hands.code_of,
        whose=whose,
    )
    _note_actions(actions, done)
    boxes = hands.approved.get(str(entry.row))
    after = text_removal.without_text(before, headers, work, done, boxes, hands.series)
    if face_cut:
        dicom.claim(after, FACES)
    if work.settings.policy == SAFE_HARBOR and set(done.unchecked) - {NO_PICTURE}:
        raise RefusedError(f"Safe Harbor needs this checked and it was not: {done.unchecked[0]}")
    if hands.cohort is not None:
        hands.cohort.apply(whose, after)
    _encrypt(before, after, work)
    if encrypted.envelopes(before):
        done.findings.append(("info", ENVELOPE_KEPT, "(0400,0500)"))
    if work.settings.recipients:
        encrypted.add_envelope(original, after, work.settings.recipients)
    name = Path(work.single[1]) if work.single else _output_name(after, entry.copies)
    data = dicom.to_bytes(after)
    with appearing(work.target / name) as part:
        part.write_bytes(data)
        _verify(encrypted.as_read(original), part, name, work, done)
    done.status, done.target, done.size = "done", name.as_posix(), len(data)
    done.source_digest = keyed_digest(work.key, "file", hashlib.sha256(content).digest()).hex()
    done.target_digest = hashlib.sha256(data).hexdigest()
    done.actions = dict(actions.counts())
    _remember(original, after, whose, work, done)


def _note_actions(actions: Log, done: Outcome) -> None:
    """Note what a person has to know of the actions on the header."""
    met = actions.noted(_NOTES)
    done.findings += {(*_NOTES[action.note], action.path): None for action in met}
    if any(action.note == "opaque" for action in met):
        done.unchecked.append("text beside the coded image")


def _count_kinds(before: Dataset, work: Work, done: Outcome) -> None:
    """Count the 18 kinds for a Safe Harbor certificate."""
    if work.settings.policy == SAFE_HARBOR:
        done.kinds = dict(dicom.safe_harbor.kinds_in(before))
        if dicom.safe_harbor.is_biometric(before):
            raise RefusedError("the picture of a retina is a biometric identifier")


def _encrypt(before: Dataset, after: Dataset, work: Work) -> None:
    """Put what own rules encrypt into a private block, as `medlab encrypt` does."""
    keywords = dicom.own_rules.encrypted(plan_of(work.settings))
    hidden = Dataset()
    for name in keywords:
        if name in before:
            hidden.add(before[name])
    if hidden:
        from medlab.methods import encryption

        sealed = encryption.encrypt_elements(hidden, work.vault_key, keywords)
        token = encryption.take(sealed, encryption.CREATOR)
        encryption.leave(after, encryption.CREATOR, "UT", token)


def _verify(source: Dataset, part: Path, name: Path, work: Work, done: Outcome) -> None:
    """Look at the output with other eyes; an error keeps it from appearing.

    For a job on one file the person chose the name, so it is not looked at.
    """
    title = "" if work.single else name.as_posix()
    findings = dicom.verify_file(source, part, plan_of(work.settings), name=title)
    done.findings += [(f.severity, f.message, f.path) for f in findings]
    if any(finding.severity == "fail" for finding in findings):
        raise _UnverifiedError("something of the source is still in the output")


def _remember(before: Dataset, after: Dataset, whose: str, work: Work, done: Outcome) -> None:
    if work.settings.review:
        done.kept = sorted({(keyword, text) for _, keyword, text in dicom.kept_text(after)})
    if work.settings.vault:
        done.ways_back = list(reidentification.entries(before, after, work.key, whose))


def _draw() -> str:
    return base64.b32encode(secrets.token_bytes(10)).decode("ascii")


@lru_cache(maxsize=1024)
def _short(uid: str) -> str:
    return base64.b32encode(hashlib.sha256(uid.encode()).digest()[:10]).decode("ascii").lower()


@lru_cache(maxsize=8)
def _plan(
    policy: str,
    options: tuple[str, ...],
    keep_private: tuple[str, ...],
    zips: tuple[str, ...],
    rules: str,
    allowed: tuple[str, ...],
) -> dicom.Plan:
    headers = tuple(option for option in options if option != PIXELS)
    try:
        plan = dicom.plan(policy, headers, keep_private, zips)
        return dicom.lay_over(plan, rules, allowed) if rules else plan
    except InputError as error:
        raise UsageError(str(error)) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pydicom's warnings, which repeat values, to itself."""
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def _note(entry: Entry, error: Exception) -> None:
    # the class only: a message of another library may repeat a value
    _log.info("row %d: %s", entry.row, type(error).__name__)


_CLASS, _MODALITY = 0x00080016, 0x00080060
_MODALITIES = ("MR", "CT", "PT", "NM")
_STORAGE = "1.2.840.10008.5.1.4.1.1."
_CAPTURES = (f"{_STORAGE}7", *(f"{_STORAGE}7.{n}" for n in range(1, 5)))
#: Photographs and films of a patient; volumes of C-arms and of a dentist's scanner.
_PICTURES = tuple(_STORAGE + end for end in ("77.1.4", "77.1.4.1", "13.1.1", "13.1.2"))
#: Surfaces, outlines and meshes, which need no pixels to show a face: segmentations, surface
#: segmentations, scans of a surface, structure sets, and 3-D models (STL, OBJ, MTL).
_SURFACES = tuple(
    _STORAGE + end
    for end in ("66.4", "66.5", "66.7", "68.1", "68.2", "481.3", "104.3", "104.4", "104.5")
)
PLACE = "face"  # of a finding that a person may overrule
#: Why an object that no face can be cut out of is withheld, whatever it shows.
NO_VOLUME = (
    "face not checked: a photograph, a capture or a surface is no volume of slices in which a "
    "face could be cut"
)
_OVERRULE = "look at it, and let it pass in faces-approved.csv if it shows none"


class _FaceError(RefusedError):
    """A face is, or may be, in this file; a person may let it pass all the same."""


def may_hold_head(dataset: Dataset) -> bool:
    """Return whether images of this kind are slices in which a head can be measured."""
    captured = text_at(dataset, _CLASS) in _CAPTURES
    pixels = 0x7FE00010 in dataset
    return text_at(dataset, _MODALITY) in _MODALITIES and pixels and not captured


def _may_show_face(dataset: Dataset) -> bool:
    """Return whether a face may be seen in an object of this kind, or rendered from it."""
    kind = text_at(dataset, _CLASS)
    is_picture = (
        kind in _CAPTURES or kind in _PICTURES or text_at(dataset, _MODALITY) in ("XC", "OT")
    )
    is_picture = is_picture and any(tag in dataset for tag in PIXEL_BITS)
    return may_hold_head(dataset) or is_picture or kind in _SURFACES


def cut(series: list[list[Entry]], work: Work) -> dict[int, dict[str, Any]]:
    """Find what is cut out of the series of one patient, study and frame of reference.

    A mask is kept for each file, or why there is none: no head, slices missing, a check that
    failed. `without_face` goes by it. What was measured is returned, by the first row of each
    series.
    """
    from medlab.neuro.head_study import NoHeadError, cut_study

    measured: dict[int, dict[str, Any]] = {}
    volumes: dict[int, Any] = {}
    parts: dict[int, str] = {}

    def read(number: int) -> Any:
        volumes.clear()  # one at a time is in memory
        volumes[number] = volume = _volume(series[number], work)
        parts[number] = str(volume.datasets[0].get("BodyPartExamined") or "")
        return volume.img

    reads = [partial(read, number) for number in range(len(series))]
    for number, done in cut_study(reads, work.settings.head, parts, work.settings.bet_f):
        entries = series[number]
        if not isinstance(done, MedlabError):
            _keep_masks(volumes[number], done.mask, entries, work)
            measured[entries[0].row] = done.report
            continue
        _log.info("row %d and its series: %s", entries[0].row, type(done).__name__)
        reason = NO_HEAD if isinstance(done, NoHeadError) else str(done)
        for entry in entries:
            _kept(work, entry.row, ".txt").write_text(reason, encoding="utf-8")
    return measured


def without_face(before: Dataset, work: Work, done: Outcome) -> tuple[Dataset, bool]:
    """Return the dataset, and whether a face was cut out of its stored values.

    What was not looked at is noted in the outcome.

    Raises
    ------
    FaceError
        If a face was to be removed and was not, or may be there where none can be cut.
    """
    if not _may_show_face(before):
        return before, False
    if work.settings.head == "leave":
        done.unchecked.append("face")
        return before, False
    if not may_hold_head(before):
        raise _FaceError(f"{NO_VOLUME}; {_OVERRULE}")
    reason = _kept(work, done.row, ".txt")
    if reason.is_file():
        if (said := reason.read_text(encoding="utf-8")) != NO_HEAD:
            raise _FaceError(f"face not removed: {said}; {_OVERRULE}")
        done.findings.append(("review", NO_HEAD, ""))
        return before, False
    path = _kept(work, done.row, ".npz")
    if not path.is_file():
        raise _FaceError(f"face not checked: its series was not looked at; {_OVERRULE}")
    removed = np.load(path)["removed"].reshape(-1, before.Rows, before.Columns)
    return cut_frames(before, removed), True


def _let_pass(work: Work) -> set[int]:
    """Return the rows of the map that a person let pass, their faces not checked."""
    if work.settings.head == "leave" or not work.faces_approved.is_file():
        return set()
    with work.faces_approved.open(newline="", encoding="utf-8") as file:
        try:
            return {int(row["file"]) for row in csv.DictReader(file)}
        except (KeyError, TypeError, ValueError):
            raise InputError(
                "faces-approved.csv is no table with a column 'file' of line numbers of the map; "
                "take lines of faces.csv"
            ) from None


def reopen_approved(job: Job) -> None:
    """Have files done again that a person let pass, or no longer, since the last run."""
    now = _let_pass(job.work)
    before = set(json.loads(job.ledger.setting("faces let pass") or "[]"))
    for row in now ^ before:
        job.ledger.reopen(row)
    job.ledger.setting("faces let pass", json.dumps(sorted(now)))


def forget_masks(work: Work) -> None:
    """Take away the masks: they show the faces that were cut."""
    shutil.rmtree(work.folder / "faces", ignore_errors=True)


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
        masks[file][frame] = removed[:, :, at % removed.shape[2]].T
    for entry, mask in zip(entries, masks, strict=True):
        np.savez_compressed(_kept(work, entry.row, ".npz"), removed=mask)


def _kept(work: Work, row: int, ending: str) -> Path:
    """Return where the mask of a file stands, or why it has none."""
    folder = work.folder / "faces"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{row}{ending}"
