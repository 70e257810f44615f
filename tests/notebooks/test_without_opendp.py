"""Notebook 09 where OpenDP is not installed: a sentence, the rest, and a good end."""

import sys

from in_process import in_process

from medlab.runs import find_notebooks


def test_what_needs_opendp_is_left_out_and_the_rest_stands(monkeypatch):
    monkeypatch.setitem(sys.modules, "opendp", None)
    (path,) = find_notebooks(["09"])
    names = in_process(path, draws=200)
    assert not names["drawn"]
    assert "setup dp" in names["lacking"]
    assert len(names["remembered"]) == 5
