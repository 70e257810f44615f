"""An exercise set in JupyterLab as a student meets it: a stub, a wrong answer, a right one."""

import nbformat
from conftest import NOTEBOOKS

from medlab import course

WRONG = "def sha256_hex(text):\n    return text"
RIGHT = "def sha256_hex(text):\n    return hashlib.sha256(text.encode()).hexdigest()"


def test_a_student_writes_an_answer_and_the_check_says_what_is_wrong_with_it(opened, artifacts):
    nb = course.student_copy(nbformat.read(NOTEBOOKS / "course" / "03_hash_enumeration.ipynb", 4))
    first = next(i for i, cell in enumerate(nb.cells) if "def sha256_hex" in cell.source)
    notebook = opened("student", nb=nb)
    notebook.run_all()
    (error,) = notebook.errors()
    assert "NotImplementedError" in error
    assert notebook.page.get_by_text("Hint", exact=True).first.is_visible()
    notebook.write(first, WRONG)
    assert "the example of the standard FIPS 180-4" in notebook.run(first + 1)
    notebook.write(first, RIGHT)
    assert notebook.run(first + 1) == ""
    notebook.screenshot("student")
    assert notebook.complaints == notebook.foreign == []
