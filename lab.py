#!/usr/bin/env python3
"""medlab from a checkout: make the environment, then run, test or open it.

    python lab.py run  [ARGUMENTS OF medlab run]    run the notebooks, leave a report
    python lab.py test [ARGUMENTS OF pytest]        run the tests; --browser: fail, rather than
                                                    skip, if there is no Chromium for JupyterLab
    python lab.py lab  [--fresh] [ARGUMENTS OF jupyter lab]
                                                    open JupyterLab on copies of the notebooks in
                                                    my-notebooks; --fresh: set them aside and copy
                                                    the originals again
    python lab.py kernel                            register this environment as the kernel medlab:
                                                    papermill -k medlab, in any environment
    python lab.py app  [ARGUMENTS OF medlab app]    serve the page without code
    python lab.py docs [RUN]                        build the pages of docs/ from the notebooks in
                                                    the folder of a run (without one, run them)
    python lab.py setup [EXTRA ...]                 add extras: neuro, scale, teach, app, dp,
                                                    federated, docs
    python lab.py lock                              for maintainers: renew the lock files

Standard library only. The environment is made in .venv from requirements.lock, with
every file checked against its hash; nothing else needs to be installed first.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
COPIES = ROOT / "my-notebooks"
EXTRAS = ("neuro", "scale", "teach", "app", "dp", "federated", "docs")
OLDEST = (3, 11)
# Set in the environment before JupyterLab opens: no history of cells, no news from elsewhere.
QUIET = {
    "ipython/profile_default/ipython_config.py": """c = get_config()
