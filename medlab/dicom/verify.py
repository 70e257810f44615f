"""Look for what is left. Nothing here calls the code that removes.

The source is asked what identifies; the bytes of the output are asked whether it is
there. Beside that: dates, UIDs, markers, private elements, file meta and file names.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydicom._uid_dict import UID_dictionary
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from medlab.dicom import own_rules, passthrough, safe_harbor
from medlab.dicom.compared_elements import (
    REPLACING,
    Finding,
    Pairs,
    Part,
    hidden_frames,
    rule_of,
    samples_of,
    ways,
)
from medlab.dicom.dates import DUMMY_DATE, FARTHEST_DAYS, NEAREST_DAYS, parse_date
from medlab.dicom.declarations import method_lines
from medlab.dicom.element_texts import (
    creator_tag,
    creators,
    is_creator,
    sequence_at,
    text_at,
)
from medlab.dicom.files import find_files, parse, quiet_pydicom, read, to_bytes
from medlab.dicom.profile import (
    OPTIONS,
    SAFE_HARBOR,
    Plan,
    rules_for,
    safe_elements,
    tag_of,
    word_list,
)
from medlab.dicom.profile import plan as make_plan
from medlab.dicom.source_identifiers import Secrets, identifiers_left, occurrences, secrets_of
from medlab.errors import InputError

#: What no comparison of headers can prove.
LIMITS = (
    "a name, number or nickname that stands in no header of the source cannot be missed",
    "text burned into the pixels is not looked at here",
    "a face that can be rendered from a head scan is not looked at here",
    "whether the facts that were kept single a person out is a question for a risk measure",
)
_MORE = "more frames are stored than Number of Frames says"
NO_SOURCE = "no source was found to compare it with"
_PATIENT_ID, _ISSUER = 0x00100020, 0x00100021
_DECLARED_SAFE, _TIMES = 0x00080300, 0x00280303
_CODES, _codes_known = BaseTag(0x00120064), passthrough.Memory()
_META_OF_SENDER = {BaseTag(tag_of(word)): word for word in sorted(word_list("meta-of-sender"))}


def _plan_of(dataset: Dataset) -> Plan:
    """Return the plan that a data set says it was treated by (CID 7050 codes)."""
    codes = _codes_said(dataset)
    options = tuple(name for name, (code, _) in OPTIONS.items() if code in codes)
    if any(line.endswith(f" {SAFE_HARBOR}") for line in method_lines(dataset)):
        return make_plan(SAFE_HARBOR)
    return Plan("stated", options)


def verify_dataset(
    source: Dataset,
    output: Dataset,
    plan: Plan | None = None,
    *,
    file: str = "",
    output_bytes: bytes | None = None,
) -> list[Finding]:
    """Compare an output with its source and list what is left.

    Parameters
    ----------
    source, output : Dataset
        The original and what was made of it.
    plan : Plan, optional
        What was asked for; by default what the output says of itself.
    file : str
        How findings name the output.
    output_bytes : bytes, optional
        The file as written; by default the output is written once more.

    Returns
    -------
    list of Finding
        Empty where nothing was found, which proves no more than `LIMITS` allows.
    """
    data = output_bytes if output_bytes is not None else to_bytes(output)
    return _compare(source, output, plan, data, file).findings


class _Compared(NamedTuple):
    """What came of one comparison, and what a comparison of whole folders needs of it."""

    findings: list[Finding]
    pairs: Pairs
    dated: Pairs
    secrets: Secrets


def _compare(
    source: Dataset, output: Dataset, plan: Plan | None, data: bytes, file: str
) -> _Compared:
    with quiet_pydicom():
        plan = plan or _plan_of(output)
        secrets: Secrets | None = None
        for before, after, pairs, long in ways(source, output, plan):
            dated = pairs
            if plan.rules:  # which have a look of their own
                dated = {path: p for path, p in pairs.items() if not _is_own(p[0], plan)}
            # once: texts that are no ASCII have been decoded then, and lost their second reading
            secrets = secrets or secrets_of(before, plan)
            findings = [
                *identifiers_left(secrets, source, output, data, (after, pairs, long), file),
                *_unchanged(pairs, plan, text_at(source, 0x00080016), file),
                *_own_rules(before, after, plan, text_at(source, 0x00080016), file),
                *_date_findings(dated, plan, file),
                *_uid_findings(pairs, file),
                *_markers(source, output, plan, file),
                *_private_left(after, plan, file),
                *_meta(output, data, file),
                *(Finding(file, tag, "element", "fail", _MORE) for tag in hidden_frames(output)),
            ]
            if not findings:
                break
        if plan.policy == SAFE_HARBOR:
            remains = safe_harbor.left(source, output, plan.restricted_zips)
            findings += [
                Finding(file, where, "safe harbor", "fail", what) for where, what in remains
            ]
    return _Compared(findings, pairs, dated, secrets or Secrets())


def _unchanged(pairs: Pairs, plan: Plan, sop_class: str, file: str) -> Iterator[Finding]:
    """Compare element by element: what had to change."""
    planned = rules_for(plan, sop_class)
    for path, (old, new) in pairs.items():
        rule = rule_of(old, plan, sop_class) if plan.rules else planned(old.tag)
        if rule is None or rule.code not in REPLACING or rule.how == "replace":
            continue
        texts_now = new.texts
        if texts_now and old.texts == texts_now and not _harmless(texts_now):
            yield Finding(file, path, "element", "fail", "the value is the one of the source")


def _is_own(part: Part, plan: Plan) -> bool:
    rule = rule_of(part, plan)
    return rule is not None and rule.option == own_rules.OWN


def _own_rules(
    before: list[Part], after: list[Part], plan: Plan, sop_class: str, file: str
) -> Iterator[Finding]:
    """Look whether own rules were followed: what had to go, to move, or to be put in."""
    if not plan.rules:
        return
    there = {part.path: part for part in after}
    moved = {*range(-FARTHEST_DAYS, 1 - NEAREST_DAYS)}
    moved |= {0} if any(p.tag == _TIMES and p.texts == ["MODIFIED"] for p in before) else set()
    for part in before:
        rule, new = rule_of(part, plan, sop_class), there.get(part.path)
        if rule is None or rule.option != own_rules.OWN:
            continue
        texts = new.texts if new else []
        empties = rule.code == "Z" and rule.how in ("blank", "encrypt", "remove")
        days = _deltas({"": (part, new)}) if new else set()
        if (
            (rule.code == "X" and new is not None)
            or (empties and texts)
            or (rule.how == "replace" and "\\".join(texts) != rule.value)
            or (rule.how == "offset" and not days <= moved)
        ):
            yield Finding(file, part.path, "element", "fail", "an own rule was not followed")


def _harmless(values: list[str]) -> bool:
    """Tell whether a value is itself a dummy, or registered."""
    own = all(v.startswith("2.25.") or re.fullmatch("[A-Z2-7]{16}", v) for v in values)
    return own or all(v in word_list("dummies") or v in UID_dictionary for v in values)


def _codes_said(dataset: Dataset) -> frozenset[str]:
    """Return the codes of the methods by which a data set says it was de-identified."""
    element = passthrough.element_at(dataset, _CODES)
    if element is None:
        return frozenset()
    memory = _codes_known.get(id(element))
    if memory is not None:
        return frozenset(memory[1])
    items = sequence_at(dataset, "DeidentificationMethodCodeSequence")
    codes = frozenset(str(item.get("CodeValue")) for item in items)
    _codes_known.note(element, codes)
    return codes


def _markers(source: Dataset, output: Dataset, plan: Plan, file: str) -> Iterator[Finding]:
    def says(keyword: str) -> str:
        return text_at(output, tag_of(keyword))

    def fail(keyword: str, message: str) -> Finding:
        tag = tag_of(keyword)
        return Finding(file, f"({tag >> 16:04X},{tag & 0xFFFF:04X})", "marker", "fail", message)

    if says("PatientIdentityRemoved") != ("NO" if plan.allowed else "YES"):
        yield fail("PatientIdentityRemoved", "does not say whether identity was removed")
    codes = _codes_said(output)
    if not codes and not says("DeidentificationMethod"):
        yield fail("DeidentificationMethod", "does not say how identity was removed")
    if not {code for code, _ in plan.codes} <= codes:
        yield fail("DeidentificationMethodCodeSequence", "does not name every option in force")
    if codes & set(plan.unclaimed) - _codes_said(source):
        yield fail("DeidentificationMethodCodeSequence", "claims what own rules undo")
    said = says("LongitudinalTemporalInformationModified")
    allowed = {
        "remove": {"REMOVED"},
        "year": {"MODIFIED", "REMOVED"},
        "shift": {"MODIFIED", "REMOVED"},
    }
    if not (plan.temporal and said == plan.temporal) and said not in allowed.get(
        plan.dates, {"UNMODIFIED", "MODIFIED", "REMOVED"}
    ):
        yield fail("LongitudinalTemporalInformationModified", "does not fit what became of dates")
    for keyword, option in (
        ("BurnedInAnnotation", "113101"),
        ("RecognizableVisualFeatures", "113102"),
    ):
        if says(keyword) == "NO" != text_at(source, tag_of(keyword)) and option not in codes:
            yield fail(keyword, "claims what nobody checked")


def _private_left(after: list[Part], plan: Plan, file: str) -> Iterator[Finding]:
    """Look for private elements that no option keeps, and for creators without a block."""
    declared = any(part.tag == _DECLARED_SAFE for part in after)
    levels: dict[int, list[Part]] = defaultdict(list)
    for part in after:
        if part.tag >> 16 & 1:
            levels[id(part.dataset)].append(part)
        elif not part.tag & 0xFFFF:
            yield Finding(file, part.path, "element", "fail", "a group length was left")
    for parts in levels.values():
        names = creators(parts[0].dataset)
        private = [part for part in parts if not is_creator(part.tag)]
        for part in private:
            creator = names.get(creator_tag(part.tag), "")
            if (creator and _is_own(part, plan)) or (
                creator == own_rules.ENCRYPTED and own_rules.encrypted(plan)
            ):
                continue  # see `_own_rules`
            severity = _private_severity(part.tag, creator, plan, declared)
            if severity:
                message = "a private element that no list keeps"
                yield Finding(file, part.path, "private", severity, message)
        if set(names) - {creator_tag(part.tag) for part in private}:
            path = parts[0].path.rpartition(".")[0]
            yield Finding(file, path, "private", "fail", "a private creator without elements")


def _private_severity(tag: int, creator: str, plan: Plan, declared: bool) -> str:
    """Return how bad it is that a private element stands; empty where an option keeps it."""
    name = creator.casefold()
    retained = plan.has("retain-safe-private")
    safe = retained and (tag & 0xFFFF0000 | tag & 0xFF) in safe_elements().get(name, ())
    if safe or name in {keep.casefold() for keep in plan.keep_private}:
        return ""
    return "review" if retained and (declared or plan.policy == "stated") else "fail"


def _meta(output: Dataset, data: bytes, file: str) -> Iterator[Finding]:
    meta = getattr(output, "file_meta", None) or Dataset()
    keywords = [
        keyword
        for tag, keyword in _META_OF_SENDER.items()
        if passthrough.element_at(meta, tag) is not None
    ]
    if keywords:
        yield Finding(file, "file meta", "meta", "fail", f"{', '.join(keywords)} was left")
    if any(data[:128]):
        yield Finding(file, "preamble", "meta", "fail", "the preamble is not empty")
    if text_at(meta, 0x00020003) != text_at(output, 0x00080018):
        yield Finding(
            file, "file meta", "meta", "fail", "names another SOP instance than the data"
        )


_UID_FORM = re.compile(r"[0-9]+(\.(0|[1-9][0-9]*))*")


def _deltas(pairs: Pairs) -> set[int]:
    """Return by how many days the dates of a data set moved, dummies left out."""
    moves = set()
    for before, after in pairs.values():
        if after.vr not in ("DA", "DT"):
            continue
        for old, new in zip(before.days, after.days, strict=False):
            first, second = parse_date(old), parse_date(new)
            if first and second and new != DUMMY_DATE:
                moves.add((second - first).days)
    return moves


def _date_findings(pairs: Pairs, plan: Plan, file: str) -> Iterator[Finding]:
    """Yield a finding where dates did not move as the plan asks."""
    before = pairs.get("(0028,0303)")
    moved = _deltas(pairs)
    if plan.dates == "keep":
        if moved - {0}:
            yield Finding(file, "", "date", "fail", "dates should stand as they were, some moved")
    elif plan.dates == "year":
        yield from _years(pairs, file)
    elif plan.dates == "remove":
        if moved:
            yield Finding(file, "", "date", "fail", "a date still stands where none should")
    elif len(moved) > 1:
        yield Finding(file, "", "date", "fail", "dates moved by different numbers of days")
    elif moved and not -FARTHEST_DAYS <= min(moved) <= -NEAREST_DAYS and moved != {0}:
        yield Finding(file, "", "date", "fail", "dates moved by a number of days out of range")
    elif moved == {0} and not (before and before[0].texts == ["MODIFIED"]):  # by an earlier pass
        yield Finding(file, "", "date", "fail", "dates should have moved and did not")


def _years(pairs: Pairs, file: str) -> Iterator[Finding]:
    for path, (old, new) in pairs.items():
        years = {day[:4] for day in old.days}
        said = {day for day in new.days if day not in (DUMMY_DATE, "")}
        dates = {day[:4] if day[4:] in ("", "0101") else day for day in said}
        if new.vr in ("DA", "DT") and not dates <= years:
            yield Finding(file, path, "date", "fail", "a date says more than its year")


def _uid_map(pairs: Pairs) -> list[tuple[str, str]]:
    """Return the UIDs of the source and what stands in their places."""
    uids = []
    for before, after in pairs.values():
        if after.vr == "UI":
            uids += list(zip(before.texts, after.texts, strict=False))
    return uids


def _uid_findings(pairs: Pairs, file: str) -> Iterator[Finding]:
    """Yield findings where UIDs are not replaced one to one, or are none."""
    mapped = _uid_map(pairs)
    yield from _uid_map_findings(mapped, file)
    for old, new in mapped:
        if old in UID_dictionary and old != new:
            yield Finding(file, "", "uid", "fail", "a registered UID was changed")
        if len(new) > 64 or not _UID_FORM.fullmatch(new):
            yield Finding(file, "", "uid", "review", "a UID is not one by the rules of PS3.5")


def _uid_map_findings(pairs: Iterable[tuple[str, str]], file: str = "") -> Iterator[Finding]:
    """Yield a finding where UIDs are not replaced one to one: references would not join."""
    there, back = defaultdict(set), defaultdict(set)
    for old, new in pairs:
        there[old].add(new)
        back[new].add(old)
    if any(len(new) > 1 for new in there.values()):
        yield Finding(file, "", "uid", "fail", "one UID became several; references do not join")
    if any(len(old) > 1 for old in back.values()):
        yield Finding(file, "", "uid", "fail", "several UIDs became one")


def verify_file(
    source: Path | str | Dataset,
    output: Path | str,
    plan: Plan | None = None,
    *,
    file: str = "",
    name: str | None = None,
) -> list[Finding]:
    """Compare an output file with its source file; see `verify_dataset`.

    Parameters
    ----------
    source, output : path
        Two DICOM files; of the source the data set will do, as it was read.
    plan : Plan, optional
        What was asked for; by default what the output says of itself.
    file : str
        How findings name the output; a number, rather than a path that may tell something.
    name : str, optional
        The path of the output as it will be given away; searched for identifiers.
    """
    title = Path(output).name if name is None else name
    original = source if isinstance(source, Dataset) else read(source)
    return _compare_files(original, Path(output), plan, file, title).findings


def _compare_files(
    original: Dataset, output: Path, plan: Plan | None, file: str, title: str
) -> _Compared:
    data = output.read_bytes()
    compared = _compare(original, parse(data), plan, data, file)
    name = title.encode("utf-8", "replace").lower()
    if any(occurrences(compared.secrets, (), name)):
        message = "an identifier stands in the name"
        compared.findings.append(Finding(file, "file name", "identity", "fail", message))
    return compared


def verify(source: Path | str, output: Path | str, plan: Plan | None = None) -> list[Finding]:
    """Compare two folders, however the second was made from the first.

    Files belong together as the map of the job beside `output` says; without one, where
    their pixel data, class and place in the series are equal.

    Parameters
    ----------
    source, output : path
        Folders (or two files).
    plan : Plan, optional
        What was asked for; by default what each output says of itself.

    Returns
    -------
    list of Finding
        Files are named by their number in the order of their paths, from 1.

    Raises
    ------
    InputError
        If `output` holds no DICOM file: then nothing would be verified.
    """
    source, output = Path(source), Path(output)
    outputs = list(find_files(output))
    if not outputs:
        raise InputError("DST holds no DICOM file to verify; check the path")
    matched = _match(source, output, outputs)
    findings: list[Finding] = []
    moves: dict[tuple[str, str], set[int]] = defaultdict(set)
    names: set[tuple[str, str]] = set()
    for number, path in enumerate(outputs, start=1):
        name = path.name if output.is_file() else str(path.relative_to(output))
        findings += _verify_pair(matched.get(path), path, plan, (str(number), name), moves, names)
    findings += _uid_map_findings(names)
    if any(len(days) > 1 for days in moves.values()):
        findings.append(Finding("", "", "date", "fail", "dates of one patient moved differently"))
    return findings


def _verify_pair(
    origin: Path | None,
    path: Path,
    plan: Plan | None,
    called: tuple[str, str],
    moves: dict[tuple[str, str], set[int]],
    names: set[tuple[str, str]],
) -> list[Finding]:
    number, name = called
    if origin is None:
        return [Finding(number, "", "element", "fail", NO_SOURCE)]
    try:
        before = read(origin)
        compared = _compare_files(before, path, plan, number, name)
    except InputError:
        return [Finding(number, "", "element", "fail", "the file cannot be read and compared")]
    with quiet_pydicom():
        who = (text_at(before, _ISSUER), text_at(before, _PATIENT_ID))
        moves[who] |= _deltas(compared.dated) if any(who) else set()
        names.update(_uid_map(compared.pairs))
    return compared.findings


def _match(source: Path, output: Path, outputs: list[Path]) -> dict[Path, Path]:
    """Return output -> source: by the job's map, else by what the files hold."""
    if source.is_file() and output.is_file():
        return {output: source}
    table = output.with_name(output.name + ".job") / "map.csv"
    if table.exists():
        with table.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = [row for row in csv.DictReader(file) if row.get("target")]
        rows = [row for row in rows if not Path(row["source"]).is_absolute()]  # those are decoys
        return {output / row["target"]: source / row["source"] for row in rows}
    marks = {_mark(path): path for path in find_files(source)}
    origins = {path: marks.get(_mark(path)) for path in outputs}
    return {path: origin for path, origin in origins.items() if origin is not None}


def _mark(path: Path) -> bytes:
    """Return a digest of what de-identifying a header leaves: pixels, class, place in series."""
    try:
        dataset = read(path)
    except InputError:
        return str(path).encode()
    digest = hashlib.sha256()
    parts: list[Any] = samples_of(dataset)
    for tag in (0x00080016, 0x00200013, 0x00200032, 0x00280010):
        element = dataset.get_item(tag) if tag in dataset else None
        parts.append(getattr(element, "value", b""))
    for value in parts:
        digest.update(value if isinstance(value, bytes) else str(value).encode())
    return digest.digest()
