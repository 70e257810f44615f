"""What every widget does in JupyterLab when something goes wrong around it."""

import pytest

CELLS = [
    """import ipywidgets as ipw
from medlab.errors import InputError
from medlab.widgets import InteractiveWidget""",
    """refusal = {13: InputError("13 is no k")}
shown = lambda k: (_ for _ in ()).throw(refusal[k]) if k in refusal else f"<p>k is {k}</p>"
control = ipw.IntSlider(value=12, min=2, max=20, description="k", continuous_update=False)
InteractiveWidget("Classes", {"k": control}, shown)""",
    """choice = ipw.Dropdown(options=["age", "birth"], description="column")
InteractiveWidget("Columns", {"name": choice}, lambda name: f"<p>column {name}</p>")""",
    "pass",
]


@pytest.fixture(scope="module")
def notebook(opened_once):
    notebook = opened_once("small", CELLS)
    notebook.run_all()
    return notebook


def test_a_refusal_is_said_and_the_next_value_is_drawn(notebook):
    widget = notebook.widget("Classes")
    widget.control("k").press("ArrowRight")
    notebook.page.wait_for_selector("text=Not drawn: 13 is no k")
    assert "k is 12" in widget.picture()
    widget.press("k", "ArrowRight")
    assert "k is 14" in widget.picture()
    assert notebook.complaints == notebook.foreign == []


def test_plain_keys_on_a_list_of_choices_choose_and_are_no_commands_of_the_notebook(notebook):
    widget = notebook.widget("Columns")
    widget.press("column", "b")
    assert "column birth" in widget.picture()
    widget.press("column", "ArrowUp")
    assert "column age" in widget.picture()
    assert notebook.page.locator(".jp-Cell").count() == len(CELLS)


def test_a_control_moved_while_other_cells_run_says_that_it_waits_and_is_drawn_then(notebook):
    widget = notebook.widget("Columns")
    before = widget.picture()
    cell = notebook.page.locator(".jp-Cell").nth(3)
    cell.locator(".cm-content").click()
    notebook.page.keyboard.press("Control+a")
    notebook.page.keyboard.insert_text("import time; time.sleep(8)")
    notebook.page.keyboard.press("Control+Enter")
    widget.control("column").focus()
    widget.control("column").press("b" if "age" in before else "a")
    notebook.page.wait_for_selector(".medlab-waiting", timeout=7000)
    said = widget.box.evaluate("box => getComputedStyle(box, '::after').content")
    assert "Waiting for the kernel" in said
    notebook.page.wait_for_selector(".medlab-waiting", state="detached")
    assert widget.picture() != before
    notebook.write(3, "pass")


def test_a_slider_is_as_wide_as_its_row_allows(notebook):
    slider = notebook.widget("Classes").box.locator(".slider-container")
    assert slider.bounding_box()["width"] > 200


def test_a_screen_reader_gets_the_name_of_a_slider(notebook):
    control = notebook.widget("Classes").control("k")
    control.focus()
    assert control.get_attribute("aria-label") == "k"
    assert control.get_attribute("role") == "slider"


def test_a_restarted_kernel_is_said_and_running_again_mends_it(notebook):
    notebook.restart_kernel()
    left = notebook.page.locator(".jupyter-widgets-disconnected")
    said = left.first.evaluate("box => getComputedStyle(box, '::after').content")
    assert "run this cell again" in said
    notebook.run_all()
    notebook.page.wait_for_selector(".jupyter-widgets-disconnected", state="detached")
    widget = notebook.widget("Classes")
    widget.press("k", "ArrowLeft")
    assert "k is 11" in widget.picture()


def test_what_is_opened_again_or_in_another_tab_holds_the_first_picture_and_says_how_to_go_on(
    notebook,
):
    notebook.save()
    other = notebook.in_another_tab()
    shown = other.page.locator(".jp-OutputArea-output").all_inner_texts()
    assert "k is 12" in shown[0]
    assert all("run its cell in JupyterLab" in text for text in shown)
    other.run_all()
    widget = other.widget("Classes")
    widget.press("k", "ArrowLeft")
    assert "k is 11" in widget.picture()
    assert other.complaints == []
