"""The course: sets, student copies, feedback, pages, a rehearsal."""

import ast
import html
import re

import nbformat
import pytest
from click.testing import CliRunner
from course_cases import small

from medlab import course
from medlab.cli import commands
from medlab.course import _WITHHELD, NoHiddenTests
from medlab.errors import InputError, RefusedError, UnavailableError, UsageError

SETS = course._find_sets()


NAMES = [path.stem for path in SETS]


each_set = pytest.mark.parametrize("path", SETS, ids=NAMES)


REGION = r"### BEGIN {0}\n(.*?)### END {0}"


def read(path):
    return nbformat.read(path, as_version=4)


def grading(cell):
    return cell.metadata.get("nbgrader", {})


def secrets(path, kinds=("SOLUTION", "HIDDEN TESTS")):
    """All lines of solutions and hidden tests that stand nowhere else in the set."""
    source = "\n".join(cell.source for cell in read(path).cells)
    found = [text for kind in kinds for text in re.findall(REGION.format(kind), source, re.S)]
    lines = {line.strip() for text in found for line in text.splitlines()}
    rest = re.sub(REGION.format(f"(?:{'|'.join(kinds)})"), "", source, flags=re.S)
    return {line for line in lines if len(line) > 12 and line not in rest}


def programs(cells):
    """The cells in which students write code, with their places."""
    code = [(i, cell) for i, cell in enumerate(cells) if cell.cell_type == "code"]
    return [(i, cell) for i, cell in code if grading(cell).get("solution")]


def plain(page):
    """The text of an HTML page."""
    return html.unescape(re.sub("<[^>]+>", "", page))


def exercises(path):
    """Of each exercise its number, minutes and points as told, and the points of its cells."""
    told, given = [], []
    for cell in read(path).cells:
        heading = r"### Exercise (\d+): .+\n\n\*(\d+) minutes, (\d+) points?\*"
        for found in re.findall(heading, cell.source):
            told.append(tuple(map(int, found)))
            given.append(0)
        assert cell.source.count("### Exercise") == len(re.findall(heading, cell.source))
        if points := grading(cell).get("points", 0):
            given[-1] += points
    return told, given


def answers_in(cell):
    """The names that a solution binds at the top level of its cell."""
    nodes = ast.parse(cell.source).body
    targets = [one for node in nodes if isinstance(node, ast.Assign) for one in node.targets]
    return {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}


def test_the_course_has_the_sets_of_the_plan_and_its_page_lists_them_in_order():
    numbers = [name[:2] for name in NAMES]
    assert numbers[:9] == [f"{number:02d}" for number in range(1, 10)]
    assert sorted(set(numbers)) == numbers
    listed = (SETS[0].parent / "README.md").read_text()
    assert re.findall(r"`(\d\d_\w+)`", listed) == NAMES


@each_set
def test_a_set_is_saved_without_outputs(path):
    nb = read(path)
    nbformat.validate(nb)
    assert set(nb.metadata) <= {"kernelspec", "language_info"}
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)


@each_set
def test_a_set_tells_goals_time_points_and_what_was_seen(path):
    cells = read(path).cells
    first = cells[0].source
    assert first.startswith("# Set ")
    assert "After this set you" in first
    assert "**Time:**" in first
    points = sum(grading(cell).get("points", 0) for cell in cells)
    assert f"**Points:** {points}." in first
    last = [cell.source for cell in cells if cell.cell_type == "markdown"][-1]
    assert "## What you have seen" in last
    assert "**Read on:**" in last


@each_set
def test_every_exercise_is_led_by_prose_and_checked_right_after(path):
    cells = read(path).cells
    answers = [i for i, _ in programs(cells)]
    assert len(answers) >= 6
    for i in answers:
        before = [cell for cell in cells[max(0, i - 3) : i] if cell.cell_type == "markdown"]
        assert before, f"nothing leads to {cells[i].id}"
        after = [grading(cell).get("grade", False) for cell in cells[i + 1 : i + 4]]
        assert any(after), f"nothing checks {cells[i].id}"


@each_set
def test_students_are_told_the_names_that_checks_ask_for(path):
    cells = read(path).cells
    for i, cell in programs(cells):
        handed_out = course._student_copy(small(cell.source)).cells[0].source
        told = " ".join([handed_out, *(one.source for one in cells[max(0, i - 3) : i])])
        asked = " ".join(one.source for one in cells[i + 1 :] if one.cell_type == "code")
        for name in answers_in(cell):
            if re.search(rf"\b{name}\b", asked):
                assert re.search(rf"\b{name}\b", told), f"{name} is not named in {cell.id}"


