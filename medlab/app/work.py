"""The work on an order, step by step; runs in a process of its own."""

from __future__ import annotations

import copy
import csv
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom import Dataset

from medlab import __version__, crypto, dicom
from medlab.app import orders, single
from medlab.app.folders import RESULTS
from medlab.app.intake import NIFTI, Item, counted, inventory
from medlab.app.orders import Order, Result, Tell
from medlab.errors import MedlabError, RefusedError
from medlab.methods import encryption, pseudonymization
from medlab.pixels.effects import WARNING

if TYPE_CHECKING:
    from medlab.pipeline import Settings, Summary

_MOST_PAIRS = 500
_REPORT = "deidentification.html"
_EFFECTS = {"remove": "blank", "pseudonymize": "pseudonymize", "blur": "blur"}
_TEXT = {
    "remove": "text in the pixels filled with black",
    "pseudonymize": "text in the pixels replaced by a pseudonym",
    "blur": "text in the pixels blurred",
}
_HEAD = {"deface": "face cut out of", "strip": "skull stripped off"}
UNCHECKED = "not checked: "  # how a caution begins that the page tells first
_WORKINGS = ("lock", "ledger.db")  # of a job: of no use to anyone else
_QUASI, _SENSITIVE = ["Age", "Sex", "Weight"], ("Diagnosis", "BodyPart")


