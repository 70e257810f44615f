"""What nbgrader's feedback to a student may show: no hidden test, nor an error that quotes one.

nbgrader's own pages hold each test cell whole. ``nbgrader_config.py`` of a course folder
puts `NoHiddenTests` before they are written.
"""

from __future__ import annotations

from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from traitlets import Bool

from medlab.course import without_hidden_tests

WITHHELD = "a test that is not shown does not hold, or your code fails in it"


class NoHiddenTests(Preprocessor):
    """Take hidden tests out of a graded notebook, and what its outputs tell of them."""

    enabled = Bool(True).tag(config=True)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Return the cell without its hidden tests; its errors keep what the student may read."""
        shown = without_hidden_tests(cell.source)
        if shown == cell.source:
            return cell, resources
        cell.source = shown
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                # Its last line only, with its words only if the student sees them in the cell.
                if output.evalue and output.evalue not in shown:
                    output.evalue = WITHHELD
                output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources
