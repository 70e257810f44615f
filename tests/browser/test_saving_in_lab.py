"""Saving in JupyterLab as lab.py opens it: what is seen stays on the screen, not in the file."""

import json

import nbformat

CELLS = ["reveal: bool = True", "'Okafor' + '^Jane'"]


def test_a_revealed_output_stays_on_the_screen_and_is_not_in_the_file(opened, server):
    notebook = opened("revealed", CELLS)
    notebook.run_all()
    notebook.page.locator(".jp-OutputArea").last.click()
    for _ in range(2):  # the second save finds the file as the first left it
        notebook.page.keyboard.press("Control+s")
        notebook.page.wait_for_function(
            "() => !document.querySelector('.lm-mod-current.jp-mod-dirty')"
        )
    assert "Okafor^Jane" in notebook.page.locator(".jp-OutputArea").last.inner_text()
    assert notebook.page.locator(".jp-Dialog").count() == 0
    (file,) = server.root.glob("revealed.ipynb")
    left = json.dumps([cell.outputs for cell in nbformat.read(file, 4).cells])
    assert "Okafor^Jane" not in left
    assert "it ran with reveal = True" in left
    assert "Okafor" not in server.log.read_text()
    assert notebook.complaints == []
