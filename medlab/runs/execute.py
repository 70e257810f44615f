"""Execute notebooks with papermill, side by side in one process; pages and a report to read.

Each kernel has a socket of its own.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from nbconvert import HTMLExporter
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from medlab.disk import page_from, write_whole
from medlab.errors import InputError, UsageError
from medlab.runs.book import checked_source
from medlab.runs.plan import FOLDERS, Job, notebook_parameters
from medlab.runs.results import RESULTS, Line, Meaning, lines, write_results
from medlab.runs.scrub import Failure, scrub

_KERNEL_STARTS = 2
_ONE_AT_A_TIME = Lock()
_TEMPLATES = Path(__file__).parent / "templates"
_FIGURE = re.compile(r"<figure.*?</figure>", re.DOTALL)


@dataclass(frozen=True)
class Outcome:
    """What became of one job.

    Attributes
    ----------
    job : Job
    seconds : float
        Wall time, kernel start included.
    failure : Failure or None
        Where and why it stopped; None when it ran to its end.
    numbers : dict
        The headline numbers that the notebook kept, in the order of its story.
    meanings : dict of str to Meaning
        What they mean.
    figures : tuple of str
        Its pictures, as HTML figures.
    """

    job: Job
    seconds: float
    failure: Failure | None = None
    numbers: dict[str, Any] = field(default_factory=dict)
    meanings: dict[str, Meaning] = field(default_factory=dict)
    figures: tuple[str, ...] = ()

    @property
    def rows(self) -> list[tuple[str, Any, Meaning]]:
        """Name, value and meaning of each number, in the order of the story."""
        unsaid = Meaning()
        return [(name, n, self.meanings.get(name, unsaid)) for name, n in self.numbers.items()]

    @property
    def headlines(self) -> list[Line]:
        """The numbers as the report shows them."""
        return [line for row in self.rows for line in lines(*row)]


class _Counting(NBClientEngine):  # type: ignore[misc]
    """Papermill's own engine, telling after each cell."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, on_cell: Callable[[], None], **kwargs: Any
    ) -> Any:
        complete = nb_man.cell_complete

        def complete_and_tell(*args: Any, **words: Any) -> None:
            complete(*args, **words)
            on_cell()

        nb_man.cell_complete = complete_and_tell
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


papermill_engines.register("medlab", _Counting)


