"""Each notebook in JupyterLab: it opens, runs, and its widget answers to the keyboard."""

import json
from itertools import cycle, islice

import pytest

SLIDE = ("ArrowRight", "ArrowLeft")
FEW = {"patients": 100, "seeds": 1, "heads": 2, "methods": "identity,Mondrian k,suppression"}
# Notebook, parameters that make it quick, title of its widget, label of a control, and
# two keys there and back.
MAIN = [
    ("01", {"files": 40}, "Tag explorer", "find", ("b", "Backspace")),
    ("02", {"digits": 3}, "Method comparer", "class width, years and kg", SLIDE),
    ("03", {}, "Partition explorer", "t: distance", SLIDE),
    ("04", {}, "BET explorer", "f: smaller keeps more", SLIDE),
    ("05", FEW, "Risk-utility map", "acceptable risk", SLIDE),
    ("06", {"numbers": 1}, "Text boxes", "1: header word", ("Space", "Space")),
]
MOST = 300  # ms from the release of a control to the new picture, on a machine of its own
TRIES = 6  # a busy machine may be late now and then


@pytest.mark.parametrize(
    ("name", "parameters", "title", "label", "keys"), MAIN, ids=[row[0] for row in MAIN]
)
def test_it_runs_and_its_widget_answers_to_the_keyboard(
    opened, artifacts, name, parameters, title, label, keys
):
    notebook = opened(name, **parameters)
    notebook.run_all()
    assert notebook.errors() == []
    widget = notebook.widget(title)
    taken = []
    for key in islice(cycle(keys), TRIES):
        taken.append(widget.press(label, key))
        if min(taken) <= MOST:
            break
    names = widget.names()
    assert label in names
    assert all(names)
    notebook.screenshot(f"{name}-lab")
    notebook.screenshot(f"{name}-widget", widget.box)
    (artifacts / f"{name}-widget.json").write_text(json.dumps({"ms": taken}))
    assert min(taken) <= MOST
    assert notebook.complaints == notebook.foreign == []
