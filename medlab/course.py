"""The course: student copies of its exercise sets, for nbgrader and without it.

A set is one notebook that holds its solutions. What students must not see stands between
``### BEGIN SOLUTION`` and ``### END SOLUTION``, or between ``### BEGIN HIDDEN TESTS`` and
``### END HIDDEN TESTS``, as nbgrader reads it. Student copies are made, never kept beside
their source, so that the two cannot drift apart.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from medlab.disk import appearing
from medlab.errors import InputError, RefusedError, UnavailableError, UsageError, not_installed
from medlab.runs.plan import notebook_folder

STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
_SECONDS_A_CELL = 300
_SOLUTION = re.compile(r"(?ms)^([ \t]*)### BEGIN SOLUTION$.*?^[ \t]*### END SOLUTION[ \t]*$")
_HIDDEN = re.compile(r"(?ms)^[ \t]*### BEGIN HIDDEN TESTS$.*?^[ \t]*### END HIDDEN TESTS[ \t]*$")
_LEFT = re.compile(r"(?:BEGIN|END) (?:SOLUTION|HIDDEN TESTS)")
_CONFIG = f"""c = get_config()  # noqa: F821 - nbgrader defines it
c.CourseDirectory.course_id = "medlab"
c.Execute.timeout = {_SECONDS_A_CELL}  # seconds that one cell may take
# Feedback holds no hidden test.
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "medlab.feedback.NoHiddenTests",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
"""


def find_sets(names: Sequence[str] = ()) -> list[Path]:
    """Return the exercise sets, in order, or those named.

    Parameters
    ----------
    names : sequence of str
        ``"04_mondrian"``, or the number it begins with, ``"04"``.

    Raises
    ------
    UsageError
        If there is no set of a name.
    UnavailableError
        If the course is not part of this installation.
    """
    sets = sorted((notebook_folder() / "course").glob("[0-9][0-9]_*.ipynb"))
    if not sets:
        raise UnavailableError("this installation has no course; use a clone of the repository")
    known = {key: path for path in sets for key in (path.stem, path.stem[:2])}
    if not set(names) <= set(known):
        there = ", ".join(path.stem for path in sets)
        raise UsageError(f"no exercise set of that name; there are: {there}")
    return sorted({known[name] for name in names}) if names else sets


def student_copy(notebook: NotebookNode) -> NotebookNode:
    """Return a set as a student gets it who works without nbgrader.

    Solutions become a place to write, hidden tests go, and with them outputs and grading.

    Parameters
    ----------
    notebook : NotebookNode
        A set with its solutions; it is not changed.

    Raises
    ------
    InputError
        If a region is not closed: nothing half-emptied is handed out.
    """
    copy: NotebookNode = nbformat.from_dict(
        {**notebook, "cells": [dict(cell) for cell in notebook.cells]}
    )
    for cell in copy.cells:
        # The stub stands as deep as the solution whose place it takes.
        source = _SOLUTION.sub(lambda match: textwrap.indent(STUB, match[1]), cell.source)
        cell.source = without_hidden_tests(source).rstrip("\n")
        cell.metadata.pop("nbgrader", None)
        if _LEFT.search(cell.source):
            raise InputError(f"cell {cell.id}: a solution or hidden test is opened or closed only")
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return copy


def without_hidden_tests(source: str) -> str:
    """Return the source of a cell without its hidden tests."""
    return _HIDDEN.sub("", source)


def build(
    folder: Path, names: Sequence[str] = (), *, nbgrader: bool = False, overwrite: bool = False
) -> list[Path]:
    """Write the student copies of the course, or of some sets of it.

    Parameters
    ----------
    folder : path
        Made if it does not exist. Without `nbgrader` it gets the student copies and a page
        to begin with. With it, it becomes the teacher's course folder: ``source/`` (with
        solutions), ``release/`` (for students), ``nbgrader_config.py`` and ``gradebook.db``.
    names : sequence of str
        As for `find_sets`; without any, all sets.
    nbgrader : bool
        Let nbgrader make the copies, and enter the sets in its gradebook.
    overwrite : bool
        Make sets again that are there.

    Returns
    -------
    list of Path
        The student copies.

    Raises
    ------
    UsageError
        If there is no set of a name, or `folder` is a file.
    RefusedError
        If a set is there already, or nbgrader will not make a copy.
    UnavailableError
        If nbgrader is asked for and not installed.
    """
    folder, sets = Path(folder).absolute(), find_sets(names)
    if folder.is_file():
        raise UsageError("the target is a file; name a folder")
    place = "release/{0}/{0}.ipynb" if nbgrader else "{0}.ipynb"
    copies = [folder / place.format(path.stem) for path in sets]
    if not overwrite and any(copy.exists() for copy in copies):
        raise RefusedError("the folder holds such a set already; choose another or --overwrite")
    if nbgrader:
        _generate(folder, sets)
        return copies
    made = [student_copy(nbformat.read(path, as_version=4)) for path in sets]
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(notebook_folder() / "course" / "README.md", folder)
    for copy, notebook in zip(copies, made, strict=True):
        with appearing(copy) as part:
            nbformat.write(notebook, part)
    return copies


def _generate(folder: Path, sets: Sequence[Path]) -> None:
    """Make nbgrader's course folder and its student copies."""
    try:
        from nbgrader.apps import NbGraderAPI
        from traitlets.config import Config
    except ModuleNotFoundError as error:
        raise not_installed("nbgrader", "teach") from error
    for path in sets:
        source = folder / "source" / path.stem / path.name
        source.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, source)
    if not (folder / "nbgrader_config.py").exists():
        (folder / "nbgrader_config.py").write_text(_CONFIG, encoding="utf-8")
    config = Config()
    config.CourseDirectory.root, config.CourseDirectory.course_id = str(folder), "medlab"
    api = NbGraderAPI(config=config)
    # A new gradebook is made by the program alembic, which stands beside this Python.
    programs = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), programs])
    try:
        refused = [one.stem for one in sets if not api.generate_assignment(one.stem)["success"]]
    finally:
        os.environ["PATH"] = programs
    if refused:
        raise RefusedError(f"nbgrader does not make a student copy of {', '.join(refused)}")
