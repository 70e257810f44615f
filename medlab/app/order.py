"""An order of the page: what was asked for, the work on it step by step, and what came of it.

The work is done in a process of its own that can be stopped.
"""

from __future__ import annotations

import copy
import csv
import multiprocessing
import shutil
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydicom import Dataset

from medlab import __version__, crypto, dicom
from medlab.app.folders import RESULTS, wipe
from medlab.app.intake import Item, counted, inventory, suggests_head
from medlab.dicom.codes import patient_code
from medlab.dicom.files import read_header
from medlab.dicom.profile import FACES
from medlab.disk import appearing, end_with_parent, page_from
from medlab.errors import InputError, MedlabError, RefusedError, UsageError
from medlab.methods import encryption, header_methods
from medlab.methods.catalogue import METHODS
from medlab.pipeline.settings import HEADS
from medlab.pixels.effects import WARNING

if TYPE_CHECKING:
    from medlab.pipeline import Settings, Summary
    from medlab.pipeline.ledger import Ledger
    from medlab.pipeline.settings import Work

POLICY, NOTHING = "policy", "nothing"
ENCRYPTION, DECRYPTION, SLICING = "encryption", "decryption", "slicing"
#: Methods of the catalogue that change elements, one at a time.
#: Those of the catalogue that change a header element by element, but for the one that does not.
BY_ELEMENTS = tuple(
    name
    for name, method in METHODS.items()
    if method.elements is not None and method.strengths and name != "identity"
)
_TASKS = (POLICY, *BY_ELEMENTS, SLICING, ENCRYPTION, DECRYPTION, NOTHING)
_TEXTS = ("leave", "remove", "pseudonymize", "blur")
WAITING = "waiting"  # of a session: the private folder of a job whose saved screens wait
_MOST_PAIRS = 500
_REPORT = "deidentification.html"
_EFFECTS = {"remove": "blank", "pseudonymize": "pseudonymize", "blur": "blur"}
_TEXT = {
    "remove": "text in the pixels filled with black",
    "pseudonymize": "text in the pixels replaced by a pseudonym",
    "blur": "text in the pixels blurred",
}
_WAITS = "a saved screen, photograph or dose report; it waits for your review"
_LEFT_OUT = "a saved screen, photograph or dose report that you left out"
_TAKEN_AWAY = "what it had made was taken away"
# How a caution begins that the page tells first.
_UNCHECKED, _NO_CLAIM = "not checked: ", "this is no de-identification"
_WORKINGS = ("lock", "ledger.db")  # of a job: of no use to anyone else
_QUASI, _SENSITIVE = ["Age", "Sex", "Weight"], ("Diagnosis", "BodyPart")
_Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Order:
    """One run: from `source`, which is only read, to a new folder `target`.

    Parameters
    ----------
    source, target : Path
        `target` does not exist, or is empty.
    folder : Path
        Private folder of the session; the zips for download go there.
    task : str
        One of `_TASKS`.
    policy : {"basic", "research"}
        For the task *policy*.
    text : {"leave", "remove", "pseudonymize", "blur"}
        What is done with text in pixels.
    head : {"leave", "deface", "strip"}
        What is done with heads.
    f : float
        BET's fractional intensity, 0 to 1.
    key : bytes
        32 bytes; drawn anew for each run, or a person's own.
    way_back : bool
        Keep key, vault and map in a second zip (task *policy*).
    k : int
        Smallest bucket of the task *slicing*.
    zipped : bool
        Pack the outputs into the zip for download, not only the report.
    review : bool
        Keep the private folder for the session while saved screens wait (task *policy*).
    again : bool
        Run the job of `target` again, with the boxes that a person approved.
    left_out : frozenset of int
        Rows of its map that a person looked at and left out.
    """

    source: Path
    target: Path
    folder: Path
    task: str = POLICY
    policy: str = "basic"
    text: str = "leave"
    head: str = "leave"
    f: float = 0.5
    key: bytes = field(default=b"", repr=False)
    way_back: bool = False
    k: int = 5
    zipped: bool = True
    review: bool = False
    again: bool = False
    left_out: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        for name, choices in (("task", _TASKS), ("text", _TEXTS), ("head", HEADS)):
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} is one of: {', '.join(choices)}")
        if self.task == POLICY and self.text == "blur":
            raise RefusedError(
                "blurred text can be read back, so a policy does not offer it; "
                "choose to remove the text, or see the effect with one method alone"
            )
        if self.task == NOTHING and self.text == self.head == "leave":
            raise RefusedError("nothing was chosen that would change the files")

    @property
    def job(self) -> Path:
        """Private folder of the job while it is at work; with `way_back` also afterwards."""
        return self.target.with_name(self.target.name + ".job")

    @property
    def waiting(self) -> Path:
        """Private folder of the job while images wait: in the session, which is wiped."""
        return self.job if self.way_back else self.folder / WAITING


@dataclass(frozen=True)
class Result:
    """What a run left.

    Attributes
    ----------
    outputs : int
        Files written.
    withheld : int
        Files that got no output though they might have had one.
    lines : tuple of str
        What was done.
    cautions : tuple of str
        What was not done or not checked, and what may not be claimed.
    pairs : tuple of (Path, Path)
        Some source files and their outputs, to be shown side by side.
    waiting : dict of int to Path
        The saved screens and dose reports that wait for a person, by row of the map.
    """

    outputs: int
    withheld: int
    lines: tuple[str, ...]
    cautions: tuple[str, ...]
    pairs: tuple[tuple[Path, Path], ...] = ()
    waiting: dict[int, Path] = field(default_factory=dict)

    @property
    def undone(self) -> list[str]:
        """What a person is told before all else: what is not done, or was not checked."""
        wait = f"waiting for your review in step 5: {counted(len(self.waiting), 'image')}"
        withheld = f"withheld: {counted(self.withheld, 'file')}"
        return [
            *([wait] if self.waiting else []),
            *(line for line in self.cautions if line.startswith((_UNCHECKED, _NO_CLAIM))),
            *([withheld] if self.withheld else []),
        ]


@dataclass
class _Log:
    """What has been done so far.

    `pairs` are source and output of every file written, `waiting` the sources of images that
    wait for a person, by row.
    """

    lines: list[str] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)
    pairs: list[tuple[Path, Path]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    waiting: dict[int, Path] = field(default_factory=dict)

    def result(self, target: Path) -> Result:
        """Return what a person is told; refuse where nothing came out, nor can any more."""
        notes = [f"{counted(n, 'file')}: {note}" for note, n in self.notes.items()]
        outputs = sum(1 for path in target.rglob("*") if path.is_file())
        why = [f"{counted(n, 'file')} withheld: {reason}" for reason, n in self.reasons.items()]
        if not outputs and not self.waiting:
            raise RefusedError("; ".join(why) or "nothing was left to write")
        return Result(
            outputs,
            self.reasons.total(),
            tuple(self.lines),
            (*why, *self.cautions, *notes),
            tuple(self.pairs[:_MOST_PAIRS]),
            self.waiting,
        )


class _Heads(NamedTuple):
    """The step of jobs that cuts heads, for files that one method treats."""

    work: Work
    ledger: Ledger


def _do(order: Order, tell: _Tell) -> Result:
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
    steps = {POLICY: _by_policy, SLICING: _slice_cohort}
    steps.get(order.task, _by_method)(order, tell, log)
    result = log.result(order.target)
    _pack(order, result, tell)
    return result


def _by_policy(order: Order, tell: _Tell, log: _Log) -> None:
    from medlab import pipeline
    from medlab.pipeline.job_files import private_folder

    key_file = order.job / "key"
    if order.again:
        if order.waiting != order.job:
            shutil.move(order.waiting, order.job)
        job = pipeline.rerun(order.target, key_file=key_file, progress=tell)
    else:
        private_folder(order.target, make=True)
        crypto.write_key(key_file, order.key)
        job = pipeline.deidentify(
            order.source, order.target, _settings(order), key_file=key_file, progress=tell
        )
    log.lines.append(f"policy {order.policy} of PS3.15, edition {dicom.EDITION}")
    pictures, seen = captures(job.folder), Counter[str]()
    for number, row in enumerate(_rows(job.folder / "map.csv"), start=1):
        source, status = order.source / row["source"], row["status"]
        if status == "done":
            log.pairs.append((source, order.target / row["target"]))
        elif order.review and (status == "quarantined" or number in pictures):
            seen[status] += 1
            log.reasons[_LEFT_OUT if number in order.left_out else _WAITS] += 1
            if number not in order.left_out:
                log.waiting[number] = source
    _tell_job(job, seen, log)
    shutil.copyfile(job.report, order.folder / "work" / _REPORT)
    _keep_way_back(order, tell, log)


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def captures(job: Path, *, approved: bool = False) -> set[int]:
    """Return the rows of pictures that no face can be cut out of: withheld, or let pass."""
    from medlab.pipeline.pictures import NO_VOLUME

    table = job / ("faces-approved.csv" if approved else "faces.csv")
    rows = _rows(table) if table.is_file() else []
    return {int(row["file"]) for row in rows if approved or row["reason"].startswith(NO_VOLUME)}


def _settings(order: Order) -> Settings:
    from medlab.pipeline.settings import Settings

    return Settings(
        policy=order.policy,
        head=order.head,
        bet_f=order.f,
        clean_pixels=order.text != "leave",
        pixel_effect=_EFFECTS.get(order.text, "blank"),
        vault=order.way_back,
        review=order.way_back,
    )


def _tell_job(job: Summary, seen: Counter[str], log: _Log) -> None:
    """Take over what a job says of itself; of some statuses, files that a person sees are told."""
    from medlab.pipeline.job_report import FINE, STATUS_WORDS

    words = STATUS_WORDS | {"refused": f"refused; {_REPORT} in the download says why"}
    for status, n in (Counter(job.statuses) - seen).items():
        if status in FINE:
            log.lines.append(f"{counted(n, 'file')}: {words[status]}")
        else:
            log.reasons[words[status]] += n
    log.lines += [job.heads] if job.heads else []
    log.cautions += [
        f"{_UNCHECKED}{what} in {counted(n, 'image')}" for what, n in job.unchecked.items()
    ]


def _keep_way_back(order: Order, tell: _Tell, log: _Log) -> None:
    """Pack the private folder of the job if asked for; else put it by, or take it away."""
    if not order.way_back:
        if log.waiting:
            _put_by(order)
        else:
            shutil.rmtree(order.job)
        return
    kept = {name: path for name, path in _below(order.job).items() if name not in _WORKINGS}
    _zip(order.folder / RESULTS[1], kept, tell)
    log.cautions.append(
        "the second zip restores the identifiers: keep it apart, and never pass it on"
    )


def _by_method(order: Order, tell: _Tell, log: _Log) -> None:
    items = inventory(order.source)
    images = [(item, path) for item in items if item.kind == "dicom" for path in item.paths]
    treat = _treatment(order, [path for _, path in images], log)
    places = {item: order.target / f"series-{n:02d}" for n, item in enumerate(items, start=1)}
    with _looked_at(order, images, tell, log) as heads:
        for number, (item, path) in enumerate(images):
            tell("changing", number, len(images))
            target = places[item] / f"{item.paths.index(path) + 1:05d}.dcm"
            _attempt(partial(_write, number, path, target, treat, order, heads, log), log)
        scans = [item for item in items if item.kind == "nifti"]
        if scans:
            log.lines.append("text in NIfTI headers emptied, whatever was chosen for headers")
        for number, item in enumerate(scans):
            row = len(images) + number
            _attempt(partial(_write_nifti, item, number, row, heads, log), log)
    _count_left(order, items, log)
    if order.task != DECRYPTION:
        heads_left = sum(len(item.paths) for item in items if suggests_head(item))
        left = {"text in pixels": (order.text, len(images)), "face": (order.head, heads_left)}
        log.cautions += [
            f"{_UNCHECKED}{what} in {counted(n, 'image')}"
            for what, (choice, n) in left.items()
            if choice == "leave" and n
        ]
    if order.text != "leave":
        log.lines.append(_TEXT[order.text])
    if order.text == "blur":
        log.cautions.append(WARNING)


@contextmanager
def _looked_at(
    order: Order, images: list[tuple[Item, Path]], tell: _Tell, log: _Log
) -> Iterator[_Heads]:
    """Look for heads, by the step that jobs have for it; say at the end what was measured."""
    from medlab.pipeline import job_report, pictures
    from medlab.pipeline.ledger import Entry, Ledger
    from medlab.pipeline.settings import Settings, Work

    settings = Settings(head=order.head, bet_f=order.f)
    with TemporaryDirectory(dir=order.folder / "work") as folder, ExitStack() as stack:
        work = Work(settings, order.source, order.target, Path(folder), order.key, b"")
        ledger = Ledger(work.ledger)
        stack.callback(ledger.close)
        series: dict[Item, list[Entry]] = {}
        for number, (item, path) in enumerate(images if order.head != "leave" else []):
            tell("looking for heads", number, len(images))
            if pictures.may_hold_head(dicom.read(path)):
                series.setdefault(item, []).append(Entry(number, path, item.kind))
        for number, entries in enumerate(series.values()):
            tell("cutting heads", number, len(series))
            for row, measured in pictures.cut([entries], work).items():
                ledger.note_head(row, measured)
        yield _Heads(work, ledger)
        heads = job_report.heads(ledger, settings)
        log.lines += [heads["says"]] if heads["says"] else []
        log.cautions += [f"head: {warning}" for warning in heads["warnings"]]


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
    if order.task == NOTHING:
        log.lines.append("headers left as they were")
        return lambda dataset: dataset
    log.lines.append(f"{order.task} of headers")
    if order.task == ENCRYPTION:
        return partial(encryption.encrypt_elements, key=order.key)
    if order.task == DECRYPTION:
        return partial(encryption.decrypt_elements, key=order.key)
    setting = header_methods.Setting(order.key, np.random.default_rng(), k=order.k)
    changes, removed = METHODS[order.task].changes(map(read_header, paths), setting)
    log.lines.append(f"elements changed: {', '.join(sorted(changes)) or 'none'}")
    if removed:
        log.cautions.append(f"removed, for a value did not fit: {', '.join(removed)}")
    return partial(header_methods.changed, changes=changes)


def _write(
    number: int,
    path: Path,
    target: Path,
    treat: Callable[[Dataset], Dataset],
    order: Order,
    heads: _Heads,
    log: _Log,
) -> None:
    from medlab.pipeline.pictures import without_face
    from medlab.pipeline.settings import Outcome

    before = dicom.read(path)
    looked = Outcome(number, "")
    faceless, face_cut = without_face(before, heads.work, looked)
    log.notes.update(message for _, message, _ in looked.findings)
    after = _without_text(before, treat(copy.deepcopy(faceless)), order)
    if face_cut:
        dicom.claim(after, FACES)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(dicom.to_bytes(after))
    log.pairs.append((path, target))


def _without_text(before: Dataset, after: Dataset, order: Order) -> Dataset:
    from medlab import pixels

    if order.text == "leave" or not any(word in before for word in pixels.frames.KEYWORDS):
        return after
    number = str(after.get("PatientID") or "")
    if number == str(before.get("PatientID") or ""):  # what the method left is no pseudonym
        number = ""
    done = pixels.clean(
        after,
        pixels.identity_words(before),
        source=before,
        quarantine="none",
        effect=_EFFECTS[order.text],
        pseudonym=number or patient_code(order.key, dicom.owner(before)),
    )
    return done.dataset


def _write_nifti(item: Item, number: int, row: int, heads: _Heads, log: _Log) -> None:
    from medlab.pipeline.settings import NO_HEAD
    from medlab.pipeline.steps import clean_scan

    ending = ".nii.gz" if item.middle.name.lower().endswith(".gz") else ".nii"
    place = heads.work.target / f"scan-{number + 1:02d}{ending}"
    place.parent.mkdir(parents=True, exist_ok=True)
    if measured := clean_scan(item.middle, place, heads.work.settings):
        heads.ledger.note_head(row, measured)
    elif heads.work.settings.head != "leave":
        log.notes[NO_HEAD] += 1
    log.pairs.append((item.middle, place))


def _count_left(order: Order, items: list[Item], log: _Log) -> None:
    """Look in one file of each series for what still identifies: one method leaves much."""
    firsts = {item.paths[0] for item in items if item.kind == "dicom"}
    looked = [(source, out) for source, out in log.pairs if source in firsts]
    if order.task == DECRYPTION or not looked:
        return
    basic = dicom.plan("basic")
    identified = sum(
        any(item.severity == "fail" for item in dicom.verify_file(source, out, basic, name=""))
        for source, out in looked
    )
    of_all = f"{identified} of {counted(len(looked), 'file')} looked at, one of each series,"
    log.cautions.append(
        f"{_NO_CLAIM}: {of_all} still hold identifiers; a policy treats the whole header"
    )


def _slice_cohort(order: Order, tell: _Tell, log: _Log) -> None:
    """Slice the table of the patients: slicing is a property of tables, not of one header."""
    from medlab import tabular
    from medlab.tabular.table_files import in_keyed_order, write_table

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
    rows = in_keyed_order(len(sliced.table))
    write_table(sliced.table.iloc[rows], order.target / "cohort-sliced.csv")
    log.lines.append(
        f"table of {len(people)} patients sliced into buckets of at least {order.k}: "
        f"{', '.join(_QUASI)} and {sensitive}"
    )
    try:
        _by_method(order, tell, log)
    except InputError as error:
        log.cautions.append(f"the images are not in the result: {error}")


def _pack(order: Order, result: Result, tell: _Tell) -> None:
    """Write the report, the zip for download and, for methods that need it again, the key."""
    work = order.folder / "work"
    (work / "report.html").write_text(_report(order, result), encoding="utf-8")
    inside = {path.name: path for path in work.iterdir() if path.suffix == ".html"}
    if order.zipped:
        inside |= {f"files/{name}": path for name, path in _below(order.target).items()}
    _zip(order.folder / RESULTS[0], inside, tell)
    if order.task in (ENCRYPTION, "pseudonymization"):
        crypto.write_key(order.folder / RESULTS[2], order.key)


def _below(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _zip(target: Path, inside: dict[str, Path], tell: _Tell) -> None:
    """Pack files under new names, without times of this machine."""
    with (
        appearing(target, 0o600) as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for number, (name, path) in enumerate(inside.items()):
            tell("packing", number, len(inside))
            entry = zipfile.ZipInfo(name)
            entry.compress_type, entry.file_size = zipfile.ZIP_DEFLATED, path.stat().st_size
            with path.open("rb") as source, archive.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def _report(order: Order, result: Result) -> str:
    facts = {
        "order": order,
        "result": result,
        "version": __version__,
        "edition": dicom.EDITION,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return page_from(Path(__file__).parent / "share" / "report.html", facts)


def clean_up(order: Order) -> None:
    """Take away what a run has made; a job that was run again keeps what it had."""
    if order.again:
        _put_by(order)
        return
    for path in (order.target, order.job, order.folder / WAITING):
        shutil.rmtree(path, ignore_errors=True)
    wipe(order.folder, "work", "tmp")


def _put_by(order: Order) -> None:
    """Move the private folder of a job to where it waits for a person."""
    if order.job != order.waiting and order.job.exists():
        shutil.rmtree(order.waiting, ignore_errors=True)
        shutil.move(order.job, order.waiting)


class Run:
    """A process at work on an order."""

    def __init__(self, order: Order) -> None:
        context = multiprocessing.get_context("spawn")
        self._order = order
        self._here, there = context.Pipe()
        self._process = context.Process(target=_report_work, args=(order, there), daemon=True)
        self._process.start()
        there.close()
        self.cancelled = False

    def wait(self, tell: _Tell) -> Result:
        """Pass progress on until the work ends.

        Raises
        ------
        MedlabError
            What the work raised; RefusedError where it was cancelled or its process died.
        """
        try:
            while True:
                kind, *what = self._here.recv()
                if kind == "result":
                    return what[0]  # type: ignore[no-any-return]
                if kind == "error":
                    raise what[0]
                tell(*what)
        except (EOFError, OSError):
            said = "cancelled" if self.cancelled else "the process that did the work has died"
            left = "the result from before stands" if self._order.again else _TAKEN_AWAY
            raise RefusedError(f"{said}; {left}") from None
        finally:
            self._process.join()
            self._here.close()

    def cancel(self) -> None:
        """Stop the work; `wait` then raises."""
        self.cancelled = True
        self._process.terminate()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()


def _report_work(order: Order, pipe: Connection) -> None:
    """Do an order in this process, telling how it goes."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        pipe.send(("result", _do(order, lambda *what: pipe.send(("progress", *what)))))
    except MedlabError as error:
        pipe.send(("error", RefusedError(str(error))))
    except MemoryError:
        pipe.send(("error", RefusedError("the files need more memory than there is")))
    except OSError as error:
        why = error.strerror or type(error).__name__
        pipe.send(("error", RefusedError(f"a file could not be written or read ({why})")))
    except Exception as error:  # noqa: BLE001 - its words may hold a patient's values
        pipe.send(("error", RefusedError(f"a step failed ({type(error).__name__})")))