@dataclass
class _Log:
    """What has been done so far. `pairs` are source and output of every file written."""

    lines: list[str] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)
    pairs: list[tuple[Path, Path]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def result(self, target: Path) -> Result:
        """Return what a person is told; refuse where nothing came out."""
        outputs = sum(1 for path in target.rglob("*") if path.is_file())
        why = [f"{counted(n, 'file')} withheld: {reason}" for reason, n in self.reasons.items()]
        if not outputs:
            raise RefusedError("; ".join(why) or "nothing was left to write")
        return Result(
            outputs,
            self.reasons.total(),
            tuple(self.lines),
            (*why, *self.cautions),
            tuple(self.pairs[:_MOST_PAIRS]),
        )


def do(order: Order, tell: Tell) -> Result:
    """Do what an order asks for; pack the outputs and the report.

    Parameters
    ----------
    order : Order
    tell : callable
        Called with a step in words, how much of it is done, and how much there is.

    Returns
    -------
    Result

    Raises
    ------
    MedlabError
        If the order as a whole can't be done. A file that fails is withheld, and the result
        says why.
    """
    log = _Log()
    steps = {orders.POLICY: _by_policy, orders.SLICING: _slice_cohort}
    steps.get(order.task, _by_method)(order, tell, log)
    result = log.result(order.target)
    _pack(order, result, tell)
    return result


def _by_policy(order: Order, tell: Tell, log: _Log) -> None:
    from medlab import pipeline
    from medlab.pipeline.files import private_folder
    from medlab.pipeline.steps import plan_of

    settings = _settings(order)
    key_file = private_folder(order.target) / "key"
    crypto.write_key(key_file, order.key)
    job = pipeline.deidentify(
        order.source, order.target, settings, key_file=key_file, progress=tell
    )
    log.lines.append(f"policy {order.policy} of PS3.15, edition {dicom.EDITION}")
    _tell_job(job, order, log)
    log.pairs = _mapped(job.folder / "map.csv", order)
    shutil.copyfile(job.report, order.folder / "work" / _REPORT)
    _keep_way_back(job.folder, order, tell, log)
    if order.head == "strip":
        _each_head(order, tell, log)
        _verify_again(order, plan_of(settings), tell, log)


def _settings(order: Order) -> Settings:
    from medlab.pipeline.settings import FACES, Settings

    return Settings(
        policy=order.policy,
        options=(FACES,) if order.head == "deface" else (),
        clean_pixels=order.text != "leave",
        pixel_effect=_EFFECTS.get(order.text, "blank"),
        vault=order.way_back,
        review=order.way_back,
    )


def _tell_job(job: Summary, order: Order, log: _Log) -> None:
    """Take over what a job says of itself."""
    from medlab.pipeline.report import FINE, STATUS_WORDS

    words = STATUS_WORDS | {"refused": f"refused; {_REPORT} in the download says why"}
    for status, n in job.statuses.items():
        if status in FINE:
            log.lines.append(f"{counted(n, 'file')}: {words[status]}")
        else:
            log.reasons[words[status]] += n
    log.cautions += [
        f"{UNCHECKED}{what} in {counted(n, 'image')}"
        for what, n in job.unchecked.items()
        if (what, order.head) != ("face", "strip")  # each is stripped, or withheld
    ]


def _keep_way_back(folder: Path, order: Order, tell: Tell, log: _Log) -> None:
    """Pack the private folder of the job if that was asked for; else take it away."""
    if not order.way_back:
        shutil.rmtree(folder)
        return
    kept = {name: path for name, path in _below(folder).items() if name not in _WORKINGS}
    _zip(order.folder / RESULTS[1], kept, tell)
    log.cautions.append(
        "the second zip restores the identifiers: keep it apart, and never pass it on"
    )


def _verify_again(order: Order, plan: dicom.Plan, tell: Tell, log: _Log) -> None:
    """Look at derived files as the job looked at those before them; what fails goes."""
    for number, (source, out) in enumerate(list(log.pairs)):
        tell("verifying", number, len(log.pairs))
        name = out.relative_to(order.target).as_posix()
        if out.suffix == ".dcm" and _holds_identity(source, out, plan, name):
            out.unlink()
            log.pairs.remove((source, out))
            log.reasons["something of the source is still in the output"] += 1


def _holds_identity(source: Path, out: Path, plan: dicom.Plan, name: str) -> bool:
    return any(one.severity == "fail" for one in dicom.verify_file(source, out, plan, name=name))


def _mapped(path: Path, order: Order) -> list[tuple[Path, Path]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "done"]
    return [(order.source / row["source"], order.target / row["target"]) for row in rows]


def _by_method(order: Order, tell: Tell, log: _Log) -> None:
    items = inventory(order.source)
    images = [(item, path) for item in items if item.kind == "dicom" for path in item.paths]
    treat = _treatment(order, [path for _, path in images], log)
    places = {item: order.target / f"series-{n:02d}" for n, item in enumerate(items, start=1)}
    for number, (item, path) in enumerate(images):
        tell("changing", number, len(images))
        name = f"{item.paths.index(path) + 1:05d}.dcm"
        _attempt(partial(_write, path, places[item] / name, treat, order, log), log)
    scans = [item for item in items if item.kind == "nifti"]
    if scans:
        log.lines.append("text in NIfTI headers emptied, whatever was chosen for headers")
    for number, item in enumerate(scans):
        _attempt(partial(_write_nifti, item, order.target, number, log), log)
    _count_left(order, items, log)
    if order.text != "leave":
        log.lines.append(_TEXT[order.text])
    if order.text == "blur":
        log.cautions.append(WARNING)
    if order.head != "leave":
        _each_head(order, tell, log)


def _attempt(step: Callable[[], None], log: _Log, files_of_it: int = 1) -> bool:
    """Do a step; where it fails its files are withheld, and the log says why."""
    try:
        step()
    except MedlabError as error:
        log.reasons[str(error)] += files_of_it
    except Exception as error:  # noqa: BLE001 - hostile files fail in any way; its words may hold values
        log.reasons[f"a step failed ({type(error).__name__})"] += files_of_it
    else:
        return True
    return False


def _treatment(order: Order, paths: list[Path], log: _Log) -> Callable[[Dataset], Dataset]:
    """Return what is done to the header of each file."""
    if order.task == orders.NOTHING:
        log.lines.append("headers left as they were")
        return lambda dataset: dataset
    log.lines.append(f"{order.task} of headers")
    if order.task == orders.ENCRYPTION:
        return partial(encryption.encrypt_elements, key=order.key)
    if order.task == orders.DECRYPTION:
        return partial(encryption.decrypt_elements, key=order.key)
    found, removed = single.changes(paths, order.task, order.key)
    log.lines.append(f"elements changed: {', '.join(sorted(found)) or 'none'}")
    if removed:
        log.cautions.append(f"removed, for a value did not fit: {', '.join(removed)}")
    return partial(single.changed, found=found)


def _write(
    path: Path,
    target: Path,
    treat: Callable[[Dataset], Dataset],
    order: Order,
    log: _Log,
) -> None:
    before = dicom.read(path)
    after = _without_text(before, treat(copy.deepcopy(before)), order)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(dicom.to_bytes(after))
    log.pairs.append((path, target))


def _without_text(before: Dataset, after: Dataset, order: Order) -> Dataset:
    from medlab import pixels

    if order.text == "leave" or not any(word in before for word in pixels.frames.KEYWORDS):
        return after
    done = pixels.clean(
        after,
        pixels.identity_words(before),
        source=before,
        quarantine="none",
        effect=_EFFECTS[order.text],
        pseudonym=str(pseudonymization.code(dicom.owner(before), order.key))[:8],
    )
    return done.dataset


def _write_nifti(item: Item, target: Path, number: int, log: _Log) -> None:
    from medlab.neuro import header

    ending = next(end for end in reversed(NIFTI) if item.middle.name.lower().endswith(end))
    place = target / f"scan-{number + 1:02d}{ending}"
    place.parent.mkdir(parents=True, exist_ok=True)
    header.clean_file(item.middle, place)
    log.pairs.append((item.middle, place))


def _count_left(order: Order, items: list[Item], log: _Log) -> None:
    """Look in one file of each series for what still identifies: one method leaves much."""
    firsts = {item.paths[0] for item in items if item.kind == "dicom"}
    looked = [(source, out) for source, out in log.pairs if source in firsts]
    if order.task == orders.DECRYPTION or not looked:
        return
    basic = dicom.plan("basic")
    left = sum(_holds_identity(source, out, basic, "") for source, out in looked)
    of_all = f"{left} of {counted(len(looked), 'file')} looked at, one of each series,"
    log.cautions.append(
        f"this is no de-identification: {of_all} still hold identifiers; a policy treats the "
        "whole header"
    )


def _each_head(order: Order, tell: Tell, log: _Log) -> None:
    """Deface or strip every volume among the outputs; what can't be is withheld."""
    groups = _volumes(log.pairs)
    for number, outputs in enumerate(groups):
        tell("looking for the head", number, len(groups))
        if not _attempt(partial(_one_head, outputs, order, log), log, len(outputs)):
            for path in outputs:
                path.unlink()
            gone = set(outputs)
            log.pairs = [pair for pair in log.pairs if pair[1] not in gone]


def _volumes(pairs: Iterable[tuple[Path, Path]]) -> list[list[Path]]:
    """Return the outputs that may show a head: NIfTI files, and series of kinds that do."""
    from medlab.pipeline.faces import may_show_face

    outputs = sorted(out for _, out in pairs)
    groups: dict[Any, list[Path]] = {path: [path] for path in outputs if _is_scan(path)}
    for path in outputs:
        if path.suffix == ".dcm" and may_show_face(dataset := dicom.read(path)):
            groups.setdefault((path.parent, dataset.get("Modality")), []).append(path)
    return list(groups.values())


def _is_scan(path: Path) -> bool:
    return path.name.lower().endswith(NIFTI)


def _one_head(outputs: list[Path], order: Order, log: _Log) -> None:
    """Deface or strip one volume; its files get their new content under their old names."""
    from medlab.neuro import files as heads

    with tempfile.TemporaryDirectory(dir=order.folder / "work") as folder:
        scan = _is_scan(outputs[0])
        whole = outputs[0] if scan else Path(folder) / "series"
        part = Path(folder) / (outputs[0].name if scan else "part")
        if not scan:
            whole.mkdir()
            for number, path in enumerate(outputs):
                shutil.copyfile(path, whole / f"{number:06d}.dcm")
        if order.head == "strip":
            report = heads.strip(whole, part, f=order.f)
            said = f"brain of {report['volume_ml']:.0f} ml kept"
        else:
            report = heads.deface(whole, part)
            said = f"residual face {report['residual_face']:.2f}"
        made = [part] if scan else sorted(part.iterdir())
        for new, old in zip(made, outputs, strict=True):
            shutil.copyfile(new, old)
    kind = "a scan" if scan else "a series"
    log.lines.append(f"{_HEAD[order.head]} {kind}: {said}")
    log.cautions += [f"{kind}: {warning}" for warning in report["warnings"]]


def _slice_cohort(order: Order, tell: Tell, log: _Log) -> None:
    """Slice the table of the patients: slicing is a property of tables, not of one header."""
    from medlab import tabular
    from medlab.tabular.tables import in_keyed_order, write_table

    tell("reading headers", 0, 1)
    table = dicom.cohort_table(order.source, by="patient")
    people = table.dropna(subset=_QUASI).astype({"Age": int, "Weight": float})
    sensitive = next((name for name in _SENSITIVE if people[name].notna().any()), "Modality")
    if len(people) < order.k:
        raise RefusedError(
            f"slicing exchanges values between patients; {len(people)} patients with age, sex "
            f"and weight are fewer than the {order.k} of a bucket; lower k or give more files"
        )
    people = people[[*_QUASI, sensitive]].reset_index(drop=True)
    sliced = tabular.slicing(people, _QUASI, sensitive, k=order.k)
    order.target.mkdir(parents=True, exist_ok=True)
    rows = in_keyed_order(sliced.table)
    write_table(sliced.table.iloc[rows], order.target / "cohort-sliced.csv")
    log.lines.append(
        f"table of {len(people)} patients sliced into buckets of at least {order.k}: "
        f"{', '.join(_QUASI)} and {sensitive}"
    )
    log.cautions.append("the images are not in the result: slicing exchanges cells of a table")


def _pack(order: Order, result: Result, tell: Tell) -> None:
    """Write the report, the zip for download and, for methods that need it again, the key."""
    work = order.folder / "work"
    (work / "report.html").write_text(_report(order, result), encoding="utf-8")
    inside = {path.name: path for path in work.iterdir() if path.suffix == ".html"}
    if order.zipped:
        inside |= {f"files/{name}": path for name, path in _below(order.target).items()}
    _zip(order.folder / RESULTS[0], inside, tell)
    if order.task in (orders.ENCRYPTION, "pseudonymization"):
        crypto.write_key(order.folder / RESULTS[2], order.key)


def _below(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _zip(target: Path, inside: dict[str, Path], tell: Tell) -> None:
    """Pack files under new names, without times of this machine."""
    target.touch(mode=0o600)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number, (name, path) in enumerate(inside.items()):
            tell("packing", number, len(inside))
            entry = zipfile.ZipInfo(name)
            entry.compress_type, entry.file_size = zipfile.ZIP_DEFLATED, path.stat().st_size
            with path.open("rb") as source, archive.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def _report(order: Order, result: Result) -> str:
    from jinja2 import Environment

    text = files("medlab.app").joinpath("share/report.html").read_text(encoding="utf-8")
    page: Any = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        text
    )
    return str(
        page.render(
            order=order,
            result=result,
            version=__version__,
            edition=dicom.EDITION,
            made=datetime.now(UTC).isoformat(timespec="seconds"),
        )
    )
