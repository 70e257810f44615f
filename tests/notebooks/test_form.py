"""The form of a notebook: what papermill, git and a reader rely on."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from medlab.runs.plan import notebook_parameters

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
ALWAYS = {"data_dir": "str", "output_dir": "str", "reveal": "bool", "seed": "int"}

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def is_parameters(cell) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


def test_it_is_saved_without_outputs_and_without_traces_of_a_run(path):
    nb = read(path)
    nbformat.validate(nb)
    assert set(nb.metadata) <= {"kernelspec", "language_info"}
    for cell in code(path):
        assert not cell.outputs
        assert cell.execution_count is None
        assert "injected-parameters" not in cell.metadata.get("tags", [])


def test_papermill_reads_every_parameter_with_type_and_help(path):
    (cell,) = [cell for cell in code(path) if is_parameters(cell)]
    found = notebook_parameters(path)
    assigned = [node.target.id for node in ast.parse(cell.source).body]
    assert list(found) == assigned
    for name, about in found.items():
        assert about.kind in ("str", "int", "float", "bool", "list"), name
        assert about.help, f"{name} has no comment that says what it is"
    assert ALWAYS.items() <= {name: about.kind for name, about in found.items()}.items()
    assert found["data_dir"].default == found["output_dir"].default == "''"


def test_it_begins_with_title_parameters_imports_and_the_check_of_parameters(path):
    cells = read(path).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    first, second = code(path)[:2]
    assert is_parameters(first)
    assert "run = runs.begin(data_dir, output_dir, seed=seed, reveal=reveal" in second.source
    # A value at the end of a cell is shown: here it may be paths, which name patients.
    assert not isinstance(ast.parse(second.source).body[-1], ast.Expr)
    imports = [cell for cell in code(path) if re.search(r"(?m)^(import|from) ", cell.source)]
    assert imports == [second]


def test_it_defines_no_function_and_keeps_cells_short(path):
    for cell in code(path):
        tree = ast.parse(cell.source)
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    lengths = sorted(len(cell.source.splitlines()) for cell in code(path)[2:])
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[-1] <= 25


def test_it_ends_with_real_checks_and_where_to_go_next(path):
    cells = read(path).cells
    headings = re.findall(
        r"(?m)^## (.+)$", "\n".join(c.source for c in cells if c.cell_type == "markdown")
    )
    assert "Checks" in headings
    assert headings.index("Checks") >= len(headings) - 2
    checks = "\n".join(cell.source for cell in code(path)[-2:])
    assert len(re.findall(r"(?m)^\s*assert ", checks)) >= 3


def test_prose_leads_to_the_code_and_figures_have_alternatives(path):
    cells = read(path).cells
    code_cells = [i for i, cell in enumerate(cells) if cell.cell_type == "code"]
    led = [i for i in code_cells[2:] if cells[i - 1].cell_type == "markdown"]
    assert len(led) >= 0.7 * len(code_cells[2:])
    shows = [cell.source for cell in code(path) if "viz.show(" in cell.source]
    assert shows
    assert all("alt=" in source and "caption=" in source for source in shows)


def test_it_writes_no_formula_that_needs_a_script(path):
    assert not any("$" in cell.source for cell in read(path).cells if cell.cell_type == "markdown")
