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
    "pass",
]


@pytest.fixture(scope="module")
def notebook(opened_once):
    notebook = opened_once("small", CELLS)
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


def test_a_control_moved_while_other_cells_run_says_that_it_waits_and_is_drawn_then(notebook):
    instrument = notebook.instrument("Columns")
    before = instrument.picture()
    cell = notebook.page.locator(".jp-Cell").nth(3)
    cell.locator(".cm-content").click()
    notebook.page.keyboard.press("Control+a")
    notebook.page.keyboard.insert_text("import time; time.sleep(8)")
    notebook.page.keyboard.press("Control+Enter")
    instrument.handle("column").focus()
    instrument.handle("column").press("b" if "age" in before else "a")
    notebook.page.wait_for_selector(".medlab-waiting", timeout=7000)
    said = instrument.box.evaluate("box => getComputedStyle(box, '::after').content")
    assert "Waiting for the kernel" in said
    notebook.page.wait_for_selector(".medlab-waiting", state="detached")
    assert instrument.picture() != before
    notebook.write(3, "pass")


def test_a_slider_is_as_wide_as_its_row_allows(notebook):
    slider = notebook.instrument("Classes").box.locator(".slider-container")
    assert slider.bounding_box()["width"] > 200


def test_a_screen_reader_gets_the_name_of_a_slider(notebook):
    handle = notebook.instrument("Classes").handle("k")
    handle.focus()
    assert handle.get_attribute("aria-label") == "k"
    assert handle.get_attribute("role") == "slider"


def test_a_restarted_kernel_is_said_and_running_again_mends_it(notebook):
    notebook.restart_kernel()
    left = notebook.page.locator(".jupyter-widgets-disconnected")
    said = left.first.evaluate("box => getComputedStyle(box, '::after').content")
    assert "run this cell again" in said
    notebook.run_all()
    notebook.page.wait_for_selector(".jupyter-widgets-disconnected", state="detached")
    instrument = notebook.instrument("Classes")
    instrument.press("k", "ArrowLeft")
    assert "k is 11" in instrument.picture()


def test_what_is_opened_again_or_in_another_tab_holds_the_first_picture_and_says_how_to_go_on(
    notebook,
):
    notebook.save()
    other = notebook.in_another_tab()
    shown = other.page.locator(".jp-OutputArea-output").all_inner_texts()
    assert "k is 12" in shown[0]
    assert all("run its cell in JupyterLab" in text for text in shown)
    other.run_all()
    instrument = other.instrument("Classes")
    instrument.press("k", "ArrowLeft")
    assert "k is 11" in instrument.picture()
    assert other.complaints == []
