"""lab.py: what it says when it cannot go on. Making the environment is what CI itself does."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.manager import run_kernel

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lab():
    spec = importlib.util.spec_from_file_location("lab", ROOT / "lab.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_bare_call_prints_the_help(lab, capsys):
    assert lab.main([]) == 0
    shown = capsys.readouterr().out
    assert "lab.py run" in shown
    assert "lab.py test" in shown


def test_an_unknown_command_is_bad_usage(lab, capsys):
    assert lab.main(["tset"]) == 2
    assert "there are: run, test, lab" in capsys.readouterr().err


def test_an_old_python_is_refused_in_one_sentence(lab, capsys, monkeypatch):
    monkeypatch.setattr(lab.sys, "version_info", (3, 10, 2))
    assert lab.main(["run"]) == 2
    assert capsys.readouterr().err == ("lab.py: this is Python 3.10; medlab needs 3.11 or newer\n")


def test_an_environment_that_cannot_be_made_is_explained(lab, capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(lab, "VENV", tmp_path / "file" / ".venv")
    assert lab.main(["run"]) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert "python3-venv" in message


def test_an_unknown_extra_is_refused_before_anything_is_installed(lab, capsys):
    assert lab.main(["setup", "gpu"]) == 1
    assert "neuro" in capsys.readouterr().err


def test_an_environment_made_anew_gets_back_the_extras_that_it_had(lab, monkeypatch, tmp_path):
    installed = []
    monkeypatch.setattr(lab, "VENV", tmp_path)
    monkeypatch.setattr(lab, "call", lambda words: 0)
    monkeypatch.setattr(lab, "install", lambda words: installed.append(words[-1]))
    monkeypatch.setattr(lab, "make_venv", lambda: (tmp_path / "medlab.extras").unlink())
    lab.add_extras(["teach", "neuro", "teach"])
    installed.clear()
    lab.make_environment()
    added = [Path(words).name for words in installed[2:]]
    assert added == ["requirements-neuro.lock", "requirements-teach.lock"]
    assert lab.extras_there() == ["neuro", "teach"]


def test_the_fingerprint_follows_the_lock(lab, monkeypatch, tmp_path):
    before = lab.fingerprint()
    changed = tmp_path / "requirements.lock"
    changed.write_bytes(lab.LOCK.read_bytes() + b"\n")
    monkeypatch.setattr(lab, "LOCK", changed)
    assert lab.fingerprint() != before


@pytest.mark.parametrize(("words", "asked"), [(["--browser", "-x"], "required"), (["-x"], "")])
def test_a_missing_browser_fails_the_tests_only_where_it_is_asked_for(
    lab, monkeypatch, words, asked
):
    called = []
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MEDLAB_BROWSER", "")
    monkeypatch.setattr(lab, "make_environment", lambda: None)
    monkeypatch.setattr(lab, "call", called.append)
    lab.main(["test", *words])
    assert lab.os.environ["MEDLAB_BROWSER"] == asked
    assert called[0][-1] == "-x"
    assert "--browser" not in called[0]


def test_jupyterlab_is_set_up_to_mask_and_its_kernels_keep_no_history(lab, monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr(lab, "VENV", tmp_path / "venv")
    monkeypatch.setattr(lab, "COPIES", tmp_path / "copies")
    monkeypatch.setattr(lab, "make_environment", lambda: None)
    monkeypatch.setattr(lab, "call", called.append)
    monkeypatch.setenv("IPYTHONDIR", "restored after the test")
    lab.main(["lab", "--no-browser"])
    (words,) = called
    config = next(word for word in words if word.startswith("--config="))
    assert Path(config.removeprefix("--config=")).is_file()
    assert words[-1] == "--no-browser"
    assert json.loads((tmp_path / "venv/etc/jupyter/labconfig/page_config.json").read_text())
    with run_kernel(kernel_name="python3", env=dict(os.environ)) as client:
        client.execute_interactive("secret = 'Okafor^Jane'", timeout=120, store_history=True)
    left = [path for path in (tmp_path / "venv").rglob("*") if path.is_file()]
    assert left
    assert not any(b"Okafor" in path.read_bytes() for path in left)
    assert not list(tmp_path.rglob("history.sqlite"))


def test_notebooks_open_as_copies_that_stay_until_fresh_ones_are_asked_for(
    lab, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(lab, "COPIES", tmp_path / "copies")
    lab.copy_notebooks(fresh=False)
    names = {path.name for path in (ROOT / "notebooks").rglob("*.ipynb")}
    assert {path.name for path in (tmp_path / "copies").rglob("*.ipynb")} == names
    changed = tmp_path / "copies" / "course" / "04_mondrian.ipynb"
    changed.write_text("mine")
    lab.copy_notebooks(fresh=False)
    assert changed.read_text() == "mine"
    os.utime(changed, (0, 0))
    capsys.readouterr()
    lab.copy_notebooks(fresh=False)
    assert "1 originals changed after they were copied" in capsys.readouterr().err
    lab.copy_notebooks(fresh=True)
    original = ROOT / "notebooks" / "course" / "04_mondrian.ipynb"
    assert changed.read_bytes() == original.read_bytes()
    (aside,) = tmp_path.glob("copies-*/course/04_mondrian.ipynb")
    assert aside.read_text() == "mine"


def test_git_ignores_the_folder_of_copies(lab):
    for name in (lab.COPIES.name, f"{lab.COPIES.name}-20240301-120000"):
        command = ["git", "-C", str(ROOT), "check-ignore", "-q", f"{name}/x.ipynb"]
        assert subprocess.run(command, check=False).returncode == 0


HEAVY = [
    "pandas",
    "nibabel",
    "nilearn",
    "matplotlib",
    "sklearn",
    "scipy",
    "skimage",
    "papermill",
    "IPython",
]


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("medlab, medlab.cli", [*HEAVY, "numpy", "pydicom"]),
        ("medlab.pipeline.job", HEAVY),  # each process of a job pays for it
    ],
)
def test_an_import_loads_no_heavy_package(modules, heavy):
    code = f"import sys, {modules};print(sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
