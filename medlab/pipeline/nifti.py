"""One NIfTI file, sidecar or BIDS table of a job: cleaned, renamed, looked at again."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medlab import dicom
from medlab.crypto import keyed_digest
from medlab.errors import MedlabError, RefusedError, usable
from medlab.pipeline.job_files import digest_of
from medlab.pipeline.settings import NO_HEAD, Outcome, Settings, Work

if TYPE_CHECKING:
    from medlab.neuro.head_study import Removal

_LABEL = re.compile(r"(?:sub|ses)-([A-Za-z0-9]+)")
_IMAGES = (".nii.gz", ".nii", ".hdr", ".img")


def other_kind(path: Path, root: Path) -> str:
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

    if not nifti_header.handles(path):
        return False
    if (root / "dataset_description.json").is_file():
        return True
    stem = _stem(path)[0]
    return any(path.with_name(stem + ending).is_file() for ending in _IMAGES)


def said(path: Path, relative: Path) -> frozenset[str]:
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


def clean_nifti(
    source: Path, relative: Path, work: Work, phrases: Container[str], done: Outcome
) -> None:
    """Clean one file into its place; an error keeps it from appearing.

    `phrases` are the IDs and full names of all patients of the job.
    """
    from medlab.neuro import nifti_header, volume

    def code(label: str) -> str:
        done.ways_back.append(("label", _code(work.key, label), label, ""))
        return _code(work.key, label)

    def is_name(text: str) -> bool:
        return any(dicom.text.other_spans(text, phrases))

    name = Path(work.single[1]) if work.single else _output_name(relative, work, code)
    target = work.target / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(".part", ".", target.parent) as folder:
        part = Path(folder) / target.name
        done.head = clean_header(source, part, work.settings, rename=code, known=is_name)
        findings = nifti_header.inspect_file(part)
        done.findings = [
            ("fail", f"{finding.kind} of the source is left", finding.place)
            for finding in findings
        ]
        if not done.head and _hides_faces(source, work.settings):
            done.findings.append(("review", NO_HEAD, ""))
        named = any(label in name.as_posix() for label in _labels(relative))
        if findings or named or (not work.single and is_name(name.as_posix())):
            raise RefusedError("something of the source is still in the output")
        if _stem(part)[1] in _IMAGES:
            volume.read_whole(part)
        done.size, done.target_digest = part.stat().st_size, digest_of(part).hex()
        # each half of a pair is a file of the job, but of a job of one file both come at once
        for path in part.parent.iterdir() if work.single else [part]:
            path.replace(target.with_name(path.name))
    done.status, done.target = "done", name.as_posix()
    done.source_digest = keyed_digest(work.key, "file", digest_of(source)).hex()
    if _stem(source)[1] in _IMAGES and not _hides_faces(source, work.settings):
        done.unchecked = ["face"]


def _output_name(relative: Path, work: Work, code: Callable[[str], str]) -> Path:
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
    return settings.head != "leave" and _stem(source)[1] in _IMAGES


def clean_header(
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

    head = _head(source, settings) if _hides_faces(source, settings) else None
    if head is None:
        nifti_header.clean_file(source, target, rename=rename, known=known)
        return {}
    write_cut(source, target, head.img, head.mask, rename=rename, known=known)
    return head.report


def _head(source: Path, settings: Settings) -> Removal | None:
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


def _labels(relative: Path) -> list[str]:
    # a short label may stand in a code by chance
    return [label for label in _LABEL.findall(relative.as_posix()) if len(label) > 3]


def _code(key: bytes, label: str) -> str:
    return keyed_digest(key, "label", label).hex()[:10]


def _stem(path: Path) -> tuple[str, str]:
    from medlab.neuro import bids

    for ending in bids.ENDINGS:
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)], path.name[-len(ending) :].lower()
    return path.stem, path.suffix
