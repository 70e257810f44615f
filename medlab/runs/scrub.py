"""What an executed notebook may keep: nothing that repeats a value by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import medlab.errors
from medlab.runs.plan import FOLDERS

_SAFE_ERRORS = {name for name, kind in vars(medlab.errors).items() if isinstance(kind, type)}
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_ARROW = re.compile(r"^-+>\s*(\d+)", re.MULTILINE)
WIDGET = "application/vnd.jupyter.widget-view+json"


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


def scrub(nb: Any, *, show_errors: bool = False) -> Any:
    """Take out of an executed notebook what could repeat a patient's value.

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
    NotebookNode
        The same notebook.
    """
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
    return nb


def find_failure(nb: Any) -> Failure | None:
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
    if WIDGET in output.get("data", {}):
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
