"""What a run leaves to read: pages, one report in `results.json` and HTML, the words to cite."""

from __future__ import annotations

import html
import json
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import jinja2
from nbconvert import HTMLExporter

import medlab
from medlab.disk import write_whole
from medlab.errors import InputError, MissingError
from medlab.runs.book import RESULTS, package_versions, revision, write_json
from medlab.runs.headlines import Line, Meaning, as_csv, lines
from medlab.runs.plan import FOLDERS, Job
from medlab.runs.scrub import Failure

_ONE_AT_A_TIME = Lock()
TEMPLATES = Path(__file__).parent / "templates"
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


def page(nb: Any, name: str) -> tuple[str, list[str]]:
    """Return a notebook as an HTML page without foreign addresses, and its figures.

    Parameters
    ----------
    nb : NotebookNode
        An executed and scrubbed notebook.
    name : str
        Title of the page when the notebook has none.

    Returns
    -------
    page : str
        One self-contained HTML document.
    figures : list of str
        ``<figure>`` elements with text alternatives, in order.
    """
    with _ONE_AT_A_TIME:
        body, _ = _exporter().from_notebook_node(nb, resources={"metadata": {"name": name}})
    outputs = [out for cell in nb.cells for out in cell.get("outputs", []) if "data" in out]
    return body, [figure for out in outputs for figure in _figures(out.data)]


@cache
def _exporter() -> HTMLExporter:
    """Make the exporter once: compiling its templates costs more than a page."""
    return HTMLExporter(
        template_name="medlab", extra_template_basedirs=[str(TEMPLATES)], embed_images=True
    )


def _figures(data: Any) -> list[str]:
    if "<figure" in (markup := data.get("text/html", "")):
        return _FIGURE.findall(markup)
    if "image/png" in data:
        alt = html.escape("A figure without a description; open the notebook's page to see it")
        png = data["image/png"].replace("\n", "")
        return [f'<figure><img src="data:image/png;base64,{png}" alt="{alt}"></figure>']
    return []


def _title_of(notebook: Path) -> str:
    """Return the first heading of a notebook, or its file name."""
    import nbformat

    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return str(cell.source.splitlines()[0][2:].strip())
    return notebook.stem


def write_report(
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
    meta = {
        "medlab": medlab.__version__,
        "revision": revision(),
        "python": platform.python_version(),
        "packages": package_versions(),
        "started": when,
        "sample_data": is_sample,
    }
    results = meta | {"notebooks": [_record(outcome) for outcome in outcomes]}
    write_json(folder / RESULTS, results)
    rows = [({"notebook": outcome.job.name}, *row) for outcome in outcomes for row in outcome.rows]
    write_whole((folder / RESULTS).with_suffix(".csv"), as_csv(rows))
    titles = {outcome.job.name: _title_of(outcome.job.notebook) for outcome in outcomes}
    text = _template().render(
        outcomes=outcomes,
        titles=titles,
        failed=sum(outcome.failure is not None for outcome in outcomes),
        meta=meta,
        when=when,
        is_sample=is_sample,
    )
    write_whole(folder / "index.html", text.encode())


def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True)
    return environment.get_template("report.html.j2")


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


_JOB = "report.json"


def methods_text(folder: Path) -> str:
    """Return sentences that name versions, policy, parameters and seeds.

    Parameters
    ----------
    folder : Path
        Of a run (``medlab run``), of one notebook's results, or of a job: its outputs, or the
        private folder beside them.

    Raises
    ------
    MissingError
        If it is none of these.
    """
    for path, sentences in (
        (folder / RESULTS, _of_run),
        (folder / _JOB, _of_job),
        (folder.absolute().with_name(folder.name + ".job") / _JOB, _of_job),
    ):
        if path.is_file():
            try:
                content = json.loads(path.read_text("utf-8"))
                return "\n".join(sentences(content, folder)) + "\n"
            except (ValueError, KeyError, TypeError, AttributeError):
                raise InputError("the results of the run are damaged, or from elsewhere") from None
    raise MissingError("no run and no job is there; name the folder with results.json, or CLEAN")


def _of_run(content: dict[str, Any], folder: Path) -> list[str]:
    packages = (f"{name} {v}" for name, v in content["packages"].items() if v[:1].isdigit())
    data = "the sample data (fictitious patients)" if content["sample_data"] else "data of our own"
    started = f", on {content['started']} UTC" if "started" in content else ""
    return [
        f"Analyses were run with {_version(content)} on {data}{started},",
        f"under Python {content['python']} with {', '.join(packages)}.",
        *(_of_notebook(record, folder) for record in content.get("notebooks", [])),
        *([] if "notebooks" in content else [f"Parameters: {_listed(content['parameters'])}."]),
    ]


def _of_notebook(record: dict[str, Any], folder: Path) -> str:
    own = folder / record["name"] / RESULTS
    values = json.loads(own.read_text("utf-8"))["parameters"] if own.is_file() else {}
    end = "" if record["status"] == "done" else " It stopped with an error."
    return f"Notebook {record['notebook']}: {_listed(values | record['parameters'])}.{end}"


def _of_job(facts: dict[str, Any], _: Path) -> list[str]:
    options = f", with the options {', '.join(facts['options'])}" if facts["options"] else ""
    rules = f" and {len(facts['rules'])} rules of our own" if facts["rules"] else ""
    released = facts["statuses"].get("done", 0)
    return [
        f"Images were de-identified with {_version(facts)} under its policy {facts['policy']}",
        f"(confidentiality profiles of DICOM PS3.15, edition {facts['edition']}){options}{rules}.",
        f"Of {facts['files']} files {released} were released, each verified by code that",
        f"had no part in the cleaning. The job ended on {facts['ended'][:10]}.",
    ]


def _version(content: dict[str, Any]) -> str:
    revision = content.get("revision")
    return f"medlab {content['medlab']}" + (f" (revision {revision[:12]})" if revision else "")


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items()) or "no parameters"