def run(
    jobs: Sequence[Job],
    output: Path,
    *,
    data: Path | None = None,
    workers: int = 2,
    show_errors: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Execute jobs and leave notebooks, pages, `results.json` and `index.html`.

    Parameters
    ----------
    jobs : sequence of Job
    output : Path
        Folder of the run; made if missing.
    data : Path, optional
        Folder that the notebooks read instead of the sample data.
    workers : int
        How many notebooks run side by side.
    show_errors : bool
        Keep error texts and warnings, which may repeat values from files.
    overwrite : bool
        Write into a folder that holds a run already.
    progress : callable
        Called with (cells done, cells in all) at the start and after each cell.
    tell : callable
        Called with each outcome as soon as it is there.

    Returns
    -------
    list of Outcome
        In the order of `jobs`. A job that fails does not stop the others.

    Raises
    ------
    UsageError
        If there is nothing to run or the data folder does not exist.
    InputError
        If the data folder is empty, or the output folder is in use, cannot be written to,
        or lies inside the data folder.
    """
    if not jobs:
        raise UsageError("no notebook to run; name one, or run from a checkout of medlab")
    source = None if data is None else checked_source(data, tables=True)
    folder = _prepared_output(output, source, overwrite=overwrite)
    jobs = [_with_folders(job, folder, source) for job in jobs]
    count = _counter(jobs, progress)
    started = time.time()
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        futures = [pool.submit(_run_one, job, folder, show_errors, count) for job in jobs]
        try:
            for future in as_completed(futures):
                tell(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    outcomes = [future.result() for future in futures]
    _write_report(outcomes, folder, started=started, is_sample=source is None)
    return outcomes


def _prepared_output(output: Path, data: Path | None, *, overwrite: bool) -> Path:
    """Make the folder of a run, or say why it cannot be used.

    Raises
    ------
    InputError
        If it holds a run already, lies inside the data folder or cannot be written to.
    """
    folder = output.expanduser().resolve()
    if data is not None and (folder == data or data in folder.parents):
        raise InputError("the output folder lies inside the data folder; choose one elsewhere")
    if folder.exists() and not folder.is_dir():
        raise InputError("the output path is a file; choose a folder")
    if (folder / RESULTS).exists() and not overwrite:
        raise InputError("the output folder holds a run already; choose another, or --overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise InputError(f"the output folder cannot be written to ({why})") from None


def _with_folders(job: Job, folder: Path, data: Path | None) -> Job:
    declarations = notebook_parameters(job.notebook)
    folders = {"output_dir": str(folder / job.name)}
    if data is not None:
        if "data_dir" not in declarations:
            raise UsageError(f"{job.notebook.stem} reads no data folder (no parameter data_dir)")
        if data.is_file() and "subject" not in declarations:
            raise UsageError(
                f"{job.notebook.stem} reads no table; give a folder, or name 03 or 05"
            )
        folders["data_dir"] = str(data)
    fitting = {name: value for name, value in folders.items() if name in declarations}
    return replace(job, parameters=job.parameters | fitting)


def _counter(jobs: Sequence[Job], progress: Callable[[int, int], None]) -> Callable[[], None]:
    total = sum(
        len(nbformat.read(job.notebook, as_version=4).cells) + bool(job.parameters) for job in jobs
    )
    done = iter(range(1, total + 1))

    def tell() -> None:
        progress(next(done, total), total)

    progress(0, total)
    return tell


def _run_one(job: Job, folder: Path, show_errors: bool, tell: Callable[[], None]) -> Outcome:
    started = time.perf_counter()
    shutil.rmtree(folder / job.name, ignore_errors=True)
    nb = _executed(job, tell)
    failure = scrub(nb, show_errors=show_errors)
    write_whole(folder / f"{job.name}.ipynb", nbformat.writes(nb).encode())
    html, figures = page(nb, job.name)
    write_whole(folder / f"{job.name}.html", html.encode())
    seconds = time.perf_counter() - started
    return Outcome(job, seconds, failure, *_numbers(folder / job.name), tuple(figures))


def _executed(job: Job, tell: Callable[[], None]) -> Any:
    """Execute; a kernel that does not start is started once more, one that dies is told."""
    for attempts in reversed(range(_KERNEL_STARTS)):
        try:
            return _execute_once(job, tell)
        except DeadKernelError as error:
            return _stopped(job, error)
        except RuntimeError as error:
            # Ports of kernels that start together may collide (known upstream).
            if not attempts:
                return _stopped(job, error)
    raise AssertionError("unreachable")


def _execute_once(job: Job, tell: Callable[[], None]) -> Any:
    """Execute in a private temporary folder; what is shown to others is scrubbed first."""
    with tempfile.TemporaryDirectory(prefix="medlab-") as private, _own_socket() as config:
        target = Path(private) / "executed.ipynb"
        try:
            return papermill.execute_notebook(
                job.notebook,
                target,
                parameters=job.parameters,
                engine_name="medlab",
                request_save_on_cell_execute=False,
                progress_bar=False,
                config=config,
                extra_arguments=["--log-level=CRITICAL"],
                on_cell=tell,
            )
        except PapermillExecutionError:
            return nbformat.read(target, as_version=4)


def _stopped(job: Job, error: Exception) -> Any:
    """Return the notebook as written, with the end of its kernel as the first cell's output."""
    nb = nbformat.read(job.notebook, as_version=4)
    first = next(cell for cell in nb.cells if cell.cell_type == "code")
    name = type(error).__name__
    first.outputs = [nbformat.v4.new_output("error", ename=name, evalue="", traceback=[])]
    return nb


@contextmanager
def _own_socket() -> Iterator[Config]:
    """Give each kernel a socket path of its own; two kernels on one name spoil both."""
    config = Config()
    if os.name == "nt":
        yield config
        return
    with tempfile.TemporaryDirectory(prefix="mlk-") as folder:
        config.KernelManager.transport = "ipc"
        config.KernelManager.ip = str(Path(folder) / "k")
        yield config


def _numbers(folder: Path) -> tuple[dict[str, Any], dict[str, Meaning]]:
    """Return the numbers that a notebook kept and what they mean, in the order of its story."""
    path = folder / RESULTS
    if not path.is_file():
        return {}, {}
    content = json.loads(path.read_text(encoding="utf-8"))
    meanings = {entry.pop("name"): Meaning(**entry) for entry in content.get("meanings", [])}
    numbers = content.get("numbers", {})
    return {name: numbers[name] for name in dict.fromkeys([*meanings, *numbers])}, meanings


def page(nb: Any, name: str, *, template: str = "medlab") -> tuple[str, list[str]]:
    """Return a notebook as an HTML page without foreign addresses, and its figures.

    Parameters
    ----------
    nb : NotebookNode
        An executed and scrubbed notebook.
    name : str
        Title of the page when the notebook has none.
    template : {"medlab", "slides"}
        What it is made by.

    Returns
    -------
    page : str
        One self-contained HTML document.
    figures : list of str
        ``<figure>`` elements with text alternatives, in order.
    """
    with _ONE_AT_A_TIME:
        # nbconvert takes folded hints apart where it embeds images: only where there are some
        texts = (cell.source for cell in nb.cells if cell.cell_type == "markdown")
        exporter = _exporter(template, any("![" in text or "<img" in text for text in texts))
        body, _ = exporter.from_notebook_node(nb, resources={"metadata": {"name": name}})
    outputs = [out for cell in nb.cells for out in cell.get("outputs", []) if "data" in out]
    return body, [figure for out in outputs for figure in _figures(out.data)]


@cache
def _exporter(template: str, has_images: bool) -> HTMLExporter:
    """Make an exporter once: compiling its templates costs more than a page."""
    places = [str(_TEMPLATES)]
    return HTMLExporter(
        template_name=template,
        extra_template_basedirs=places,
        extra_template_paths=places,
        embed_images=has_images,
    )


def _figures(data: Any) -> list[str]:
    if "<figure" in (markup := data.get("text/html", "")):
        return _FIGURE.findall(markup)
    if "image/png" in data:
        alt = html.escape("A figure without a description; open the notebook's page to see it")
        png = data["image/png"].replace("\n", "")
        return [f'<figure><img src="data:image/png;base64,{png}" alt="{alt}"></figure>']
    return []


def _write_report(
    outcomes: Sequence[Outcome], folder: Path, *, started: float, is_sample: bool
) -> None:
    """Write `results.json` and `index.html` of a run.

    Parameters
    ----------
    outcomes : sequence of Outcome
    folder : Path
        Folder of the run, where the pages of the notebooks stand already.
    started : float
        Seconds since the epoch.
    is_sample : bool
        Whether the notebooks read the sample data.
    """
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(started))
    rows = [({"notebook": outcome.job.name}, *row) for outcome in outcomes for row in outcome.rows]
    content = {
        "started": when,
        "sample_data": is_sample,
        "notebooks": [_record(outcome) for outcome in outcomes],
    }
    meta = write_results(folder, content, rows)
    titles = {outcome.job.name: _title_of(outcome.job.notebook) for outcome in outcomes}
    facts = {
        "outcomes": outcomes,
        "titles": titles,
        "failed": sum(outcome.failure is not None for outcome in outcomes),
        "meta": meta,
        "when": when,
        "is_sample": is_sample,
    }
    text = page_from(_TEMPLATES / "report.html.j2", facts)
    write_whole(folder / "index.html", text.encode())


def _record(outcome: Outcome) -> dict[str, Any]:
    parameters = {
        name: value for name, value in outcome.job.parameters.items() if name not in FOLDERS
    }
    failure = outcome.failure
    return {
        "notebook": outcome.job.notebook.stem,
        "name": outcome.job.name,
        "parameters": parameters,
        "seconds": round(outcome.seconds, 2),
        "status": "failed" if failure else "done",
        "failure": None if failure is None else vars(failure),
        "numbers": outcome.numbers,
    }


def _title_of(notebook: Path) -> str:
    """Return the first heading of a notebook, or its file name."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return str(cell.source.splitlines()[0][2:].strip())
    return notebook.stem
