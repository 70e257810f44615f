"""What every instrument does in JupyterLab when something goes wrong around it."""

import pytest

CELLS = [
    """import ipywidgets as ipw
from medlab.errors import InputError
from medlab.widgets import Instrument""",
    """refusal = {13: InputError("13 is no k")}
shown = lambda k: (_ for _ in ()).throw(refusal[k]) if k in refusal else f"<p>k is {k}</p>"
handle = ipw.IntSlider(value=12, min=2, max=20, description="k", continuous_update=False)
Instrument("Classes", {"k": handle}, shown)""",
    """choice = ipw.Dropdown(options=["age", "birth"], description="column")
Instrument("Columns", {"name": choice}, lambda name: f"<p>column {name}</p>")""",
]


@pytest.fixture
def notebook(opened):
    notebook = opened("small", CELLS)
    notebook.run_all()
    return notebook


def test_a_refusal_is_said_and_the_next_value_is_drawn(notebook):
    instrument = notebook.instrument("Classes")
    instrument.handle("k").press("ArrowRight")
    notebook.page.wait_for_selector("text=Not drawn: 13 is no k")
    assert "k is 12" in instrument.picture()
    instrument.press("k", "ArrowRight")
    assert "k is 14" in instrument.picture()
    assert notebook.complaints == notebook.foreign == []


def test_plain_keys_on_a_list_of_choices_choose_and_are_no_commands_of_the_notebook(notebook):
    instrument = notebook.instrument("Columns")
    instrument.press("column", "b")
    assert "column birth" in instrument.picture()
    instrument.press("column", "ArrowUp")
    assert "column age" in instrument.picture()
    assert notebook.page.locator(".jp-Cell").count() == len(CELLS)
