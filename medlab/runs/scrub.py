"""What a notebook keeps when it is executed or saved: nothing that repeats a value by itself."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tornado.web import HTTPError

import medlab.errors
from medlab.runs.book import REVEALED
from medlab.runs.plan import FOLDERS

_SAFE_ERRORS = {name for name, kind in vars(medlab.errors).items() if isinstance(kind, type)}
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_ARROW = re.compile(r"^-+>\s*(\d+)", re.MULTILINE)
_WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Failure:
    """Where a notebook stopped.

    Attributes
    ----------
    cell : int
        Number of the cell in the notebook as written, counted from 1.
    heading : str
        The last heading above that cell.
    line : str
        The source line that failed; empty when it could not be told.
    error : str
        The kind of error, and its sentence when medlab itself said it.
    """

    cell: int
    heading: str
    line: str
    error: str


def scrub(nb: Any, *, show_errors: bool = False) -> Failure | None:
    """Take out of an executed notebook what could repeat a patient's value; tell where it stopped.

    Dropped are papermill's and the widgets' metadata, the paths in the injected
    parameters, the error stream (libraries warn with the value that displeased them) and
    the text of errors that are not medlab's own.

    Parameters
    ----------
    nb : NotebookNode
        The executed notebook. It is changed in place.
    show_errors : bool
        Keep error streams and error texts as they are.

    Returns
    -------
    Failure or None
        None if it ran to its end.
    """
    failure = _find_failure(nb)
    nb.metadata.pop("papermill", None)
    nb.metadata.pop("widgets", None)
    nb.cells = [cell for cell in nb.cells if not _is_marker(cell)]
    for cell in nb.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.source = re.sub(
                rf"^({'|'.join(FOLDERS)}) = .*$",
                r'\1 = ""  # given at run time; not kept',
                cell.source,
                flags=re.MULTILINE,
            )
        if cell.cell_type == "code":
            cell.outputs = [_discreet(out, show_errors) for out in cell.outputs]
    return failure


def _find_failure(nb: Any) -> Failure | None:
    """Return where an executed notebook stopped, or None if it ran to its end."""
    heading, number = "", 0
    for cell in nb.cells:
        if _is_marker(cell):
            continue
        if "injected-parameters" not in cell.metadata.get("tags", []):
            number += 1
        if cell.cell_type == "markdown":
            titles = re.findall(r"^#+\s*(.+)$", cell.source, re.MULTILINE)
            heading = titles[-1] if titles else heading
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                return Failure(number, heading, _failed_line(cell, output), _error_text(output))
    return None


def _error_text(output: Any) -> str:
    """Return the kind of an error, with its message only when medlab wrote the sentence."""
    if output.ename in _SAFE_ERRORS:
        return f"{output.ename}: {output.evalue}"
    return f"{output.ename} (message withheld: it may repeat a value from a file)"


def _is_marker(cell: Any) -> bool:
    return "papermill-error-cell-tag" in cell.metadata.get("tags", [])


def _failed_line(cell: Any, output: Any) -> str:
    trace = _COLOR.sub("", "\n".join(output.traceback))
    hit = _ARROW.search(trace)
    lines = cell.source.splitlines()
    number = int(hit.group(1)) if hit else 0
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""


def _discreet(output: Any, show_errors: bool) -> Any:
    if _WIDGET in output.get("data", {}):
        # Its text form repeats the widget's value; a widget's page holds its first picture.
        said = "(a widget; open the notebook in JupyterLab to use it)"
        kept = {kind: output.data[kind] for kind in ("text/html",) if kind in output.data}
        output.data = {"text/plain": said, **kept}
    if show_errors:
        return output
    if output.output_type == "error":
        output.traceback = [_error_text(output)]
        output.evalue = _error_text(output).partition(": ")[2] or "message withheld"
    elif output.output_type == "stream" and output.name == "stderr":
        count = len(output.text.splitlines())
        output.text = f"({count} lines of warnings withheld; --show-errors keeps them)\n"
    return output


_NOTE = (
    "(Left out when this notebook was saved: it ran with reveal = True. "
    "Run it again to see what stood here.)"
)
# Anything but False, on a line of its own; True, where it is handed to a function.
_ASSIGNED = re.compile(r"^\s*reveal\s*(?::[^=\n]+)?=(?!=)(?!\s*False\s*(?:#.*)?$)", re.MULTILINE)
_HANDED = re.compile(r"\breveal\s*=\s*(?:True|1)\b")

_log = logging.getLogger(__name__)


def mask_revealed(model: dict[str, Any], **_: Any) -> None:
    """Take revealed outputs out of a notebook before Jupyter writes it (``pre_save_hook``).

    A notebook counts as revealed when a cell sets ``reveal`` to anything but False or hands
    True to a parameter of that name, or when an output says so itself: `runs.begin` marks
    those that follow ``reveal=True``. Each output then gives way to a note. What widgets hold
    is never written; of a widget its first picture is, which then stands wherever the
    notebook is opened.

    Parameters
    ----------
    model : dict
        A contents model. Its notebook is changed in place, others are left alone.

    Raises
    ------
    HTTPError
        If the notebook cannot be read: nothing is saved then.
    """
    if model.get("type") != "notebook":
        return
    try:
        count = _mask(model["content"])
    except Exception as error:
        # Jupyter would _log another error and save all the same.
        raise HTTPError(500, "not saved: its outputs could not be looked through") from error
    if count:
        _log.warning("a notebook with reveal = True was saved; %d outputs were left out", count)


def _mask(nb: dict[str, Any]) -> int:
    """Mask a notebook in place and return how many outputs gave way."""
    nb["metadata"].pop("widgets", None)
    cells = [cell for cell in nb["cells"] if cell["cell_type"] == "code"]
    for output in chain.from_iterable(cell["outputs"] for cell in cells):
        if "text/html" in output.get("data", {}):
            output["data"].pop(_WIDGET, None)
    if not any(
        _ASSIGNED.search(source := "".join(cell["source"]))  # Jupyter's form: text, or its lines
        or _HANDED.search(source)
        or any(REVEALED in output.get("metadata", {}) for output in cell["outputs"])
        for cell in cells
    ):
        return 0
    filled = [cell for cell in cells if cell["outputs"]]
    count = sum(len(cell["outputs"]) for cell in filled)
    for cell in filled:
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": _NOTE}]
    return count