@each_set
def test_every_exercise_tells_its_minutes_and_points(path):
    told, given = exercises(path)
    assert [number for number, _, _ in told] == list(range(1, len(told) + 1))
    assert [points for _, _, points in told] == given
    amount, unit = re.search(
        r"\*\*Time:\*\* (\d+) (minutes|hours)", read(path).cells[0].source
    ).groups()
    minutes = int(amount) * (60 if unit == "hours" else 1)
    # the rest is for reading
    assert 0.8 * minutes <= sum(minutes for _, minutes, _ in told) < minutes


@each_set
def test_a_check_that_holds_prints_passed_and_its_points_last(path):
    assert "A check that holds prints *passed* and its points" in read(path).cells[0].source
    for cell in read(path).cells:
        if grading(cell).get("grade") and cell.cell_type == "code":
            points = grading(cell)["points"]
            start = "passed so far: " if "### BEGIN HIDDEN TESTS" in cell.source else "passed: "
            end = " if the hidden tests hold too" if "so far" in start else ""
            line = f'print("{start}{points} point{"s" * (points != 1)}{end}")'
            assert cell.source.splitlines()[-1] == line


@each_set
def test_the_last_exercise_is_a_text_with_a_marking_scheme_for_all_its_points(path):
    (text,) = [c for c in read(path).cells if c.cell_type == "markdown" and grading(c)]
    assert grading(text)["grade"]
    assert grading(text)["solution"]
    assert text.source.startswith("### BEGIN SOLUTION\n**A good answer.** ")
    scheme = text.source.split("**Marking scheme**")[1]
    assert len(re.findall("(?m)^- 1 point: ", scheme)) == grading(text)["points"]


def test_the_page_for_teachers_has_each_sets_points_minutes_and_goals():
    page = (SETS[0].parents[2] / "docs" / "teaching.md").read_text()
    rows = re.findall(r"(?m)^\| `(\d\d_\w+)` \|.*\| (\d+) \| (\d+) \|$", page)
    assert [name for name, _, _ in rows] == NAMES
    for path, (_, points, minutes) in zip(SETS, rows, strict=True):
        first = read(path).cells[0].source
        assert f"**Points:** {points}." in first
        assert f"**Time:** {minutes} minutes" in first or f"{int(minutes) / 60:g} hours" in first
    nine = sum(int(points) for _, points, _ in rows[:9])
    assert f"Sets 1 to 9 have {nine} points, {9 * 2} of them for texts." in page
    matrix = re.search(r"(?ms)^\| goal \|.*?\n\n", page)[0].strip().splitlines()
    assert matrix[0].split("|")[2:-1] == [f" {int(name[:2])} " for name in NAMES]
    marks = [line.split("|")[2:-1] for line in matrix[2:]]
    assert all(any(cell.strip() for cell in line) for line in marks), "a goal without a set"
    assert all(any(cell.strip() for cell in column) for column in zip(*marks, strict=True))


@each_set
def test_figures_have_alternatives_and_hints_fold(path):
    cells = read(path).cells
    shows = [cell.source for cell in cells if "viz.show(" in cell.source]
    assert all("alt=" in source and "caption=" in source for source in shows)
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert prose.count("<details><summary>Hint") == prose.count("</details>") >= 3


@each_set
def test_what_students_get_without_nbgrader_holds_no_answer(path):
    copy = course._student_copy(read(path))
    text = "\n".join(cell.source for cell in copy.cells)
    assert not [line for line in secrets(path) if line in text]
    assert not re.search("SOLUTION|HIDDEN|nbgrader", text)
    assert copy.cells[0].source == read(path).cells[0].source
    assert text.count("YOUR ANSWER HERE") == 1
    answers = programs(read(path).cells)
    assert len([c for c in copy.cells if course._STUB.splitlines()[1] in c.source]) == len(answers)


def test_a_solution_becomes_a_place_to_write_at_its_own_depth():
    cell = "def f(x):\n    ### BEGIN SOLUTION\n    return x + 1\n    ### END SOLUTION\nf"
    copy = course._student_copy(small(cell))
    stub = "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()\nf"
    assert copy.cells[0].source == stub


def test_a_text_becomes_a_place_to_write():
    notebook = small("")
    notebook.cells = [nbformat.v4.new_markdown_cell("### BEGIN SOLUTION\nyes\n### END SOLUTION")]
    assert course._student_copy(notebook).cells[0].source == "YOUR ANSWER HERE"


