"""The course: its form, its student copies, and nbgrader's verdict on right and empty answers."""

import ast
import html
import re

import nbformat
import pytest
from click.testing import CliRunner
from course_cases import small

from medlab import course
from medlab.cli import commands
from medlab.errors import InputError, RefusedError, UsageError

SETS = course.find_sets()


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
    answers = [i for i, cell in enumerate(cells) if grading(cell).get("solution")]
    assert len(answers) >= 6
    for i in answers:
        before = [cell for cell in cells[max(0, i - 3) : i] if cell.cell_type == "markdown"]
        assert before, f"nothing leads to {cells[i].id}"
        after = [grading(cell).get("grade", False) for cell in cells[i + 1 : i + 4]]
        assert any(after), f"nothing checks {cells[i].id}"


@each_set
def test_students_are_told_the_names_that_checks_ask_for(path):
    cells = read(path).cells
    for i, cell in enumerate(cells):
        if not grading(cell).get("solution"):
            continue
        handed_out = course.student_copy(small(cell.source)).cells[0].source
        told = " ".join([handed_out, *(one.source for one in cells[max(0, i - 3) : i])])
        asked = " ".join(one.source for one in cells[i + 1 :] if one.cell_type == "code")
        for name in answers_in(cell):
            if re.search(rf"\b{name}\b", asked):
                assert re.search(rf"\b{name}\b", told), f"{name} is not named in {cell.id}"


@each_set
def test_figures_have_alternatives_and_hints_fold(path):
    cells = read(path).cells
    shows = [cell.source for cell in cells if "viz.show(" in cell.source]
    assert all("alt=" in source and "caption=" in source for source in shows)
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert prose.count("<details><summary>Hint") == prose.count("</details>") >= 3


@each_set
def test_what_students_get_without_nbgrader_holds_no_answer(path):
    copy = course.student_copy(read(path))
    text = "\n".join(cell.source for cell in copy.cells)
    assert not [line for line in secrets(path) if line in text]
    assert not re.search("SOLUTION|HIDDEN|nbgrader", text)
    assert copy.cells[0].source == read(path).cells[0].source
    answers = [cell for cell in read(path).cells if grading(cell).get("solution")]
    assert len([c for c in copy.cells if course.STUB.splitlines()[1] in c.source]) == len(answers)


def test_a_solution_becomes_a_place_to_write_at_its_own_depth():
    cell = "def f(x):\n    ### BEGIN SOLUTION\n    return x + 1\n    ### END SOLUTION\nf"
    copy = course.student_copy(small(cell))
    stub = "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()\nf"
    assert copy.cells[0].source == stub


def test_hidden_tests_go_and_visible_ones_stay():
    cell = "assert 1\n### BEGIN HIDDEN TESTS\nassert 42\n### END HIDDEN TESTS\nassert 2"
    assert course.student_copy(small(cell)).cells[0].source.split() == [
        "assert",
        "1",
        "assert",
        "2",
    ]


@pytest.mark.parametrize("half", ["### BEGIN SOLUTION\nx = 1", "x = 1\n### END HIDDEN TESTS"])
def test_a_region_that_is_not_closed_is_refused(half):
    with pytest.raises(InputError, match="opened or closed only"):
        course.student_copy(small(half))


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
        course.find_sets(["44"])


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Two students in nbgrader: one hands in the solutions, the other what was handed out."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    folder = tmp_path_factory.mktemp("teaching")
    course.build(folder, nbgrader=True)
    config = PyFileConfigLoader("nbgrader_config.py", str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    api = NbGraderAPI(config=config)
    for name in NAMES:
        for student, origin in (("right", "source"), ("empty", "release")):
            handed_in = folder / "submitted" / student / name
            handed_in.mkdir(parents=True)
            (handed_in / f"{name}.ipynb").write_bytes(
                (folder / origin / name / f"{name}.ipynb").read_bytes()
            )
            assert api.autograde(name, student)["success"]
    return folder, api


def scores(api, name, student):
    """The points of each graded cell, and the most there are."""
    with api.gradebook as book:
        graded = book.find_submission_notebook(name, name, student).grades
        return {one.name: (one.score, one.max_score) for one in graded}


@pytest.mark.slow
@pytest.mark.needs("teach")
@each_set
def test_the_solutions_get_full_marks(path, graded):
    missed = {
        cell: got
        for cell, got in scores(graded[1], path.stem, "right").items()
        if got[0] != got[1]
    }
    assert not missed


@pytest.mark.slow
@pytest.mark.needs("teach")
@each_set
def test_an_untouched_copy_gets_nothing(path, graded):
    won = {cell: got for cell, got in scores(graded[1], path.stem, "empty").items() if got[0] != 0}
    assert not won


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
    folder, api = graded
    assert api.generate_feedback(name, student)["success"]
    page = (folder / "feedback" / student / name / f"{name}.html").read_text()
    return html.unescape(re.sub("<[^>]+>", "", page))


@pytest.mark.slow
@pytest.mark.needs("teach")
def test_students_get_feedback_that_tells_the_score(graded):
    text = feedback(graded, NAMES[3], "empty")
    assert "(Score: 0.0 / " in text
    assert "NotImplementedError" in text


@pytest.mark.slow
@pytest.mark.needs("teach")
@each_set
@pytest.mark.parametrize("student", ["right", "empty"])
def test_feedback_holds_no_hidden_test(path, student, graded):
    text = feedback(graded, path.stem, student)
    hidden = secrets(path, ["HIDDEN TESTS"])
    assert hidden
    assert not [line for line in hidden if line in text]
    assert "BEGIN HIDDEN" not in text
