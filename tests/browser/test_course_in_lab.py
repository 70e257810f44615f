"""Exercise sets in JupyterLab as a student meets them: a stub, a wrong answer, a right one."""

import nbformat
import pytest

from medlab import course

# The first, the middle and the last; nbgrader runs all of them, without a browser.
SETS = course._find_sets()[::4]
WRONG = "def sha256_hex(text):\n    return text"
RIGHT = "def sha256_hex(text):\n    return hashlib.sha256(text.encode()).hexdigest()"


@pytest.mark.parametrize("source", SETS, ids=[path.stem for path in SETS])
def test_a_set_runs_up_to_the_first_answer_that_is_missing(opened, artifacts, source):
    notebook = opened("student", nb=course._student_copy(nbformat.read(source, 4)))
    notebook.run_all()
    (error,) = notebook.errors()
    assert "NotImplementedError" in error
    notebook.page.get_by_text("NotImplementedError:").last.scroll_into_view_if_needed()
    notebook.screenshot(f"course-{source.stem}")
    assert notebook.complaints == notebook.foreign == []


def test_a_student_writes_an_answer_and_the_check_says_what_is_wrong_with_it(opened, artifacts):
    nb = course._student_copy(nbformat.read(course._find_sets(["03"])[0], 4))
    first = next(i for i, cell in enumerate(nb.cells) if "def sha256_hex" in cell.source)
    notebook = opened("student", nb=nb)
    notebook.run_all()
    assert notebook.page.get_by_text("Hint", exact=True).first.is_visible()
    notebook.write(first, WRONG)
    assert "the example of the standard FIPS 180-4" in notebook.run(first + 1)
    notebook.write(first, RIGHT)
    assert "passed so far: 1 point" in notebook.run(first + 1)
    notebook.screenshot("course-answered")
    assert notebook.complaints == notebook.foreign == []
