"""What a run leaves to read: a page for each notebook, `results.json` and one `index.html`."""

from __future__ import annotations

import html
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
    rows = [({"notebook": one.job.name}, *row) for one in outcomes for row in one.rows]
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
