"""An output folder compared with its source, however it was made: DICOM and NIfTI headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medlab import dicom
from medlab.dicom import tags
from medlab.dicom.verify import NO_SOURCE
from medlab.errors import InputError, usable
from medlab.pipeline.job_files import walk

if TYPE_CHECKING:
    import pandas as pd

_LEAST, _LEAST_NUMBER = 4, 6  # signs of a word, and of a number: shorter are met by chance
_LEAST_INSIDE = 6  # letters of a name within a longer word: in a code of 16 once in 100 million
_CODE = re.compile(r"\d*[A-Za-z]+\d+[A-Za-z]\w*|[A-Za-z]*\d+[A-Za-z]+\d\w*")
_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", "(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATE = re.compile(
    "|".join(
        rf"(?<!\d){first}(?P<{sep}>[-_.]?){second}(?P={sep}){third}(?!\d)"
        for sep, first, second, third in (
            ("a", _YEAR, _MONTH, _DAY),
            ("b", _DAY, _MONTH, _YEAR),
            ("c", _MONTH, _DAY, _YEAR),
        )
    )
)


def verify(
    source: Path | str,
    target: Path | str,
    plan: dicom.Plan | None = None,
    decoys: Callable[[Path], str | None] | None = None,
) -> list[dicom.Finding]:
    """Return what is left of `source` in `target`; see `medlab.dicom.verify`.

    NIfTI files, their sidecars and BIDS tables are looked at on their own, without the
    source: whether they say anything beside numbers. The names of all files in `target` are
    searched for a date and for what any source says of a patient. Findings give a number in
    the order of paths. Outputs without a source are passed over where `decoys` knows them, see
    `medlab.pipeline.decoys.Register`.

    Raises
    ------
    InputError
        If there is nothing in `target` that could be verified.
    """
    source, target = Path(source), Path(target)
    niftis = list(_nifti_files(target))
    others = [*_left_in(niftis), *_left_in_names(source, target)]
    if niftis and not any(map(dicom.is_dicom, dicom.find_files(target))):
        return others
    findings = dicom.verify(source, target, plan)
    alone = {finding.file for finding in findings if finding.message == NO_SOURCE}
    if decoys is not None and alone:
        outputs = enumerate(dicom.find_files(target), start=1)
        false_ones = {
            str(n) for n, path in outputs if str(n) in alone and decoys(path) is not None
        }
        findings = [finding for finding in findings if finding.file not in false_ones]
    return [*findings, *others]


def _left_in_names(source: Path, target: Path) -> Iterator[dicom.Finding]:
    said = {word for path, name in _paths(source) for word in _said(path, name)}
    lengths = {len(word) for word in said if word.isalpha() and len(word) >= _LEAST_INSIDE}
    for number, (_, name) in enumerate(_paths(target), start=1):
        words = _words(name)
        inside = (
            word[i : i + n] for n in lengths for word in words for i in range(len(word) - n + 1)
        )
        identity = not said.isdisjoint(words) or any(part in said for part in inside)
        met = {"date": _DATE.search(name), "identity": identity}
        for kind in (kind for kind, hits in met.items() if hits):
            what = {"date": "a date"}.get(kind, "a name or number of the source")
            message = f"{what} stands in the name"
            yield dicom.Finding(f"{number} (name)", "file name", kind, "fail", message)


def _paths(root: Path) -> Iterator[tuple[Path, str]]:
    """Give each file, and what its name is; of a file given by itself its folder is none of it."""
    if root.is_file():
        yield root, root.name
    elif root.is_dir():
        yield from ((root / path, path.as_posix()) for path, *_ in walk(root))


def _said(path: Path, name: str) -> set[str]:
    """Return the words by which one source, or its name, tells a patient."""
    from medlab.neuro import bids, nifti_header

    texts: list[str] = []
    if nifti_header.kind_by_name(path):
        texts.append(name)
        for _, _, findings in usable([path], nifti_header.inspect_file):
            values = [
                f for f in findings if f.kind not in ("key", "column") or "Patient" in f.place
            ]
            texts += [finding.value for finding in values] + nifti_header.identifying(path)
    elif dicom.is_dicom(path):
        for _, _, dataset in usable([path], dicom.read):
            about = dicom.identity_of(dataset)
            texts += [" ".join(parts) for parts in about.patients] + sorted(about.ids)
    words = {word for text in texts for word in _words(text)}
    vocabulary = {
        dicom.identity.fold(word) for word in bids.vocabulary()
    } | dicom.text.vocabulary()
    return {w for w in words - vocabulary if len(w) >= (_LEAST if w.isalpha() else _LEAST_NUMBER)}


def _words(text: str) -> set[str]:
    """Return the words of a text, those joined by capitals or followed by digits also apart."""
    runs = re.findall(r"[^\W_]+", text)
    # a code has letters and digits by turns; a name in it would be chance
    plain = " ".join(run for run in runs if not _CODE.fullmatch(run))
    camel = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", plain)
    apart = re.findall(r"[^\W\d_]+|\d+", plain)
    return {dicom.identity.fold(word) for word in (*runs, *camel, *apart)}


def inspect_to(tell: Callable[[str], None], path: Path | str, **choices: Any) -> None:
    """Tell what DICOM and NIfTI files, sidecars and BIDS tables give away.

    See `medlab.dicom.inspect_to`, which takes the same parameters but `further`.
    """
    niftis = enumerate(_nifti_files(Path(path)), start=1)
    reveal = bool(choices.get("reveal"))
    further = [_nifti_table(number, nifti, reveal) for number, nifti in niftis]
    dicom.inspect_to(tell, path, **choices, further=further)


def _nifti_table(number: int, path: Path, reveal: bool) -> pd.DataFrame:
    """Return what stands beside the numbers of one file, as `medlab.dicom.tag_table` has it."""
    import pandas as pd

    from medlab.neuro import nifti_header

    columns = ["file", *tags.COLUMNS]
    try:
        findings = nifti_header.inspect_file(path)
    except InputError as error:
        return pd.DataFrame([dict.fromkeys(columns, "") | {"file": number, "concern": str(error)}])
    rows = [
        dict.fromkeys(columns, "")
        | {"file": number, "path": finding.place, "concern": f"{finding.kind} stands in it"}
        | {"value": finding.value if reveal else tags.MASK}
        for finding in findings
    ]
    return pd.DataFrame(rows, columns=columns)


def _nifti_files(target: Path) -> Iterator[Path]:
    from medlab.neuro import nifti_header

    if target.is_file():
        yield from [target] if nifti_header.kind_by_name(target) else []
    elif target.is_dir():
        places = walk(target)
        files = ((p, kind) for p, kind, *_ in places if kind in ("file", "nifti"))
        known = nifti_header.kind_by_name
        yield from (target / p for p, kind in files if kind == "nifti" or known(p))


def _left_in(niftis: list[Path]) -> Iterator[dicom.Finding]:
    from medlab.neuro import nifti_header

    for number, path in enumerate(niftis, start=1):
        try:
            findings = [
                (finding.place, f"{finding.kind} stands in it")
                for finding in nifti_header.inspect_file(path)
            ]
        except InputError:
            findings = [("", "the file cannot be read")]
        for place, message in findings:
            yield dicom.Finding(f"{number} (NIfTI)", place, "identity", "fail", message)
