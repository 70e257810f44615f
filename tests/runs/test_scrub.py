"""What a notebook keeps when it is executed or saved."""

import asyncio
import logging
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import run_kernel
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from runs_cases import MADE, SECRET, everything_in, execute
from tornado.web import HTTPError
from traitlets.config import PyFileConfigLoader

from medlab.runs import scrub
from medlab.runs.book import REVEALED
from medlab.runs.scrub import mask_revealed

SLIPS = """\
import logging, sys, warnings
import ipywidgets, pydicom
warnings.warn(secret)
print(secret, file=sys.stderr)
logging.getLogger("x").warning(secret)
ipywidgets.Text(value=secret)
---
ds = pydicom.Dataset()
ds.PatientName = secret
ds
---
ipywidgets.Text(value=secret)
---
assert not secret, secret"""


@pytest.mark.slow
def test_a_value_that_slips_out_is_not_in_any_output(notebook, study, tmp_path, capfd):
    slipping = notebook(MADE, *SLIPS.split("---"), name="slipping")
    out = tmp_path / "out"
    (outcome,) = execute([slipping], out, data=study)
    assert outcome.failure.cell == 8
    assert SECRET not in everything_in(out)
    shown = capfd.readouterr()
    assert SECRET not in shown.out + shown.err


@pytest.mark.slow
def test_errors_are_kept_when_asked_for(notebook, study, tmp_path):
    path = notebook(f"{MADE}\nraise ValueError(secret)")
    execute([path], tmp_path / "out", data=study, show_errors=True)
    assert SECRET in (tmp_path / "out" / "tiny.ipynb").read_text()


PATIENT = "Okafor^Jane"
WIDGET = "application/vnd.jupyter.widget-view+json"
CONFIG = Path(scrub.__file__).with_name("lab_config.py")


@pytest.fixture
def contents(tmp_path):
    """Jupyter's own contents manager, set up by the configuration that lab.py hands over."""
    config = PyFileConfigLoader(CONFIG.name, CONFIG.parent).load_config()
    return AsyncLargeFileManager(root_dir=str(tmp_path), config=config)


def filled(*sources, metadata=None):
    """A filled whose cells have each an output that names a patient."""
    nb = nbformat.v4.new_notebook()
    for source in sources:
        cell = nbformat.v4.new_code_cell(source, execution_count=1)
        data = {"text/plain": PATIENT}
        about = metadata or {}
        cell.outputs = [nbformat.v4.new_output("execute_result", data, metadata=about)]
        nb.cells.append(cell)
    return nb


def saved(contents, nb) -> str:
    """All that lies in the folder after saving and setting a checkpoint."""
    model = {"type": "notebook", "format": "json", "content": nb}

    async def save():
        await contents.save(model, "work.ipynb")
        await contents.create_checkpoint("work.ipynb")

    asyncio.run(save())
    files = [path for path in Path(contents.root_dir).rglob("*") if path.is_file()]
    assert len(files) == 2
    return "".join(path.read_text() for path in files)


@pytest.mark.parametrize(
    "source",
    [
        "reveal: bool = True  # show identifiers",
        "reveal = True",
        "k = 5\nreveal = bool(1)",
        "dicom.tag_table(path, reveal=True)",
    ],
)
def test_outputs_of_a_revealed_notebook_are_not_saved_nor_kept_in_a_checkpoint(
    contents, source, caplog
):
    with caplog.at_level(logging.WARNING):
        text = saved(contents, filled(source, "ds"))
    assert PATIENT not in text
    assert text.count("(Left out when this notebook was saved") == 4  # two outputs, two files
    assert "2 outputs were left out" in caplog.text
    assert PATIENT not in caplog.text


def test_outputs_made_revealed_are_not_saved_after_reveal_was_set_back(contents):
    nb = filled("reveal: bool = False", "ds", metadata={REVEALED: True})
    assert PATIENT not in saved(contents, nb)


@pytest.mark.parametrize(
    "source",
    [
        "reveal: bool = False  # show identifiers instead of masking them",
        "dicom.tag_table(path, reveal=reveal)",
        "assert reveal == True",
    ],
)
def test_outputs_of_a_masked_notebook_are_saved_as_they_are(contents, source):
    assert PATIENT in saved(contents, filled(source))


def test_what_widgets_hold_is_never_saved(contents):
    nb = filled("1 + 1")
    nb.cells[0].outputs = []
    nb.metadata["widgets"] = {"state": {"one": {"value": PATIENT}}}
    assert PATIENT not in saved(contents, nb)


def test_a_notebook_that_cannot_be_looked_through_is_not_saved(contents):
    with pytest.raises(HTTPError, match="not saved"):
        mask_revealed({"type": "notebook", "content": {"metadata": {}, "cells": [{}]}})


def test_files_of_other_kinds_are_left_alone(contents):
    model = {"type": "file", "format": "text", "content": "reveal = True"}
    mask_revealed(model)
    assert model["content"] == "reveal = True"


def test_outputs_that_follow_reveal_carry_a_mark_until_a_run_without_it():
    code = "from medlab import runs\nrun = runs.begin(reveal={})\n'shown'"
    with run_kernel(kernel_name="python3") as client:
        told = [_outputs(client, code.format(reveal)) for reveal in (True, False)]
    assert "Identifiers are shown" in told[0][0]["data"]["text/plain"]
    assert told[0][-1]["metadata"] == {REVEALED: True}
    assert [output["metadata"] for output in told[1]] == [{}]


def _outputs(client, code):
    found = []
    client.execute_interactive(
        code,
        timeout=120,
        output_hook=lambda message: found.append(message["content"]),
    )
    return [content for content in found if "data" in content]


def test_of_an_widget_the_first_picture_is_saved_and_not_a_view_without_a_kernel(contents):
    nb = filled("widget")
    html = {"text/html": "<p>k is 2</p>", WIDGET: {"model_id": "1"}}
    nb.cells[0].outputs[0]["data"] |= html
    text = saved(contents, nb)
    assert "k is 2" in text
    assert WIDGET not in text
