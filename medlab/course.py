"""The course: student copies of its exercise sets, their solutions and slides, and a rehearsal.

A set is one notebook that holds its solutions. What students must not see stands between
``### BEGIN SOLUTION`` and ``### END SOLUTION``, or between ``### BEGIN HIDDEN TESTS`` and
``### END HIDDEN TESTS``, as nbgrader reads it. Student copies are made, never kept beside
their source, so that the two cannot drift apart.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from traitlets import Bool

from medlab.disk import appearing, write_whole
from medlab.errors import InputError, RefusedError, UnavailableError, UsageError, not_installed
from medlab.runs.plan import notebook_folder

_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
_TEXT_STUB = "YOUR ANSWER HERE"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
_SECONDS_A_CELL = 300
_WITHHELD = "a test that is not shown does not hold, or your code fails in it"
_SOLUTION = re.compile(r"(?ms)^([ \t]*)### BEGIN SOLUTION$.*?^[ \t]*### END SOLUTION[ \t]*$")
_HIDDEN = re.compile(r"(?ms)^[ \t]*### BEGIN HIDDEN TESTS$.*?^[ \t]*### END HIDDEN TESTS[ \t]*$")
_LEFT = re.compile(r"(?:BEGIN|END) (?:SOLUTION|HIDDEN TESTS)")
_SOLUTION_MARK = re.compile(r"(?m)^[ \t]*### (?:BEGIN|END) SOLUTION[ \t]*\n?")
_CONFIG = f"""c = get_config()  # noqa: F821 - nbgrader defines it
c.CourseDirectory.course_id = "medlab"
c.Execute.timeout = {_SECONDS_A_CELL}  # seconds that one cell may take
c.Execute.execute_retries = 2  # a kernel that dies at its start is started again
# Feedback holds no hidden test.
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "medlab.course.NoHiddenTests",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
"""


def _find_sets(names: Sequence[str] = ()) -> list[Path]:
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
    paths = {key: path for path in sets for key in (path.stem, path.stem[:2])}
    if not set(names) <= set(paths):
        there = ", ".join(path.stem for path in sets)
        raise UsageError(f"no exercise set of that name; there are: {there}")
    return sorted({paths[name] for name in names}) if names else sets


def _student_copy(notebook: NotebookNode) -> NotebookNode:
    """Return a set as a student gets it who works without nbgrader.

    Solutions become a place to write, hidden tests go, and with them outputs and grading.

    Parameters
    ----------
    notebook : NotebookNode
        A set with its solutions; it is not changed.

    Raises
    ------
    InputError
        If a region is not closed: nothing half-emptied is released.
    """
    copy: NotebookNode = nbformat.from_dict(
        {**notebook, "cells": [dict(cell) for cell in notebook.cells]}
    )
    for cell in copy.cells:
        # The stub stands as deep as the solution whose place it takes.
        stub = textwrap.indent(_STUB if cell.cell_type == "code" else _TEXT_STUB, r"\1")
        source = _SOLUTION.sub(stub, cell.source)
        cell.source = _without_hidden_tests(source).rstrip("\n")
        cell.metadata.pop("nbgrader", None)
        if _LEFT.search(cell.source):
            raise InputError(f"cell {cell.id}: a solution or hidden test is opened or closed only")
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return copy


def _without_hidden_tests(source: str) -> str:
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
        ``"04_mondrian"``, or the number it begins with, ``"04"``; without any, all sets.
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
    folder, sets = Path(folder).absolute(), _find_sets(names)
    if folder.is_file():
        raise UsageError("the target is a file; name a folder")
    place = "release/{0}/{0}.ipynb" if nbgrader else "{0}.ipynb"
    copies = [folder / place.format(path.stem) for path in sets]
    if not overwrite and any(copy.exists() for copy in copies):
        raise RefusedError("the folder holds such a set already; choose another or --overwrite")
    if nbgrader:
        _generate(folder, sets)
        return copies
    made = [_student_copy(nbformat.read(path, as_version=4)) for path in sets]
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(notebook_folder() / "course" / "README.md", folder)
    for copy, notebook in zip(copies, made, strict=True):
        with appearing(copy) as part:
            nbformat.write(notebook, part)
    return copies


def _generate(folder: Path, sets: Sequence[Path]) -> None:
    """Make nbgrader's course folder and its student copies."""
    for path in sets:
        source = folder / "source" / path.stem / path.name
        source.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, source)
    if not (folder / "nbgrader_config.py").exists():
        (folder / "nbgrader_config.py").write_text(_CONFIG, encoding="utf-8")
    api = _nbgrader(folder)
    # A new gradebook is made by the program alembic, which stands beside this Python.
    programs = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), programs])
    try:
        refused = [path.stem for path in sets if not api.generate_assignment(path.stem)["success"]]
    finally:
        os.environ["PATH"] = programs
    if refused:
        raise RefusedError(f"nbgrader does not make a student copy of {', '.join(refused)}")


