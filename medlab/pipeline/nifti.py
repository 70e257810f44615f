"""One NIfTI file, sidecar or BIDS table of a job: cleaned, renamed, looked at again."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from medlab.crypto import keyed_digest
from medlab.errors import RefusedError
from medlab.pipeline.files import digest_of
from medlab.pipeline.settings import FACES, Outcome, Work

_BIDS = re.compile(r"sub-[A-Za-z0-9]+(/ses-[A-Za-z0-9]+)?(/[a-z]+)?/(sub-[A-Za-z0-9]+)_[^/]+")
_TABLES = ("participants.tsv", "participants.json", "dataset_description.json")
_ENDINGS = (".nii.gz", ".nii", ".json", ".bval", ".bvec", ".tsv")
_LABEL = re.compile(r"(?:sub|ses)-([A-Za-z0-9]+)")


def is_sidecar(path: Path, root: Path) -> bool:
    """Return whether a file belongs to a NIfTI file beside it, or to the BIDS tree at `root`."""
    from medlab.neuro import header

    if not header.handles(path):
        return False
    if (root / "dataset_description.json").is_file():
        return True
    stem = _stem(path)[0]
    return any(path.with_name(stem + ending).is_file() for ending in _ENDINGS[:2])


def clean_nifti(source: Path, relative: Path, work: Work, done: Outcome) -> None:
    """Clean one file into its place; an error keeps it from appearing."""
    from medlab.neuro import header

    def code(label: str) -> str:
        done.ways_back.append(("label", _code(work.key, label), label))
        return _code(work.key, label)

    name = Path(work.single[1]) if work.single else output_name(relative, work.key, code)
    target = work.target / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(".part", ".", target.parent) as folder:
        part = Path(folder) / ("x" + relative.name if work.single else target.name)
        header.clean_file(_without_face(source, Path(folder), work), part, rename=code)
        found = header.inspect_file(part)
        done.findings = [("fail", f"{one.kind} of the source is left", one.place) for one in found]
        if found or any(label in name.as_posix() for label in _labels(relative)):
            raise RefusedError("something of the source is still in the output")
        done.size, done.target_digest = part.stat().st_size, digest_of(part).hex()
        part.replace(target)
    done.status, done.target = "done", name.as_posix()
    done.source_digest = keyed_digest(work.key, "file", digest_of(source)).hex()
    if _stem(source)[1] in _ENDINGS[:2] and FACES not in work.settings.options:
        done.unchecked = ["face"]


def output_name(relative: Path, key: bytes, code: Callable[[str], str]) -> Path:
    """Return the path of an output: BIDS names with coded labels, else a code altogether."""
    from medlab.neuro import header

    if relative.as_posix() in _TABLES:
        return relative
    if _BIDS.fullmatch(relative.as_posix()):
        return header.rename_bids(relative, code)
    stem, ending = _stem(relative)
    digest = keyed_digest(key, "nifti name", relative.with_name(stem).as_posix())
    return Path("nifti", digest.hex()[:16] + ending)


def _without_face(source: Path, folder: Path, work: Work) -> Path:
    """Return `source`, or a defaced copy of it where that was asked for."""
    if FACES not in work.settings.options or _stem(source)[1] not in _ENDINGS[:2]:
        return source
    from medlab import neuro
    from medlab.neuro.deface import deface

    copy = folder / ("defaced" + _stem(source)[1])
    neuro.save(deface(source).img, copy)
    return copy


def _labels(relative: Path) -> list[str]:
    # a short label may stand in a code by chance
    return [label for label in _LABEL.findall(relative.as_posix()) if len(label) > 3]


def _code(key: bytes, label: str) -> str:
    return keyed_digest(key, "label", label).hex()[:10]


def _stem(path: Path) -> tuple[str, str]:
    for ending in _ENDINGS:
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)], path.name[-len(ending) :].lower()
    return path.stem, path.suffix