def test_hidden_tests_go_and_visible_ones_stay():
    cell = "assert 1\n### BEGIN HIDDEN TESTS\nassert 42\n### END HIDDEN TESTS\nassert 2"
    assert course._student_copy(small(cell)).cells[0].source.split() == [
        "assert",
        "1",
        "assert",
        "2",
    ]


@pytest.mark.parametrize("half", ["### BEGIN SOLUTION\nx = 1", "x = 1\n### END HIDDEN TESTS"])
def test_a_region_that_is_not_closed_is_refused(half):
    with pytest.raises(InputError, match="opened or closed only"):
        course._student_copy(small(half))


def test_the_command_writes_the_sets_asked_for_and_never_over_a_students_work(tmp_path):
    folder = tmp_path / "my course"
    done = CliRunner().invoke(commands, ["course", str(folder), "03", "04_mondrian"])
    assert done.exit_code == 0, done.output
    names = ["03_hash_enumeration.ipynb", "04_mondrian.ipynb", "README.md"]
    assert sorted(path.name for path in folder.iterdir()) == names
    with pytest.raises(RefusedError, match="already"):
        course.build(folder, ["04"])
    assert course.build(folder, ["04"], overwrite=True) == [folder / "04_mondrian.ipynb"]


def test_an_unknown_set_is_refused_with_the_names_there_are():
    with pytest.raises(UsageError, match="04_mondrian"):
        course._find_sets(["44"])


def tiny_course(monkeypatch, folder, *sources):
    """Let the course be one small set."""
    path = folder / "01_tiny.ipynb"
    nbformat.write(small(*sources), path)
    monkeypatch.setattr(course, "_find_sets", lambda names=(): [path])
    return folder / "pages"


SLIDES = ["# Set 1\n\n## First\nread", "### Exercise 1: add\nwrite"]


def test_pages_have_solutions_and_slides_have_none(tmp_path, monkeypatch):
    pages = tiny_course(
        monkeypatch, tmp_path, "x = 1", "### BEGIN SOLUTION\ny = 4710 + x\n### END SOLUTION", "y"
    )
    notebook = read(tmp_path / "01_tiny.ipynb")
    notebook.cells[1].metadata["nbgrader"] = {"solution": True}
    notebook.cells[:0] = [nbformat.v4.new_markdown_cell(text) for text in SLIDES]
    nbformat.write(notebook, tmp_path / "01_tiny.ipynb")
    monkeypatch.setattr(course, "_BROWSERS", ())
    solutions, slides = (path.read_text() for path in course.write_pages(pages))
    assert "4710 + x" in plain(solutions)
    assert "BEGIN SOLUTION" not in solutions
    assert "<pre>4711</pre>" in solutions
    assert "4710 + x" not in plain(slides)
    assert "YOUR CODE HERE" in plain(slides)
    assert "<pre>4711</pre>" in slides.split("<section>")[-1], "an answer beside its question"
    assert slides.count("<section>") == slides.count("</section>") == 4
    for text in (solutions, slides):
        assert not re.search(r"<(script|link|img)[^>]*(src|href)=.https?:", text)
    with pytest.raises(RefusedError, match="already"):
        course.write_pages(pages)


@pytest.mark.needs("chromium")
def test_solutions_are_printed_where_there_is_a_browser(tmp_path, monkeypatch):
    pages = tiny_course(monkeypatch, tmp_path, "x = 1")
    assert [path.name for path in course.write_pages(pages)][-1] == "01_tiny-solutions.pdf"
    assert (pages / "01_tiny-solutions.pdf").read_bytes().startswith(b"%PDF-")


def test_a_browser_that_does_not_print_is_told(tmp_path, monkeypatch):
    pages = tiny_course(monkeypatch, tmp_path, "x = 1")
    monkeypatch.setattr(course, "_BROWSERS", ("false",))  # a program that only fails
    with pytest.raises(UnavailableError, match="does not print"):
        course.write_pages(pages)
    assert not (pages / "01_tiny-solutions.pdf").exists()


