"""Notebook 11 where Flower is not installed: a sentence, the rest, and a good end."""

import sys

from in_process import in_process

from medlab.runs import find_notebooks


def test_what_needs_flower_is_left_out_and_the_rest_stands(monkeypatch):
    monkeypatch.setitem(sys.modules, "flwr", None)
    (path,) = find_notebooks(["11"])
    names = in_process(path)
    assert not names["present"]
    assert "setup federated" in names["lacking"]
    assert not names["runs_of"]
    assert names["label"] == names["truth"][0]
