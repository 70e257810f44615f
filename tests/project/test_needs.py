"""What tests need: each says so by one marker, and what it names is known."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from needs import MAY_BE_SKIPPED, NEEDS, missing

TESTS = Path(__file__).resolve().parents[1]
OTHER_WAYS = {"importorskip", "skip"}
# These may use skipif, for what only POSIX has.
POSIX = {
    "test_ci.py",
    "test_disk.py",
    "test_job_files.py",
    "test_job.py",
    "test_keys.py",
    "test_pool.py",
    "test_shipping_commands.py",
}


def calls(path):
    """Each call in a file: the last word of what is called, and its arguments."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr, [getattr(word, "value", None) for word in node.args]


FILES = sorted(TESTS.rglob("*.py"))
CALLS = [(path.name, *call) for path in FILES for call in calls(path)]


def test_every_need_that_a_test_names_is_known_and_every_known_one_is_named():
    named = {name for _, called, words in CALLS if called == "needs" for name in words}
    assert named == set(NEEDS)


def test_no_test_looks_by_itself_for_what_it_needs():
    assert [(file, called) for file, called, _ in CALLS if called in OTHER_WAYS] == []
    posix = {file for file, called, _ in CALLS if called == "skipif"}
    assert posix <= POSIX


def test_what_is_missing_is_named_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert missing(["chromium"]) == {"chromium": "apt-get install chromium"}
    with pytest.raises(KeyError):
        missing(["a need of which nothing is known"])


def test_each_test_that_may_be_skipped_stands_and_has_a_reason():
    for name, reason in MAY_BE_SKIPPED.items():
        file, _, function = name.partition("::")
        assert f"def {function.split('[')[0]}(" in (TESTS.parent / file).read_text("utf-8")
        assert len(reason.split()) > 3


SMALL = """
import pytest

def test_plain():
    pass

@pytest.mark.needs("here")
def test_here():
    pass

@pytest.mark.needs("gone")
def test_gone():
    pass

@pytest.mark.skipif(True, reason="told by the list")
def test_listed():
    pass
"""


def test_what_is_skipped_is_run_afterwards_and_fails_if_it_is_skipped_again(tmp_path):
    for name in ("conftest.py", "needs.py"):
        shutil.copy(TESTS / name, tmp_path)
    (tmp_path / "test_small.py").write_text(SMALL)

    def run(there, allowed, *words):
        with (tmp_path / "needs.py").open("a") as file:
            file.write(f"NEEDS['here'] = NEEDS['gone'] = (lambda: {there}, 'a command')\n")
            file.write(f"MAY_BE_SKIPPED.update({allowed})\n")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
        alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(
            command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False
        )
        return done.returncode, re.findall(r"(\d+ \w+)", done.stdout.splitlines()[-1])

    skipped = "test_small.py::test_listed", "test_small.py::test_here", "test_small.py::test_gone"
    assert run(False, {}, "--skipped-to", "ids") == (0, ["1 passed", "3 skipped"])
    assert sorted((tmp_path / "ids").read_text().split()) == sorted(skipped)
    assert run(True, {}, "--only-from", "ids") == (1, ["2 passed", "1 deselected", "1 error"])
    told = {skipped[0]: "as the test above has it"}
    assert run(True, told, "--only-from", "ids") == (0, ["2 passed", "1 skipped", "1 deselected"])
