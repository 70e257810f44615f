"""What JupyterLab writes when it saves: no output of a notebook that shows identifiers."""

from __future__ import annotations

import logging
import re
from itertools import chain
from typing import Any

from tornado.web import HTTPError

from medlab.runs.book import REVEALED
from medlab.runs.scrub import WIDGET

NOTE = (
    "(Left out when this notebook was saved: it ran with reveal = True. "
    "Run it again to see what stood here.)"
)
# Anything but False, on a line of its own; True, where it is handed to a function.
_ASSIGNED = re.compile(r"^\s*reveal\s*(?::[^=\n]+)?=(?!=)(?!\s*False\s*(?:#.*)?$)", re.MULTILINE)
_HANDED = re.compile(r"\breveal\s*=\s*(?:True|1)\b")

log = logging.getLogger(__name__)


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
        # Jupyter would log another error and save all the same.
        raise HTTPError(500, "not saved: its outputs could not be looked through") from error
    if count:
        log.warning("a notebook with reveal = True was saved; %d outputs were left out", count)


def _mask(nb: dict[str, Any]) -> int:
    """Mask a notebook in place and return how many outputs gave way."""
    nb["metadata"].pop("widgets", None)
    cells = [cell for cell in nb["cells"] if cell["cell_type"] == "code"]
    for output in chain.from_iterable(cell["outputs"] for cell in cells):
        if "text/html" in output.get("data", {}):
            output["data"].pop(WIDGET, None)
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
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": NOTE}]
    return count
