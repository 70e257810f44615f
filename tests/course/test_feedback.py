"""What feedback says of an error: no more than stands in the cell."""

import nbformat
import pytest
from course_cases import small

from medlab.feedback import WITHHELD, NoHiddenTests

CELL = """assert area(2) == 4, "a square of side 2"
### BEGIN HIDDEN TESTS
assert area(31) == 961, f"31 gives {31 * 31}"
### END HIDDEN TESTS"""


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("a square of side 2", "AssertionError: a square of side 2"),
        ("", "AssertionError: "),
        ("31 gives 961", f"AssertionError: {WITHHELD}"),
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
