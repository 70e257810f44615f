"""Notebook 12 where pynetdicom is not installed: a sentence, the rest, and a good end."""

import sys

from in_process import in_process

from medlab.runs import find_notebooks


def test_the_gateway_is_left_out_and_order_and_times_stand(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynetdicom", None)
    (path,) = find_notebooks(["12"])
    names = in_process(path, rows=200, slices=2)
    assert "setup scale" in names["lacking"]
    assert not names["answers"]
    assert names["told"] == {"a plain tool": 1, "medlab": 0}