c.HistoryManager.enabled = False
""",
    "etc/jupyter/labconfig/page_config.json": """{
"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}
}
""",
}


def main(arguments: list[str]) -> int:
    """Do what the first word says; without one, print the help."""
    verbs = {"run": run, "test": test, "lab": lab, "app": app, "docs": docs}
    verbs |= {"kernel": kernel, "setup": setup, "lock": lock}
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(__doc__.strip())
        return 0
    if arguments[0] not in verbs:
        print(f"lab.py: no command of that name; there are: {', '.join(verbs)}", file=sys.stderr)
        return 2
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:2]))
        print(f"lab.py: this is Python {found}; medlab needs 3.11 or newer", file=sys.stderr)
        return 2
    try:
        return verbs[arguments[0]](arguments[1:])
    except SetupError as failure:
        print(f"lab.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


class SetupError(Exception):
    """Something that a sentence can explain."""


def run(arguments: list[str]) -> int:
    """Run the notebooks into runs/<time>."""
    make_environment()
    if "--output" not in arguments and "--list" not in arguments and "--help" not in arguments:
        arguments = [*arguments, "--output", str(ROOT / "runs" / time.strftime("%Y%m%d-%H%M%S"))]
    return call(["-m", "medlab", "run", *arguments])


def test(arguments: list[str]) -> int:
    """Run the tests on two processes; with ``--browser``, those in JupyterLab must run."""
    make_environment()
    if "--browser" in arguments:
        arguments = [word for word in arguments if word != "--browser"]
        os.environ["MEDLAB_BROWSER"] = "required"
    for library in ("OPENBLAS", "OMP"):  # whose threads would wait for each other's cores
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    os.chdir(ROOT)
    spread = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    return call(["-m", "pytest", *spread, *arguments])


def lab(arguments: list[str]) -> int:
    """Open JupyterLab on copies of the notebooks; nothing remembers what cells held."""
    make_environment()
    for name, text in QUIET.items():
        if not (VENV / name).exists():
            (VENV / name).parent.mkdir(parents=True, exist_ok=True)
            (VENV / name).write_text(text)
    os.environ["IPYTHONDIR"] = str(VENV / "ipython")
    copy_notebooks(fresh="--fresh" in arguments)
    arguments = [word for word in arguments if word != "--fresh"]
    config = ROOT / "medlab" / "runs" / "lab_config.py"
    return call(
        ["-m", "jupyterlab", f"--config={config}", "--notebook-dir", str(COPIES), *arguments]
    )


def copy_notebooks(*, fresh: bool) -> None:
    """Copy the notebooks that are not yet in the folder to work in; git ignores it."""
    if fresh and COPIES.exists():
        aside = COPIES.with_name(f"{COPIES.name}-{time.strftime('%Y%m%d-%H%M%S')}")
        COPIES.rename(aside)
        say(f"your copies are now in {aside.name}")
    older = 0
    for source in sorted((ROOT / "notebooks").rglob("*")):
        copy = COPIES / source.relative_to(ROOT / "notebooks")
        if source.suffix not in (".ipynb", ".md") or ".ipynb_checkpoints" in source.parts:
            continue
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        older += source.stat().st_mtime > copy.stat().st_mtime
    say(f"the notebooks open as copies in {COPIES.name}; lab --fresh brings the originals back")
    if older:
        say(f"{older} originals changed after they were copied")


def kernel(_: list[str]) -> int:
    """Register the environment as a Jupyter kernel of this user."""
    make_environment()
    words = ["--user", "--name", "medlab", "--display-name", "Python (medlab)"]
    return call(["-m", "ipykernel", "install", *words])


def app(arguments: list[str]) -> int:
    """Serve the page without code on this machine; its extra is added the first time."""
    make_environment()
    if call(["-c", "import importlib.util as u, sys; sys.exit(u.find_spec('voila') is None)"]):
        setup(["app"])
    return call(["-m", "medlab", "app", *arguments])


def docs(arguments: list[str]) -> int:
    """Build the site into docs/_build/html, any warning an error, and check it."""
    setup(["docs"])
    pages = ROOT / "docs"
    folder = Path(arguments[0]).resolve() if arguments else pages / "_build" / "run"
    if not arguments and run(["--output", str(folder), "--overwrite"]):
        raise SetupError("a notebook stopped, so there are no pages to build")
    if not any(folder.glob("0*.ipynb")):
        raise SetupError("no executed notebook in that folder; give the folder of a run")
    os.environ["MEDLAB_EXECUTED"] = str(folder)
    site = pages / "_build" / "html"
    words = ["-q", "-W", "--keep-going", "-E", "-b", "html", str(pages), str(site)]
    say("building the pages")
    failed = call(["-m", "sphinx", *words]) or call([str(pages / "check_site.py"), str(site)])
    if not failed:
        say(f"the site is {site / 'index.html'}")
    return failed


def setup(extras: list[str]) -> int:
    """Make the environment and add extras to it."""
    unknown = [name for name in extras if name not in EXTRAS]
    if unknown:
        raise SetupError(f"no extra of that name; there are: {', '.join(EXTRAS)}")
    make_environment()
    add_extras(extras)
    say("the environment in .venv is ready")
    return 0


def add_extras(names: list[str]) -> None:
    """Install extras, and note them beside the stamp, for an environment that is made anew."""
    for name in names:
        say(f"adding the extra {name}")
        install(["--require-hashes", "--no-deps", "-r", str(extra_lock(name))])
        noted = extras_there()
        (VENV / "medlab.extras").write_text(" ".join(sorted({*noted, name})))


def extras_there() -> list[str]:
    """Return the extras that the environment holds."""
    noted = VENV / "medlab.extras"
    words = noted.read_text().split() if noted.is_file() else []
    return [name for name in words if name in EXTRAS]


def say(sentence: str) -> None:
    """Tell on the error stream what is done, at once."""
    print(f"lab.py: {sentence}", file=sys.stderr, flush=True)


def python() -> Path:
    """Return the path of the environment's Python."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def call(arguments: list[str]) -> int:
    """Run the environment's Python and return its exit code.

    Ctrl-C reaches the program itself; it is given the time to clean up.
    """
    with subprocess.Popen([str(python()), *arguments]) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def make_environment() -> None:
    """Make .venv, unless the one that stands fits lock, project and Python."""
    stamp = VENV / "medlab.stamp"
    wanted = fingerprint()
    if stamp.is_file() and stamp.read_text() == wanted and python().is_file():
        return
    say("making the environment in .venv (once; a minute or two)")
    extras = extras_there()
    make_venv()
    say(f"1 of 2: {len(entries(LOCK.read_text()))} packages")
    install(["--require-hashes", "--no-deps", "-r", str(LOCK)])
    say("2 of 2: medlab itself")
    install(["--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    call(["-m", "compileall", "-q", str(ROOT / "medlab")])
    stamp.write_text(wanted)
    add_extras(extras)


def fingerprint() -> str:
    """Return a digest of all that decides what the environment holds."""
    parts = [LOCK.read_bytes(), (ROOT / "pyproject.toml").read_bytes(), sys.version.encode()]
    return hashlib.sha256(b"\0".join([*parts, str(ROOT).encode()])).hexdigest()


def make_venv() -> None:
    """Make an empty virtual environment; what stood there, its stamp included, goes."""
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        raise SetupError(
            "no virtual environment could be made; on Debian and Ubuntu install python3-venv, "
            "and check that this folder can be written to"
        )


def install(arguments: list[str]) -> None:
    """Install with uv when it can be had (several times faster), else with pip."""
    # Not from the project's folder: there uv would apply the overrides of pyproject.toml
    # and ask for versions that the lock doesn't hold.
    if subprocess.call([*installer(), *arguments], cwd=tempfile.gettempdir()):
        raise SetupError(
            "the packages could not be installed; see the lines above, "
            "check the network and call the same command again"
        )


def installer() -> list[str]:
    """Return the command that installs into .venv; its progress shows on a terminal only."""
    pip = [str(python()), "-m", "pip"]
    hushed = [] if sys.stderr.isatty() else ["--quiet"]
    # As pip does. Where Python may not write compiled modules, as in many containers, each kernel
    # would compile them all again: 5 s.
    words = ["pip", "install", *hushed, "--compile-bytecode", "--python", str(python())]
    if found := shutil.which("uv"):
        return [found, *words]
    inside = python().with_name("uv.exe" if os.name == "nt" else "uv")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if inside.is_file() or not subprocess.call([*pip, "install", "--quiet", "uv"], **quiet):
        return [str(inside), *words]
    return [*pip, "install", *hushed, "--disable-pip-version-check"]


def extra_lock(name: str) -> Path:
    """Return the lock file of an extra: what it adds to requirements.lock."""
    return ROOT / f"requirements-{name}.lock"


def lock(_: list[str]) -> int:
    """Resolve everything once and export the lock files, with hashes and without addresses."""
    make_environment()
    installer()
    uv = shutil.which("uv") or str(python().with_name("uv"))
    if subprocess.call([uv, "lock", "--upgrade", "--quiet"], cwd=ROOT):
        raise SetupError("the versions could not be resolved; see the lines above")
    base = export(uv, ["--group", "dev", "--extra", "pixels"])
    LOCK.write_text(base)
    held = set(entries(base))
    for name in EXTRAS:
        words = ["--group", name] if name == "docs" else ["--extra", name]
        added = {key: text for key, text in entries(export(uv, words)).items() if key not in held}
        extra_lock(name).write_text("".join(added.values()))
    return 0


def export(uv: str, words: list[str]) -> str:
    """Return one requirements file of the common resolution."""
    command = [uv, "export", "--frozen", "--no-emit-project", "--no-header", "--no-annotate"]
    command += ["--no-default-groups", "--quiet", *words]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def entries(text: str) -> dict[str, str]:
    """Split a requirements file into entries, by their first line."""
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", text)
    return {block.split(" \\")[0]: block for block in blocks if block.strip()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