def test_a_set_that_does_not_run_is_not_made_into_pages(tmp_path, monkeypatch):
    pages = tiny_course(monkeypatch, tmp_path, "raise ValueError('Doe')")
    with pytest.raises(RefusedError, match=r"01_tiny does not run to its end \(ValueError\)"):
        course.write_pages(pages)
    assert not pages.exists()


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A dry run: one student submits the solutions, the other what was released."""
    folder = tmp_path_factory.mktemp("teaching")
    try:
        course.dry_run(folder)
    except RefusedError as refusal:
        if not str(refusal).startswith("not the points"):  # the tests below tell which cells
            pytest.fail(f"{refusal}\n{(folder / 'nbgrader.log').read_text()}")
    return folder, course._nbgrader(folder)


def scores(api, name, student):
    """Of each graded cell the points, the most there are, and whether a teacher marks it."""
    with api.gradebook as book:
        graded = book.find_submission_notebook(name, name, student).grades
        return {one.name: (one.score, one.max_score, one.needs_manual_grade) for one in graded}


@pytest.mark.needs("teach")
def test_a_dry_run_that_nbgrader_ends_leaves_its_log(tmp_path, monkeypatch):
    from nbgrader.apps import NbGraderAPI

    ended = {"success": False, "log": "[ERROR] the kernel died", "error": "DeadKernelError"}

    def autograde(self, *words, **options):
        return ended

    monkeypatch.setattr(NbGraderAPI, "autograde", autograde)
    with pytest.raises(RefusedError, match="fails at autograde of 04_mondrian for solutions"):
        course.dry_run(tmp_path / "teaching", ["04"])
    assert "the kernel died" in (tmp_path / "teaching/nbgrader.log").read_text()


@pytest.mark.slow
@pytest.mark.needs("teach")
def test_a_dry_run_refuses_a_set_whose_solution_fails(tmp_path, monkeypatch):
    path = course._find_sets(["04"])[0]
    notebook = read(path)
    answers = [cell for _, cell in programs(notebook.cells)]
    answers[0].source = answers[0].source.replace("47", "48")
    wrong = tmp_path / path.name
    nbformat.write(notebook, wrong)
    monkeypatch.setattr(course, "_find_sets", lambda names=(): [wrong])
    with pytest.raises(RefusedError, match="not the points there should be"):
        course.dry_run(tmp_path / "teaching")


@pytest.mark.slow
@pytest.mark.needs("teach")
@each_set
def test_the_solutions_get_full_marks_but_for_the_text(path, graded):
    found = scores(graded[1], path.stem, "solutions")
    assert found.pop("words") == (0, 2, True)
    assert not {cell: got for cell, got in found.items() if got[0] != got[1] or got[2]}


@pytest.mark.slow
@pytest.mark.needs("teach")
@each_set
def test_an_untouched_copy_gets_nothing(path, graded):
    found = scores(graded[1], path.stem, "untouched")
    assert not {cell: got for cell, got in found.items() if got[0] != 0 or got[2]}


@pytest.mark.slow
@pytest.mark.needs("teach")
@each_set
def test_what_nbgrader_hands_out_holds_no_answer(path, graded):
    text = (graded[0] / "release" / path.stem / path.name).read_text()
    handed_out = "\n".join(
        cell.source for cell in read(graded[0] / "release" / path.stem / path.name).cells
    )
    assert not [line for line in secrets(path) if line in handed_out]
    assert not re.search("BEGIN SOLUTION|BEGIN HIDDEN", text)


def feedback(graded, name, student):
    """The text of a student's feedback."""
    page = (graded[0] / "feedback" / student / name / f"{name}.html").read_text()
    return plain(page)


@pytest.mark.slow
@pytest.mark.needs("teach")
def test_students_get_feedback_that_tells_the_score(graded):
    text = feedback(graded, NAMES[3], "untouched")
    assert "(Score: 0.0 / " in text
    assert "NotImplementedError" in text


@pytest.mark.slow
@pytest.mark.needs("teach")
@each_set
@pytest.mark.parametrize("student", ["solutions", "untouched"])
def test_feedback_holds_no_hidden_test(path, student, graded):
    text = feedback(graded, path.stem, student)
    hidden = secrets(path, ["HIDDEN TESTS"])
    assert hidden
    assert not [line for line in hidden if line in text]
    assert "BEGIN HIDDEN" not in text


CELL = """assert area(2) == 4, "a square of side 2"
### BEGIN HIDDEN TESTS
assert area(31) == 961, f"31 gives {31 * 31}"
### END HIDDEN TESTS"""


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("a square of side 2", "AssertionError: a square of side 2"),
        ("", "AssertionError: "),
        ("31 gives 961", f"AssertionError: {_WITHHELD}"),
    ],
)
def test_an_error_in_feedback_says_only_what_stands_in_the_cell(said, left):
    nb = small(CELL)
    quoted = [f"----> 3 assert area(31) == 961, {said}"]
    nb.cells[0].outputs = [nbformat.v4.new_output("error", ename="AssertionError", evalue=said)]
    nb.cells[0].outputs[0].traceback = quoted
    shown, _ = NoHiddenTests().preprocess_cell(nb.cells[0], {}, 0)
    assert shown.source == CELL.splitlines()[0] + "\n"
    assert shown.outputs[0].traceback == [left]
    assert "961" not in str(shown)
