"""What continuous integration reads and hides; what it runs is its own test."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a script of bash")


def ask(*words, **environment):
    command = ["bash", ROOT / ".ci" / "run", *words]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_the_two_commands_are_read_out_of_readme():
    section = (ROOT / "README.md").read_text("utf-8").split("## Two commands")[1].split("\n## ")[0]
    (block,) = re.findall(r"```console\n(.*?)```", section, re.S)
    shown = [line.removeprefix("$ ").split("#")[0].strip() for line in block.splitlines()]
    assert ask("commands") == shown
    assert shown == ["python lab.py run", "python lab.py test"]


def test_programs_that_the_base_does_not_promise_are_out_of_reach_and_others_are_not(tmp_path):
    full, plain = tmp_path / "full", tmp_path / "plain"
    for folder, names in ((full, ("chromium", "tesseract", "bet", "other")), (plain, ("tool",))):
        folder.mkdir()
        for name in names:
            (folder / name).write_text("#!/bin/sh\n")
            (folder / name).chmod(0o755)
    path = f"{full}:{plain}:{os.environ['PATH']}"
    (told,) = ask("bare_path", str(tmp_path / "shadows"), PATH=path)
    first, second, *_ = told.split(":")
    assert [entry.name for entry in Path(first).iterdir()] == ["other"]
    assert second == str(plain)
    assert sorted(entry.name for entry in full.iterdir()) == [
        "bet",
        "chromium",
        "other",
        "tesseract",
    ]
