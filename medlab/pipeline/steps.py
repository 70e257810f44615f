"""One file, DICOM or NIfTI: examined, and de-identified in small steps by a worker process.

Nothing raised in here leaves: a file that fails at any step is withheld, and its outcome
says at which.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import secrets
import tempfile
import warnings
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom import Dataset, config

from medlab import dicom
from medlab.crypto import Vault, keyed_digest
from medlab.dicom import encrypted
from medlab.dicom.element_texts import text_at
from medlab.dicom.files import bytes_of
from medlab.dicom.profile import FACES, SAFE_HARBOR
from medlab.dicom.treatment import Log
from medlab.disk import appearing
from medlab.errors import InputError, MedlabError, RefusedError, UsageError, usable
from medlab.pipeline import pictures, reidentification
from medlab.pipeline.cohort_in_headers import Cohort
from medlab.pipeline.job_files import digest_of
from medlab.pipeline.ledger import Entry, Phrases, phrase_digest
from medlab.pipeline.owners import NEW_ID, Ids, Owners, place_of
from medlab.pipeline.settings import (
    NO_HEAD,
    NO_PICTURE,
    Outcome,
    Settings,
    Work,
)

if TYPE_CHECKING:
    from medlab.neuro.head_study import Removal

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
    (pictures.QuarantineError, "quarantined"),
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
        self.cohort = Cohort(work.cohort, work.key) if work.cohort.exists() else None
        self.pictures = pictures.Pictures(work)
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
            said = _said(path, entry.source)
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
        kind = _other_kind(path, root) or ("unreadable" if named else "not-dicom")
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
    if not pictures.may_hold_head(dataset):
        return None, None
    study, frame, series = (text_at(dataset, uid) for uid in (_STUDY_UID, _FRAME_UID, _SERIES_UID))
    space = "\x1f".join((dicom.owner(dataset), study, frame or series))
    places = (
        keyed_digest(key, "place", f"{space}\x1f{series}"),
        keyed_digest(key, "place", space),
    )
    return places[0][:16], places[1][:16]


def cut_heads(series: list[list[Entry]]) -> dict[int, dict[str, Any]]:
    """Find what is cut out of the series of one space; see `medlab.pipeline.pictures.cut`."""
    with _quiet():
        return pictures.cut(series, _hands[-1].work)


def clean(entry: Entry) -> Outcome:
    """De-identify one file, verify the result and let it appear; or withhold it."""
    hands = _hands[-1]
    work = hands.work
    if entry.row in hands.pictures.let_pass:  # by a person: its head is left alone
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
                _clean_nifti(source, entry.source, work, hands.phrases, done)
    except MedlabError as error:  # whose sentences never repeat a value
        done.status = next((s for kind, s in _STATUSES if isinstance(error, kind)), "failed")
        place = error.place if isinstance(error, pictures.FaceError) else ""
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
            raise pictures.QuarantineError(what)
    whose = hands.owner_of(before)
    hands.check_known(whose)
    _count_kinds(before, work, done)
    faceless, face_cut = pictures.without_face(before, work, done)
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
    after = hands.pictures.without_text(before, headers, done)
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
    try:
        plan = dicom.plan(policy, options, keep_private, zips)
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


# NIfTI files, their sidecars and BIDS tables

_LABEL = re.compile(r"(?:sub|ses)-([A-Za-z0-9]+)")


def _other_kind(path: Path, root: Path) -> str:
    """Return what a file is that is neither DICOM nor NIfTI; empty where it is of no tree."""
    if _is_sidecar(path, root):
        return "sidecar"
    if not (root / "dataset_description.json").is_file():
        return ""
    stem, texts = path.name.partition(".")[0].upper(), ("README", "CHANGES", "LICENSE", "CITATION")
    if path.parent == root and stem in texts:
        return "free-text"
    below = path.relative_to(root).parts[0].startswith("sub-")
    listed = path.name.lower().endswith((".tsv", ".tsv.gz", ".json"))
    return "no-cleaner" if below or listed else ""


def _is_sidecar(path: Path, root: Path) -> bool:
    """Return whether a file belongs to a NIfTI file beside it, or to the BIDS tree at `root`."""
    from medlab.neuro import nifti_header

    if not nifti_header.kind_by_name(path):
        return False
    if (root / "dataset_description.json").is_file():
        return True
    stem = _stem(path)[0]
    images = (".nii.gz", ".nii", ".hdr", ".img")
    return any(path.with_name(stem + ending).is_file() for ending in images)


def _said(path: Path, relative: Path) -> frozenset[str]:
    """Return the phrases that a file's name, and the table in it, say of a patient."""
    from medlab.neuro import bids, nifti_header

    parts = re.split(r"[_/\\.]", relative.as_posix())
    texts = [part.partition("-")[2] or part for part in parts]  # what stands behind an entity
    usual = dicom.text.vocabulary()  # "brain" names nobody, and DICOM's texts may say it
    texts = [
        t for t in texts if t not in bids.vocabulary() and dicom.identity.fold(t) not in usual
    ]
    texts.append(" ".join(texts))
    for _, _, more in usable([path], nifti_header.identifying):  # else it is withheld when cleaned
        texts += more
    return dicom.identity.Identity(
        patients=frozenset(parts for text in texts for parts in dicom.identity.name_parts(text)),
        ids=frozenset(texts),
    ).phrases


