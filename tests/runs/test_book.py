"""What a notebook calls first: it stops when started wrongly, and shows one value when asked."""

from pathlib import Path

import nbformat
import papermill
import pytest
from IPython.core.interactiveshell import InteractiveShell
from pydicom import dcmread
from pydicom.data import get_testdata_file
from traitlets.config import Config

from medlab.errors import UsageError
from medlab.runs import book
from medlab.runs.scrub import mask_revealed


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


def test_one_value_is_shown_and_neither_saved_nor_anything_beside_it(monkeypatch):
    path = Path(get_testdata_file("MR_small.dcm"))
    shown = []
    monkeypatch.setattr(
        "IPython.display.display", lambda *data, **more: shown.append((data, more))
    )
    run = book.begin()
    run.show_one([path], 1, "")
    assert shown == []
    run.show_one([path], 1, "PatientID")
    (((data,), more),) = shown
    assert data == {"text/plain": f"file 1, PatientID: {dcmread(path).PatientID}"}
    output = {"output_type": "display_data", "data": data, "metadata": more["metadata"]}
    cell = {"cell_type": "code", "source": "run.show_one(paths, 1, 'x')", "outputs": [output]}
    model = {"type": "notebook", "content": {"metadata": {}, "cells": [cell]}}
    mask_revealed(model)
    assert dcmread(path).PatientID not in str(model)


@pytest.mark.parametrize(("number", "keyword"), [(0, "PatientID"), (2, "PatientID"), (1, "Pat")])
def test_a_value_that_is_not_there_is_told_without_any(number, keyword):
    path = Path(get_testdata_file("MR_small.dcm"))
    with pytest.raises(UsageError) as caught:
        book.begin().show_one([path], number, keyword)
    assert str(dcmread(path).PatientID) not in str(caught.value)


@pytest.mark.parametrize("name", ["cohort.csv", "cohort.parquet", "cohort.pq", "COHORT.PQ"])
def test_a_table_is_known_by_every_name_that_is_read_as_one(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    assert book.checked_source(tmp_path / name, tables=True) == tmp_path / name
    assert book.checked_source(tmp_path, tables=False) == tmp_path
    with pytest.raises(UsageError, match="is a file"):
        book.checked_source(tmp_path / name, tables=False)