def _nbgrader(folder: Path) -> Any:
    """Return nbgrader's interface to a course folder, with the settings that stand in it."""
    try:
        from nbgrader.apps import NbGraderAPI
        from traitlets.config.loader import PyFileConfigLoader
    except ModuleNotFoundError as error:
        raise not_installed("nbgrader", "teach") from error
    warnings.filterwarnings("ignore", module="nbgrader")  # its gradebook grumbles at each set
    config = PyFileConfigLoader("nbgrader_config.py", str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    return NbGraderAPI(config=config)


class Score(NamedTuple):
    """What somebody got for a set, in points.

    Attributes
    ----------
    name, student : str
        The set, and who submitted it.
    by_check : float
        Given by the checks.
    by_hand : float
        For texts that were written: a teacher's to give.
    most : float
        What there is to get.
    """

    name: str
    student: str
    by_check: float
    by_hand: float
    most: float


def dry_run(
    folder: Path,
    names: Sequence[str] = (),
    *,
    overwrite: bool = False,
    tell: Callable[[Score], None] = lambda score: None,
) -> list[Score]:
    """Play a course: release, submit, autograde and give feedback, for two made-up students.

    ``solutions`` submits the solutions, ``untouched`` what was released to students.

    Parameters
    ----------
    folder : path
        Becomes a course folder of nbgrader, as by `build`.
    names, overwrite
        As for `build`.
    tell : callable
        Called with each score as soon as it is there.

    Raises
    ------
    RefusedError
        If nbgrader fails at a step, the solutions miss a point, or an untouched copy gets one.
    """
    copies = build(folder, names, nbgrader=True, overwrite=overwrite)
    folder, scores = Path(folder).absolute(), []
    api = _nbgrader(folder)
    for name in (copy.stem for copy in copies):
        for student, origin in (("solutions", "source"), ("untouched", "release")):
            submitted = folder / "submitted" / student / name
            shutil.copytree(folder / origin / name, submitted, dirs_exist_ok=True)
            for step in (api.autograde, api.generate_feedback):
                outcome = step(name, student, force=overwrite)
                if not outcome["success"]:
                    (folder / "nbgrader.log").write_text(outcome["log"] or "", encoding="utf-8")
                    raise RefusedError(
                        f"nbgrader fails at {step.__name__} of {name} for {student}; nbgrader.log "
                        "in the course folder tells more"
                    )
            with api.gradebook as book:
                grades = book.find_submission_notebook(name, name, student).grades
                by_hand = sum(record.max_score for record in grades if record.needs_manual_grade)
                by_check = sum(record.auto_score or 0 for record in grades)
                most = sum(record.max_score for record in grades)
            scores.append(Score(name, student, by_check, by_hand, most))
            tell(scores[-1])
    wrong = [
        f"{record.student} of {record.name}"
        for record in scores
        if record.by_check + record.by_hand
        != (record.most if record.student == "solutions" else 0)
    ]
    if wrong:
        raise RefusedError(f"not the points there should be: {', '.join(wrong)}")
    return scores


def write_pages(folder: Path, names: Sequence[str] = (), *, overwrite: bool = False) -> list[Path]:
    """Write for each set a page with its solutions, and slides to project without them.

    Parameters
    ----------
    folder : path
        Made if it does not exist. It gets ``SET-solutions.html``, ``SET-slides.html`` and, where
        a Chromium is installed, ``SET-solutions.pdf``.
    names : sequence of str
        As for `build`.
    overwrite : bool
        Write pages again that are there.

    Returns
    -------
    list of Path
        The pages.

    Raises
    ------
    RefusedError
        If a page is there already, or a set does not run to its end.
    UnavailableError
        If the browser does not print.
    """
    from medlab.runs.execute import page

    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    folder, sets = Path(folder).absolute(), _find_sets(names)
    kinds = ["solutions.html", "slides.html", *(["solutions.pdf"] if browser else [])]
    pages = [folder / f"{path.stem}-{kind}" for path in sets for kind in kinds]
    if not overwrite and any(page.exists() for page in pages):
        raise RefusedError("the folder holds such a page already; choose another or --overwrite")
    for path in sets:
        solved = _solved(path)
        write_whole(folder / f"{path.stem}-slides.html", _slides(solved, path.stem).encode())
        for cell in solved.cells:
            cell.source = _SOLUTION_MARK.sub("", cell.source)
        solutions = folder / f"{path.stem}-solutions.html"
        write_whole(solutions, page(solved, path.stem)[0].encode())
        if browser:
            _print(browser, solutions, solutions.with_suffix(".pdf"))
    return pages


def _solved(path: Path) -> NotebookNode:
    """Return a set with its solutions and what they show."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook: NotebookNode = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as place:
        resources = {"metadata": {"path": place}}
        try:
            NotebookClient(notebook, timeout=_SECONDS_A_CELL, resources=resources).execute()
        except CellExecutionError as error:
            raise RefusedError(f"{path.stem} does not run to its end ({error.ename})") from None
    return notebook


def _slides(solved: NotebookNode, title: str) -> str:
    """Return what is projected: a slide a heading, places to write, figures; no check."""
    from medlab.runs.execute import page

    cells, answered = [], False
    for cell, copy in zip(solved.cells, _student_copy(solved).cells, strict=True):
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cells.append(copy)
            answered = True
        elif "nbgrader" not in cell.metadata:
            is_code = cell.cell_type == "code"
            parts = [cell.source] if is_code else re.split(r"(?m)^(?=##+ )", cell.source)
            for part in filter(str.strip, parts):
                # What follows an answer tells it, and gets a slide of its own.
                kind = "slide" if answered or (part[0] == "#" and not is_code) else "-"
                view = {
                    "slideshow": {"slide_type": kind},
                    "transient": {"remove_source": is_code},
                }
                changed = {"id": f"slide-{len(cells)}", "source": part, "metadata": view}
                cells.append(nbformat.from_dict({**cell, **changed}))
                answered = False
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=solved.metadata)
    return page(notebook, title, template="slides")[0]


def _print(browser: str, page: Path, target: Path) -> None:
    """Print a page to PDF."""
    with appearing(target) as part, tempfile.TemporaryDirectory() as profile:
        words = ["--headless", "--disable-gpu", "--no-pdf-header-footer"]
        if getattr(os, "geteuid", lambda: 1)() == 0:
            words.append("--no-sandbox")  # Chromium has no sandbox for root
        words += [f"--user-data-dir={profile}", f"--print-to-pdf={part}", page.as_uri()]
        try:
            subprocess.run([browser, *words], check=True, capture_output=True, timeout=120)
        except subprocess.SubprocessError as error:
            raise UnavailableError("the browser does not print; print the HTML page") from error


class NoHiddenTests(Preprocessor):
    """Take hidden tests out of a graded notebook, and what its outputs tell of them.

    nbgrader's own pages hold each test cell whole; ``nbgrader_config.py`` of a course folder
    puts this before they are written.
    """

    enabled = Bool(True).tag(config=True)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Return the cell without its hidden tests; its errors keep what the student may read."""
        source = _without_hidden_tests(cell.source)
        if source == cell.source:
            return cell, resources
        cell.source = source
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                # Its last line only, with its words only if the student sees them in the cell.
                if output.evalue and output.evalue not in source:
                    output.evalue = _WITHHELD
                output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources
