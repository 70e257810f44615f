"""A notebook that plain papermill started wrongly stops in its first cell."""

import nbformat
import papermill
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from medlab.errors import UsageError
from medlab.runs import book


@pytest.fixture
def stopped(notebook, tmp_path):
    """Run a tiny notebook by papermill itself; return the sentence of its first failing cell."""

    def run(**parameters):
        target = tmp_path / "out.ipynb"
        with pytest.raises(papermill.PapermillExecutionError) as caught:
            papermill.execute_notebook(notebook(), target, parameters, progress_bar=False)
        ran = [cell for cell in nbformat.read(target, 4).cells if cell.get("execution_count")]
        assert len(ran) == 3  # parameters, what was injected, the beginning
        return caught.value.evalue

    return run


def test_a_misspelled_parameter_stops_plain_papermill_with_the_names_there_are(stopped):
    assert stopped(shere=0.2).startswith("no parameter shere; there are: data_dir, output_dir")


@pytest.mark.parametrize(
    ("injected", "told"),
    [
        ("k = 1", "k takes a whole number, 2 to 100; 1 is out of range"),
        ('k = "7"', "k is text; write it without quotation marks"),
    ],
)
def test_a_value_that_does_not_fit_stops_the_cell_that_begins(
    injected, told, notebook, monkeypatch
):
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    shell = InteractiveShell(config=config)
    monkeypatch.setattr(book, "_shell", lambda: shell)
    _, parameters, begin = (cell.source for cell in nbformat.read(notebook(), 4).cells)
    for source in (parameters, f"# Parameters\n{injected}\n"):
        shell.run_cell(source, store_history=True).raise_error()
    error = shell.run_cell(begin, store_history=True).error_in_exec
    assert (type(error), str(error)) == (UsageError, told)