def _clean_nifti(
    source: Path, relative: Path, work: Work, phrases: Container[str], done: Outcome
) -> None:
    """Clean one file into its place; an error keeps it from appearing.

    `phrases` are the IDs and full names of all patients of the job.
    """
    from medlab.neuro import nifti_header, volume

    is_image = nifti_header.kind_by_name(source) == "nifti"

    def code(label: str) -> str:
        done.ways_back.append(("label", _label_code(work.key, label), label, ""))
        return _label_code(work.key, label)

    def is_name(text: str) -> bool:
        return any(dicom.text.other_spans(text, phrases))

    name = Path(work.single[1]) if work.single else _nifti_name(relative, work, code)
    target = work.target / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(".part", ".", target.parent) as folder:
        part = Path(folder) / target.name
        done.head = clean_scan(source, part, work.settings, rename=code, known=is_name)
        findings = nifti_header.inspect_file(part)
        done.findings = [
            ("fail", f"{finding.kind} of the source is left", finding.place)
            for finding in findings
        ]
        if not done.head and _hides_faces(source, work.settings):
            done.findings.append(("review", NO_HEAD, ""))
        labels = [label for label in _LABEL.findall(relative.as_posix()) if len(label) > 3]
        named = any(label in name.as_posix() for label in labels)  # a short one may be chance
        if findings or named or (not work.single and is_name(name.as_posix())):
            raise _UnverifiedError("something of the source is still in the output")
        if is_image:
            volume.read_whole(part)
        done.size, done.target_digest = part.stat().st_size, digest_of(part).hex()
        # each half of a pair is a file of the job, but of a job of one file both come at once
        for path in part.parent.iterdir() if work.single else [part]:
            path.replace(target.with_name(path.name))
    done.status, done.target = "done", name.as_posix()
    done.source_digest = keyed_digest(work.key, "file", digest_of(source)).hex()
    if is_image and work.settings.head == "leave":
        done.unchecked = ["face"]


def _nifti_name(relative: Path, work: Work, code: Callable[[str], str]) -> Path:
    """Return the path of an output: a BIDS path with coded labels, else a code altogether.

    In a BIDS tree such codes stand where BIDS allows any file.
    """
    from medlab.neuro import bids

    name = bids.coded_path(relative, code)
    if name is not None:
        return Path(name)
    stem, ending = _stem(relative)
    case = "" if relative.name.endswith(ending) else "/in capitals"  # a.nii and a.NII are two
    digest = keyed_digest(work.key, "nifti name", relative.with_name(stem).as_posix() + case)
    tree = (work.source / "dataset_description.json").is_file()
    return Path("sourcedata" if tree else "", "nifti", digest.hex()[:16] + ending)


def _hides_faces(source: Path, settings: Settings) -> bool:
    from medlab.neuro import nifti_header

    return settings.head != "leave" and nifti_header.kind_by_name(source) == "nifti"


def clean_scan(
    source: Path,
    target: Path,
    settings: Settings,
    rename: Callable[[str], str] | None = None,
    known: Callable[[str], bool] | None = None,
) -> dict[str, Any]:
    """Clean the header of a file, and cut what the settings say out of the head in it.

    Returns what was measured; nothing where heads are left alone, or the image holds none.
    `rename` and `known` go to `medlab.neuro.nifti_header.clean_file`.
    """
    from medlab.neuro import nifti_header
    from medlab.neuro.head_files import write_cut

    head = _cut_head(source, settings) if _hides_faces(source, settings) else None
    if head is None:
        nifti_header.clean_file(source, target, rename=rename, known=known)
        return {}
    write_cut(source, target, head.img, head.mask, rename=rename, known=known)
    return head.report


def _cut_head(source: Path, settings: Settings) -> Removal | None:
    """Return what is cut out of an image; None where it holds no head."""
    from medlab.neuro.head_study import NoHeadError, cut_study
    from medlab.neuro.nifti_header import read_sidecar
    from medlab.neuro.volume import load

    sidecar = source.with_name(_stem(source)[0] + ".json")
    entries = read_sidecar(sidecar) if sidecar.is_file() else {}
    part = str(entries.get("BodyPart") or entries.get("BodyPartExamined") or "")
    ((_, cut),) = cut_study([lambda: load(source)], settings.head, {0: part}, settings.bet_f)
    if isinstance(cut, NoHeadError):
        return None
    if isinstance(cut, MedlabError):
        raise cut
    return cut


def _label_code(key: bytes, label: str) -> str:
    return keyed_digest(key, "label", label).hex()[:10]


def _stem(path: Path) -> tuple[str, str]:
    from medlab.neuro import bids

    for ending in bids.ENDINGS:
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)], path.name[-len(ending) :].lower()
    return path.stem, path.suffix
